"""The content studio: vehicles' facts, copy made from them, and where it goes.

Money is in US cents, distances in miles, rates in basis points (1/100 of a percent).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints

from api.store.documents import (
    Code,
    Count,
    Document,
    Email,
    Id,
    Moment,
    Number,
    Part,
    Sealed,
    Short,
    Words,
)
from api.store.plain import Line, Plain
from api.store.uploads import Vin

ContentType = Literal["social", "email", "print", "video"]
Platform = Literal[
    "facebook", "instagram", "x", "google", "newsletter", "flyer", "window", "reel", "walkaround"
]
Audience = Literal["everyone", "families", "commuters", "first_buyers", "work"]
Tone = Literal["friendly", "professional", "lively"]
CopyLanguage = Literal["en", "es"]
Role = Literal[
    "subject",
    "preheader",
    "headline",
    "body",
    "features",
    "call",
    "shot",
    "disclosure",
    "hashtags",
]
Origin = Literal["template", "rewrite", "edit"]
ProjectStatus = Literal["draft", "review", "published"]
DeliveryStatus = Literal["pending", "sending", "delivered", "failed"]

MAX_FEATURES: Final = 60
MAX_PASSAGES: Final = 60
MAX_IMAGES: Final = 20
MAX_DESCRIPTION: Final = 5_000

Phrase = Annotated[str, StringConstraints(max_length=80), Line]
Feature = Annotated[str, StringConstraints(min_length=1, max_length=80), Line]
Cents = Annotated[int, Field(ge=1, le=100_000_000)]
Miles = Annotated[int, Field(ge=0, le=2_000_000)]
BasisPoints = Annotated[int, Field(ge=0, le=10_000)]
Mpg = Annotated[int, Field(ge=1, le=300)]


class Finance(Part):
    """An offer of credit or of a lease, as the lender gave it; what is None is not known."""

    kind: Literal["loan", "lease"] = "loan"
    monthly_cents: Cents | None = None
    term_months: Annotated[int, Field(ge=1, le=120)] | None = None
    apr_bp: BasisPoints | None = None
    """The annual percentage rate of a loan (12 CFR 1026.22)."""
    down_cents: Annotated[int, Field(ge=0, le=100_000_000)] | None = None
    due_at_signing_cents: Annotated[int, Field(ge=0, le=100_000_000)] | None = None
    """Of a lease: all that is due at signing or delivery (12 CFR 1013.7(d)(2))."""
    deposit_required: bool | None = None
    """Of a lease: whether there is a security deposit."""
    annual_miles: Miles | None = None
    lender: Phrase = ""
    expires_on: date | None = None
    """The last day of the offer."""


class Facts(Part):
    """What is known of a vehicle: all that copy may state."""

    vin: Vin
    year: Annotated[int, Field(ge=1900, le=2100)]
    make: Annotated[Words, Field(min_length=1)]
    model: Annotated[Words, Field(min_length=1)]
    trim: Phrase = ""
    condition: Literal["new", "used", "certified"] = "used"
    mileage: Miles | None = None
    price_cents: Cents | None = None
    stock_number: Words = ""
    exterior: Words = ""
    interior: Words = ""
    body: Words = ""
    engine: Phrase = ""
    transmission: Phrase = ""
    drivetrain: Words = ""
    fuel: Words = ""
    mpg_city: Mpg | None = None
    mpg_highway: Mpg | None = None
    features: Annotated[tuple[Feature, ...], Field(max_length=MAX_FEATURES)] = ()
    description: Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION), Plain] = ""
    """The dealer's own words about it, shown beside the copy and never taken into it."""
    finance: Finance | None = None


class Brief(Part):
    """What copy is asked for."""

    platform: Platform
    target_audience: Audience = "everyone"
    tone: Tone = "friendly"
    language: CopyLanguage = "en"


class Passage(Part):
    """A part of a text that is edited as one. `shows` and `seconds` are a shot's: what is on
    screen, and for how long; its `text` is what is spoken."""

    role: Role
    text: Annotated[str, StringConstraints(max_length=4_000), Plain]
    shows: Annotated[str, StringConstraints(max_length=200), Line] = ""
    seconds: Annotated[float, Field(gt=0, le=120)] | None = None


Passages = Annotated[tuple[Passage, ...], Field(min_length=1, max_length=MAX_PASSAGES)]


class Content(Part):
    """What a project says and shows. `templates` are the ids of the phrases that `text` was made
    of, in order; `images` are ids of uploads, in order."""

    text: Passages
    images: Annotated[tuple[Id, ...], Field(max_length=MAX_IMAGES)] = ()
    templates: Annotated[tuple[Short, ...], Field(max_length=200)] = ()


class Override(Part):
    """That a finding stands and is accepted, and why. It holds for `finding` alone, which changes
    when the passage or the facts do."""

    rule: Code
    finding: Short
    reason: Annotated[str, StringConstraints(min_length=10, max_length=500), Line]
    by: Id
    at: Moment


class VehicleKeys(Part):
    """What a vehicle is found by, in small letters."""

    make: Words
    model: Words
    stock: Words
    vin: Words

    @classmethod
    def of(cls, facts: Facts) -> Self:
        given = facts.make, facts.model, facts.stock_number, facts.vin
        make, model, stock, vin = (each.lower()[:40] for each in given)
        return cls(make=make, model=model, stock=stock, vin=vin)


class Vehicle(Document):
    """(`dealership_id`, `vin`) is unique."""

    user_id: Id
    """Who entered it last."""
    vin: Vin
    facts: Facts
    keys: VehicleKeys
    images: Annotated[tuple[Id, ...], Field(max_length=MAX_IMAGES)] = ()
    """Uploads to show it with; where there are none, those made of its batch of photos."""


class ContentHead(Document):
    """A project as lists show it. `revision` is its newest version's number."""

    user_id: Id
    team_id: Id | None = None
    title: Annotated[str, StringConstraints(min_length=1, max_length=160), Line]
    type: ContentType
    status: ProjectStatus = "draft"
    vehicle_id: Id
    settings: Brief
    revision: Number = 1
    submitted_at: Moment | None = None
    approved_by: Id | None = None
    published_at: Moment | None = None


class ContentProject(ContentHead):
    """`facts` are those that the text was made from. `seed` chooses among phrases."""

    facts: Facts
    content: Content
    origin: Origin = "template"
    fallback: Code | None = None
    """Why a rewrite that was asked for was not taken."""
    seed: Count = 0
    overrides: Annotated[tuple[Override, ...], Field(max_length=100)] = ()


class ContentVersion(Document):
    """What a project was: (`project_id`, `number`) is unique; never changed."""

    project_id: Id
    number: Number
    author_id: Id | None
    """None once that person is erased."""
    origin: Origin
    content: Content
    settings: Brief
    facts: Facts


class ContentComment(Document):
    """A remark on a project, or on one passage of it."""

    project_id: Id
    author_id: Id | None
    revision: Number
    passage: Count | None = None
    """Its place in the text of that revision."""
    text: Annotated[str, StringConstraints(min_length=1, max_length=2_000), Plain]
    resolved_at: Moment | None = None


class Subscriber(Document):
    """Who gets a dealership's mails: on `lists` by name until `unsubscribed_at`, for good.
    (`dealership_id`, `email`) is unique. Proof of agreement is `source`."""

    email: Email
    name: Phrase = ""
    language: CopyLanguage = "en"
    lists: Annotated[tuple[Words, ...], Field(max_length=20)] = ()
    source: Phrase = ""
    unsubscribed_at: Moment | None = None


class Webhook(Document):
    """An address that published content is sent to. `secret` signs what is sent, sealed by the
    vault."""

    name: Annotated[Phrase, Field(min_length=1)]
    url: Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://\S+$")]
    secret: Sealed
    author_id: Id | None


class Delivery(Document):
    """That a published project goes to one outlet. Whoever works on it holds `claim_id` until
    `lease_until`; `sent_after` is the id of the last subscriber that was written to."""

    user_id: Id
    project_id: Id
    revision: Number
    outlet: Literal["email", "webhook"]
    target: Short
    """The list's name, or the webhook's id."""
    status: DeliveryStatus = "pending"
    attempts: Count = 0
    due_at: Moment
    claim_id: Id | None = None
    lease_until: Moment | None = None
    sent_after: str = ""
    sent: Count = 0
    refused: Count = 0
    """Addresses that the mail server would not take."""
    error: Short = ""
    done_at: Moment | None = None
