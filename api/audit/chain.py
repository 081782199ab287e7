"""A node's audit log as a chain: each entry's HMAC covers all its fields and the HMAC before it.

Whoever changes the database, but has not the audit key of ``secrets.toml``, cannot change, remove,
insert or reorder an entry without breaking the chain. What was cut off at its end leaves whole what
is left; only the node's own tail (`api.audit.tail`) tells of that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from api.audit.tail import Tail
from api.store.base import MAX_MANY, Unreadable
from api.store.documents import AuditEntry
from api.store.repositories.audit import AuditLog

START: Final = "0" * 64
"""What the first entry takes for the HMAC before it."""

Breach = Literal["changed", "removed", "inserted", "reordered", "cut"]

_NEAR = 16
"""Places on either side among which a moved entry's own place is looked for."""


def signature(key: bytes, previous: str, entry: AuditEntry) -> str:
    """HMAC-SHA256 over `previous` and every field but the HMAC: JSON, keys sorted, no spaces."""
    fields = entry.model_dump(mode="json", by_alias=True, exclude={"hmac"})
    form = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, f"{previous}\n{form}".encode(), hashlib.sha256).hexdigest()


def signed(key: bytes, previous: str, entry: AuditEntry) -> AuditEntry:
    return entry.model_copy(update={"hmac": signature(key, previous, entry)})


def follows(key: bytes, previous: str, entry: AuditEntry) -> bool:
    """Whether `entry`, as it is, was written behind the entry whose HMAC is `previous`."""
    return hmac.compare_digest(signature(key, previous, entry), entry.hmac)


@dataclass(frozen=True, slots=True)
class Broken:
    """The first link that does not hold, and what was most likely done there."""

    seq: int
    breach: Breach
    detail: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What `verify` found of one node: how far the chain is whole, and what breaks it."""

    node: str
    entries: int
    last: str
    """HMAC of the last whole link. Kept elsewhere, it shows a later cut."""
    broken: Broken | None = None
    waiting: int = 0
    """Entries in the node's own tail that the store has yet to take."""
    is_end_known: bool = False
    """Whether the node's own tail was at hand, so that a cut end would have been seen."""


async def verify(log: AuditLog, key: bytes, node: str, tail: Tail | None = None) -> Chain:
    """Read a node's chain from its start. Raises `Unavailable`."""
    count, last = 0, START
    try:
        while entries := await log.chain(node, count):
            for entry in entries:
                if entry.seq != count + 1 or not follows(key, last, entry):
                    near = await log.chain(node, max(0, count - _NEAR), 2 * _NEAR)
                    broken = _diagnose(key, last, count + 1, near)
                    return Chain(node, count, last, broken, is_end_known=tail is not None)
                count, last = entry.seq, entry.hmac
            if len(entries) < MAX_MANY:
                break
    except Unreadable as error:
        broken = Broken(count + 1, "changed", f"At entry {count + 1} or behind it: {error}")
        return Chain(node, count, last, broken, is_end_known=tail is not None)
    if tail is None:
        return Chain(node, count, last)
    waiting = sum(entry.seq > max(count, tail.stored) for entry in tail.entries)
    return Chain(node, count, last, _cut(tail, count, last), waiting, True)


def _cut(tail: Tail, count: int, last: str) -> Broken | None:
    """Whether the store ends before what the node knows it took."""
    if tail.stored > count:
        return Broken(
            count + 1,
            "cut",
            f"The store's chain ends with entry {count}, but it had taken up to {tail.stored}: "
            "what came behind was cut off.",
        )
    for entry in tail.entries:
        if entry.seq == count and entry.hmac != last:
            return Broken(
                count,
                "changed",
                f"Entry {count} is not the one that the node wrote: somebody who has the audit key "
                "signed another, or two nodes have the same name.",
            )
    return None


def _diagnose(key: bytes, previous: str, seq: int, near: Sequence[AuditEntry]) -> Broken:
    """What happened to entry `seq`, which ought to follow `previous`, by the entries around it."""
    behind = [entry for entry in near if entry.seq >= seq]
    entry, following = behind[0], behind[1] if len(behind) > 1 else None

    def was(other: AuditEntry, own: int, before: str) -> bool:
        return follows(key, before, other.model_copy(update={"seq": own}))

    if entry.seq != seq:
        missing = f"{seq}" if entry.seq == seq + 1 else f"{seq} to {entry.seq - 1}"
        return Broken(seq, "removed", f"Entry {missing} is not there.")
    for own in range(max(1, seq - _NEAR), seq + _NEAR + 1):
        if own != seq and any(was(entry, own, other.hmac) for other in near):
            return Broken(seq, "reordered", f"What stands as entry {seq} was written as {own}.")
    if following is not None:
        if was(following, seq, previous):
            return Broken(seq, "inserted", f"Entry {seq} was put in: the next is the true {seq}.")
        if following.seq == seq + 1 and was(following, seq + 1, entry.hmac):
            return Broken(seq, "changed", f"Entry {seq} does not say what it said when written.")
        if was(following, following.seq + 1, entry.hmac):
            return Broken(
                seq, "removed", f"Entry {seq} is not there: those behind it were numbered anew."
            )
    return Broken(
        seq,
        "changed" if following is not None else "inserted",
        f"Entry {seq} was not written by this node as it stands: "
        "it was changed together with its HMAC, or put in.",
    )
