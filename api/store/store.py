"""All that a node keeps in its database."""

from __future__ import annotations

from api.store.base import Database
from api.store.repositories.annotations import Annotations
from api.store.repositories.assignments import Assignments
from api.store.repositories.audit import AuditLog
from api.store.repositories.consents import Consents
from api.store.repositories.content import ContentComments, ContentProjects, ContentVersions
from api.store.repositories.dealerships import Dealerships
from api.store.repositories.digests import Digests
from api.store.repositories.events import Events
from api.store.repositories.idempotency import IdempotencyKeys
from api.store.repositories.jobs import Jobs
from api.store.repositories.links import Links
from api.store.repositories.notifications import Inbox
from api.store.repositories.outlets import Deliveries, Subscribers, Webhooks
from api.store.repositories.playbooks import PlaybookVersions
from api.store.repositories.scoped import Now, utc_now
from api.store.repositories.scorecards import Scorecards
from api.store.repositories.sessions import Sessions
from api.store.repositories.teams import Teams
from api.store.repositories.tokens import Tokens
from api.store.repositories.uploads import Batches, Uploads
from api.store.repositories.users import Users
from api.store.repositories.vehicles import Vehicles


class Store:
    """The repositories over one database; `now` is what they call now."""

    def __init__(self, database: Database, now: Now = utc_now) -> None:
        self.database = database
        self.dealerships = Dealerships(database, now)
        self.teams = Teams(database, now)
        self.users = Users(database, now)
        self.sessions = Sessions(database, now)
        self.events = Events(database, now)
        self.consents = Consents(database, now)
        self.tokens = Tokens(database, now)
        self.links = Links(database, now)
        self.notifications = Inbox(database, now)
        self.audit = AuditLog(database, now)
        self.idempotency = IdempotencyKeys(database, now)
        self.playbooks = PlaybookVersions(database, now)
        self.digests = Digests(database, now)
        self.annotations = Annotations(database, now)
        self.scorecards = Scorecards(database, now)
        self.assignments = Assignments(database, now)
        self.batches = Batches(database, now)
        self.uploads = Uploads(database, now)
        self.jobs = Jobs(database, now)
        self.vehicles = Vehicles(database, now)
        self.content = ContentProjects(database, now)
        self.content_versions = ContentVersions(database, now)
        self.content_comments = ContentComments(database, now)
        self.subscribers = Subscribers(database, now)
        self.webhooks = Webhooks(database, now)
        self.deliveries = Deliveries(database, now)

    async def open(self) -> None:
        """Bring the schema up to date and connect.

        Raises `NewerSchema`, `Locked`, `Unreadable` or `Unavailable`.
        """
        await self.database.migrate()
        await self.database.open()

    async def close(self) -> None:
        await self.database.close()
