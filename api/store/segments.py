"""Encrypted files that grow: journals, recordings, and blobs that are read in ranges.

A file is a header of 48 bytes and then segments of at most 64 KiB of plain text each::

    header   "FCSEG", version 1, layout 1, zero 1, id of the data key 8, salt 32
    segment  last? 1 bit and length 31 bits, nonce 12, cipher text as long as the text, tag 16

Every segment's additional data name its place, its index and whether it is the last. So a segment
that was altered, moved, swapped, repeated or left out is refused, and so is one of another file:
each file has a key of its own, derived from the data key, the header (with its random salt) and the
place. Under that key the 96 bits of a nonce are random and not a counter: after a crash the segment
that was being written is written again with other text, which with a counter would use a nonce
twice. 2^32 segments (NIST SP 800-38D, 8.3) are more than a file will have.

*Growing* files (a call that goes on) have segments as long as what each flush found. In *fixed*
files (finished recordings, uploads) every segment but the last is full, so that a range of plain
text tells which bytes to fetch (`FixedLayout`). The cost is 32 bytes for each segment: 0.05 % of
full ones, 16 % of a journal that writes each record of 200 bytes through.

A growing file that was cut off at any byte opens up to its last whole segment. Cut between two
segments it looks like one that a crash ended: who knows that it was finished says so on reading.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.store.crypto import NONCE_BYTES, TAG_BYTES, Damaged, DataKey, WrongKey

SEGMENT_BYTES: Final = 64 * 1024
"""Plain text of a full segment."""
HEADER_BYTES: Final = 48
HEAD_BYTES: Final = 4 + NONCE_BYTES
OVERHEAD_BYTES: Final = HEAD_BYTES + TAG_BYTES
GROWING: Final = 0
FIXED: Final = 1

_MAGIC = b"FCSEG\x01"
_LAST = 1 << 31


class Finished(Exception):
    """A file that has its last segment takes no more."""


def new_header(key: DataKey, layout: int) -> bytes:
    return _MAGIC + bytes([layout, 0]) + key.id + os.urandom(32)


class Segments:
    """One file's segments, sealed and opened one by one."""

    def __init__(self, key: DataKey, place: str, header: bytes) -> None:
        """`place` is ``dealership:session:blob``. Raises `Damaged`, or `WrongKey`."""
        whole = len(header) == HEADER_BYTES and header.startswith(_MAGIC) and header[7] == 0
        if not whole or header[6] not in (GROWING, FIXED):
            raise Damaged("This is no encrypted file of a version that this release knows.")
        if header[8:16] != key.id:
            raise WrongKey("This file was written with another data key.")
        self.layout = header[6]
        self._place = place
        purpose = f"segments of {place} {header[:16].hex()}"
        self._aead = AESGCM(key.derive(purpose, header[16:]))

    def seal(self, index: int, plain: bytes | memoryview, *, last: bool) -> bytes:
        """One segment as it stands in the file."""
        head = (len(plain) | (_LAST if last else 0)).to_bytes(4, "big")
        nonce = os.urandom(NONCE_BYTES)
        return head + nonce + self._aead.encrypt(nonce, plain, self._aad(index, last))

    def open(self, index: int, segment: bytes | memoryview) -> tuple[bytes, bool]:
        """A whole segment's text, and whether it is the last. Raises `Damaged`."""
        length, last = parse_head(bytes(segment[:4]))
        if len(segment) != OVERHEAD_BYTES + length:
            raise Damaged(f"Segment {index} is not as long as it says.")
        try:
            nonce = bytes(segment[4:HEAD_BYTES])
            return self._aead.decrypt(nonce, segment[HEAD_BYTES:], self._aad(index, last)), last
        except InvalidTag as error:
            raise Damaged(
                f"Segment {index} does not open: it was altered, or is not where it was written."
            ) from error

    def _aad(self, index: int, last: bool) -> bytes:
        return b"%s:%d:%d" % (self._place.encode(), index, last)


def parse_head(head: bytes) -> tuple[int, bool]:
    """A segment's length of plain text, and whether it is the last. Raises `Damaged`."""
    number = int.from_bytes(head, "big")
    last = bool(number & _LAST)
    length = number & ~_LAST
    if len(head) != 4 or length > SEGMENT_BYTES or (length == 0 and not last):
        raise Damaged("A segment's head says an impossible length.")
    return length, last


@dataclass(frozen=True, slots=True)
class FixedLayout:
    """Where the plain text of a fixed file of `stored_bytes` lies in it."""

    stored_bytes: int

    def __post_init__(self) -> None:
        if self._body <= 0 or (self._body - 1) % _FULL < OVERHEAD_BYTES - 1:
            raise Damaged("An encrypted file was cut: no segment ends where it ends.")

    @property
    def _body(self) -> int:
        return self.stored_bytes - HEADER_BYTES

    @property
    def count(self) -> int:
        """Segments, the last included."""
        return -(-self._body // _FULL)

    @property
    def size(self) -> int:
        """Bytes of plain text."""
        return self._body - self.count * OVERHEAD_BYTES

    def span(self, start: int, end: int) -> tuple[int, int, int]:
        """Stored bytes ``[from, to)`` that hold plain text ``[start, end)``, and the first index.

        An empty range yields an empty span. Raises `ValueError` for a range beyond the text.
        """
        if not 0 <= start <= end <= self.size:
            raise ValueError(f"no bytes {start} to {end} in {self.size}")
        first = start // SEGMENT_BYTES
        if start == end:
            return HEADER_BYTES, HEADER_BYTES, first
        behind = (end - 1) // SEGMENT_BYTES + 1
        stored_end = min(HEADER_BYTES + behind * _FULL, self.stored_bytes)
        return HEADER_BYTES + first * _FULL, stored_end, first

    def open(self, segments: Segments, start: int, end: int, stored: bytes) -> bytes:
        """Plain text ``[start, end)`` of the bytes that `span` names. Raises `Damaged`."""
        _, _, first = self.span(start, end)
        if start == end:
            return b""
        if segments.layout != FIXED:
            raise Damaged("This file's segments are not of a fixed length.")
        parts = []
        view = memoryview(stored)
        for index in range(first, (end - 1) // SEGMENT_BYTES + 1):
            at = (index - first) * _FULL
            plain, last = segments.open(index, view[at : at + _FULL])
            if last != (index == self.count - 1):
                raise Damaged("An encrypted file was cut: its last segment is not the last.")
            parts.append(plain)
        skipped = first * SEGMENT_BYTES
        return b"".join(parts)[start - skipped : end - skipped]


_FULL = SEGMENT_BYTES + OVERHEAD_BYTES


class Sealer:
    """Turns a stream of plain text into a fixed file, at most one segment behind."""

    def __init__(self, key: DataKey, place: str) -> None:
        self._header = new_header(key, FIXED)
        self._segments = Segments(key, place, self._header)
        self._pending = bytearray()
        self._index = 0

    def push(self, chunk: bytes) -> bytes:
        """What can be stored now: maybe nothing."""
        out = [self._header]
        self._header = b""
        self._pending += chunk
        # A full segment waits for more: it may be the last.
        while len(self._pending) > SEGMENT_BYTES:
            out.append(self._seal(bytes(self._pending[:SEGMENT_BYTES]), last=False))
            del self._pending[:SEGMENT_BYTES]
        return b"".join(out)

    def finish(self) -> bytes:
        """The rest, with the last segment."""
        return self.push(b"") + self._seal(bytes(self._pending), last=True)

    def _seal(self, plain: bytes, *, last: bool) -> bytes:
        segment = self._segments.seal(self._index, plain, last=last)
        self._index += 1
        return segment


@dataclass(frozen=True, slots=True)
class Extent:
    """Where one whole segment lies: in the file, and its text in the plain text."""

    index: int
    at: int
    start: int
    length: int
    last: bool


def walk(file: int) -> Iterator[Extent]:
    """The whole segments of an open file, by their heads. Raises `Damaged`; a torn tail ends it."""
    size = os.fstat(file).st_size
    at, start, index = HEADER_BYTES, 0, 0
    while at + HEAD_BYTES <= size:
        head = os.pread(file, 4, at)
        if head == b"\0\0\0\0" and _is_zero(file, at, size):
            return  # a file that a power cut left longer than what was written to it
        length, last = parse_head(head)
        if at + OVERHEAD_BYTES + length > size:
            return
        yield Extent(index, at, start, length, last)
        at += OVERHEAD_BYTES + length
        start += length
        index += 1
        if last:
            if at != size:
                raise Damaged("Something follows the last segment of an encrypted file.")
            return


def _is_zero(file: int, at: int, size: int) -> bool:
    while at < size:
        chunk = os.pread(file, SEGMENT_BYTES, at)
        if not chunk or chunk.strip(b"\0"):
            return False
        at += len(chunk)
    return True


def header_of(file: int) -> bytes | None:
    """The header; None when the file was cut before its end. Raises `Damaged`."""
    header = os.pread(file, HEADER_BYTES, 0)
    if len(header) == HEADER_BYTES and header.strip(b"\0"):
        return header
    if header.strip(b"\0") and header[: len(_MAGIC)] != _MAGIC[: len(header)]:
        raise Damaged("This is no encrypted file.")
    return None


class SegmentReader:
    """Reads a file, growing or finished, in ranges of its plain text.

    It knows what was in the file when it was opened. Use it in a thread: it waits for the disk.
    """

    def __init__(self, path: Path, key: DataKey, place: str, *, finished: bool = False) -> None:
        """Raises `WrongKey`, and `Damaged`: with `finished` also when the last segment lacks."""
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            header = header_of(self._file)
            self._segments = Segments(key, place, header) if header is not None else None
            self._all = list(walk(self._file)) if header is not None else []
            self.finished = bool(self._all) and self._all[-1].last
            if finished and not self.finished:
                raise Damaged("An encrypted file was cut: its last segment is not there.")
            if self._all:
                self._open(self._all[-1])
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """Bytes of plain text in whole segments."""
        return self._all[-1].start + self._all[-1].length if self._all else 0

    def read(self, start: int, end: int) -> bytes:
        """Plain text ``[start, end)``, less where the file ends; opens no other segments."""
        parts = []
        low, high = 0, len(self._all)
        while low < high:
            middle = (low + high) // 2
            found = self._all[middle]
            if found.start + found.length <= start:
                low = middle + 1
            else:
                high = middle
        for segment in self._all[low:]:
            if segment.start >= end:
                break
            plain = self._open(segment)
            parts.append(plain[max(start - segment.start, 0) : end - segment.start])
        return b"".join(parts)

    def __iter__(self) -> Iterator[bytes]:
        """The text of each segment, in order."""
        for segment in self._all:
            yield self._open(segment)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> SegmentReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self, segment: Extent) -> bytes:
        assert self._segments is not None
        stored = os.pread(self._file, OVERHEAD_BYTES + segment.length, segment.at)
        plain, _ = self._segments.open(segment.index, stored)
        return plain
