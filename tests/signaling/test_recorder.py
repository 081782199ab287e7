"""Recordings: untouched packets, on session time, whatever breaks."""

from __future__ import annotations

import resource
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from engine.disk import Unreadable
from signaling import recorder
from signaling.recorder import OggFile, Recorder, Writer, broken_path, continued
from tests.masked import MaskedDisk, mask
from tests.recording import decoded, length_ms
from tests.signaling.packets import RATE, encode, voice

SPEECH = encode(voice(4))
STEP = RATE // 50


def record(path: Path, packets: list[bytes], first: int = 0) -> OggFile:
    file = OggFile(path)
    for index, payload in enumerate(packets, first):
        file.write(index * STEP, payload)
    return file


@contextmanager
def running_writer() -> Iterator[Writer]:
    writer = Writer()
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """A full disk, as a process sees it: writing beyond `size` bytes fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def packets_in(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_packets_are_kept_as_they_came(tmp_path: Path) -> None:
    record(tmp_path / "a.ogg", SPEECH).close()
    assert packets_in(tmp_path / "a.ogg") == SPEECH


def test_a_recording_without_holes_lasts_as_long_as_its_packets(tmp_path: Path) -> None:
    record(tmp_path / "a.ogg", SPEECH).close()
    assert length_ms(tmp_path / "a.ogg") == pytest.approx(4_000, abs=20)


def test_holes_and_pauses_keep_their_time_and_are_silent(tmp_path: Path) -> None:
    file = OggFile(tmp_path / "a.ogg")
    at = 0
    for index, payload in enumerate(SPEECH):
        if index == 100:
            at += 10 * RATE
        if index % 7 != 3:
            file.write(at, payload)
        at += STEP
    file.fill(at + 2 * RATE)
    file.close()
    assert length_ms(tmp_path / "a.ogg") == pytest.approx(16_000, abs=20)
    pcm = decoded(tmp_path / "a.ogg")
    assert np.abs(pcm[4 * RATE : 11 * RATE]).max() < 30
    assert np.abs(pcm[RATE : 2 * RATE]).max() > 1_000
    assert np.abs(pcm[13 * RATE : 14 * RATE]).max() > 1_000


@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60])
def test_time_is_kept_for_packets_of_any_length(tmp_path: Path, frame_ms: int) -> None:
    file = OggFile(tmp_path / "a.ogg")
    packets = encode(voice(6), frame_ms=frame_ms)
    step = RATE * frame_ms // 1000
    for index, payload in enumerate(packets):
        if index % 5:
            file.write(index * step, payload)
    file.fill(len(packets) * step)
    file.close()
    expected_ms = len(packets) * frame_ms
    assert length_ms(tmp_path / "a.ogg") == pytest.approx(expected_ms, abs=50)


def test_what_overlaps_the_past_is_left_out(tmp_path: Path) -> None:
    file = record(tmp_path / "a.ogg", SPEECH[:50])
    file.write(20 * STEP, SPEECH[60])
    file.close()
    assert packets_in(tmp_path / "a.ogg") == SPEECH[:50]


def test_a_recording_that_broke_off_plays_and_lacks_at_most_its_last_page(tmp_path: Path) -> None:
    file = record(tmp_path / "a.ogg", SPEECH)
    shutil.copy(tmp_path / "a.ogg", tmp_path / "crashed.ogg")
    file.close()
    assert 4_000 - 250 < length_ms(tmp_path / "crashed.ogg") <= 4_000


def test_a_broken_recording_is_gone_on_with_on_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    file = record(tmp_path / "whole.ogg", SPEECH[:100])
    shutil.copy(tmp_path / "whole.ogg", path)
    file.close()
    resumed = continued(path)
    for index, payload in enumerate(SPEECH[100:]):
        resumed.write(5 * RATE + index * STEP, payload)
    resumed.close()
    assert not broken_path(path).exists()
    assert length_ms(path) == pytest.approx(7_000, abs=20)
    packets = packets_in(path)
    assert packets[:90] == SPEECH[:90]
    assert packets[-100:] == SPEECH[100:]


@pytest.mark.parametrize("content", [b"", b"OggS", b"not a recording at all" * 50])
def test_a_recording_that_cannot_be_read_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.ogg"
    path.write_bytes(content)
    file = continued(path)
    for index, payload in enumerate(SPEECH):
        file.write(index * STEP, payload)
    file.close()
    assert length_ms(path) == pytest.approx(4_000, abs=20)
    assert not broken_path(path).exists()


def test_a_recording_goes_by_way_of_its_disk_alone_also_while_it_is_taken_up_again(
    tmp_path: Path,
) -> None:
    path, disk = tmp_path / "a.ogg", MaskedDisk()
    with running_writer() as writer:
        handle = Recorder(writer, path, disk)
        for index, payload in enumerate(SPEECH[:100]):
            handle.packet(index * STEP, payload)
    with running_writer() as writer:
        handle = Recorder(writer, path, disk)
        assert handle.has_file
        handle.packet(100 * STEP, SPEECH[100])
        copied = broken_path(path)
        done = handle.close(4 * RATE)
        assert done is not None
        done.result(timeout=20)
    assert not copied.exists()
    stored = path.read_bytes()
    assert b"OggS" not in stored
    assert not any(payload in stored for payload in SPEECH if len(payload) > 20)
    (tmp_path / "clear.ogg").write_bytes(mask(stored))
    assert packets_in(tmp_path / "clear.ogg")[:101] == SPEECH[:101]
    assert length_ms(tmp_path / "clear.ogg") == pytest.approx(4_000, abs=20)


class Altered(MaskedDisk):
    """Its content turns out to be altered half-way."""

    def chunks(self, path: Path) -> Iterator[bytes]:
        held = b"".join(super().chunks(path))
        yield held[: len(held) // 2]
        raise Unreadable("a segment does not open")


def test_what_cannot_be_told_of_a_recording_costs_no_more_than_itself(tmp_path: Path) -> None:
    path, disk = tmp_path / "a.ogg", MaskedDisk()
    file = OggFile(path, disk)
    for index, payload in enumerate(SPEECH):
        file.write(index * STEP, payload)
    file.close()
    continued(path, Altered()).close()
    (tmp_path / "clear.ogg").write_bytes(mask(path.read_bytes()))
    kept = packets_in(tmp_path / "clear.ogg")
    assert 50 < len(kept) < 150
    assert kept == SPEECH[: len(kept)]


def test_a_crash_while_a_recording_is_taken_up_again_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    record(broken_path(path), SPEECH).close()
    record(path, SPEECH[:10]).close()  # the copy, as far as it had come
    continued(path).close()
    assert packets_in(path) == SPEECH


def test_the_writer_thread_writes_what_recorders_hand_it(tmp_path: Path) -> None:
    with running_writer() as writer:
        recorders = [Recorder(writer, tmp_path / f"{name}.ogg") for name in "abc"]
        for index, payload in enumerate(SPEECH):
            for each in recorders:
                each.packet(index * STEP, payload)
        for each in recorders:
            done = each.close(5 * RATE)
            assert done is not None
            done.result(timeout=20)
            assert each.has_file
        for name in "abc":
            assert length_ms(tmp_path / f"{name}.ogg") == pytest.approx(5_000, abs=20)


def test_a_call_without_a_packet_leaves_no_file(tmp_path: Path) -> None:
    with running_writer() as writer:
        handle = Recorder(writer, tmp_path / "a.ogg")
        assert handle.close(RATE) is None
        assert not handle.has_file
    assert list(tmp_path.iterdir()) == []


def test_a_call_that_nobody_took_up_again_is_still_filled_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    file = record(tmp_path / "whole.ogg", SPEECH)
    shutil.copy(tmp_path / "whole.ogg", path)
    file.close()
    with running_writer() as writer:
        handle = Recorder(writer, path)
        assert handle.has_file
        done = handle.close(6 * RATE)
        assert done is not None
        done.result(timeout=20)
    assert length_ms(path) == pytest.approx(6_000, abs=20)


def test_stopping_the_writer_closes_every_file(tmp_path: Path) -> None:
    with running_writer() as writer:
        handle = Recorder(writer, tmp_path / "a.ogg")
        for index, payload in enumerate(SPEECH):
            handle.packet(index * STEP, payload)
    assert length_ms(tmp_path / "a.ogg") == pytest.approx(4_000, abs=20)


def test_a_full_disk_ends_one_recording_says_why_once_and_spares_the_others(
    tmp_path: Path,
) -> None:
    reasons: list[str] = []
    with running_writer() as writer:
        large, small = (
            Recorder(writer, tmp_path / "large.ogg"),
            Recorder(writer, tmp_path / "small.ogg"),
        )
        large.on_failed = reasons.append
        small.on_failed = reasons.append
        with files_no_larger_than(6_000):
            for index, payload in enumerate(SPEECH):
                large.packet(index * STEP, payload)
            small.packet(0, SPEECH[0])
            for handle in (large, small):
                done = handle.close(5 * RATE if handle is large else STEP)
                assert done is not None
                done.result(timeout=20)
    assert len(reasons) == 1
    assert "large" in reasons[0].lower()  # EFBIG: "File too large"
    assert length_ms(tmp_path / "large.ogg") > 500
    assert length_ms(tmp_path / "small.ogg") == pytest.approx(20, abs=10)


def test_a_recording_that_cannot_be_begun_says_why(tmp_path: Path) -> None:
    reasons: list[str] = []
    with running_writer() as writer:
        handle = Recorder(writer, tmp_path / "nowhere" / "a.ogg")
        handle.on_failed = reasons.append
        handle.packet(0, SPEECH[0])
        handle.packet(STEP, SPEECH[1])
        done = handle.close(2 * STEP)
        assert done is not None
        done.result(timeout=20)
    assert reasons == ["No such file or directory"]


def test_packets_beyond_the_bound_are_dropped_counted_and_told_but_the_end_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MAX_QUEUED", 60)
    reasons: list[str] = []
    writer = Writer()
    handle = Recorder(writer, tmp_path / "a.ogg")
    handle.on_failed = reasons.append
    for index, payload in enumerate(SPEECH[:100]):
        handle.packet(index * STEP, payload)
    assert writer.dropped == 100 - (60 - 1)  # one place was the order to open the file
    assert writer.depth() == 60
    done = handle.close(100 * STEP)
    writer.start()
    assert done is not None
    done.result(timeout=20)
    writer.stop()
    assert reasons == ["the disk is too slow"]
    assert length_ms(tmp_path / "a.ogg") == pytest.approx(2_000, abs=20)


def test_the_writer_leaves_no_thread_behind(tmp_path: Path) -> None:
    with running_writer() as writer:
        Recorder(writer, tmp_path / "a.ogg").packet(0, SPEECH[0])
    assert "recorder" not in [thread.name for thread in threading.enumerate()]
