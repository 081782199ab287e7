"""A replay gives every event again, byte for byte, whatever happened in the call; other rules give
other cues, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.asr.correction import Corrector
from engine.asr.domain import load as load_terms
from engine.asr.whisper import ShortContextWhisper
from engine.asr.window import Hypothesis, Pressure, SpokenWord, Window
from engine.clock import Anchor
from engine.difference import difference
from engine.events import Command, Degraded, Link, Note
from engine.features import Baseline
from engine.feedback import RULES, Rule, is_weak
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Pcm, Source, ms_of
from engine.inputs import ReplayError
from engine.journal import FileJournal, MemoryJournal, Record, read
from engine.replay import Replay, encoded, load, replay
from engine.session import CRASH_SEQ_STEP, Session, SessionConfig
from tests.analyzers.recordings import Pcm as Samples
from tests.analyzers.recordings import gain
from tests.engine.timeline import TRACK, Delayed, silence, whisper_answers

ID = "0123456789abcdef01234567"
PARTNER = "partner"
CONFIG = SessionConfig("pitch", Baseline(-14.0, -60.0), True, device_label="headset")
ROOT = Path(__file__).parents[2]


def hears(window: Window) -> Hypothesis:
    """A word each 0.4 s of the window, sure enough to be committed."""
    count = len(window.pcm) * 10 // (4 * SAMPLE_RATE)
    words = [SpokenWord(f"word{n}", 400 * n, 400 * n + 350, 0.93) for n in range(count)]
    return Hypothesis(window, words)


def weak_link() -> Link:
    link = Link(
        lost_pct=10.123,
        recovered_pct=1 / 3,
        concealed_pct=9.87654321,
        jitter_ms=7.0,
        lag_ms=12.5,
        bitrate_kbps=31.9,
        weak=True,
    )
    assert is_weak(link.concealed_pct, link.jitter_ms, link.lag_ms)
    return link


@dataclass
class Take:
    """A call that is recorded: frames of one or two tracks, and what happens between them."""

    path: Path
    recognizer: Delayed = field(default_factory=lambda: Delayed(hears))
    config: SessionConfig = CONFIG
    corrector: Corrector | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.journal = FileJournal(self.path)
        self.session = Session(
            ID,
            self.config,
            self.recognizer,
            self.journal,
            lambda: 0.0,
            corrector=self.corrector,
            **self.more,
        )
        self.session.add_track(TRACK)

    def play(self, pcm: Pcm, source: Source = Source.RECEIVED, track: str = TRACK) -> None:
        """More of one track, at the pace of speech for the recognizer."""
        for at in range(0, len(pcm) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            start = self.session.tracks[track].end_sample
            self.session.push([Frame(track, start, pcm[at : at + FRAME_SAMPLES], source)])
            self.recognizer.advance(self.session.t_ms)

    def end(self) -> None:
        self.session.flush()
        self.recognizer.finish()
        self.session.complete("ended")
        self.journal.close()


def replayed(path: Path, rules: tuple[Rule, ...] = RULES) -> Replay:
    records, damaged = load(path)
    return replay(records, rules, damaged)


def same(path: Path) -> Replay:
    """The replay of a journal, which must be identical."""
    again = replayed(path)
    for before, after in zip(again.before, again.after, strict=False):
        assert encoded(before) == encoded(after)
    assert len(again.before) == len(again.after)
    assert again.is_identical
    return again


def types(again: Replay) -> Counter[str]:
    return Counter(event["type"] for event in again.after)


def codes(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["code"] for event in events if event["type"] == "feedback"]


def last_quantities(again: Replay, track: str) -> dict[str, Any]:
    metrics = [e["data"] for e in again.after if e["type"] == "metrics" and e["track"] == track]
    quantities: dict[str, Any] = metrics[-1]["quantities"]
    return quantities


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture(scope="module")
def golden(
    whisper: ShortContextWhisper, reading: Samples, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The journal of a call: 14 s of reading, far too quiet, a long silence, 5 s of reading."""
    path = tmp_path_factory.mktemp("golden") / "journal.jsonl"
    take = Take(path, Delayed(whisper_answers(whisper)), corrector=Corrector(load_terms()))
    take.session.enter("active")
    take.play(gain(reading[: 14 * SAMPLE_RATE], -12.0))
    take.play(silence(6.0))
    take.play(reading[14 * SAMPLE_RATE : 19 * SAMPLE_RATE])
    take.end()
    return path


def test_a_call_with_the_real_recognizer_comes_out_byte_for_byte(golden: Path) -> None:
    again = same(golden)
    assert types(again) >= Counter(
        {"transcript.partial": 12, "transcript.final": 3, "metrics": 12, "feedback": 2}
    )
    assert {"too_quiet", "long_pause"} <= set(codes(again.after))
    assert (again.parts, again.damaged, again.missing, again.unconfirmed) == (1, 0, 0, 0)


def test_a_rule_that_is_off_takes_its_cues_away_and_nothing_else(golden: Path) -> None:
    again = replayed(golden, tuple(rule for rule in RULES if rule.code != "long_pause"))
    assert not again.is_identical
    found = difference(again.before, again.after)
    assert codes(found.vanished) == ["long_pause"]
    assert found.moved == found.changed == []
    assert {pair.after["type"] for pair in found.others if pair.after} <= {"summary"}
    texts = [[e["data"] for e in run if e["type"] == "transcript.final"]
             for run in (again.before, again.after)]  # fmt: skip
    assert texts[0] == texts[1] != []


def test_a_rule_that_is_stricter_speaks_earlier(golden: Path) -> None:
    stricter = tuple(
        replace(rule, enter=2.5, severity="high") if rule.code == "long_pause" else rule
        for rule in RULES
    )
    again = replayed(golden, stricter)
    found = difference(again.before, again.after)
    (pair,) = [pair for pair in found.moved if pair.before["data"]["code"] == "long_pause"]
    assert pair.before["t"] - pair.after["t"] == 1_500
    assert pair.after["data"]["severity"] == "high"


def test_a_rule_that_never_spoke_does_with_another_threshold(golden: Path) -> None:
    assert "monologue" not in codes(replayed(golden).before)
    talkative = tuple(
        replace(rule, enter=8.0, leave=1.0) if rule.code == "monologue" else rule for rule in RULES
    )
    found = difference(*(lambda again: (again.before, again.after))(replayed(golden, talkative)))
    assert "monologue" in codes(found.appeared)


def test_the_journal_holds_exactly_what_the_rules_saw(golden: Path) -> None:
    """Floats included: a value that JSON rounded would move a cue by a tick."""
    for record in read(golden):
        if record["k"] == "features":
            assert json.loads(json.dumps(record)) == record
            values = [value for value in record["f"].values() if isinstance(value, float)]
            assert all(np.isfinite(values))


def test_what_a_replay_needs_costs_little(golden: Path) -> None:
    sizes: Counter[str] = Counter()
    for line in golden.read_bytes().splitlines():
        sizes[json.loads(line)[1]["k"]] += len(line) + 1
    added = sum(sizes[kind] for kind in ("setup", "voice", "ask", "cut", "flush", "close", "skip"))
    assert added < 0.06 * sizes.total()


def test_pauses_commands_jumps_and_a_bad_link_are_replayed(path: Path, reading: Samples) -> None:
    take = Take(path)
    session = take.session
    session.enter("active")
    session.anchored(TRACK, Anchor("first", 0, 0))
    session.set_link(TRACK, weak_link())
    take.play(reading[: 4 * SAMPLE_RATE])
    session.command(Command(type="bookmark", label="here"), TRACK)
    session.set_link(TRACK, None)
    session.command(Command(type="pause"), TRACK)
    session.enter("paused")
    take.play(silence(3.0), Source.PAUSED)
    session.command(Command(type="resume"), TRACK)
    session.enter("active")
    take.play(gain(reading[4 * SAMPLE_RATE : 9 * SAMPLE_RATE], -25.0))
    device = Command(type="device", label="laptop", settings={"autoGainControl": False})
    session.command(device, TRACK)
    take.play(gain(reading[9 * SAMPLE_RATE : 14 * SAMPLE_RATE], -25.0))
    session.enter("interrupted", "client_lost")
    take.recognizer.finish()
    session.skip(TRACK, 30 * SAMPLE_RATE)
    session.enter("active", "resumed")
    session.emit(
        Note(id="1" * 24, kind="note", text="good", author="Ann", author_id="2" * 24, at_ms=7)
    )
    take.play(reading[14 * SAMPLE_RATE : 16 * SAMPLE_RATE])
    take.play(silence(0.5), Source.ABSENT)
    take.play(reading[16 * SAMPLE_RATE : 20 * SAMPLE_RATE], Source.FEC)
    session.emit(Degraded(what="recording", why="the disk is too slow"), TRACK)
    take.play(reading[20 * SAMPLE_RATE : 22 * SAMPLE_RATE])
    take.end()
    again = same(path)
    assert types(again) >= Counter({"note": 1, "bookmark": 1, "degraded": 2, "session.state": 6})
    assert "link_trouble" in codes(again.after)


def test_an_echo_is_told_holds_rules_back_and_is_replayed(path: Path, reading: Samples) -> None:
    """The partner's voice comes out of a loudspeaker and back in, louder than the check allows."""
    take = Take(path)
    session = take.session
    session.enter("active")
    begun = session.tracks[TRACK].end_sample
    pcm = np.roll(reading, 0)[: 12 * SAMPLE_RATE]
    for at in range(0, pcm.size // 320 * 320, 320):
        played = Frame("partner", begun + at - 320 * 10, pcm[at : at + 320], Source.RECEIVED)
        session.played(TRACK, played)
        take.play(pcm[at : at + 320])
    assert session.tracks[TRACK].hears_echo
    take.play(silence(1.0))
    take.end()
    told = [event["data"] for event in same(path).after if event["type"] == "degraded"]
    assert [(each["what"], each["untilMs"]) for each in told] == [("echo", None)]


def test_speech_that_is_cut_and_answers_that_fail_are_replayed(
    path: Path, reading: Samples
) -> None:
    """A cut looks for a quiet place in the audio, which a replay does not have."""
    asked = iter(range(1_000))

    def sometimes(window: Window) -> Hypothesis:
        number = next(asked)
        if number % 17 == 9:
            return Hypothesis(window, failed="the recognizer was lost")
        answer = hears(window)
        return replace(answer, ran_away=True) if number % 13 == 5 else answer

    take = Take(path, Delayed(sometimes))
    take.session.enter("active")
    # A second of the reading over and over is one utterance that has to be cut.
    take.play(np.tile(reading[3 * SAMPLE_RATE : 4 * SAMPLE_RATE], 32))
    take.play(silence(1.0))
    take.end()
    same(path)
    assert [record for record in read(path) if record["k"] == "cut"]


def test_a_recognizer_under_load_is_replayed(path: Path, reading: Samples) -> None:
    """How often words are looked at, and that the trainee is told, follow from its load."""
    take = Take(path, Delayed(hears, delay_ms=1_300))
    take.session.enter("active")
    for second in range(20):
        take.recognizer.step_s = (0.3, 0.85, 1.5, float("inf"))[second // 3 % 4]
        take.recognizer.pressure = Pressure(second // 5 % 3)
        take.play(reading[second * SAMPLE_RATE : (second + 1) * SAMPLE_RATE])
    take.end()
    assert types(same(path))["degraded"] >= 4


def test_two_tracks_are_replayed_in_the_order_in_which_they_came(
    path: Path, reading: Samples
) -> None:
    take = Take(path)
    take.session.add_track(PARTNER)
    take.session.enter("active")
    other = gain(reading[10 * SAMPLE_RATE :], -30.0)
    ahead = np.random.default_rng(7)
    at = {TRACK: 0, PARTNER: 0}
    sound = {TRACK: reading, PARTNER: other}
    while at[TRACK] < 12 * SAMPLE_RATE:
        # Neither waits for the other: up to 0.3 s apart.
        track = TRACK if at[TRACK] <= at[PARTNER] + ahead.integers(-4_800, 4_800) else PARTNER
        take.play(sound[track][at[track] : at[track] + FRAME_SAMPLES], track=track)
        at[track] += FRAME_SAMPLES
    take.session.enter("paused")
    take.session.enter("active")
    take.end()
    again = same(path)
    assert {event["track"] for event in again.after} == {None, TRACK, PARTNER}
    assert last_quantities(again, TRACK)["talkSharePct"] is not None


def test_a_call_taken_up_again_by_another_node_is_replayed(path: Path, reading: Samples) -> None:
    take = Take(path)
    take.session.enter("active")
    take.play(reading[: 5 * SAMPLE_RATE])
    take.session.suspend("node_stopped")
    take.journal.close()
    more = {"state": "active", "next_seq": take.session.last_seq + 1, "first_utterance": 7,
            "start_sample": take.session.tracks[TRACK].end_sample}  # fmt: skip
    later = Take(path, more=more)
    later.session.enter("interrupted", "node_restarted")
    later.session.skip(TRACK, 20 * SAMPLE_RATE)
    later.session.enter("active", "resumed")
    later.play(reading[5 * SAMPLE_RATE : 10 * SAMPLE_RATE])
    later.end()
    again = same(path)
    assert (again.parts, again.unconfirmed) == (2, 0)
    assert [event["seq"] for event in again.after] == list(range(1, len(again.after) + 1))


KILLED = textwrap.dedent(
    """
    import sys
    import numpy as np
    from pathlib import Path
    from tests.engine.test_replay import Take, silence
    from engine.frames import SAMPLE_RATE

    take = Take(Path(sys.argv[1]))
    take.session.enter("active")
    reading = np.load(sys.argv[2])
    while True:
        take.play(reading)
        print(take.session.t_ms, flush=True)
    """
)


def test_a_call_whose_node_was_killed_is_replayed(
    path: Path, reading: Samples, tmp_path: Path
) -> None:
    np.save(tmp_path / "reading.npy", reading[: 3 * SAMPLE_RATE])
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), str(tmp_path / "reading.npy")],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    records, _ = load(path)
    last = [record["e"] for record in records if record["k"] == "event"][-1]
    more = {"state": "active", "next_seq": last["seq"] + CRASH_SEQ_STEP, "first_utterance": 9,
            "start_sample": last["t"] * 16 // FRAME_SAMPLES * FRAME_SAMPLES}  # fmt: skip
    later = Take(path, more=more)
    later.session.enter("interrupted", "node_restarted")
    later.session.enter("active", "resumed")
    later.play(reading[: 4 * SAMPLE_RATE])
    later.end()
    again = same(path)
    assert again.parts == 2
    jumps = [b["seq"] - a["seq"] for a, b in zip(again.after, again.after[1:], strict=False)]
    assert Counter(jumps) == {1: len(jumps) - 1, CRASH_SEQ_STEP: 1}


def test_wherever_a_crash_tears_the_journal_the_rest_is_identical(
    path: Path, reading: Samples
) -> None:
    take = Take(path)
    take.session.enter("active")
    take.play(reading[: 4 * SAMPLE_RATE])
    take.end()
    whole = path.read_bytes()
    ends = [at for at, byte in enumerate(whole) if byte == ord("\n")]
    unconfirmed = 0
    for end in ends[2::3]:
        path.write_bytes(whole[: end + 20])
        unconfirmed += same(path).unconfirmed
    assert unconfirmed > 0


def test_a_damaged_line_is_told_and_costs_only_what_it_said(golden: Path, path: Path) -> None:
    lines = golden.read_bytes().splitlines(keepends=True)
    (at, *_) = [n for n, line in enumerate(lines) if b'"type":"feedback"' in line]
    lost = json.loads(lines[at])[1]["e"]
    lines[at] = lines[at].replace(b'"severity"', b'"severitx"')
    path.write_bytes(b"".join(lines))
    again = replayed(path)
    assert again.damaged == 1
    assert not again.is_identical
    found = difference(again.before, again.after)
    assert found.appeared == [lost]
    assert len(found) == 1


@pytest.mark.parametrize("kind", ["features", "hypothesis", "voice", "ask", "play", "setup"])
def test_a_damaged_input_never_breaks_a_replay(golden: Path, path: Path, kind: str) -> None:
    lines = golden.read_bytes().splitlines(keepends=True)
    found = [n for n, line in enumerate(lines) if json.loads(line)[1]["k"] == kind]
    for at in found[:1] + found[len(found) // 2 : len(found) // 2 + 1]:
        damaged = [*lines]
        damaged[at] = damaged[at].replace(b"]", b"}")
        path.write_bytes(b"".join(damaged))
        if kind == "setup":
            with pytest.raises(ReplayError, match="set up"):
                replayed(path)
        else:
            assert replayed(path).damaged == 1


class FullJournal(FileJournal):
    """Takes nothing while `is_full`."""

    is_full = False

    def append(self, kind: str, /, **fields: Any) -> None:
        if self.is_full:
            raise OSError("no space left")
        super().append(kind, **fields)


def test_a_journal_with_a_gap_says_what_never_reached_the_disk(
    path: Path, reading: Samples
) -> None:
    take = Take(path)
    take.journal.close()
    full = take.session.journal = FullJournal(path)
    take.session.enter("active")
    take.play(reading[: 2 * SAMPLE_RATE])
    full.is_full = True
    take.play(reading[2 * SAMPLE_RATE : 3 * SAMPLE_RATE])
    full.is_full = False
    take.play(reading[3 * SAMPLE_RATE : 5 * SAMPLE_RATE])
    take.journal = full
    take.end()
    assert replayed(path).missing == take.session.unwritten > 0


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([], "nobody ever spoke"),
        ([{"k": "session", "id": ID}], "nobody ever spoke"),
        ([{"k": "event", "e": {}}], "version before replays"),
        ([{"k": "setup", "config": {"session_type": "singing"}}], "ValidationError"),
        ([{"k": "setup"}], "KeyError"),
    ],
)
def test_a_journal_of_which_nothing_can_be_made_is_refused_with_a_sentence(
    records: list[Record], why: str
) -> None:
    with pytest.raises(ReplayError, match=why) as caught:
        replay(records)
    assert str(caught.value).endswith(".")


def test_features_of_another_version_are_refused(golden: Path) -> None:
    records = list(read(golden))
    for record in records:
        if record["k"] == "features":
            record["f"]["anger"] = record["f"].pop("lufs_momentary")
    with pytest.raises(ReplayError, match=r"anger, lufs_momentary"):
        replay(records)


def test_a_journal_of_before_an_optional_feature_is_still_judged(golden: Path) -> None:
    records = list(read(golden))
    for record in records:
        if record["k"] == "features":
            del record["f"]["lufs_short_term"]
        elif record["k"] == "event" and record["e"]["type"] == "metrics":
            del record["e"]["data"]["quantities"]["lufsIntegrated"]
    again = replay(records)
    assert codes(again.after) == codes(again.before) != []


def test_a_call_that_keeps_nothing_can_be_replayed_while_it_is_held(reading: Samples) -> None:
    journal = MemoryJournal()
    recognizer = Delayed(hears)
    session = Session(ID, CONFIG, recognizer, journal, lambda: 0.0)
    session.add_track(TRACK)
    session.enter("active")
    for at in range(0, 3 * SAMPLE_RATE, FRAME_SAMPLES):
        session.push([Frame(TRACK, at, reading[at : at + FRAME_SAMPLES], Source.RECEIVED)])
        recognizer.advance(ms_of(at))
    records = json.loads(json.dumps(list(journal.records())))
    assert replay(records).is_identical


STEP = st.sampled_from(
    ["speak", "quiet", "absent", "plc", "pause", "resume", "lose", "return", "jump", "bookmark",
     "device", "flush", "link", "load"]
)  # fmt: skip


@settings(max_examples=25)
@given(steps=st.lists(STEP, max_size=14), ends=st.booleans(), delay_ms=st.integers(0, 900))
def test_any_sequence_of_what_may_happen_in_a_call_is_replayed(
    steps: list[str],
    ends: bool,
    delay_ms: int,
    reading: Samples,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("any") / "journal.jsonl"
    take = Take(path, Delayed(hears, delay_ms=delay_ms))
    session = take.session
    session.enter("active")
    sound = chunks(reading)

    def jump() -> None:
        session.skip(TRACK, session.tracks[TRACK].end_sample + 3 * SAMPLE_RATE)

    def load_recognizer() -> None:
        take.recognizer.step_s = 1.5 if take.recognizer.step_s == 0.5 else 0.5
        take.recognizer.pressure = Pressure((take.recognizer.pressure + 1) % 3)

    happens: dict[str, Callable[[], object]] = {
        "speak": lambda: take.play(next(sound)),
        "quiet": lambda: take.play(silence(0.7)),
        "absent": lambda: take.play(silence(0.4), Source.ABSENT),
        "plc": lambda: take.play(next(sound)[:3_200], Source.PLC),
        "pause": lambda: session.enter("paused") and take.play(silence(0.5), Source.PAUSED),
        "resume": lambda: session.enter("active"),
        "lose": lambda: session.enter("interrupted", "client_lost"),
        "return": lambda: session.enter("active", "resumed"),
        "jump": jump,
        "bookmark": lambda: session.command(Command(type="bookmark"), TRACK),
        "device": lambda: session.command(Command(type="device", label="headset"), TRACK),
        "flush": session.flush,
        "link": lambda: session.set_link(TRACK, weak_link()),
        "load": load_recognizer,
    }
    for step in steps:
        happens[step]()
    if ends:
        take.end()
    else:
        take.journal.close()
    same(path)


def chunks(reading: Samples) -> Iterator[Pcm]:
    """1.5 s of the reading at a time, from its beginning again when it is over."""
    size = SAMPLE_RATE * 3 // 2
    while True:
        for at in range(0, len(reading) - size, size):
            yield reading[at : at + size]
