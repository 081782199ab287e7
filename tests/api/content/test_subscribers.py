"""Mailing lists from files: who is right is taken, the others are told, and nobody comes back who
left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.content.outlets import MAX_SUBSCRIBERS
from api.content.subscribers import Counts, Parsed, counted, parse, take
from api.ids import new_id
from api.problems import Problem
from api.store import open_database
from api.store.content import Subscriber
from api.store.store import Store

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
HERE = new_id()


def parsed(text: str) -> Parsed:
    return parse(text.encode(), "Fair 2026", HERE, NOW)


def people(*emails: str, lists: tuple[str, ...] = ("Weekly",)) -> list[Subscriber]:
    return [Subscriber.new(HERE, NOW, email=email, lists=lists) for email in emails]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(open_database(f"sqlite:///{tmp_path / 'store.db'}"), lambda: NOW)
    await store.open()
    yield store
    await store.close()


@pytest.mark.parametrize(
    "text",
    [
        "email,name,language,lists\nAna@Example.com,Ana Ruiz,es,Weekly;New cars\n",
        "\ufeffE-Mail;Nombre;Idioma;Listas\r\nana@example.com;Ana Ruiz;ES;Weekly|New cars\r\n",
        'name\tlists\temail\tlanguage\n"Ana Ruiz"\tWeekly; New cars\tANA@example.com\tes\n\n',
        "shoe size,email,name,lists,language\n41,ana@example.com,Ana  Ruiz,Weekly;;New cars,es",
    ],
)
def test_a_file_is_read_however_it_was_exported(text: str) -> None:
    found = parsed(text)
    assert found.faults == []
    (ana,) = found.people.values()
    assert (ana.email, ana.name, ana.language) == ("ana@example.com", "Ana Ruiz", "es")
    assert (ana.lists, ana.source) == (("Weekly", "New cars"), "Fair 2026")


def test_what_is_wrong_is_told_by_line_and_column_and_the_others_are_taken() -> None:
    found = parsed(
        "email,name,language,lists\n"
        "ana@example.com,Ana,en,Weekly\n"
        "no address,Bo,en,Weekly\n"
        ",Cy,en,Weekly\n"
        f"d@example.com,{'d' * 81},en,Weekly\n"
        'e@example.com,"E\u202emailto",en,Weekly\n'
        "f@example.com,F,fr,Weekly\n"
        f"g@example.com,G,en,{'g' * 41}\n"
        f"h@example.com,H,en,{';'.join(map(str, range(21)))}\n"
        '"i@example.com\r\nBcc: x@example.com",I,en,Weekly\n'
        "short\n"
    )
    assert list(found.people) == ["ana@example.com"]
    told = [(each.line, each.column) for each in found.faults]
    assert told == [
        (3, "email"),
        (4, "email"),
        (5, "name"),
        (6, "name"),
        (7, "language"),
        (8, "lists"),
        (9, "lists"),
        (11, "email"),
        (12, "email"),
    ]
    assert all(each.message.endswith(".") for each in found.faults)


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0", "<script>alert(1)</script>", "{{7*7}}", "🚗"]
)
def test_what_a_name_holds_is_data(name: str) -> None:
    (person,) = parsed(f"email,name\na@example.com,{name}\n").people.values()
    assert person.name == name


def test_whoever_stands_there_twice_is_on_the_lists_of_both_lines() -> None:
    found = parsed("email,lists\na@example.com,Weekly\nA@example.com,Fair;Weekly\n")
    assert [each.lists for each in found.people.values()] == [("Weekly", "Fair")]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "name the columns"),
        (b"name,lists\nAna,Weekly\n", "one of them email"),
        ("email\nbé@example.com\n".encode("utf-16"), "UTF-8"),
        (b"email\n" + b"a" * 200_000, "Line"),
        (b"\xff\xd8\xff\xe0", "UTF-8"),
    ],
)
def test_what_is_no_such_file_is_refused_with_a_sentence(raw: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refusal:
        parse(raw, "Fair", HERE, NOW)
    assert str(refusal.value).endswith(".")


def test_a_file_of_too_many_people_is_refused() -> None:
    lines = "\n".join(f"p{number}@example.com" for number in range(MAX_SUBSCRIBERS + 1))
    with pytest.raises(ValueError, match="divide it"):
        parsed(f"email\n{lines}")


async def test_who_is_known_gets_the_lists_that_are_new_and_who_left_none(store: Store) -> None:
    ana, bo, cy = people("ana@example.com", "bo@example.com", "cy@example.com")
    assert await take(store, HERE, [ana, bo, cy], NOW, dry=False) == Counts(added=3)
    await store.subscribers.unsubscribe(HERE, cy.id)
    more = people("ana@example.com", "cy@example.com", "di@example.com", lists=("Fair",))
    again = [*more, *people("bo@example.com")]
    expected = Counts(added=1, changed=1, unchanged=1, unsubscribed=1)
    assert await take(store, HERE, again, NOW, dry=True) == expected
    assert (await store.subscribers.page(HERE)).total == 3
    assert await take(store, HERE, again, NOW, dry=False) == expected
    on_lists = {each.email: each.lists for each in (await store.subscribers.page(HERE)).items}
    assert on_lists == {
        "ana@example.com": ("Weekly", "Fair"),
        "bo@example.com": ("Weekly",),
        "cy@example.com": ("Weekly",),
        "di@example.com": ("Fair",),
    }
    assert await counted(store, HERE) == {"Weekly": 2, "Fair": 2}


async def test_who_unsubscribed_is_kept_and_off_every_list(store: Store) -> None:
    (ana,) = people("ana@example.com", lists=("Weekly", "Fair"))
    await store.subscribers.add(HERE, ana)
    assert await store.subscribers.unsubscribe(HERE, ana.id) is not None
    assert await store.subscribers.unsubscribe(HERE, ana.id) is None
    assert await store.subscribers.remove(HERE, ana.id) == 0
    for name in ana.lists:
        assert await store.subscribers.on_list(HERE, name) == []


async def test_nobody_gets_on_more_lists_than_there_may_be(store: Store) -> None:
    await take(store, HERE, people("a@example.com", lists=("x", "y")), NOW, dry=False)
    many = people("a@example.com", lists=tuple(str(each) for each in range(19)))
    with pytest.raises(Problem, match="more than 20 lists"):
        await take(store, HERE, many, NOW, dry=False)


async def test_beyond_the_most_nobody_is_added(store: Store) -> None:
    await take(store, HERE, people("a@example.com", "b@example.com"), NOW, dry=False, most=3)
    with pytest.raises(Problem, match="which is the most"):
        await take(store, HERE, people("c@example.com", "d@example.com"), NOW, dry=False, most=3)
    assert await store.subscribers.count(HERE) == 2
