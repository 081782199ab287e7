"""What people upload: photos of vehicles in batches, recorded calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from api.store.documents import Count, Digest, Document, Id, Moment, Sealed, Wrapped

MAX_SHOT = 99
MediaType = Annotated[str, StringConstraints(pattern=r"^(image|audio)/[a-z0-9.+-]{1,40}$")]
Shot = Annotated[int, Field(ge=1, le=MAX_SHOT)]
UploadKind = Literal["picture", "recording", "result"]
UploadStatus = Literal["receiving", "ready"]
Vin = Annotated[str, StringConstraints(pattern=r"^[0-9A-HJ-NPR-Z]{17}$")]


class Upload(Document):
    """A file of a person's. Its blob and its `name` are sealed with its own `data_key`.

    It is there before its first byte is, so that whatever ends the node leaves nothing behind that
    no document tells of; until it is ``ready`` its `size_bytes` are those that it may come to.
    """

    user_id: Id
    team_id: Id | None = None
    status: UploadStatus = "receiving"
    kind: UploadKind
    name: Sealed
    media_type: MediaType
    size_bytes: Count
    sha256: Digest | None = None
    data_key: Wrapped
    batch_id: Id | None = None
    shot: Shot | None = None
    job_id: Id | None = None
    """The job that made it; None of what was uploaded. Kind ``result``."""
    expires_at: Moment


class Batch(Document):
    """The photos of one vehicle, and the one look that all of them get: settings of a job."""

    user_id: Id
    team_id: Id | None = None
    vin: Vin
    look: dict[str, Any]
    expires_at: Moment
