"""Data keys of calls, people and uploads: made, and opened with the node's master keys."""

from __future__ import annotations

from api.store.crypto import DataKey, MasterKeys
from api.store.rewrapping import Keyed, place


class Vault:
    """Never log what it returns."""

    def __init__(self, masters: MasterKeys) -> None:
        self._masters = masters

    def new_key(self, document: Keyed) -> tuple[DataKey, str]:
        """A data key for `document`, and what to store in its `data_key`."""
        key = DataKey.new()
        return key, self._masters.wrap(key, place=place(document))

    def key_of(self, document: Keyed) -> DataKey | None:
        """None where it was erased. Raises `WrongKey` or `Damaged`."""
        if document.data_key is None:
            return None
        return self._masters.unwrap(document.data_key, place=place(document))
