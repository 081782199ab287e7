"""Speech as no studio records it: clipped, off centre, from a telephone, without a pause."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import cycle, pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile
import webrtcvad
from scipy.signal import resample_poly
from whisper_normalizer.english import EnglishTextNormalizer

from benchmarks.reading import load, narrowed
from engine.asr.whisper import ShortContextWhisper
from engine.events import TranscriptFinal, Wire
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from engine.track import Track
from signaling.publisher import RATE, load_audio
from tests.analyzers.recordings import gain, pcm, read
from tests.engine.timeline import (
    TRACK,
    TWO_CITIES,
    Delayed,
    Line,
    frames_of,
    silence,
    whisper_answers,
)

TELEPHONE = 8_000
MOST_WRONG = 0.06
HALF_HOUR_S = 1_800
CLAUSES = range(0, 42, 6)
"""Words of the reading with which a clause begins: it was the …"""
MOST_AT_SEAMS = 0.3
"""The share of utterances between which a word may be missing or doubled. Pauses are taken out of
this speech as with scissors, also where voice activity then finds an end."""
normal = EnglishTextNormalizer()


def last_words(model: ShortContextWhisper, signal: Pcm) -> Line:
    """`signal` through a track's utterances, of which last words alone are answered."""
    hear = whisper_answers(model)
    line = Line(Delayed(lambda window: hear(window) if window.wants_times else None))
    line.push(frames_of(np.concatenate([silence(0.5), signal, silence(1.0)])))
    line.recognizer.finish()
    assert line.utterances.finals_due == 0
    for final in line.finals:
        assert final.end_ms - final.start_ms <= 15_000
        assert all(a[1] <= b[1] <= b[2] for a, b in pairwise(final.words))
    return line


def wrong(reference: str, line: Line) -> float:
    share: float = jiwer.wer(normal(reference), normal(line.text))
    return share


def through_a_telephone(signal: Pcm) -> Pcm:
    """8 kHz and mu-law, as ITU-T G.711 has it."""
    narrow = resample_poly(signal / 32768, 1, SAMPLE_RATE // TELEPHONE)
    file = io.BytesIO()
    soundfile.write(file, narrow, TELEPHONE, format="WAV", subtype="ULAW")
    file.seek(0)
    heard, _ = soundfile.read(file)
    return pcm(resample_poly(heard, SAMPLE_RATE // TELEPHONE, 1))


def off_centre(signal: Pcm) -> Pcm:
    """A quarter of full scale beside zero, as broken sound cards have it."""
    return pcm(signal / 32768 + 0.25)


def driven_into_clipping(signal: Pcm) -> Pcm:
    loud = gain(signal, 36)
    assert np.mean(np.abs(loud.astype(np.int32)) >= 32767) > 0.1
    return loud


def as_square_waves(signal: Pcm) -> Pcm:
    """Nothing but full scale: what is left are the zero crossings."""
    return np.where(np.abs(signal) < 100, 0, np.sign(signal) * 32767).astype(np.int16)


@pytest.mark.parametrize(
    ("spoil", "most_wrong"),
    [
        (through_a_telephone, MOST_WRONG),
        (off_centre, MOST_WRONG),
        (driven_into_clipping, 0.15),
    ],
)
def test_spoilt_speech_is_understood_and_none_is_lost(
    spoil: object, most_wrong: float, whisper: ShortContextWhisper, reading: Pcm
) -> None:
    assert callable(spoil)
    line = last_words(whisper, spoil(reading))
    share = wrong(TWO_CITIES, line)
    print(f"{share:.3f} of the words wrong")
    assert share <= most_wrong, line.text


def test_square_waves_with_the_zero_crossings_of_speech_are_answered_in_full(
    whisper: ShortContextWhisper, reading: Pcm
) -> None:
    """Whatever the words: voice activity takes it for dozens of short utterances."""
    line = last_words(whisper, as_square_waves(reading[: 8 * SAMPLE_RATE]))
    assert len(line.finals) >= 3


@pytest.mark.test_data("speech/asterisk_8k/*")
def test_telephone_prompts_of_8_khz_are_understood(
    data_file: Path, data_manifest: dict[str, dict[str, str]], whisper: ShortContextWhisper
) -> None:
    """Most of a prompt; digits and product names are misheard."""
    row = next(row for name, row in data_manifest.items() if data_file.match(name))
    assert row["sample_rate"] == str(TELEPHONE)
    share = wrong(row["transcript"], last_words(whisper, read(data_file)))
    assert share <= 0.5


@pytest.mark.test_data("speech/fsdd_8k/*.wav")
def test_a_digit_of_8_khz_alone_is_a_word_or_two_and_never_a_sentence(
    data_file: Path, whisper: ShortContextWhisper
) -> None:
    """0.3 to 0.6 s in all: short windows make Whisper run on."""
    line = last_words(whisper, read(data_file))
    assert len(line.text.split()) <= 3, line.text


# floats that are no numbers: a file may hold them, what the engine takes cannot

SPIKES = [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-42]
SPIKE = 3
SMEARED_MS = 5
"""How far a resampler carries one sample."""


def written(path: Path, signal: Pcm, *, spiked: bool) -> Path:
    """Speech as 32-bit floats, with a few samples in each half second that are no sound."""
    floats = (signal / 32768).astype(np.float32)
    for index, at in enumerate(range(SAMPLE_RATE, len(floats) - SPIKE, SAMPLE_RATE // 2)):
        if spiked:
            floats[at : at + SPIKE] = SPIKES[index % len(SPIKES)]
    soundfile.write(path, floats, SAMPLE_RATE, subtype="FLOAT")
    return path


def test_floats_in_a_file_that_are_no_numbers_spoil_no_other_samples(
    reading: Pcm, tmp_path: Path
) -> None:
    """As the demo, the publisher and the benchmarks read files."""
    clean = load_audio(written(tmp_path / "clean.wav", reading, spiked=False))
    spiked = load_audio(written(tmp_path / "spiked.wav", reading, spiked=True))
    assert spiked.dtype == np.int16
    assert len(spiked) == len(clean)
    differ = np.flatnonzero(np.abs(spiked.astype(np.int32) - clean) > 2)
    assert len(differ) > 100, "the spikes are not in the file"
    ms = differ * 1000 / RATE % 500
    assert np.all((ms < SMEARED_MS) | (ms > 500 - SMEARED_MS))


def test_what_a_spoilt_utterance_left_behind_does_not_harm_the_next(
    whisper: ShortContextWhisper, reading: Pcm
) -> None:
    """Full-scale impulses in an utterance that is looked at again and again; then another takes
    over the memory that it had."""
    speech = reading[int(0.6 * SAMPLE_RATE) : int(5.0 * SAMPLE_RATE)]
    broken = speech.copy()
    broken[::160] = np.where(np.arange(len(broken[::160])) % 2, 32767, -32768)
    clean = whisper.decode([speech], [True], ["clean"])[0]
    for end in range(SAMPLE_RATE, len(broken), SAMPLE_RATE // 2):
        whisper.decode([broken[:end]], [False], ["spoilt"])
    whisper.forget("spoilt")
    whisper.forget("clean")
    for _ in range(2):
        after = whisper.decode([speech], [True])[0]
        assert [word.text for word in after.words] == [word.text for word in clean.words]
        assert after.average_log_probability == pytest.approx(clean.average_log_probability)


# without a pause


class Tape:
    """A track that is fed at once; `text` by utterance. Nothing else is kept of what it says."""

    def __init__(self, recognizer: Delayed) -> None:
        self.finals: list[TranscriptFinal] = []
        self._recognizer = recognizer
        self.track = Track(
            "s",
            TRACK,
            None,
            False,
            recognizer,
            1,
            language="en",
            emit=self._emit,
            meters=lambda t_ms, data: None,
            record=lambda _, /, **fields: None,
        )

    def play(self, signal: Pcm, at_sample: int) -> None:
        for frame in frames_of(signal, at_sample):
            self.track.push(frame)
            self._recognizer.advance(frame.end_ms)

    def _emit(self, data: Wire) -> None:
        if isinstance(data, TranscriptFinal):
            self.finals.append(data)


def words_of(final: TranscriptFinal) -> list[str]:
    spoken: list[str] = normal(" ".join(word[0] for word in final.words)).split()
    return spoken


def without_pauses(signal: Pcm) -> Pcm:
    """`signal` with no silence longer than 80 ms."""
    gate, quiet, dense = webrtcvad.Vad(3), 0, []
    for frame in frames_of(signal):
        quiet = 0 if gate.is_speech(frame.pcm.tobytes(), SAMPLE_RATE) else quiet + 1
        if quiet <= 4:
            dense.append(frame.pcm)
    return np.concatenate(dense)


def unbroken(recording: Path, seconds: float) -> Iterator[tuple[Pcm, str]]:
    """The reading without its pauses, again and again, each time from another clause on, so that
    cuts come elsewhere; with its text."""
    whole, spoken_s = load("two_cities", recording), 0.0
    for first in cycle(CLAUSES):
        part = whole.between(first, len(whole.words), 300)
        dense = without_pauses(narrowed(part.audio))
        yield dense[: len(dense) // FRAME_SAMPLES * FRAME_SAMPLES], part.text
        spoken_s += len(dense) / SAMPLE_RATE
        if spoken_s >= seconds:
            return


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_half_an_hour_of_speech_without_a_pause_is_cut_by_15_s_and_no_word_is_lost_or_doubled(
    whisper: ShortContextWhisper, two_cities: Path
) -> None:
    hear = whisper_answers(whisper)
    recognizer = Delayed(lambda window: hear(window) if window.wants_times else None)
    tape = Tape(recognizer)
    used_mb: list[float] = []
    said: list[str] = []
    for piece, text in unbroken(two_cities, HALF_HOUR_S):
        tape.play(piece, tape.track.end_sample)
        recognizer.asked.clear()
        said.append(text)
        used_mb.append(resident_mb())
    end = tape.track.end_sample
    tape.play(silence(1.0), end)
    recognizer.finish()
    assert tape.track.finals_due == 0
    assert len(tape.finals) >= HALF_HOUR_S // 15
    assert all(final.end_ms - final.start_ms <= 15_000 for final in tape.finals)
    # Each goes on where the one before it was cut; a round may begin with a breath.
    assert all(b.start_ms - a.end_ms <= 700 for a, b in pairwise(tape.finals))
    # Of three quarters of it the samples alone are 43 MB; allocators of other tests give back some.
    assert used_mb[-1] - used_mb[len(used_mb) // 4] < 40, used_mb
    assert_words(tape, " ".join(said))


def assert_words(tape: Tape, said: str) -> None:
    """That what was said is in the finals, at their seams as well."""
    finals = [words_of(final) for final in tape.finals]
    hypothesis = [word for words in finals for word in words]
    output = jiwer.process_words(normal(said), " ".join(hypothesis))
    seams = set(np.cumsum([len(words) for words in finals[:-1]]).tolist())
    spoilt: set[int] = set()
    for chunk in output.alignments[0]:
        if chunk.type in ("delete", "insert"):
            spoilt |= seams & set(range(chunk.hyp_start_idx, chunk.hyp_end_idx + 1))
    print(f"{output.wer:.3f} wrong; {len(spoilt)} of {len(seams)} seams")
    assert output.wer <= 0.1
    assert len(spoilt) <= MOST_AT_SEAMS * len(seams)
