"""The words of a call as its documents hold them: JSON, sealed with the call's data key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.ids import new_id
from api.store.crypto import DataKey
from api.store.documents import Event, SessionHead
from api.store.kinds import EVENTS
from api.store.rewrapping import place


def sealed_event(
    key: DataKey, dealership_id: str, session_id: str, event: Mapping[str, Any], now: datetime
) -> Event:
    """An event, as it is on the wire, as the store keeps it."""
    event_id = new_id()
    plain = _json(event)
    return Event.new(
        dealership_id,
        now,
        id=event_id,
        session_id=session_id,
        seq=event["seq"],
        type=event["type"],
        t=event["t"],
        payload=key.seal(plain, place=_event_place(dealership_id, event_id)),
    )


def opened_event(key: DataKey, stored: Event) -> dict[str, Any]:
    """Raises `Damaged`."""
    plain = key.open(stored.payload, place=_event_place(stored.dealership_id, stored.id))
    event: dict[str, Any] = json.loads(plain)
    return event


def sealed_field(key: DataKey, session: SessionHead, name: str, value: Any) -> str:
    """What a session's document has in its field `name`."""
    return key.seal(_json(value), place=f"{place(session)}:{name}")


def opened_field(key: DataKey, session: SessionHead, name: str) -> Any:
    """None where there is nothing. Raises `Damaged`."""
    sealed = getattr(session, name)
    if sealed is None:
        return None
    return json.loads(key.open(sealed, place=f"{place(session)}:{name}"))


def _event_place(dealership_id: str, event_id: str) -> str:
    return f"{dealership_id}:{EVENTS.name}:{event_id}:payload"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
