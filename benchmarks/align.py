"""Makes `references/*.json`: word times by pocketsphinx's forced alignment of the reference text.

Run `python -m benchmarks.align` (pocketsphinx is in the `test` extra); with `--check` it writes
nothing and exits 1 where a stored reference differs. A Tale of Two Cities and Sense and Sensibility
are in the public domain. With `--outside` it makes `references/outside/words.json` of the
transcribed readings in `FORECOURT_TEST_DATA` instead, those with a word that pocketsphinx's
dictionary lacks left out: LibriSpeech and VCTK (CC BY 4.0), LJ Speech (public domain).

One Viterbi pass aligns the whole text, with optional silences between words. Pocketsphinx's second,
state-level pass would hold the word edges of the first fixed, so it is not run. What the first
pass gets wrong is a short silence that it counts to a word beside it: where the outer 60 ms or more
of a word lie within 6 dB of the recording's noise floor, its edge is drawn in to where the sound
is. Ends only get earlier by that, so the latencies measured from them only larger.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import transcribed
from benchmarks.reading import OUTSIDE, REFERENCES, clips, narrowed
from signaling.publisher import load_audio

RATE = 16_000
FRAME_MS = 10
FLOOR_PERCENTILE = 5.0
FLOOR_MARGIN_DB = 6.0
SILENCE_FRAMES = 6
WORD_FRAMES = 3
PAUSE_MS = 150

TWO_CITIES = """
it was the best of times it was the worst of times it was the age of wisdom it was the age of
foolishness it was the epoch of belief it was the epoch of incredulity it was the season of light
it was the season of darkness it was the spring of hope it was the winter of despair we had
everything before us we had nothing before us we were all going direct to heaven we were all going
direct the other way in short the period was so far like the present period that some of its
noisiest authorities insisted on its being received for good or for evil in the superlative degree
of comparison only
"""
CORRECTIONS = {"a more a amiable woman": "a more amiable woman"}
"""Where a text that comes with a clip is not what is said: by the book, by two Whisper models, and
by pocketsphinx, to which the corrected text is the likelier one."""

_NOT_SPELLING = re.compile(r"[^a-z' ]+")
VARIANT = re.compile(r"\(\d+\)$")

Word = tuple[str, int, int]
Levels = NDArray[np.float64]


def aligned(pcm: NDArray[np.int16], text: str) -> list[Word]:
    """(word, start_ms, end_ms) of `text` in 16 kHz mono int16 `pcm`. Raises `ValueError`."""
    from pocketsphinx import Decoder

    decoder = Decoder(lm=None, samprate=RATE, loglevel="FATAL")
    unknown = sorted({word for word in text.split() if decoder.lookup_word(word) is None})
    if unknown:
        raise ValueError(f"pocketsphinx's dictionary lacks {', '.join(unknown)}")
    decoder.set_align_text(text)
    decoder.start_utt()
    decoder.process_raw(pcm.tobytes(), full_utt=True)
    decoder.end_utt()
    words = [
        (
            VARIANT.sub("", segment.word),
            segment.start_frame * FRAME_MS,
            (segment.end_frame + 1) * FRAME_MS,
        )
        for segment in decoder.seg() or ()
        if segment.word[0] not in "<(["
    ]
    if [word for word, _, _ in words] != text.split():
        raise ValueError(f"not every word of {text[:40]!r} was aligned")
    return words


def levels_dbfs(pcm: NDArray[np.int16]) -> Levels:
    """RMS level of each whole 10 ms of 16 kHz `pcm`, dB relative to full scale."""
    size = RATE * FRAME_MS // 1000
    frames = pcm[: len(pcm) // size * size].reshape(-1, size) / 32768.0
    return np.asarray(10.0 * np.log10(np.mean(frames**2, axis=1) + 1e-10))


def drawn_in(words: list[Word], levels: Levels) -> list[Word]:
    """`words` with silent edges of at least 60 ms cut off; each keeps at least 30 ms."""
    threshold = float(np.percentile(levels, FLOOR_PERCENTILE)) + FLOOR_MARGIN_DB
    drawn: list[Word] = []
    for text, start_ms, end_ms in words:
        first, last = start_ms // FRAME_MS, end_ms // FRAME_MS
        sounding = first + np.flatnonzero(levels[first:last] > threshold)
        if len(sounding) and sounding[-1] - sounding[0] + 1 >= WORD_FRAMES:
            head, tail = int(sounding[0]), int(sounding[-1]) + 1
            first = head if head - first >= SILENCE_FRAMES else first
            last = tail if last - tail >= SILENCE_FRAMES else last
        drawn.append((text, first * FRAME_MS, last * FRAME_MS))
    return drawn


def fall_db(words: list[Word], levels: Levels) -> list[float]:
    """Fall of the level from the loudest of a word's last 100 ms to the mean of the 100 ms after
    it, at every pause (150 ms or more to the next word): large where ends sit right."""
    falls = []
    for (_, _, end_ms), (_, next_ms, _) in pairwise(words):
        if next_ms - end_ms >= PAUSE_MS:
            at = end_ms // FRAME_MS
            falls.append(float(levels[at - 10 : at].max() - levels[at : at + 10].mean()))
    return falls


def text_of(name: str, path: Path) -> str:
    """What is said in a clip: lower case, single spaces."""
    text = TWO_CITIES if name == "two_cities" else path.with_suffix(".txt").read_text()
    text = " ".join(text.split())
    for wrong, right in CORRECTIONS.items():
        text = text.replace(wrong, right)
    return text


def stored(path: Path, words: list[Word]) -> str:
    """The reference file of the clip at `path`: JSON, one word a line."""
    lines = ",\n".join(f"  {json.dumps(word)}" for word in words)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return f'{{"sha256": "{sha256}", "words": [\n{lines}\n]}}\n'


def spelling(text: str) -> str:
    """`text` as the dictionary spells it: lower case letters and apostrophes, single spaces."""
    words = _NOT_SPELLING.sub(" ", text.lower().replace("’", "'")).split()
    return " ".join(word for raw in words if (word := raw.strip("'")))


def outside_words(folder: Path) -> dict[str, dict[str, object]]:
    """Checksum and words of each transcribed reading of `folder` that can be aligned, by path."""
    found: dict[str, dict[str, object]] = {}
    for utterance in transcribed.outside(folder):
        try:
            forced = aligned(utterance.pcm, spelling(utterance.text))
        except (ValueError, RuntimeError) as error:
            print(f"{utterance.name} is left out: {error}", file=sys.stderr)
            continue
        sha256 = hashlib.sha256((folder / utterance.name).read_bytes()).hexdigest()
        # Pocketsphinx fills the last 10 ms up.
        end_ms = len(utterance.pcm) * 1000 // RATE
        drawn = drawn_in(forced, levels_dbfs(utterance.pcm))
        words = [(text, begun_ms, min(ended_ms, end_ms)) for text, begun_ms, ended_ms in drawn]
        found[utterance.name] = {"sha256": sha256, "words": words}
    return found


def _store_outside() -> None:
    folder = transcribed.root()
    if folder is None:
        raise click.UsageError(f"--outside needs {transcribed.DATA}.")
    found = outside_words(folder)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found))
    OUTSIDE.parent.mkdir(exist_ok=True)
    OUTSIDE.write_text(f"{{\n{lines}\n}}\n")
    Console().print(f"{len(found)} readings")


@click.command()
@click.option("--outside", is_flag=True, help="Align the readings in FORECOURT_TEST_DATA.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a reference differs.")
def main(check: bool, outside: bool) -> None:
    """Align every clip and store its words, or compare them with what is stored."""
    if outside:
        _store_outside()
        return
    REFERENCES.mkdir(exist_ok=True)
    table = Table("clip", "words", "speech s", "edges drawn in", "fall at pauses dB", "")
    differs = False
    for name, path in clips().items():
        pcm = narrowed(load_audio(path))
        levels = levels_dbfs(pcm)
        forced = aligned(pcm, text_of(name, path))
        words = drawn_in(forced, levels)
        target, reference = REFERENCES / f"{name}.json", stored(path, words)
        same = target.is_file() and target.read_text() == reference
        differs = differs or not same
        if not check:
            target.write_text(reference)
        moved = sum(
            (old[1] != new[1]) + (old[2] != new[2]) for old, new in zip(forced, words, strict=True)
        )
        falls = fall_db(words, levels)
        table.add_row(
            name.split("_64kb-")[-1],
            str(len(words)),
            f"{sum(end - start for _, start, end in words) / 1000:.2f}",
            str(moved),
            f"{np.median(falls):.0f} ({len(falls)})" if falls else "-",
            "as stored" if same else "differs" if check else "written",
        )
    Console().print(table)
    sys.exit(1 if check and differs else 0)


if __name__ == "__main__":
    main()
