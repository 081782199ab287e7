"""What a playbook makes of one typed sentence: the matcher and the judge that calls have."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from api.playbook_views import CardView, HeardObjection, NeverSayView, StageView, TryView
from engine.asr.correction import Corrector
from engine.events import SessionType
from engine.matching import Matcher, MustSayTicked, NeverSayHeard, Role, Sentence, StageReached
from engine.objections import Judge, Scores, verdict
from engine.playbook import Playbook

JUDGED_WITHIN_S = 10.0
_WORD_MS = 300


async def tried(
    used: Playbook,
    judge: Judge,
    corrector: Corrector | None,
    sentence: str,
    session_type: SessionType,
    speaker: Role,
) -> TryView:
    """As if `sentence` were an utterance of `speaker`."""
    texts = sentence.split()
    if corrector is not None:
        texts = corrector.correct(texts)
    words = [(text, _WORD_MS * at, _WORD_MS * (at + 1), 1.0) for at, text in enumerate(texts)]
    view = TryView(
        stages=[],
        must_say=[],
        never_say=[],
        objections=[],
        corrected=" ".join(texts),
        judged_by="sentences" if judge.is_prepared else "phrases",
    )
    for found in Matcher(used, session_type, speaker).push(1, words):
        match found:
            case StageReached(stage):
                view.stages.append(StageView(code=stage.code, title=stage.title))
            case MustSayTicked(must):
                view.must_say.append(StageView(code=must.code, title=must.title))
            case NeverSayHeard(never):
                heard = NeverSayView.model_validate(never, from_attributes=True)
                if heard not in view.never_say:
                    view.never_say.append(heard)
            case Sentence(spoken):
                _add(view.objections, await _judged(used, judge, spoken))
    return view


async def _judged(used: Playbook, judge: Judge, words: Sequence[str]) -> list[HeardObjection]:
    answer: asyncio.Future[Scores] = asyncio.get_running_loop().create_future()

    def done(scores: Scores) -> None:
        if not answer.done():
            answer.set_result(scores)

    judge.hear(words, done)
    async with asyncio.timeout(JUDGED_WITHIN_S):
        found = verdict(await answer)
    if found is None:
        return []
    titles = {each.code: each.title for each in used.objections}
    return [
        HeardObjection(
            code=each.code,
            title=titles[each.code],
            margin=each.margin,
            card=CardView.model_validate(used.cards[each.code], from_attributes=True)
            if each.code == found.card
            else None,
        )
        for each in found.suggestions
    ]


def _add(told: list[HeardObjection], found: Sequence[HeardObjection]) -> None:
    """Each objection once, as it was told most clearly."""
    for each in found:
        before = next((one for one in told if one.code == each.code), None)
        if before is None:
            told.append(each)
        elif each.margin > before.margin:
            told[told.index(before)] = each
