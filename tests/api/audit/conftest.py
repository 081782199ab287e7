"""The store's own fixtures: each test runs on SQLite and on a real mongod."""

from tests.api.store.conftest import clock, mongo_place, mongod, own_mongod, store

__all__ = ["clock", "mongo_place", "mongod", "own_mongod", "store"]
