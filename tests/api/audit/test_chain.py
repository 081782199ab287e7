"""Whoever writes to the database without the key cannot touch the chain unseen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from api.audit.chain import START, Broken, follows, signature, signed, verify
from api.audit.tail import Link, Tail
from api.ids import new_id
from api.store.base import equal
from api.store.documents import AuditEntry
from api.store.store import Store
from tests.api.store.people import Clock, Sample

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))


def chain_of(length: int, node: str, key: bytes = KEY) -> list[AuditEntry]:
    sample, last = Sample(Clock()), START
    made: list[AuditEntry] = []
    for seq in range(1, length + 1):
        made.append(signed(key, last, sample.entry(node, seq)))
        last = made[-1].hmac
    return made


async def put(store: Store, entries: list[AuditEntry]) -> None:
    for entry in entries:
        await store.audit.append(entry.dealership_id, entry)


def numbered(entries: list[AuditEntry]) -> list[AuditEntry]:
    return [entry.model_copy(update={"seq": seq}) for seq, entry in enumerate(entries, 1)]


def changed(entry: AuditEntry, **fields: Any) -> AuditEntry:
    return entry.model_copy(update=fields)


def swapped(chain: list[AuditEntry]) -> list[AuditEntry]:
    return numbered([*chain[:4], chain[5], chain[4], *chain[6:]])


def moved(chain: list[AuditEntry]) -> list[AuditEntry]:
    return numbered([*chain[:4], chain[8], *chain[4:8], *chain[9:]])


def forged(entry: AuditEntry, **fields: Any) -> AuditEntry:
    """Signed by one who has another key."""
    return signed(OTHER_KEY, "f" * 64, changed(entry, id=new_id(), **fields))


Tampering = Callable[[list[AuditEntry]], list[AuditEntry]]
TAMPERINGS: list[tuple[str, int, Tampering]] = [
    ("changed", 5, lambda c: [*c[:4], changed(c[4], outcome="refused"), *c[5:]]),
    ("changed", 5, lambda c: [*c[:4], changed(c[4], actor_id=None), *c[5:]]),
    ("changed", 1, lambda c: [changed(c[0], dealership_id=new_id()), *c[1:]]),
    ("changed", 5, lambda c: [*c[:4], changed(c[4], target_id=new_id(), hmac="a" * 64), *c[5:]]),
    (
        "changed",
        5,
        lambda c: [*c[:4], changed(c[4], updated_at=c[4].at.replace(year=2020)), *c[5:]],
    ),
    ("removed", 5, lambda c: [*c[:4], *c[5:]]),
    ("removed", 1, lambda c: c[1:]),
    ("removed", 3, lambda c: [*c[:2], *c[9:]]),
    ("removed", 5, lambda c: numbered([*c[:4], *c[5:]])),
    ("inserted", 5, lambda c: numbered([*c[:4], forged(c[4]), *c[4:]])),
    ("inserted", 13, lambda c: [*c, forged(c[-1], seq=13)]),
    ("reordered", 5, swapped),
    ("reordered", 5, moved),
]


@pytest.mark.parametrize(("breach", "seq", "tamper"), TAMPERINGS)
async def test_the_first_broken_link_is_named(
    store: Store, breach: str, seq: int, tamper: Tampering
) -> None:
    node = new_id()
    await put(store, tamper(chain_of(12, node)))
    found = await verify(store.audit, KEY, node)
    assert found.broken is not None
    assert (found.broken.breach, found.entries) == (breach, seq - 1)
    assert found.broken.seq == seq


@pytest.mark.parametrize("length", [0, 1, 499, 500, 501, 1001])
async def test_a_whole_chain_of_any_length_is_whole(store: Store, length: int) -> None:
    node = new_id()
    chain = chain_of(length, node)
    for at in range(0, length, 500):
        await store.audit._collection.insert_new(chain[at : at + 500])
    found = await verify(store.audit, KEY, node)
    assert (found.broken, found.entries) == (None, length)
    assert found.last == (chain[-1].hmac if chain else START)


async def test_a_link_that_breaks_between_two_reads_is_found(store: Store) -> None:
    node = new_id()
    chain = chain_of(503, node)
    chain[500] = changed(chain[500], outcome="failed")
    for at in (0, 500):
        await store.audit._collection.insert_new(chain[at : at + 500])
    found = await verify(store.audit, KEY, node)
    assert found.broken is not None
    assert (found.broken.seq, found.broken.breach) == (501, "changed")


async def test_an_entry_that_was_removed_from_the_store_is_missed(store: Store) -> None:
    node = new_id()
    chain = chain_of(6, node)
    await put(store, chain)
    await store.audit._collection.delete([equal("node", node), equal("seq", 3)])
    found = await verify(store.audit, KEY, node)
    assert found.broken == Broken(3, "removed", "Entry 3 is not there.")


async def test_another_key_verifies_nothing(store: Store) -> None:
    node = new_id()
    await put(store, chain_of(3, node, OTHER_KEY))
    found = await verify(store.audit, KEY, node)
    assert found.broken is not None
    assert (found.broken.seq, found.entries) == (1, 0)


def tail_of(chain: list[AuditEntry], stored: int) -> Tail:
    return Tail(tuple(Link(START, entry) for entry in chain[-2:]), stored)


async def test_a_cut_end_is_told_by_the_nodes_own_tail_alone(store: Store) -> None:
    node = new_id()
    chain = chain_of(6, node)
    await put(store, chain[:4])
    assert (await verify(store.audit, KEY, node)).broken is None
    found = await verify(store.audit, KEY, node, tail_of(chain, stored=6))
    assert found.broken is not None
    assert (found.broken.seq, found.broken.breach, found.entries) == (5, "cut", 4)
    waiting = await verify(store.audit, KEY, node, tail_of(chain, stored=4))
    assert (waiting.broken, waiting.waiting) == (None, 2)
    everything = await verify(store.audit, KEY, new_id(), tail_of(chain, stored=6))
    assert everything.broken is not None
    assert everything.broken.breach == "cut"


async def test_a_chain_written_anew_with_the_stolen_key_differs_from_the_nodes_tail(
    store: Store,
) -> None:
    node = new_id()
    await put(store, chain_of(6, node))
    found = await verify(store.audit, KEY, node, tail_of(chain_of(6, node), stored=6))
    assert found.broken is not None
    assert (found.broken.seq, found.broken.breach) == (6, "changed")


async def test_chains_of_other_nodes_are_apart(store: Store) -> None:
    one, other = sorted([new_id(), new_id()])
    await put(store, chain_of(3, one))
    await put(store, numbered(chain_of(3, other)[1:]))
    assert (await verify(store.audit, KEY, one)).broken is None
    assert (await verify(store.audit, KEY, other)).broken is not None
    names = await store.audit.nodes()
    assert [name for name in names if name in (one, other)] == [one, other]
    assert (await store.audit.nodes(one, 1))[0] > one


def test_the_hmac_covers_every_field_and_the_one_before() -> None:
    entry = chain_of(1, "n1")[0]
    others: dict[str, Any] = {
        "id": new_id(),
        "dealership_id": new_id(),
        "version": 2,
        "created_at": entry.at.replace(year=2020),
        "updated_at": entry.at.replace(year=2020),
        "node": "n2",
        "seq": 2,
        "at": entry.at.replace(year=2020),
        "actor_id": None,
        "action": "user.delete",
        "target_type": None,
        "target_id": None,
        "outcome": "failed",
    }
    assert others.keys() | {"hmac"} == set(AuditEntry.model_fields)
    signatures = {
        signature(KEY, START, changed(entry, **{name: value})) for name, value in others.items()
    }
    signatures |= {signature(OTHER_KEY, START, entry), signature(KEY, "1" * 64, entry), entry.hmac}
    assert len(signatures) == len(others) + 3
    assert follows(KEY, START, entry)


def test_fields_cannot_run_into_each_other() -> None:
    entry = chain_of(1, "n1")[0]
    one = changed(entry, target_type="a.b", target_id="c")
    other = changed(entry, target_type="a", target_id="b.c")
    assert signature(KEY, START, one) != signature(KEY, START, other)


def test_the_canonical_form_does_not_change_between_releases() -> None:
    """Else every chain ever written would break."""
    entry = AuditEntry.model_validate(
        {
            "id": "a" * 24,
            "dealershipId": "b" * 24,
            "version": 1,
            "createdAt": "2026-11-23T09:30:00.123Z",
            "updatedAt": "2026-11-23T09:30:00.123Z",
            "node": "n1",
            "seq": 7,
            "at": "2026-11-23T09:30:00.123Z",
            "actorId": None,
            "action": "user.update",
            "targetType": "user",
            "targetId": "c" * 24,
            "outcome": "allowed",
            "hmac": START,
        }
    )
    assert (
        signature(KEY, START, entry)
        == "bc73fe6377c802421144d36d76016379f1a7974b510c0197ae5e7e9d758b3071"
    )


def test_a_tail_says_what_it_holds() -> None:
    chain = chain_of(3, "n1")
    tail = tail_of(chain, 3)
    assert tail.entries == tuple(chain[1:])
    assert replace(tail, whole_bytes=99) == tail
