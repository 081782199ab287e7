"""A call's playbook, over HTTP: named by its content, and kept for as long as calls are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from api.ids import new_id
from api.playbooks import Playbooks
from engine import playbook
from tests.api.conftest import Refused

CAR_SALES = playbook.shipped()


def test_a_session_names_its_playbook(http: httpx.Client, session: dict[str, Any]) -> None:
    used = {"id": "car_sales", "version": CAR_SALES.version, "digest": CAR_SALES.digest}
    assert session["playbook"] == used
    assert http.get(f"/sessions/{session['id']}").json()["playbook"] == used


def test_a_language_without_a_playbook_has_none(http: httpx.Client) -> None:
    made = http.post("/sessions", json={"sessionType": "pitch", "language": "es"}).json()
    assert made["playbook"] is None


def test_a_playbook_is_shown_without_what_recognizes_it(http: httpx.Client) -> None:
    answer = http.get(f"/playbooks/{CAR_SALES.digest}")
    assert "immutable" in answer.headers["cache-control"]
    body = answer.json()
    assert body["digest"] == CAR_SALES.digest
    assert [stage["code"] for stage in body["stages"]["pitch"]] == [
        stage.code for stage in CAR_SALES.stages.pitch
    ]
    objection = body["objections"][0]
    assert objection.keys() == {"code", "title", "card"}
    assert objection["card"] == CAR_SALES.objections[0].card.model_dump()
    assert body["mustSay"][0].keys() == {"code", "title", "why", "sessions"}
    assert body["neverSay"][0].keys() == {"code", "title", "reason", "instead"}
    assert "cues" not in answer.text
    assert "exemplars" not in answer.text


@pytest.mark.parametrize("digest", ["0" * 16, "x", "..%2f..%2fetc", "A" * 16, "0" * 2000])
def test_an_unknown_playbook_is_not_found(
    http: httpx.Client, refused: Refused, digest: str
) -> None:
    refused(http.get(f"/playbooks/{digest}"), 404)


async def test_the_playbook_of_a_past_call_is_found_when_another_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Playbooks(tmp_path, None)
    await before.start()
    newer = playbook.Playbook.model_validate(CAR_SALES.model_dump() | {"version": "99"})
    monkeypatch.setattr(playbook, "shipped", lambda: newer)
    now = Playbooks(tmp_path, None)
    await now.start()
    anybody = new_id()
    assert (await now.of(anybody, "en")).playbook == newer
    assert await now.find(anybody, CAR_SALES.digest) == CAR_SALES
    assert await now.find(anybody, newer.digest) == newer


async def test_a_damaged_file_is_no_playbook(tmp_path: Path) -> None:
    books = Playbooks(tmp_path, None)
    await books.start()
    (tmp_path / f"{'1' * 16}.json").write_text("{}", encoding="utf-8")
    (tmp_path / f"{'2' * 16}.json").write_text(CAR_SALES.model_dump_json(), encoding="utf-8")
    assert await books.find(new_id(), "1" * 16) is None
    assert await books.find(new_id(), "2" * 16) is None
