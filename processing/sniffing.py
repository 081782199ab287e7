"""What a file is by its first bytes, whatever its name or sender says.

Signatures as in the WHATWG's MIME Sniffing standard, 6.1 and 6.2, and for what it leaves out RFC
3533 (Ogg), ISO/IEC 14496-12, 4.3 (brands of ISO files), 11172-3, 2.4.2.3 (MP3 frames), TIFF 6.0. A
signature is looked for where a decoder begins to read, so that a file which hides another further
on is what its beginning says. That it can be decoded is not said.
"""

from __future__ import annotations

from typing import Final

HEAD_BYTES: Final = 512
"""That `media_type` wants to see, of what is longer."""

_AT_START: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"OggS\0", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)
_IN_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS: Final = (
    (frozenset({b"avif", b"avis"}), "image/avif"),
    (frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}), "image/heic"),
    (frozenset({b"M4A ", b"M4B ", b"mp41", b"mp42", b"isom", b"iso2", b"dash"}), "audio/mp4"),
)
"""Pictures before sound, as a picture may carry a brand of the base format, too."""


def media_type(head: bytes) -> str | None:
    """``image/...`` or ``audio/...`` of the file that begins with `head`; None for all others."""
    for signature, name in _AT_START:
        if head.startswith(signature):
            return name
    if head[:4] in (b"RIFF", b"RF64"):
        return _IN_RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    return "audio/mpeg" if _is_mp3_frame(head) else None


def _of_brands(head: bytes) -> str | None:
    """Of an ISO file by its major brand, then by those that it is compatible with."""
    length = int.from_bytes(head[:4], "big")
    if not 16 <= length <= HEAD_BYTES or length % 4:
        return None
    compatible = {head[at : at + 4] for at in range(16, min(length, len(head)), 4)}
    for brands in ({head[8:12]}, compatible):
        for known, name in _BRANDS:
            if brands & known:
                return name
    return None


def _is_mp3_frame(head: bytes) -> bool:
    """A header of layer III: eleven bits set, and no field at a value that is not allowed."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bit_rate, sample_rate = head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer == 1 and 0 < bit_rate < 15 and sample_rate != 3
