"""What the benchmark says of a call is what came out of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from benchmarks import fec, impair
from benchmarks.child import Child, cores
from benchmarks.ear import KINDS, SOURCES, Heard
from benchmarks.impair import LEAD, TAIL, Call, Cell, Sent, judged
from benchmarks.reading import load, upto
from benchmarks.recognition import Recognition
from benchmarks.wer import word_error_rate
from engine.frames import Source
from signaling import opus, stack
from signaling.publisher import FRAME, RATE

pytestmark = pytest.mark.slow

PACKETS = LEAD + 100 + TAIL
SENT = Sent(np.arange(PACKETS) * 0.02, 0.1)


def heard(sources: dict[int, Source], delay_s: float = 0.03, shift_rtp: int = 0) -> Heard:
    """Pieces by packet number; each is there `delay_s` after its last sample's packet left."""
    rtp = np.array([number * FRAME + shift_rtp for number in sources], np.int64)
    return Heard(
        np.zeros(320 * len(rtp), np.int16),
        SENT.at_s[(rtp + FRAME - 1) // FRAME] + delay_s,
        rtp,
        np.full(len(rtp), 320, np.int64),
        np.array([SOURCES.index(source) for source in sources.values()], np.int64),
    )


def whole(**changed: Source) -> dict[int, Source]:
    pieces = dict.fromkeys(range(PACKETS - 1), Source.RECEIVED)
    return pieces | {LEAD + int(at[1:]): source for at, source in changed.items()}


def test_a_call_that_came_whole_is_kept_whole() -> None:
    outcome = judged(heard(whole()), SENT, PACKETS)
    assert outcome.kept == outcome.share[Source.RECEIVED] == 1.0
    assert outcome.delay_ms == pytest.approx(np.full(100, 30.0))


def test_recovered_and_concealed_media_is_kept_and_absent_is_not() -> None:
    pieces = whole(p3=Source.FEC, p4=Source.PLC, p5=Source.PLC, p6=Source.ABSENT)
    outcome = judged(heard(pieces), SENT, PACKETS)
    assert outcome.kept == pytest.approx(0.99)
    cell = Cell([outcome])
    assert cell.of_the_missing_pct(Source.FEC) == 25.0
    assert cell.of_the_missing_pct(Source.PLC) == 50.0


def test_what_never_came_out_is_not_kept() -> None:
    pieces = whole()
    for number in range(LEAD + 10, LEAD + 35):
        del pieces[number]
    assert judged(heard(pieces), SENT, PACKETS).kept == pytest.approx(0.75)


def test_lead_and_tail_are_not_judged() -> None:
    pieces = {at: kind for at, kind in whole().items() if LEAD <= at < PACKETS - TAIL}
    assert judged(heard(pieces), SENT, PACKETS).kept == 1.0


def test_media_that_came_out_twice_counts_once() -> None:
    once = heard(whole())
    twice = Heard(
        np.tile(once.pcm, 2),
        np.concatenate([once.at_s, once.at_s + 1.0]),
        *(np.tile(column, 2) for column in (once.rtp, once.samples, once.source)),
    )
    outcome = judged(twice, SENT, PACKETS)
    assert outcome.kept == 1.0
    assert outcome.delay_ms == pytest.approx(np.full(100, 30.0))


def test_a_piece_between_two_packets_counts_from_the_later_one() -> None:
    outcome = judged(heard(whole(), shift_rtp=FRAME // 2), SENT, PACKETS)
    assert outcome.delay_ms == pytest.approx(np.full(100, 30.0))


def test_shares_of_what_is_missing_need_something_missing() -> None:
    assert Cell([judged(heard(whole()), SENT, PACKETS)]).of_the_missing_pct(Source.FEC) is None


def test_what_was_heard_survives_the_file(tmp_path: Path) -> None:
    before = heard(whole(p3=Source.FEC))
    before.save(tmp_path / "call.npz")
    after = Heard.load(tmp_path / "call.npz")
    for name in Heard.__slots__:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_pieces_of_any_length_become_frames_one_behind_the_other() -> None:
    pcm = np.arange(1_000, dtype=np.int16)
    pieces = np.array([100, 320, 320, 260])
    sources = np.array([SOURCES.index(s) for s in (Source.RECEIVED, Source.FEC) * 2])
    frames = list(Heard(pcm, np.zeros(4), np.zeros(4, np.int64), pieces, sources).frames())
    assert [frame.start_sample for frame in frames] == [0, 320, 640]
    np.testing.assert_array_equal(np.concatenate([frame.pcm for frame in frames]), pcm[:960])
    assert [frame.source for frame in frames] == [Source.FEC] * 3


def test_packets_of_speech_hold_a_copy_of_the_one_before(two_cities: Path) -> None:
    reading = upto(load("two_cities", two_cities), 4_590)
    packets = fec.encode(reading.audio)
    assert len(packets) == -(-len(reading.audio) // FRAME)
    assert {opus.duration_rtp(packet) for packet in packets} == {FRAME}
    assert sum(map(opus.holds_fec, packets)) > 0.5 * len(packets)
    assert sum(map(len, packets)) * 8 / 4.59 == pytest.approx(fec.BIT_RATE, rel=0.15)


async def test_packets_wait_for_the_go_and_leave_in_order_once() -> None:
    track = fec.Packets([b"one", b"two", b"three"])
    first = asyncio.create_task(track.recv())
    await asyncio.sleep(0.05)
    assert not first.done()
    track.go.set()
    sent = [await first, await track.recv(), await track.recv()]
    assert [bytes(packet) for packet in sent] == [b"one", b"two", b"three"]
    assert [packet.pts for packet in sent] == [0, FRAME, 2 * FRAME]
    with pytest.raises(MediaStreamError):
        await track.recv()
    assert track.finished.is_set()


def test_words_are_recognised_from_what_was_heard(two_cities: Path, default_model: Path) -> None:
    reading = upto(load("two_cities", two_cities), 8_300)
    decoder = opus.Decoder()
    silence = np.zeros(RATE, np.int16)
    pcm = [decoder.decode(packet) for packet in fec.encode(np.append(reading.audio, silence))]
    numbers = np.arange(len(pcm))
    call = Heard(
        np.concatenate(pcm),
        numbers * 0.02,
        numbers * FRAME,
        np.full(len(pcm), 320),
        np.zeros(len(pcm), np.int64),
    )
    wer, words = word_error_rate(reading.text, Recognition(default_model).text(call.frames()))
    assert words == len(reading.words)
    assert wer < 0.1


@pytest.mark.parametrize("condition", ["clean", "l10_j50"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_of_either_end_is_heard_from_its_first_packet_on(
    kind: str, condition: str, two_cities: Path, tmp_path: Path
) -> None:
    stack.use_loopback(True)
    speech = upto(load("two_cities", two_cities), 2_000).audio
    lead, tail = np.zeros(LEAD * FRAME, np.int16), np.zeros(TAIL * FRAME, np.int16)
    payloads = fec.encode(np.concatenate([lead, speech, tail]))
    call = Call(condition, kind, seed=5)
    try:
        async with Child.module("benchmarks.ear", cores()[0], kind) as ear:
            sent = await impair._call(call, ear, payloads, tmp_path, 0.0)
    finally:
        stack.use_loopback(False)
    outcome = judged(Heard.load(tmp_path / f"{call.name}.npz"), sent, len(payloads))
    assert not np.isnan(sent.at_s).any()
    assert outcome.delay_ms.min() > 0
    if condition == "clean":
        assert (outcome.kept, sent.lost) == (1.0, 0.0)
    elif kind == "ours":
        assert sent.lost > 0.02
        assert outcome.kept == 1.0
        assert outcome.share[Source.FEC] > 0
    else:
        assert 0.1 < outcome.kept < 1.0
