"""The API's description (OpenAPI 3.1), made of the declarations that requests are checked by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.endpoint import OPEN, Answer, Endpoint, Media
from api.problems import ProblemView

REF = "#/components/schemas/{model}"
SCHEMES = {
    "access": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of `POST /api/v1/auth/sign-in`, for 10 minutes.",
    },
    "grant": {
        "type": "http",
        "scheme": "bearer",
        "description": "A session's `resumeToken`, for that session alone.",
    },
    "media": {
        "type": "apiKey",
        "in": "cookie",
        "name": "forecourt-media",
        "description": "Of `POST /api/v1/sessions/{id}/media`, for GET below that session.",
    },
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The `ETag` of what is changed.",
    "schema": {"type": "string", "pattern": '^"[0-9]{1,15}"$'},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body within a day yield the first answer again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
Mode = Literal["validation", "serialization"]
Schemas = Mapping[Any, dict[str, Any]]
"""References by (model, mode)."""


def document(endpoints: Sequence[Endpoint], prefix: str) -> dict[str, Any]:
    """All of `endpoints`, whose paths lie below `prefix`."""
    schemas, definitions = models_json_schema(sorted(_models(endpoints), key=str), ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(prefix + each.path, {})[each.method.lower()] = _operation(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Forecourt",
            "version": version("forecourt"),
            "summary": "Real-time voice coaching for car-sales teams",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": SCHEMES,
        },
        "tags": [{"name": tag} for tag in sorted({each.tag for each in endpoints})],
    }


def _models(endpoints: Iterable[Endpoint]) -> set[tuple[type[BaseModel], Mode]]:
    models: set[tuple[type[BaseModel], Mode]] = {(ProblemView, "serialization")}
    for each in endpoints:
        if isinstance(each.body, type):
            models.add((each.body, "validation"))
        for answer in each.answers.values():
            if answer.model is not None:
                models.add((answer.model, "serialization"))
    return models


def _operation(each: Endpoint, schemas: Schemas) -> dict[str, Any]:
    summary, description = each.text
    operation: dict[str, Any] = {
        "operationId": each.name,
        "summary": summary,
        "tags": [each.tag],
        "parameters": [
            *_parameters(each.params, "path"),
            *_parameters(each.query, "query"),
            *([IF_MATCH] if 428 in each.errors else []),
            *([IDEMPOTENCY_KEY] if each.once else []),
        ],
        "security": _security(each),
        "responses": {
            str(status): _response(answer, schemas) for status, answer in each.answers.items()
        }
        | {str(status): _problem(status, schemas) for status in _errors(each)},
    }
    if description:
        operation["description"] = description
    if each.action != OPEN:
        operation["x-action"] = each.action
    if isinstance(each.body, Media):
        text = {"schema": {"type": "string"}}
        operation["requestBody"] = {
            "required": True,
            "description": each.body.what,
            "content": {each.body.media_type: text},
        }
    elif each.body is not None:
        schema = schemas[each.body, "validation"]
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _security(each: Endpoint) -> list[dict[str, list[str]]]:
    if each.action == OPEN:
        return []
    others = [("grant", each.granted), ("media", each.media)]
    names = ["access", *(name for name, serves in others if serves)]
    return [{name: []} for name in names]


def _errors(each: Endpoint) -> list[int]:
    found = set(each.errors)
    if each.action != OPEN:
        found |= {401, 403, 503}
    if each.once:
        found |= {409, 422}
    if each.params is not None:
        found.add(404)
    if each.query is not None:
        found.add(422)
    if each.body is not None:
        found |= {408, 413, 415, 422} if isinstance(each.body, type) else {408, 413, 415}
    return sorted(found)


def _parameters(model: type[BaseModel] | None, where: str) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": where,
            "required": where == "path" or name in required,
            "schema": {key: value for key, value in each.items() if key != "title"},
        }
        for name, each in schema["properties"].items()
    ]


def _response(answer: Answer, schemas: Schemas) -> dict[str, Any]:
    told: dict[str, Any] = {"description": answer.what}
    if answer.model is not None:
        schema = schemas[answer.model, "serialization"]
        told["content"] = {answer.media_type: {"schema": schema}}
    elif answer.media_type != "application/json":
        told["content"] = {answer.media_type: {}}
    return told


def _problem(status: int, schemas: Schemas) -> dict[str, Any]:
    schema = schemas[ProblemView, "serialization"]
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": schema}},
    }
