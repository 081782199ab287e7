"""What routes tell of uploads and batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.accounts.views import Id
from api.batches import Look
from api.store.documents import Moment
from api.store.uploads import Batch, Upload, UploadKind
from api.uploads import Uploading
from engine.events import Wire


class UploadView(Wire):
    """An upload. Its `kind` tells what may be done with it; a `result` was made by `jobId`."""

    id: Id
    user_id: Id
    team_id: Id | None
    kind: UploadKind
    name: str
    media_type: str
    size_bytes: int
    sha256: str | None
    batch_id: Id | None
    shot: int | None
    job_id: Id | None
    created_at: Moment
    expires_at: Moment


class UploadPage(Wire):
    """Some of `total` uploads."""

    items: list[UploadView]
    total: int


class BatchView(Wire):
    """The photos of one vehicle. They are kept until `expiresAt`, all of them."""

    id: Id
    user_id: Id
    team_id: Id | None
    vin: str
    look: Look
    version: int
    created_at: Moment
    expires_at: Moment


class BatchWithShots(BatchView):
    """`shots` by their numbers, each followed by what was made of it."""

    shots: list[UploadView]


class BatchPage(Wire):
    """Some of `total` batches."""

    items: list[BatchView]
    total: int


def upload_view(uploading: Uploading, upload: Upload) -> UploadView:
    told = _told(upload, UploadView) | {"name": uploading.name_of(upload)}
    return UploadView.model_validate(told)


def batch_view(batch: Batch) -> BatchView:
    return BatchView.model_validate(_told(batch, BatchView))


def batch_with_shots(uploading: Uploading, batch: Batch, shots: Sequence[Upload]) -> BatchWithShots:
    views = [upload_view(uploading, each) for each in shots]
    return BatchWithShots.model_validate(_told(batch, BatchView) | {"shots": views})


def _told(document: Upload | Batch, view: type[Wire]) -> dict[str, Any]:
    return {name: getattr(document, name) for name in view.model_fields if name != "name"}
