"""One whole call through the page, on real speech, seen from its beginning to its replay."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from engine.catalogue import catalogue
from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import PracticePage
from tests.e2e.speech import TEXT

ENOUGH_WORDS = 40
"""For a summary."""
DECODED_MS = """async () => {
  const url = document.getElementById('audio').src;
  const bytes = await (await fetch(url)).arrayBuffer();
  const context = new OfflineAudioContext(1, 48000, 48000);
  return 1000 * (await context.decodeAudioData(bytes)).duration;
}"""
GAUGES = """() => Object.fromEntries(['volume', 'pace', 'clarity'].map((name) => [
  name, getComputedStyle(document.querySelector(`[data-gauge=${name}] .needle`))
    .getPropertyValue('--value')]))"""


@dataclass
class Seen:
    """What the page showed during the call."""

    practice: PracticePage
    verdict: str = ""
    ready: str = ""
    constraints: list[dict[str, Any]] = field(default_factory=list)
    needles: dict[str, set[str]] = field(default_factory=dict)
    had_tentative: bool = False
    card: str = ""
    card_detail: str = ""
    announced: list[str] = field(default_factory=list)
    words_at_pause: list[str] = field(default_factory=list)
    words_after_pause: list[str] = field(default_factory=list)
    needles_in_pause: list[dict[str, str]] = field(default_factory=list)
    paused_track_enabled: bool = True
    words: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    session: dict[str, Any] = field(default_factory=dict)

    def watch(self) -> None:
        """Look at gauges and transcript once."""
        for name, value in self.practice.page.evaluate(GAUGES).items():
            self.needles.setdefault(name, set()).add(value)
        tentative = self.practice.id("transcript").locator(".tentative").all_inner_texts()
        self.had_tentative = self.had_tentative or any(tentative)


@pytest.fixture(scope="module")
def seen(node: Node, browser: Browser) -> Iterator[Seen]:
    context = signed_in(browser, node)
    practice = PracticePage(context, node)
    page = practice.page
    seen = Seen(practice)

    practice.open()
    practice.agree(recording=True)
    practice.button("Start the check").click()
    expect(practice.id("verdict")).to_be_visible()
    seen.verdict = practice.id("verdict").get_attribute("data-verdict") or ""
    practice.button("Continue").click()
    seen.ready = practice.id("ready-volume").inner_text()
    seen.constraints = page.evaluate("spied.constraints")
    practice.start("Objection")
    practice.expect_connected()

    card = page.locator("#cards .card[data-code=too_quiet]")
    for _ in range(60):
        seen.watch()
        if card.count():
            break
        page.wait_for_timeout(500)
    expect(card).to_be_visible()
    seen.card = card.locator("h3").inner_text()
    card.locator("summary").click()
    seen.card_detail = card.locator("details").inner_text()
    practice.button("Bookmark").click()

    practice.button("Pause").click()
    practice.expect_connection("paused")
    expect(practice.id("transcript").locator(".tentative:not(:empty)")).to_have_count(0)
    page.wait_for_timeout(1_500)
    seen.words_at_pause = practice.words()
    seen.paused_track_enabled = page.evaluate("spied.tracks.at(-1).enabled")
    seen.needles_in_pause = [page.evaluate(GAUGES)]
    page.wait_for_timeout(1_500)
    seen.needles_in_pause.append(page.evaluate(GAUGES))
    seen.words_after_pause = practice.words()
    practice.button("Go on").click()
    practice.expect_connected()
    expect(practice.id("speaking-text")).to_have_text("Speaking")
    for turn in range(60):
        page.wait_for_timeout(500)
        seen.watch()
        if turn >= 22 and len(practice.words()) >= ENOUGH_WORDS + 10:
            break

    seen.sent, seen.announced = page.evaluate("[spied.sent, spied.said]")
    practice.end()
    seen.words = practice.page.evaluate(
        "[...document.querySelectorAll('#said .word')].map((word) => word.textContent)"
    )
    seen.session = practice.api(f"/sessions/{practice.session_id}")
    yield seen
    context.close()


def test_nothing_but_echoes_is_taken_out_of_the_microphone(seen: Seen) -> None:
    wanted = {"autoGainControl": False, "noiseSuppression": False, "echoCancellation": True}
    assert len(seen.constraints) == 1
    assert seen.constraints[0]["audio"].items() >= (wanted | {"channelCount": 1}).items()


def test_a_read_sentence_becomes_the_baseline_of_the_call(seen: Seen) -> None:
    assert seen.verdict == "ok"
    assert seen.ready.startswith("On")
    assert seen.session["volumeFeedback"] == {"enabled": True, "reason": None}


def test_the_words_spoken_appear_in_the_transcript(seen: Seen) -> None:
    reference, heard = TEXT.split(), [word.strip(".,;:-—!?").lower() for word in seen.words]
    blocks = difflib.SequenceMatcher(None, reference, heard, autojunk=False).get_matching_blocks()
    matched = sum(block.size for block in blocks)
    assert len(heard) >= 20
    assert matched / len(heard) >= 0.85, heard


def test_tentative_words_are_shown_before_they_are_settled(seen: Seen) -> None:
    assert seen.had_tentative


def test_the_gauges_follow_the_voice(seen: Seen) -> None:
    assert {name: len(values) > 3 for name, values in seen.needles.items()} == {
        "volume": True,
        "pace": True,
        "clarity": True,
    }


def test_a_quiet_passage_brings_a_tip_that_reads_at_a_glance(seen: Seen) -> None:
    assert seen.card
    assert len(seen.card.split()) <= 6


def test_a_tip_tells_its_evidence_on_demand(seen: Seen) -> None:
    assert "dB" in seen.card_detail
    assert "measured" in seen.card_detail


def test_a_tip_is_said_to_a_screen_reader(seen: Seen) -> None:
    assert any(seen.card in said for said in seen.announced)


def test_a_pause_freezes_words_and_gauges_and_mutes_the_track(seen: Seen) -> None:
    assert seen.words_after_pause == seen.words_at_pause
    assert seen.needles_in_pause[0] == seen.needles_in_pause[1]
    assert not seen.paused_track_enabled


def test_the_call_goes_on_after_a_pause(seen: Seen) -> None:
    assert len(seen.words) > len(seen.words_after_pause)


def test_commands_go_out_in_the_order_of_the_buttons(seen: Seen) -> None:
    kinds = [command["type"] for command in seen.sent]
    assert [kind for kind in kinds if kind != "ping"] == ["bookmark", "pause", "resume"]
    assert kinds.count("ping") >= 10


def test_the_summary_tells_scores_and_the_quantities_behind_them(seen: Seen) -> None:
    metrics = seen.session["metrics"]
    for name, score in metrics["scores"].items():
        tile = seen.practice.page.locator(f"#summary-scores [data-score-name={name}]")
        assert tile.get_attribute("data-score") == ("" if score is None else str(score))
    pace = seen.practice.page.locator("#summary-scores [data-score-name=pace]")
    expect(pace.locator("dl > div").nth(2)).to_have_text(f"Words{metrics['quantities']['words']}")


def test_the_summary_tells_questions_and_the_longest_monologue(seen: Seen) -> None:
    quantities = seen.session["metrics"]["quantities"]
    seconds = round(quantities["longestMonologueMs"] / 1000)
    shown = seen.practice.page.locator("#summary-talk > div").all_inner_texts()
    assert [" ".join(text.split()) for text in shown] == [
        f"Questions you asked {quantities['questions']}",
        f"Longest monologue {seconds} s",
    ]


def test_the_summary_explains_how_each_score_is_worked_out(seen: Seen) -> None:
    for name in seen.session["metrics"]["scores"]:
        help_ = seen.practice.page.locator(f"[data-score-name={name}] details")
        assert not help_.locator("p").is_visible()
        help_.locator("summary").click()
        expect(help_.locator("p")).to_have_text(catalogue().text(f"page.help.{name}"))
        help_.locator("summary").click()


def test_the_summary_tells_what_the_call_came_to(seen: Seen) -> None:
    page = seen.practice.page
    (summary,) = [
        event["data"]
        for event in seen.practice.api(f"/sessions/{seen.practice.session_id}/events")["items"]
        if event["type"] == "summary"
    ]
    assert summary["strengths"] or summary["workOn"]
    for which, points in (("strengths", summary["strengths"]), ("work-on", summary["workOn"])):
        shown = page.locator(f"#{which} li:not(.empty) p").all_inner_texts()
        assert shown == [point["message"] for point in points]
        moments = page.locator(f"#{which} .at").count()
        assert moments == sum(len(point["moments"]) for point in points)


def test_the_summary_lists_tips_and_bookmarks_in_the_order_of_time(seen: Seen) -> None:
    kinds = seen.practice.page.locator("#moments .moment").evaluate_all(
        "moments => moments.map((moment) => moment.dataset.kind)"
    )
    assert kinds.index("correction") < kinds.index("bookmark")
    times = seen.practice.page.locator("#moments .at").all_inner_texts()
    assert times == sorted(times, key=_seconds)


def test_the_recording_is_as_long_as_the_session(seen: Seen) -> None:
    decoded_ms = seen.practice.page.evaluate(DECODED_MS)
    assert abs(decoded_ms - seen.session["durationMs"]) <= 50


def test_a_word_plays_the_recording_from_its_moment(seen: Seen) -> None:
    page = seen.practice.page
    finals = [
        event["data"]
        for event in seen.practice.api(f"/sessions/{seen.practice.session_id}/events")["items"]
        if event["type"] == "transcript.final" and event["data"]["words"]
    ]
    last = finals[-1]["words"][-1]
    page.locator("#said .word").last.click()
    page.wait_for_function("() => !audio.paused && !audio.seeking")
    at_s = page.evaluate("audio.currentTime")
    page.evaluate("audio.pause()")
    assert last[1] / 1000 - 1 <= at_s <= last[2] / 1000 + 0.5


def test_a_tip_plays_the_recording_from_before_it_came(seen: Seen) -> None:
    page = seen.practice.page
    tip = page.locator("#moments .moment[data-kind=correction] .at").first
    tip.click()
    page.wait_for_function("() => !audio.paused && !audio.seeking")
    played_s = page.evaluate("audio.currentTime")
    page.evaluate("audio.pause()")
    assert 0 <= played_s < _seconds(tip.inner_text())


def test_the_call_is_found_again_among_past_sessions(seen: Seen) -> None:
    page = seen.practice.page
    words = page.locator("#said .word").count()
    page.reload()
    expect(seen.practice.view("summary")).to_be_visible()
    expect(page.locator("#said .word")).to_have_count(words)
    seen.practice.page.get_by_role("link", name="Past sessions").click()
    link = page.locator(f"a[href='#/sessions/{seen.session['id']}']")
    expect(link).to_contain_text("Objection")
    link.click()
    expect(page.locator("#said .word")).to_have_count(words)


def test_nothing_failed_in_the_page(seen: Seen) -> None:
    assert seen.practice.errors == []


def _seconds(text: str) -> int:
    minutes, seconds = text.strip().split("\n")[-1].split(" ")[-1].split(":")
    return 60 * int(minutes) + int(seconds)
