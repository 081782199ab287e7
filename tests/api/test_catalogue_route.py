"""`/catalogues/LANGUAGE`: the texts of a language, and whether the node understands it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from engine.catalogue import LANGUAGES, catalogue
from tests.api.conftest import Refused
from tests.node import running


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_told_whole_to_everybody(anonymous: httpx.Client, language: str) -> None:
    answer = anonymous.get(f"/catalogues/{language}")
    assert answer.status_code == 200
    body = answer.json()
    assert body["language"] == language
    assert body["beta"] is (language == "es")
    assert body["texts"] == catalogue(language).texts
    assert body["texts"]["feedback.too_fast.evidence"].startswith("{value:.1f} ")


def test_what_is_known_already_is_not_sent_again(http: httpx.Client) -> None:
    first = http.get("/catalogues/es")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    again = http.get("/catalogues/es", headers={"If-None-Match": f'"other", W/{tag}'})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == tag
    other = http.get("/catalogues/en", headers={"If-None-Match": tag})
    assert other.status_code == 200
    assert other.headers["etag"] != tag


@pytest.mark.parametrize("language", ["fr", "EN", "es-MX", "..%2Fen"])
def test_an_unknown_language_is_refused(
    http: httpx.Client, refused: Refused, language: str
) -> None:
    refused(http.get(f"/catalogues/{language}"), 404)


@pytest.mark.slow
def test_the_answer_tells_whether_the_node_understands_the_language(tmp_path: Path) -> None:
    with (
        running(tmp_path / "node", FORECOURT_ASR_LANGUAGES="{}") as node,
        node.client() as http,
    ):
        assert http.get("/catalogues/en").json()["speech"] is True
        assert http.get("/catalogues/es").json()["speech"] is False
        body = {"sessionType": "pitch", "language": "es"}
        session = http.post("/sessions", json=body).json()
        consent = {"coaching": True, "recording": False, "textVersion": "2026-11"}
        http.put(f"/sessions/{session['id']}/consent", json=consent).raise_for_status()
        offer = {"Content-Type": "application/sdp"}
        refusal = http.post(session["whipUrl"].removeprefix("/api/v1"), headers=offer)
        assert refusal.status_code == 422
