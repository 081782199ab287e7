"""What coaches write: sealed with the key of the call that it is about."""

from __future__ import annotations

import structlog

from api.store.coaching import Annotation, Scorecard
from api.store.crypto import Damaged, DataKey
from api.store.kinds import ANNOTATIONS, SCORECARDS

log = structlog.get_logger(__name__)


def sealed(key: DataKey, document: Annotation | Scorecard, field: str, text: str) -> str:
    """What to store in a document's field."""
    return key.seal(text.encode(), place=_place(document, field))


def opened(
    key: DataKey, document: Annotation | Scorecard, field: str, stored: str | None
) -> str | None:
    """None where there is none, or it is damaged, which is logged."""
    if stored is None:
        return None
    try:
        return key.open(stored, place=_place(document, field)).decode()
    except Damaged as error:
        log.error("text_damaged", session=document.session_id, document=document.id, why=str(error))
        return None


def reason_of(code: str) -> str:
    """The field of a scorecard that has the reason for a criterion's mark."""
    return f"reason.{code}"


def _place(document: Annotation | Scorecard, field: str) -> str:
    kind = ANNOTATIONS if isinstance(document, Annotation) else SCORECARDS
    return f"{document.dealership_id}:{kind.name}:{document.id}:{field}"
