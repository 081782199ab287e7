"""A dealership's own list of domain words: what a whole call makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from api.call import Call
from api.folders import Folder
from api.ids import new_id
from api.settings import Settings
from api.store.crypto import DataKey
from api.views import CreateSession
from benchmarks.domain.sentences import FOLDER
from engine.asr.correction import Corrector
from engine.asr.domain import load
from signaling import stack
from signaling.publisher import RATE, Publisher, load_audio
from tests.api.keeping import OWNER
from tests.kept import records_of
from tests.node import running

pytestmark = pytest.mark.slow

SAID = "The [Toyota] [RAV4] [XLE] is the one everybody asks for."


@pytest.fixture
def loopback() -> Iterator[None]:
    stack.configure()
    stack.use_loopback(True)
    yield
    stack.use_loopback(False)


@pytest.fixture
def said() -> NDArray[np.int16]:
    """`SAID` and 2 s of silence."""
    (span, *_) = [
        clip
        for clip in json.loads((FOLDER / "heldout.json").read_text())["clips"]
        if clip["text"] == SAID
    ]
    audio = load_audio(FOLDER / "heldout.opus")
    clip = audio[span["startMs"] * RATE // 1000 : span["endMs"] * RATE // 1000]
    return np.concatenate([clip, np.zeros(2 * RATE, np.int16)])


@pytest.mark.usefixtures("loopback")
async def test_words_are_written_as_the_dealerships_own_list_has_them(
    tmp_path: Path, said: NDArray[np.int16]
) -> None:
    own = tmp_path / "own.toml"
    own.write_text('model = [{ term = "Rav4", spoken = ["rav four"] }]\n')
    with running(tmp_path / "node", FORECOURT_DOMAIN_WORDS=str(own)) as node:
        publisher = Publisher(node.account, said)
        await publisher.run()
        first = (await asyncio.to_thread(records_of, node.data, publisher.session_id))[0]
    assert first["versions"]["domain"] == load(own).version
    finals = [item.event for item in publisher.received if item.event.type == "transcript.final"]
    words = [word[0] for event in finals for word in event.data["words"]]
    assert "Rav4" in words, words


@pytest.mark.parametrize(
    ("language", "is_used", "has_version"),
    [("en", True, True), ("en", False, False), ("es", True, False)],
)
def test_the_journal_tells_which_list_was_used(
    language: str, is_used: bool, has_version: bool
) -> None:
    corrector = Corrector(load()) if is_used else None
    created = CreateSession(session_type="pitch", language=language)
    session_id, now = new_id(), datetime.now(UTC)
    call = Call(
        session_id,
        OWNER,
        DataKey.new(),
        Folder(Path("nowhere"), OWNER.dealership_id, session_id),
        created,
        now,
        created.volume_feedback(),
        b"",
    )
    versions: dict[str, Any] = call.first_record(corrector)["versions"]
    assert ("domain" in versions) is has_version
    if has_version:
        assert versions["domain"] == load().version


def test_the_list_is_on_by_default_and_an_empty_path_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings().domain == "on"
    monkeypatch.setenv("FORECOURT_DOMAIN_WORDS", "")
    assert Settings().domain_words is None
    monkeypatch.setenv("FORECOURT_DOMAIN_WORDS", "/a/list.toml")
    assert Settings().domain_words == Path("/a/list.toml")
