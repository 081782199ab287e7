"""What a node keeps its calls in."""

from __future__ import annotations

from dataclasses import dataclass

from api.accounts.vault import Vault
from api.store.blobs import Blobs
from api.store.store import Store


@dataclass(frozen=True, slots=True)
class Keep:
    """`node` is this node's name in the store, by which it finds its calls again."""

    store: Store
    blobs: Blobs
    vault: Vault
    node: str
