"""`/sessions`: create, read, list, consent, events, recording."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.api.conftest import CONSENT, Refused

STRANGER = "0123456789abcdef01234567"


def test_a_session_is_created_with_all_that_a_client_needs(http: httpx.Client) -> None:
    answer = http.post("/sessions", json={"sessionType": "closing"})
    assert answer.status_code == 201
    body = answer.json()
    assert re.fullmatch(r"[0-9a-f]{24}", body["id"])
    assert answer.headers["location"] == f"/api/v1/sessions/{body['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert body["whipUrl"] == f"/api/v1/sessions/{body['id']}/whip"
    assert len(body["resumeToken"]) >= 32
    assert body["sessionType"] == "closing"
    assert body["status"] == "created"
    assert body["recordingConsent"] is None
    assert body["startTime"] is body["endTime"] is body["metrics"] is None
    assert (body["durationMs"], body["feedbackCount"], body["hasRecording"]) == (0, 0, False)


def test_the_token_is_told_once_only(http: httpx.Client, session: dict[str, Any]) -> None:
    shown = http.get(f"/sessions/{session['id']}").json()
    listed = http.get("/sessions").json()["items"]
    token = session.pop("resumeToken")
    assert shown == session
    assert shown in listed
    assert token not in http.get("/sessions").text


def test_tokens_and_ids_are_all_different(http: httpx.Client) -> None:
    made = [http.post("/sessions", json={"sessionType": "pitch"}).json() for _ in range(20)]
    assert len({body["id"] for body in made}) == len({body["resumeToken"] for body in made}) == 20


BASELINE = {"speechLevelDbfs": -30.5, "noiseFloorDbfs": -62}


@pytest.mark.parametrize(
    ("baseline", "agc", "enabled", "reason"),
    [
        (BASELINE, False, True, None),
        (BASELINE, True, False, "gain control"),
        (BASELINE, None, False, "gain control"),
        (None, False, False, "microphone check"),
    ],
)
def test_volume_is_judged_against_a_baseline_and_without_gain_control_only(
    http: httpx.Client,
    baseline: dict[str, float] | None,
    agc: bool | None,
    enabled: bool,
    reason: str | None,
) -> None:
    settings = {} if agc is None else {"autoGainControl": agc}
    body = {"sessionType": "pitch", "baseline": baseline, "device": {"settings": settings}}
    feedback = http.post("/sessions", json=body).json()["volumeFeedback"]
    assert feedback["enabled"] is enabled
    assert (reason is None) == (feedback["reason"] is None)
    assert reason is None or reason in feedback["reason"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "sessionType"),
        ({"sessionType": "shouting"}, "sessionType"),
        ({"sessionType": "pitch", "extra": 1}, "extra"),
        ({"sessionType": "pitch", "baseline": {"speechLevelDbfs": -30}}, "baseline.noiseFloorDbfs"),
        (
            {"sessionType": "pitch", "baseline": {"speechLevelDbfs": 50, "noiseFloorDbfs": 0}},
            "baseline.speechLevelDbfs",
        ),
        ({"sessionType": "pitch", "device": {"label": "x" * 201}}, "device.label"),
        (
            {"sessionType": "pitch", "device": {"settings": {str(i): i for i in range(41)}}},
            "device.settings",
        ),
        ([], ""),
    ],
)
def test_a_body_that_does_not_fit_names_the_field(
    http: httpx.Client, refused: Refused, body: Any, field: str
) -> None:
    problem = refused(http.post("/sessions", json=body), 422)
    assert problem["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b"[" * 5_000,
        b'{"sessionType":"pitch","device":{"label":"\\ud800"}}',
        b'{"sessionType":"pitch","baseline":{"speechLevelDbfs":NaN,"noiseFloorDbfs":0}}',
        b'{"sessionType":"pitch","baseline":{"speechLevelDbfs":1e999,"noiseFloorDbfs":0}}',
        b'{"sessionType":"pitch","device":{"settings":{"x":[1]}}}',
    ],
)
def test_broken_json_is_refused(http: httpx.Client, refused: Refused, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    refused(http.post("/sessions", content=content, headers=headers), 422)


def test_a_number_of_thousands_of_digits_is_answered(http: httpx.Client) -> None:
    content = b'{"sessionType":"pitch","device":{"settings":{"x":' + b"9" * 6_000 + b"}}}"
    answer = http.post("/sessions", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (201, 422)


def test_another_media_type_is_refused(http: httpx.Client, refused: Refused) -> None:
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/sdp"}, {}):
        answer = http.post("/sessions", content=b'{"sessionType":"pitch"}', headers=headers)
        assert "application/json" in refused(answer, 415)["detail"]


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_body_is_refused(http: httpx.Client, refused: Refused, chunked: bool) -> None:
    body = b" " * 70_000
    content: Any = (body[i : i + 1_000] for i in range(0, len(body), 1_000)) if chunked else body
    headers = {"Content-Type": "application/json"}
    refused(http.post("/sessions", content=content, headers=headers), 413)


@pytest.mark.parametrize(
    "address",
    [
        f"/sessions/{STRANGER}",
        f"/sessions/{STRANGER}/events",
        f"/sessions/{STRANGER}/recording",
        f"/sessions/{STRANGER}/consent",
        "/sessions/x",
        "/sessions/..%2f..%2fetc",
        "/sessions/%2e%2e",
        f"/sessions/{STRANGER.upper()}/recording",
        f"/sessions/{STRANGER}%00/recording",
        "/sessions/%c3%bc/recording",
    ],
)
def test_an_unknown_session_is_not_found(
    http: httpx.Client, refused: Refused, address: str
) -> None:
    refused(http.get(address), 404)


def test_a_stream_of_an_unknown_session_is_not_found(http: httpx.Client, refused: Refused) -> None:
    headers = {"Accept": "text/event-stream"}
    refused(http.get(f"/sessions/{STRANGER}/events", headers=headers), 404)


def test_sessions_are_listed_newest_first_up_to_the_limit(http: httpx.Client) -> None:
    for _ in range(3):
        http.post("/sessions", json={"sessionType": "pitch"})
    items = http.get("/sessions", params={"limit": 2}).json()["items"]
    assert len(items) == 2
    created = [item["createdAt"][:19] for item in http.get("/sessions").json()["items"]]
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize("limit", ["-1", "x", "1e3", "201", "", "9" * 5_000, "²", "0x10"])
def test_a_limit_that_is_no_number_of_sessions_is_refused(
    http: httpx.Client, refused: Refused, limit: str
) -> None:
    assert "limit" in refused(http.get("/sessions", params={"limit": limit}), 422)["detail"]


@pytest.mark.parametrize("after", ["-1", "x", "9" * 5_000])
def test_a_place_in_the_events_that_is_no_number_is_refused(
    http: httpx.Client, refused: Refused, session: dict[str, Any], after: str
) -> None:
    path = f"/sessions/{session['id']}/events"
    refused(http.get(path, params={"after": after}), 422)
    refused(http.get(path, headers={"Last-Event-ID": after}), 422)


def test_a_session_that_has_not_begun_has_no_events_and_no_recording(
    http: httpx.Client, refused: Refused, session: dict[str, Any]
) -> None:
    path = f"/sessions/{session['id']}"
    assert http.get(f"{path}/events").json() == {"items": []}
    refused(http.get(f"{path}/recording"), 404)


def test_consent_is_stored_and_shown(http: httpx.Client, session: dict[str, Any]) -> None:
    path = f"/sessions/{session['id']}"
    stored = http.put(f"{path}/consent", json=CONSENT)
    assert (stored.status_code, stored.json()) == (200, CONSENT)
    assert http.get(f"{path}/consent").json() == CONSENT
    assert http.get(path).json()["recordingConsent"] is True


def test_consent_may_be_changed_until_the_call_begins(
    http: httpx.Client, consented: dict[str, Any]
) -> None:
    path = f"/sessions/{consented['id']}"
    http.put(f"{path}/consent", json=CONSENT | {"recording": False})
    assert http.get(path).json()["recordingConsent"] is False


def test_consent_that_nobody_gave_is_not_found(
    http: httpx.Client, refused: Refused, session: dict[str, Any]
) -> None:
    refused(http.get(f"/sessions/{session['id']}/consent"), 404)


@pytest.mark.parametrize(
    "body",
    [
        CONSENT | {"coaching": False},
        CONSENT | {"coaching": 1},
        CONSENT | {"recording": "yes"},
        CONSENT | {"recording": 1},
        CONSENT | {"recording": None},
        CONSENT | {"textVersion": ""},
        {"coaching": True},
        CONSENT | {"everything": True},
    ],
)
def test_consent_that_is_not_given_in_so_many_words_is_none(
    http: httpx.Client, refused: Refused, session: dict[str, Any], body: dict[str, Any]
) -> None:
    path = f"/sessions/{session['id']}"
    refused(http.put(f"{path}/consent", json=body), 422)
    assert http.get(path).json()["recordingConsent"] is None


def test_consent_to_an_unknown_session_is_not_found(http: httpx.Client, refused: Refused) -> None:
    refused(http.put(f"/sessions/{STRANGER}/consent", json=CONSENT), 404)
