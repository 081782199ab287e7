"""What the node keeps: documents in SQLite or MongoDB, sealed with keys of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.store.base import Database

FORMS = "sqlite:///folder/store.db or mongodb://host:port/name?replicaSet=rs0"


def open_database(url: str) -> Database:
    """The database at ``sqlite:///relative/path``, ``sqlite:////absolute/path``, ``mongodb://...``.

    Nothing is read before its `open`. Raises `StoreError` for an address of another form; the
    message never quotes it, for it may hold a password.
    """
    # A node on SQLite need not load MongoDB's driver, nor does one that only seals.
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        from api.store.sqlite import SqliteDatabase

        return SqliteDatabase(Path(rest[1:]))
    if scheme in ("mongodb", "mongodb+srv"):
        from api.store.mongo import MongoDatabase

        return MongoDatabase(url)
    from api.store.base import StoreError

    raise StoreError(f"The store's address must be like {FORMS}.")
