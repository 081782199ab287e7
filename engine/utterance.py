"""From voice activity to words: when a track asks the recognizer, and what becomes of the answers.

During speech a hypothesis of the whole utterance is asked for every step, which the recognizer sets
by its load. 0.16 s into a silence a
speculative decode is asked for, so that the final words are ready when the silence has lasted long
enough to end the utterance. The longer an utterance, the shorter a silence ends it; at `CUT_AT` of
unbroken speech it is cut at a quiet boundary of its committed words, so that 15 s is the most. What
has been said since then is the beginning of the next utterance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.asr.agreement import Agreement
from engine.asr.cut import cut_point
from engine.asr.window import Hypothesis, Kind, SpokenWord, Window
from engine.events import (
    Degraded,
    SpeechEnd,
    SpeechStart,
    TranscriptFinal,
    TranscriptPartial,
    Wire,
    Word,
)
from engine.frames import SAMPLE_RATE, Pcm, ms_of
from engine.vad import Edge, VoiceActivity

FIRST_STEP = SAMPLE_RATE * 2 // 5
"""From the onset, which lies 160 ms ahead of the first likely chunk: 0.24 s of speech."""
SPECULATE = SAMPLE_RATE * 16 // 100
TAIL = SAMPLE_RATE * 2 // 10
"""Audio kept behind the last voiced chunk in a final window."""
CUT_AT = SAMPLE_RATE * 27 // 2
LONGEST = SAMPLE_RATE * 15
CUT_OVERDUE = SAMPLE_RATE * 21
"""Of an utterance this long whose cut has not been answered, speech goes on in another one: the
recognizer is far behind, and the track's ring must still hold what it is asked about next."""
SOFT_ENDPOINTS = (
    (SAMPLE_RATE * 8, SAMPLE_RATE * 2 // 10),
    (SAMPLE_RATE * 4, SAMPLE_RATE * 3 // 10),
)
"""(utterance length, silence that then ends it), longest first; below these the VAD's 0.5 s."""


@dataclass(slots=True)
class _Utterance:
    number: int
    start_sample: int
    onset_sample: int
    agreement: Agreement = field(default_factory=Agreement)
    asked_end: int = 0
    asked_voiced_end: int = 0
    newest_applied: int = 0
    heard: int = 0
    """Where the speech ends that the newest answer tells of."""
    speculated_for: int = -1
    speculation: Hypothesis | None = None
    ended_at: int | None = None
    cutting: bool = False
    audio: Pcm | None = None
    """From its start; kept where the ring may have moved on before it is asked for."""
    pauses: list[tuple[int, int]] = field(default_factory=list)


Cut = Callable[[Hypothesis, int], tuple[list[SpokenWord], int]]
"""As `cut_point`."""


class Utterances:
    """One track's utterances.

    `read(start, end)` returns int16 audio of the track; `ask(window)` submits to a recognizer whose
    answers come back through `apply`; `emit(data)` takes the events. `step_s()` is how much speech
    there is between two looks at an utterance; inf: only its last words are asked for.
    """

    def __init__(
        self,
        session: str,
        track: str,
        read: Callable[[int, int], Pcm],
        ask: Callable[[Window], None],
        emit: Callable[[Wire], None],
        step_s: Callable[[], float],
        *,
        language: str = "en",
        first_number: int = 1,
        cut: Cut = cut_point,
    ) -> None:
        self._session = session
        self._track = track
        self._read = read
        self._ask = ask
        self._emit = emit
        self._step_s = step_s
        self._language = language
        self._cut_point = cut
        self._next_number = first_number
        self._current: _Utterance | None = None
        self._open: dict[int, _Utterance] = {}
        self.finals_due = 0

    def push(self, vad: VoiceActivity, edge: Edge | None) -> None:
        """Take the voice activity after one more frame."""
        if edge is Edge.START:
            self._begin(vad.start_sample, vad.onset_sample)
        current = self._current
        if current is None:
            return
        if edge is Edge.END or self._soft_end(current, vad):
            self._end(current, vad)
            return
        if current.cutting:
            if vad.end_sample - current.start_sample >= CUT_OVERDUE:
                self._cut_unanswered(current)
            return
        if vad.silence_samples >= SPECULATE:
            if current.speculated_for != vad.voiced_end_sample and math.isfinite(self._step_s()):
                current.speculated_for = vad.voiced_end_sample
                current.speculation = None
                self._submit(current, Kind.SPECULATIVE, vad)
        elif vad.end_sample - current.start_sample >= CUT_AT:
            current.pauses = _pauses(current, vad)
            self._ask_cut(current, vad.voiced_end_sample)
        elif self._step_due(current, vad):
            kind = Kind.REFRESH if current.newest_applied else Kind.FIRST
            self._submit(current, kind, vad)

    def flush(self, vad: VoiceActivity) -> None:
        """End the current utterance now and ask for its final words."""
        if self._current is not None:
            vad.stop()
            self._end(self._current, vad)

    def settle(self) -> None:
        """Make the words seen so far final wherever no answer has come: the call is over."""
        for utterance in list(self._open.values()):
            del self._open[utterance.number]
            texts = utterance.agreement.committed + utterance.agreement.tentative
            end = utterance.asked_voiced_end if utterance.ended_at is None else utterance.ended_at
            self._final(utterance, self._untimed(utterance, texts), end)
        self._current = None
        self.finals_due = 0

    def age_samples(self, vad: VoiceActivity) -> int:
        """How old the oldest speech is that no answer has told of yet."""
        ages = [0]
        for utterance in self._open.values():
            if utterance.ended_at is not None:
                ages.append(vad.end_sample - utterance.ended_at)
            else:
                heard = max(utterance.heard, utterance.onset_sample)
                ages.append(vad.voiced_end_sample - heard)
        return max(ages)

    def apply(self, hypothesis: Hypothesis) -> None:
        """Take an answer. One to an utterance already final, or older than one taken, is moot."""
        window = hypothesis.window
        utterance = self._open.get(window.utterance)
        if utterance is None:
            return
        if hypothesis.failed is not None:
            self._emit(Degraded(what="transcript", why=hypothesis.failed))
        is_last = utterance.ended_at == window.voiced_end_sample and window.wants_times
        if is_last and (hypothesis.failed is None or window.kind is Kind.FINAL):
            self._finish(utterance, hypothesis)
            return
        if utterance.cutting and window.kind is Kind.FINAL:
            self._cut(utterance, hypothesis)
            return
        if hypothesis.failed is not None:
            return
        utterance.heard = max(utterance.heard, window.voiced_end_sample)
        if hypothesis.ran_away:
            return
        if window.kind is Kind.SPECULATIVE and utterance.speculated_for == window.voiced_end_sample:
            utterance.speculation = hypothesis
        if window.end_sample > utterance.newest_applied:
            utterance.newest_applied = window.end_sample
            self._partial(utterance, hypothesis)

    def _begin(self, start_sample: int, onset_sample: int | None = None) -> _Utterance:
        """An utterance with audio from `start_sample` on and speech from the onset on."""
        onset = start_sample if onset_sample is None else onset_sample
        utterance = _Utterance(self._next_number, start_sample, onset, asked_voiced_end=onset)
        self._next_number += 1
        self._current = self._open[utterance.number] = utterance
        self._emit(SpeechStart(utterance=utterance.number, start_ms=ms_of(onset)))
        return utterance

    def _soft_end(self, current: _Utterance, vad: VoiceActivity) -> bool:
        length = vad.end_sample - current.start_sample
        for longer_than, silence in SOFT_ENDPOINTS:
            if length >= longer_than:
                if vad.silence_samples >= silence and not current.cutting:
                    vad.stop()
                    return True
                return False
        return False

    def _step_due(self, current: _Utterance, vad: VoiceActivity) -> bool:
        step_s = self._step_s()
        if math.isinf(step_s):
            return False
        step = SAMPLE_RATE * step_s if current.asked_end else FIRST_STEP
        return vad.voiced_end_sample - current.asked_voiced_end >= step

    def _submit(self, utterance: _Utterance, kind: Kind, vad: VoiceActivity) -> None:
        utterance.pauses = _pauses(utterance, vad)
        self._request(utterance, kind, vad.end_sample, vad.voiced_end_sample)

    def _request(self, utterance: _Utterance, kind: Kind, end: int, voiced_end: int) -> None:
        start = utterance.start_sample
        utterance.asked_end, utterance.asked_voiced_end = end, voiced_end
        audio = utterance.audio
        pcm = self._read(start, end) if audio is None else audio[: end - start]
        number = utterance.number
        self._ask(
            Window(
                self._session,
                self._track,
                number,
                kind,
                start,
                end,
                voiced_end,
                pcm,
                self._language,
            )
        )

    def _end(self, utterance: _Utterance, vad: VoiceActivity) -> None:
        self._current = None
        utterance.ended_at = vad.voiced_end_sample
        utterance.pauses = _pauses(utterance, vad)
        self._emit(SpeechEnd(utterance=utterance.number, end_ms=ms_of(vad.voiced_end_sample)))
        self.finals_due += 1
        ready = utterance.speculation
        if ready is not None and ready.window.voiced_end_sample == utterance.ended_at:
            self._finish(utterance, ready)
            return
        end = min(vad.end_sample, vad.voiced_end_sample + TAIL)
        utterance.audio = self._read(utterance.start_sample, end)
        if not utterance.cutting:
            self._ask_last(utterance)

    def _ask_last(self, utterance: _Utterance) -> None:
        """Ask for the final words of an utterance that is over; a long one is cut first."""
        assert utterance.ended_at is not None
        assert utterance.audio is not None
        if utterance.ended_at - utterance.start_sample > LONGEST:
            self._ask_cut(utterance, utterance.ended_at)
            return
        end = utterance.start_sample + len(utterance.audio)
        self._request(utterance, Kind.FINAL, end, utterance.ended_at)

    def _ask_cut(self, utterance: _Utterance, voiced_end: int) -> None:
        utterance.cutting = True
        end = utterance.start_sample + CUT_AT
        self._request(utterance, Kind.FINAL, end, min(voiced_end, end))

    def _partial(self, utterance: _Utterance, hypothesis: Hypothesis) -> None:
        window = hypothesis.window
        is_whole = window.kind is Kind.SPECULATIVE
        if utterance.agreement.push(hypothesis.words, ms_of(window.end_sample), is_whole=is_whole):
            self._tell(utterance)

    def _tell(self, utterance: _Utterance) -> None:
        self._emit(
            TranscriptPartial(
                utterance=utterance.number,
                committed=" ".join(utterance.agreement.committed),
                tentative=" ".join(utterance.agreement.tentative),
            )
        )

    def _finish(self, utterance: _Utterance, hypothesis: Hypothesis) -> None:
        del self._open[utterance.number]
        self.finals_due -= 1
        assert utterance.ended_at is not None
        if hypothesis.failed is not None:
            words = self._untimed(utterance, utterance.agreement.committed)
        else:
            sealed = utterance.agreement.sealed(hypothesis.words)
            words = self._placed(utterance, sealed, utterance.ended_at)
        self._final(utterance, words, utterance.ended_at)

    def _cut(self, utterance: _Utterance, hypothesis: Hypothesis) -> None:
        """End `utterance` behind committed words and go on with the rest as another."""
        if hypothesis.failed is None:
            self._partial(utterance, hypothesis)
            kept, cut_sample = self._cut_point(hypothesis, utterance.agreement.settled)
            mine, behind = utterance.agreement.parted(kept)
            sealed = mine.sealed(kept)
            if behind.committed:
                # Nothing comes between two committed words any more.
                sealed = sealed[: len(mine.committed)]
            words = self._placed(utterance, sealed, cut_sample)
        else:
            cut_sample, behind = hypothesis.window.end_sample, Agreement()
            words = self._untimed(utterance, utterance.agreement.committed)
        del self._open[utterance.number]
        if utterance.ended_at is None:
            self._emit(SpeechEnd(utterance=utterance.number, end_ms=ms_of(cut_sample)))
        self._final(utterance, words, cut_sample)
        self._go_on(utterance, cut_sample, behind)

    def _cut_unanswered(self, utterance: _Utterance) -> None:
        """Let the next utterance begin where the window of the cut ends, whatever its words are."""
        utterance.cutting = False
        utterance.ended_at = utterance.asked_voiced_end
        self.finals_due += 1
        self._emit(SpeechEnd(utterance=utterance.number, end_ms=ms_of(utterance.ended_at)))
        self._begin(utterance.asked_end).asked_end = utterance.asked_end

    def _go_on(self, utterance: _Utterance, cut_sample: int, behind: Agreement) -> None:
        """Begin the utterance that holds what `utterance` was cut off from, and the words that
        were committed `behind` the cut."""
        current, ended_at = self._current, utterance.ended_at
        if ended_at is not None:
            self.finals_due -= 1
            if ended_at <= cut_sample and not behind.committed:
                return
        rest = self._begin(cut_sample)
        rest.asked_end = cut_sample
        rest.agreement = behind
        if ended_at is None:
            if behind.committed:
                self._tell(rest)
            return
        assert utterance.audio is not None
        self._current = current
        rest.ended_at = ended_at
        rest.audio = utterance.audio[cut_sample - utterance.start_sample :]
        rest.pauses = [pause for pause in utterance.pauses if pause[0] >= cut_sample]
        self._emit(SpeechEnd(utterance=rest.number, end_ms=ms_of(ended_at)))
        self.finals_due += 1
        self._ask_last(rest)

    def _final(self, utterance: _Utterance, words: list[Word], end_sample: int) -> None:
        self._emit(
            TranscriptFinal(
                utterance=utterance.number,
                start_ms=ms_of(utterance.onset_sample),
                end_ms=ms_of(end_sample),
                words=words,
            )
        )

    def _placed(
        self, utterance: _Utterance, words: list[SpokenWord], end_sample: int
    ) -> list[Word]:
        """Words on session time. Cross-attention lets a word run into the silence behind it, so no
        word spans a pause that voice activity found, nor the onset or end of the utterance."""
        origin_ms, last_ms = ms_of(utterance.start_sample), ms_of(end_sample)
        onset_ms = ms_of(utterance.onset_sample)
        pauses = [(ms_of(start), ms_of(end)) for start, end in utterance.pauses]
        placed: list[Word] = []
        for word in words:
            start_ms = min(max(onset_ms, origin_ms + word.start_ms), last_ms)
            end_ms = min(origin_ms + word.end_ms, last_ms)
            for pause_start_ms, pause_end_ms in pauses:
                if pause_start_ms <= start_ms < pause_end_ms < end_ms:
                    start_ms = pause_end_ms
                elif start_ms < pause_start_ms < end_ms:
                    end_ms = pause_start_ms
            placed.append((word.text, start_ms, max(start_ms, end_ms), word.probability))
        return placed

    def _untimed(self, utterance: _Utterance, texts: list[str]) -> list[Word]:
        """Words of an utterance whose final decode failed or came too late, all at its span."""
        start_ms = ms_of(utterance.onset_sample)
        end_ms = ms_of(max(utterance.asked_voiced_end, utterance.onset_sample))
        return [(text, start_ms, end_ms, 0.0) for text in texts]


def _pauses(utterance: _Utterance, vad: VoiceActivity) -> list[tuple[int, int]]:
    return [pause for pause in vad.pauses if pause[0] >= utterance.start_sample]
