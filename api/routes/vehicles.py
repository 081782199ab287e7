"""`/api/v1/vehicles`, `/inventory`: what there is to sell, and what is known of it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from api.accounts.views import Id, IdPath, PageQuery
from api.attachments import disposition
from api.auth.roles import Owner
from api.content import credit
from api.content.finding import Finding
from api.content.images import Images
from api.content.inventory import MAX_BYTES, Fault, NotInventory, parse, written
from api.content.stock import Stock
from api.endpoint import Answer, Media, endpoint
from api.entity_tags import match, tagged
from api.identity import identity_of
from api.problems import Problem, body_of
from api.services import services_of
from api.store.content import MAX_IMAGES, Facts, Vehicle
from api.store.documents import Moment
from engine.events import Wire

MAX_FACTS_BYTES = 128 * 1024
MAX_TOLD = 100
"""Faults of a file that are told; all are counted."""


class VehiclesQuery(PageQuery):
    """`q`: words that a vehicle's make, model, stock number or VIN begins with, year and trim."""

    q: Annotated[str, StringConstraints(max_length=80)] = ""


class VehicleBody(Wire):
    """`images`: pictures that jobs made, in order; without any, those made of its photos."""

    facts: Facts
    images: Annotated[list[Id], Field(max_length=MAX_IMAGES, default_factory=list)]


class PictureView(Wire):
    id: Id
    shot: int | None
    preview_url: str


class VehicleHead(Wire):
    id: Id
    vin: str
    facts: Facts
    version: int
    created_at: Moment
    updated_at: Moment


class VehicleView(VehicleHead):
    """`images` are those chosen for it, or else what was made of its photos. `contradictions` are
    terms of its offer that cannot be true together."""

    images: list[PictureView]
    are_chosen: bool
    contradictions: list[Finding]


class VehiclePage(Wire):
    """Some of `total` vehicles."""

    items: list[VehicleHead]
    total: int


class ImportQuery(BaseModel):
    """`dry`: only look."""

    model_config = ConfigDict(extra="forbid")

    dry: bool = False


class ImportView(Wire):
    """What a file changed, or would; `faults` are the first of `faulty`, by line. `unknown` are
    columns that nothing was taken from."""

    added: int
    changed: int
    unchanged: int
    faulty: int
    faults: list[Fault]
    unknown: list[str]


async def vehicle(request: Request, params: IdPath) -> Owner | None:
    """The house's, whoever entered it: `_found` has it afterwards."""
    identity = identity_of(request)
    found = await services_of(request).store.vehicles.get(identity.dealership_id, params.id)
    if found is None:
        return None
    request.state.vehicle = found
    return Owner(found.dealership_id)


def _found(request: Request) -> Vehicle:
    found: Vehicle = request.state.vehicle
    return found


async def _shown(request: Request, shown: Vehicle, status: int = 200) -> Response:
    images: Images = request.app.state.images
    pictures = [
        PictureView(id=each.id, shot=each.shot, preview_url=f"/api/v1/uploads/{each.id}/preview")
        for each in await images.of_vehicle(shown)
    ]
    view = VehicleView(
        **_head(shown).model_dump(exclude={"facts"}),
        facts=shown.facts,
        images=pictures,
        are_chosen=bool(shown.images),
        contradictions=credit.contradictions(shown.facts),
    )
    headers = {"Location": f"/api/v1/vehicles/{shown.id}"} if status == 201 else None
    return tagged(view, shown.version, status, headers)


def _head(of: Vehicle) -> VehicleHead:
    return VehicleHead.model_validate({n: getattr(of, n) for n in VehicleHead.model_fields})


@endpoint("GET", "/vehicles", "vehicle.read", query=VehiclesQuery, answers={200: VehiclePage})
async def list_vehicles(request: Request, query: VehiclesQuery) -> VehiclePage:
    """The dealership's, the newest first; with `q` those that it finds, 200 at most."""
    dealership_id, vehicles = (
        identity_of(request).dealership_id,
        services_of(request).store.vehicles,
    )
    if query.q.strip():
        some = await vehicles.search(dealership_id, query.q, limit=200)
        shown = some[query.offset : query.offset + query.limit]
        return VehiclePage(items=[_head(each) for each in shown], total=len(some))
    found = await vehicles.page(dealership_id, query.offset, query.limit)
    return VehiclePage(items=[_head(each) for each in found.items], total=found.total)


@endpoint(
    "POST",
    "/vehicles",
    "vehicle.write",
    body=VehicleBody,
    answers={201: VehicleView},
    errors=[409, 503],
    once=True,
    most_bytes=MAX_FACTS_BYTES,
)
async def create_vehicle(request: Request, body: VehicleBody) -> Response:
    """Enter a vehicle. 422 for a VIN whose check digit does not fit, 409 for one that is there."""
    by = identity_of(request)
    await request.app.state.images.check(by, body.images)
    made = await Stock(services_of(request)).add(by, body.facts, body.images)
    return await _shown(request, made, 201)


@endpoint("GET", "/inventory", "vehicle.read", answers={200: Answer("CSV", media_type="text/csv")})
async def export(request: Request) -> Response:
    """All of them as a file that can be imported again."""
    facts = await Stock(services_of(request)).every(identity_of(request).dealership_id)
    content = await asyncio.to_thread(written, facts)
    headers = {"Content-Disposition": disposition("vehicles.csv"), "Cache-Control": "no-store"}
    return Response(content, 200, headers, "text/csv")


@endpoint(
    "POST",
    "/inventory",
    "vehicle.write",
    query=ImportQuery,
    body=Media("text/csv", "CSV with a line of column names, 2 MB and 2,000 vehicles at most"),
    answers={200: ImportView},
    errors=[409, 413, 415, 422, 503],
)
async def import_vehicles(request: Request, query: ImportQuery) -> ImportView:
    """Take vehicles from a file: lines that are right are taken, faults are told by line.

    A VIN that is there gets the file's facts.
    """
    raw = await body_of(request, "text/csv", MAX_BYTES)
    try:
        made = await asyncio.to_thread(parse, raw)
    except NotInventory as error:
        raise Problem(422, str(error), code="no_inventory") from error
    stock = Stock(services_of(request))
    counts = await stock.take(identity_of(request), list(made.vehicles.values()), dry=query.dry)
    return ImportView(
        added=counts.added,
        changed=counts.changed,
        unchanged=counts.unchanged,
        faulty=len({each.line for each in made.faults}),
        faults=made.faults[:MAX_TOLD],
        unknown=made.unknown,
    )


@endpoint(
    "GET",
    "/vehicles/{id}",
    "vehicle.read",
    owner=vehicle,
    params=IdPath,
    answers={200: VehicleView},
)
async def get_vehicle(request: Request, params: IdPath) -> Response:
    """One, with its pictures."""
    return await _shown(request, _found(request))


@endpoint(
    "PUT",
    "/vehicles/{id}",
    "vehicle.write",
    owner=vehicle,
    params=IdPath,
    body=VehicleBody,
    answers={200: VehicleView},
    errors=[409, 412, 428, 503],
    most_bytes=MAX_FACTS_BYTES,
)
async def put_vehicle(request: Request, params: IdPath, body: VehicleBody) -> Response:
    """Correct what is known of it. What was written from it before stays, and says so."""
    found, by = _found(request), identity_of(request)
    match(request, found.version)
    await request.app.state.images.check(by, [i for i in body.images if i not in found.images])
    changed = await Stock(services_of(request)).change(by, found, body.facts, body.images)
    return await _shown(request, changed)


@endpoint(
    "DELETE",
    "/vehicles/{id}",
    "vehicle.delete",
    owner=vehicle,
    params=IdPath,
    answers={204: Answer("It is gone; what was written of it stays")},
    errors=[503],
)
async def delete_vehicle(request: Request, params: IdPath) -> Response:
    """Take a vehicle out."""
    services, found = services_of(request), _found(request)
    await services.audit.allowed(identity_of(request), "vehicle.delete", "vehicle", found.id)
    await services.store.vehicles.remove(found.dealership_id, found.id)
    return Response(status_code=204)


endpoints = [
    list_vehicles,
    create_vehicle,
    export,
    import_vehicles,
    get_vehicle,
    put_vehicle,
    delete_vehicle,
]
