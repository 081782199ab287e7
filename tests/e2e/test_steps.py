"""Consent, what is kept, what is remembered, and text that must stay text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import CHECKED_DEVICE, PracticePage, until

pytestmark = pytest.mark.slow

MARKUP = "<img src=x onerror='window.owned=1'><script>window.owned=1</script><b>bold</b>"


@pytest.fixture
def practice(node: Node, browser: Browser) -> Iterator[PracticePage]:
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    yield practice
    assert practice.errors == []
    context.close()


def test_nothing_goes_on_without_agreeing_to_coaching(practice: PracticePage) -> None:
    practice.open()
    practice.page.get_by_label("Keep the scores alone").check()
    practice.button("Continue").click()
    expect(practice.id("coaching-error")).to_be_visible()
    expect(practice.page.get_by_label("Yes, listen")).to_be_focused()
    expect(practice.view("consent")).to_be_visible()


def test_recording_is_a_choice_that_nobody_has_made_before(practice: PracticePage) -> None:
    practice.open()
    practice.page.get_by_label("Yes, listen").check()
    expect(practice.page.get_by_label("Keep a recording")).not_to_be_checked()
    expect(practice.page.get_by_label("Keep the scores alone")).not_to_be_checked()
    practice.button("Continue").click()
    expect(practice.id("recording-error")).to_be_visible()


def test_a_refused_recording_keeps_nothing_and_says_so(practice: PracticePage, node: Node) -> None:
    practice.call(recording=False)
    expect(practice.id("transcript").locator(".utterance:visible").first).to_be_visible()
    practice.page.wait_for_timeout(2_000)
    practice.end()
    expect(practice.id("summary-kept")).to_contain_text("Nothing was kept, as you chose")
    expect(practice.id("player")).to_be_hidden()
    expect(practice.id("said")).to_contain_text("it was the", ignore_case=True)
    session_id = practice.session_id
    assert practice.api(f"/sessions/{session_id}")["hasRecording"] is False
    recording = node.get(f"/sessions/{session_id}/recording")
    assert recording.status_code == 404
    until(practice.page, lambda: not list(node.data.rglob(f"*{session_id}*")))


def test_a_remembered_check_is_used_when_the_same_device_is_there(practice: PracticePage) -> None:
    practice.open()
    practice.agree(recording=True)
    expect(practice.view("ready")).to_be_visible()
    expect(practice.id("ready-microphone")).to_contain_text(f"{CHECKED_DEVICE}, checked on")
    practice.button("Check again").click()
    expect(practice.id("check-previous")).to_contain_text(CHECKED_DEVICE)
    practice.button("Use my last check").click()
    expect(practice.view("ready")).to_be_visible()


def test_another_device_is_not_compared_with_the_remembered_check(
    practice: PracticePage,
) -> None:
    practice.open()
    practice.page.evaluate(
        "localStorage['forecourt.baselines'] ="
        " localStorage['forecourt.baselines'].replaceAll('Fake Default', 'Some Other')"
    )
    practice.page.reload()
    practice.agree(recording=True)
    expect(practice.view("check")).to_be_visible()
    practice.button("Use my last check").click()
    expect(practice.notice("microphone")).to_contain_text("has not been checked yet")


def test_the_session_is_created_with_the_check_and_the_device_settings(
    practice: PracticePage,
) -> None:
    with practice.page.expect_request("**/api/v1/sessions") as created:
        practice.call()
    body = created.value.post_data_json
    assert body["baseline"] == {"speechLevelDbfs": -24.0, "noiseFloorDbfs": -62.0}
    assert body["device"]["label"] == CHECKED_DEVICE
    assert body["device"]["settings"]["autoGainControl"] is False
    assert not [name for name in body["device"]["settings"] if name.endswith("Id")]
    practice.end()


def test_volume_tips_are_off_unless_gain_control_is_reported_off(
    node: Node, browser: Browser
) -> None:
    context = signed_in(browser, node)
    silent = """const report = MediaStreamTrack.prototype.getSettings;
      MediaStreamTrack.prototype.getSettings = function settings() {
        const {autoGainControl, ...rest} = report.call(this);
        return rest;
      };"""
    practice = PracticePage(context, node, script=silent)
    practice.open()
    practice.agree(recording=True)
    practice.button("Start the check").click()
    expect(practice.id("verdict")).to_contain_text("volume tips will be off")
    practice.button("Continue").click()
    expect(practice.id("ready-volume")).to_contain_text("Off")
    practice.start()
    practice.expect_connected()
    volume = practice.page.locator("[data-gauge=volume]")
    expect(volume).to_contain_text("automatic gain control")
    expect(volume).to_contain_text("dBFS")
    practice.end()
    session = practice.api(f"/sessions/{practice.session_id}")
    assert session["volumeFeedback"]["enabled"] is False
    context.close()


def test_transcript_and_gauges_hide_and_stay_hidden_after_a_reload(
    practice: PracticePage,
) -> None:
    page = practice.page
    practice.call()
    page.get_by_role("button", name="Hide transcript").click()
    page.get_by_role("button", name="Hide gauges").click()
    expect(practice.id("transcript")).to_be_hidden()
    expect(practice.id("gauges")).to_be_hidden()
    practice.end()
    page.goto(practice.url)
    practice.call()
    expect(practice.id("transcript")).to_be_hidden()
    expect(practice.id("gauges")).to_be_hidden()
    expect(practice.id("cards-empty")).to_be_visible()
    page.get_by_role("button", name="Show transcript").click()
    expect(practice.id("transcript")).to_be_visible()
    practice.end()


def test_text_from_the_server_is_shown_as_text(practice: PracticePage) -> None:
    def event(seq: int, name: str, **data: object) -> dict[str, object]:
        return {"v": 1, "seq": seq, "t": 900, "track": "trainee", "type": name, "data": data}

    tip = {
        "kind": "suggestion",
        "severity": "low",
        "code": "made_up",
        "parameters": {MARKUP: MARKUP},
    }
    practice.call()
    practice.receive(
        event(90_000, "transcript.partial", utterance=900, committed=MARKUP, tentative=MARKUP),
        event(90_001, "feedback", **tip, message=MARKUP, evidence=MARKUP, spanMs=[0, 900]),
        event(90_002, "bookmark", atMs=800, label=MARKUP),
        event(90_003, "note", author=MARKUP, text=MARKUP),
        event(90_004, "degraded", what=MARKUP, why=MARKUP, untilMs=None),
    )
    expect(practice.id("transcript")).to_contain_text(MARKUP)
    expect(practice.id("cards")).to_contain_text(MARKUP)
    word = [MARKUP, 0, 900, 0.9]
    point = {"code": MARKUP, "parameters": {}, "message": MARKUP, "moments": [[0, 900]]}
    practice.receive(
        event(90_005, "transcript.final", utterance=900, startMs=0, endMs=900, words=[word]),
        event(90_006, "summary", strengths=[point], workOn=[point]),
        event(90_007, "session.state", state="completed", reason=MARKUP),
    )
    expect(practice.view("summary")).to_be_visible()
    expect(practice.id("said")).to_contain_text(MARKUP)
    expect(practice.id("moments")).to_contain_text(MARKUP)
    expect(practice.id("strengths")).to_contain_text(MARKUP)
    expect(practice.id("work-on")).to_contain_text(MARKUP)
    assert practice.page.evaluate("window.owned") is None
    assert practice.page.locator("main b, main script, main [onerror]").count() == 0


def test_events_of_a_kind_yet_unknown_change_nothing(practice: PracticePage) -> None:
    practice.call()
    unknown = {"v": 1, "seq": 90_000, "t": 1, "track": None, "type": "telepathy", "data": {"a": 1}}
    newer = {"v": 2, "seq": 90_001, "t": 1, "track": None, "type": "feedback", "data": {}}
    practice.receive(unknown, newer)
    practice.page.wait_for_timeout(300)
    expect(practice.id("cards").locator(".card")).to_have_count(0)
    practice.expect_connected()


def test_the_node_allows_no_code_from_elsewhere(practice: PracticePage) -> None:
    answer = practice.page.goto(practice.url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
