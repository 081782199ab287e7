"""A dealership's own playbooks: written, tried, published; and calls are held with them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from api import playbooks
from api.calls import Calls
from api.ids import new_id
from api.keep import Keep
from api.playbook_editing import MAX_DRAFTS
from api.playbooks import Playbooks
from api.settings import Settings
from api.store.teaching import DomainWord, PlaybookVersion
from api.trial import tried
from api.words import Words, faults_of, terms_of
from benchmarks.domain.sentences import FOLDER
from benchmarks.server import NoWords
from engine import models, playbook
from engine.asr.correction import Corrector
from engine.asr.domain import load
from engine.document import MAX_BYTES
from engine.embedding.embedder import Embedder
from engine.embedding.minilm import MODEL
from engine.journal import read
from signaling import stack
from signaling.publisher import RATE, Publisher, load_audio
from signaling.recorder import Writer
from tests.api.conftest import Refused
from tests.api.keeping import DEALER, OWNER, begun, keeping
from tests.api.seeds import Person, Seeds
from tests.kept import records_of
from tests.node import ROOT, Node, running

SHIPPED = playbook.shipped()
WORDS = [{"term": "Zarquon", "spoken": []}, {"term": "Q9", "spoken": ["q nine"]}]


def source(title: str = "Ours", *, language: str = "en", **lines: str) -> str:
    """A small playbook."""
    stage = "  - {code: hello, title: Hello, cues: [welcome to the house]}"
    ordinary = "\n".join(f"- the weather was {n} on day {n}" for n in range(20))
    given = {
        "title": f"title: {title}",
        "must": "must_say:\n- {code: fees, title: Fees, why: They ask, sessions: [pitch], "
        "phrases: [all fees included]}",
        "never": "never_say:\n- {code: free, title: Free, reason: It is not, instead: Say what it "
        "costs, phrases: [it is free]}",
    } | lines
    return f"""id: ours
version: "1"
{given["title"]}
language: {language}
stages:
  pitch:
{stage}
  objection:
{stage}
  closing:
{stage}
{given["must"]}
{given["never"]}
objections:
- code: colour
  title: The colour
  exemplars: [I hate that colour, the paint looks wrong, not in this shade]
  phrases: [hate that colour]
  card: {{title: Colour, say: We have others, ask: Which one, avoid: Arguing, next: Show them}}
ordinary:
{ordinary}
"""


@dataclass
class House:
    """A dealership of its own on the node that all tests share."""

    seeds: Seeds
    http: httpx.AsyncClient
    id: str
    manager: Person
    seller: Person

    async def ask(
        self, method: str, path: str, body: Any = None, by: Person | None = None, **headers: str
    ) -> httpx.Response:
        headers = {**(by or self.manager).headers, **headers}
        return await self.http.request(method, f"/playbooks{path}", json=body, headers=headers)

    async def drafted(self, text: str, **fields: Any) -> dict[str, Any]:
        body = {"language": "en", "source": text, **fields}
        answer = await self.ask("POST", "/drafts", body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def published(self, text: str, **fields: Any) -> dict[str, Any]:
        number = (await self.drafted(text, **fields))["number"]
        answer = await self.ask("POST", f"/versions/en/{number}/publish")
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def held_with(self, language: str = "en") -> Any:
        """What a new call of the salesperson's is held with."""
        body = {"sessionType": "pitch", "language": language}
        made = await self.http.post("/sessions", json=body, headers=self.seller.headers)
        return (made.json()["playbook"] or {}).get("digest")


@asynccontextmanager
async def opened(node: Node) -> AsyncIterator[House]:
    async with (
        Seeds(node.data) as seeds,
        httpx.AsyncClient(base_url=f"{node.url}/api/v1", timeout=30) as http,
    ):
        here = await seeds.dealership("Here")
        manager = await seeds.person(here, "manager")
        yield House(seeds, http, here, manager, await seeds.person(here, "salesperson"))


@pytest.fixture
async def house(node: Node) -> AsyncIterator[House]:
    async with opened(node) as house:
        yield house


async def test_calls_are_held_with_what_was_published_last_and_old_ones_told_with_theirs(
    node: Node, house: House
) -> None:
    assert await house.held_with() == SHIPPED.digest
    first = await house.published(source("First"), remark="To begin with")
    assert await house.held_with() == first["digest"] != SHIPPED.digest
    second = await house.published(source("Second"))
    assert await house.held_with() == second["digest"]
    assert await house.held_with("es") is None
    for each, title in ((first, "First"), (second, "Second"), (SHIPPED.model_dump(), "Car sales")):
        digest = each.get("digest", SHIPPED.digest)
        answer = await house.ask("GET", f"/{digest}", by=house.seller)
        assert answer.json()["title"] == title
    listed = (await house.ask("GET", "", by=house.seller)).json()["items"]
    assert [(each["number"], each["status"], each["shipped"]) for each in listed] == [
        (2, "published", False),
        (1, "retired", False),
        (0, "retired", True),
    ]
    assert listed[1]["remark"] == "To begin with"
    assert listed[1]["publishedAt"] is not None
    again = await house.ask("POST", "/versions/en/1/restore")
    assert again.json()["source"] == source("First")
    assert (again.json()["number"], again.json()["status"]) == (3, "draft")
    async with opened(node) as other:
        assert await other.held_with() == SHIPPED.digest
        assert (await other.ask("GET", f"/{second['digest']}")).status_code == 404
        assert (await other.ask("GET", "/versions/en/2")).status_code == 404


async def test_a_playbook_with_faults_can_be_kept_but_not_published(
    house: House, refused: Refused
) -> None:
    faulty = source(never="never_say: [{code: free}]\nnonsense: 1")
    answer = await house.ask("POST", "/check", {"source": faulty, "domainWords": ["F150", "Zar"]})
    checked = answer.json()
    line = faulty.splitlines().index("nonsense: 1") + 1
    assert line in {fault["line"] for fault in checked["faults"]}
    assert [fault["number"] for fault in checked["wordFaults"]] == [1]
    assert checked["preview"] is None
    kept = await house.drafted(faulty, domainWords=["F150"])
    assert (kept["title"], kept["digest"], kept["number"]) == ("", "", 1)
    problem = refused(await house.ask("POST", "/versions/en/1/publish"), 409)
    assert problem["code"] == "faulty"
    fields = {error["field"] for error in problem["errors"]}
    assert {f"line {line}", "domainWords.1"} <= fields
    spanish = await house.drafted(source(language="es"))
    answer = await house.ask("POST", f"/versions/en/{spanish['number']}/publish")
    assert refused(answer, 409)["errors"][0]["field"] == "line 4"
    assert await house.held_with() == SHIPPED.digest
    well = (await house.ask("POST", "/check", {"source": source()})).json()
    assert (well["faults"], well["wordFaults"]) == ([], [])
    assert well["preview"]["objections"][0]["card"]["say"] == "We have others"


async def test_a_draft_changes_only_as_whoever_changes_it_has_seen_it(
    house: House, refused: Refused
) -> None:
    made = await house.drafted(source("One"), domainWords=["Telluride", *WORDS])
    assert made["domainWords"] == [{"term": "Telluride", "spoken": []}, *WORDS]
    path, body = "/versions/en/1", {"source": source("Two")}
    refused(await house.ask("PUT", path, body), 428)
    seen = (await house.ask("GET", path)).headers["etag"]
    changed = await house.ask("PUT", path, body, **{"If-Match": seen})
    assert (changed.json()["title"], changed.json()["domainWords"]) == ("Two", [])
    refused(await house.ask("PUT", path, body, **{"If-Match": seen}), 412)
    refused(await house.ask("POST", f"{path}/publish", **{"If-Match": seen}), 412)
    assert (await house.ask("POST", f"{path}/publish")).json()["status"] == "published"
    refused(await house.ask("PUT", path, body, **{"If-Match": "*"}), 409)
    refused(await house.ask("POST", f"{path}/publish"), 409)
    refused(await house.ask("DELETE", path), 409)
    draft = await house.drafted(source("Three"))
    path = f"/versions/en/{draft['number']}"
    refused(await house.ask("GET", path, by=house.seller), 404)
    listed = (await house.ask("GET", "", by=house.seller)).json()["items"]
    assert "draft" not in {each["status"] for each in listed}
    refused(await house.ask("GET", f"/{draft['digest']}"), 404)
    assert (await house.ask("DELETE", path)).status_code == 204
    refused(await house.ask("GET", path), 404)


async def test_what_is_sent_has_limits(house: House, refused: Refused) -> None:
    def body(**fields: Any) -> dict[str, Any]:
        return {"language": "en", "source": "", **fields}

    refused(await house.ask("POST", "/drafts", body(source="x" * (MAX_BYTES + 1))), 422)
    refused(await house.ask("POST", "/drafts", body(domainWords=["Zar"] * 501)), 422)
    refused(await house.ask("POST", "/drafts", body(source="x" * 2**20)), 413)
    refused(await house.ask("GET", "/drafts"), 405)
    checking = (house.ask("POST", "/check", {"source": playbook.source()}) for _ in range(20))
    answers = await asyncio.gather(*checking)
    assert {answer.status_code for answer in answers} == {200, 429}
    for _ in range(MAX_DRAFTS):
        await house.drafted("")
    problem = refused(await house.ask("POST", "/drafts", body()), 409)
    assert problem["code"] == "too_many_drafts"


async def test_a_sentence_is_tried_as_if_it_were_said_in_a_call(
    house: House, refused: Refused
) -> None:
    async def said(sentence: str, speaker: str = "salesperson", **fields: Any) -> dict[str, Any]:
        body = {"sentence": sentence, "speaker": speaker, "sessionType": "pitch", **fields}
        answer = await house.ask("POST", "/try", body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    text = source()
    found = await said("Welcome to the house! All fees included. It is free.", source=text)
    assert found["stages"] == [{"code": "hello", "title": "Hello"}]
    assert found["mustSay"] == [{"code": "fees", "title": "Fees"}]
    assert [each["instead"] for each in found["neverSay"]] == ["Say what it costs"]
    assert found["objections"] == []
    found = await said("I hate that colour.", "customer", source=text)
    assert found["judgedBy"] == "phrases"
    (objection,) = found["objections"]
    assert (objection["code"], objection["card"]["next"]) == ("colour", "Show them")
    assert (await said("I hate that colour.", source=text))["objections"] == []
    misheard = {"sentence": "The sarkwon is here.", "source": text}
    assert (await said(**misheard))["corrected"] == "The sarkwon is here."
    assert (await said(**misheard, domainWords=WORDS))["corrected"] == "The Zarquon is here."
    assert (await said("the crv"))["corrected"] == "the CR-V"  # of the node's own list
    await house.published(text, domainWords=WORDS)
    for which in ({}, {"language": "en", "number": 1}):
        found = await said("The sarkwon is free. It is free.", **which)
        assert found["corrected"].startswith("The Zarquon is")
        assert [each["code"] for each in found["neverSay"]] == ["free"]
    assert (await said("It is free.", number=0))["neverSay"] == []
    for which, status in (({"number": 9}, 404), ({"language": "es"}, 409), ({"source": "x"}, 409)):
        body = {"sentence": "x", "speaker": "customer", "sessionType": "pitch", **which}
        refused(await house.ask("POST", "/try", body), status)


def test_words_of_the_trade_are_checked_one_by_one() -> None:
    words = [DomainWord(term=term) for term in ("Telluride", "F150", "telluride", "a_b")]
    assert [number for number, _ in faults_of(words)] == [2, 3, 4]
    terms = terms_of([DomainWord(term="Q9", spoken=("q nine",)), {"term": "Zarquon"}])
    own = Words(Corrector(load())).with_own(terms)
    assert own is not None
    assert own.version == load().extended(terms).version != load().version
    assert Words(None).with_own(terms) is None


# Calls


@asynccontextmanager
async def calling(data: Path, keep: Keep) -> AsyncIterator[Calls]:
    """As `tests.api.keeping.calling`, with playbooks and domain words as a node has them."""
    stack.use_loopback(True)
    writer = Writer()
    writer.start()
    books = Playbooks(data / "playbooks", None)
    await books.start(keep.store.playbooks)
    calls = Calls(Settings(data=data), keep, NoWords(), books, writer, Corrector(load()))
    await calls.start()
    try:
        yield calls
    finally:
        await calls.stop()
        writer.stop()
        stack.use_loopback(False)


async def put(keep: Keep, title: str, words: list[dict[str, Any]], number: int = 1) -> str:
    """A published version of `DEALER`'s, in the store; the playbook's digest."""
    text, now = source(title), datetime.now(UTC)
    digest = playbook.parse(text.encode()).digest
    made = PlaybookVersion.new(
        DEALER,
        now,
        language="en",
        number=number,
        status="published",
        title=title,
        digest=digest,
        author_id=new_id(),
        published_at=now,
        source=text,
        domain_words=terms_to_store(words),
    )
    await keep.store.playbooks.add(DEALER, made)
    return digest


def terms_to_store(words: list[dict[str, Any]]) -> tuple[DomainWord, ...]:
    return tuple(DomainWord.model_validate(word) for word in words)


async def test_a_call_goes_on_after_a_crash_with_the_playbook_and_words_it_began_with(
    tmp_path: Path,
) -> None:
    version = load().extended(terms_of(terms_to_store(WORDS))).version
    async with keeping(tmp_path) as keep:
        digest = await put(keep, "First", WORDS)
        async with calling(tmp_path, keep) as calls:
            session_id = await begun(calls)
            call = calls._calls[session_id]
            assert call.room is not None
            corrector = call.room.session._corrector
            assert corrector is not None
            assert corrector.correct(["sarkwon"]) == ["Zarquon"]
            elsewhere = replace(OWNER, dealership_id="5f00000000000000000000ff")
            foreign = calls._calls[await begun(calls, owner=elsewhere)]
            assert foreign.playbook == SHIPPED
            assert foreign.corrector is calls.words.with_own(())
            await calls.stop(resumable=True)
        first = next(iter(read(call.folder.journal, call.disk)))
        assert first["words"] == WORDS
        assert first["versions"]["domain"] == version
        assert first["playbook"]["digest"] == digest
        await put(keep, "Second", [], 2)
        async with calling(tmp_path, keep) as calls:
            call = calls._calls[session_id]
            assert call.playbook is not None
            assert (call.playbook.title, call.playbook.digest) == ("First", digest)
            assert call.corrector is not None
            assert call.corrector.version == version
            view, _ = await calls.create(call.created, OWNER)
            assert view.playbook is not None
            assert calls._calls[view.id].words == ()
            assert view.playbook.digest != digest


async def test_memory_holds_a_bounded_number_of_playbooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playbooks, "MAX_HELD", 2)
    async with keeping(tmp_path) as keep:
        books = Playbooks(tmp_path / "playbooks", None)
        await books.start(keep.store.playbooks)
        digests = [await put(keep, f"Title {number}", [], number) for number in range(1, 5)]
        for digest in [*digests, *digests]:
            found = await books.find(DEALER, digest)
            assert found is not None
            assert found.digest == digest
            assert len(books._own) <= 2
            assert await books.find(new_id(), digest) is None
        held = await books.of(DEALER, "en")
        assert held.playbook is not None
        assert held.playbook.title == "Title 4"


async def test_a_published_playbook_that_is_not_understood_any_more_gives_way_to_the_shipped_one(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path) as keep:
        await put(keep, "Ours", [])
        (head,) = await keep.store.playbooks.newest(DEALER)
        version = await keep.store.playbooks.get(DEALER, "en", head.number)
        assert version is not None
        spoilt = version.changed(datetime.now(UTC), source="id: ours")
        await keep.store.playbooks.save(DEALER, spoilt)
        books = Playbooks(tmp_path / "playbooks", None)
        await books.start(keep.store.playbooks)
        assert (await books.of(DEALER, "en")).playbook == SHIPPED


@pytest.mark.slow
async def test_with_the_sentence_model_a_new_playbook_is_tried_by_its_exemplars(
    tmp_path: Path,
) -> None:
    embedder = Embedder(models.ensure(MODEL, progress=False))
    books = Playbooks(tmp_path, embedder)
    embedder.start()
    ours = playbook.parse(source().encode())
    sentence = "Honestly, I don't like the color of this car."
    try:
        judge = await books.prepared(ours, within_s=60)
        found = await tried(ours, judge, None, sentence, "pitch", "customer")
        assert found.judged_by == "sentences"
        assert [each.code for each in found.objections] == ["colour"]
        spent = embedder.statistics().embedded
        newer = playbook.parse(source("Newer").encode())
        assert (await books.prepared(newer, within_s=60)).is_prepared
        assert embedder.statistics().embedded == spent  # the sentences are the same
    finally:
        await books.stop()


@pytest.mark.slow
async def test_a_call_is_written_with_the_dealerships_own_words_and_heard_again_alike(
    tmp_path: Path,
) -> None:
    text = "The [Toyota] [RAV4] [XLE] is the one everybody asks for."
    clips = json.loads((FOLDER / "heldout.json").read_text())["clips"]
    span = next(clip for clip in clips if clip["text"] == text)
    audio = load_audio(FOLDER / "heldout.opus")
    said = audio[span["startMs"] * RATE // 1000 : span["endMs"] * RATE // 1000]
    stack.configure()
    stack.use_loopback(True)
    words = [{"term": "Rav4", "spoken": ["rav four"]}]
    with running(tmp_path / "node") as node:
        with node.client() as http:
            body = {"language": "en", "source": source(), "domainWords": words}
            http.post("/playbooks/drafts", json=body).raise_for_status()
            http.post("/playbooks/versions/en/1/publish").raise_for_status()
        publisher = Publisher(node.account, np.concatenate([said, np.zeros(2 * RATE, np.int16)]))
        await publisher.run()
        first = (await asyncio.to_thread(records_of, node.data, publisher.session_id))[0]
        assert first["words"] == words
        finals = [
            each.event for each in publisher.received if each.event.type == "transcript.final"
        ]
        heard = [word[0] for event in finals for word in event.data["words"]]
        assert "Rav4" in heard, heard
        command = [sys.executable, "-m", "api.cli", "reanalyse", publisher.session_id]
        command += ["--data", str(node.data), "--json"]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=False, cwd=ROOT
        )
    stack.use_loopback(False)
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["sameWords"] is True
