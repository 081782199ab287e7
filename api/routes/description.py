"""`GET /api/v1/openapi.json`: what the API takes and gives; `/docs` shows it to people."""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from api.endpoint import OPEN, Answer, endpoint


class Description:
    """The document, encoded once."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@endpoint(
    "GET",
    "/openapi.json",
    OPEN,
    answers={
        200: Answer("OpenAPI 3.1", media_type="application/openapi+json"),
        304: Answer("The same as before"),
    },
)
async def openapi(request: Request) -> Response:
    """This API's description."""
    description: Description = request.app.state.description
    headers = {"ETag": description.tag, "Cache-Control": "no-cache"}
    if description.tag in request.headers.get("if-none-match", "").replace("W/", "").split(", "):
        return Response(status_code=304, headers=headers)
    return Response(description.content, 200, headers, media_type="application/openapi+json")


endpoints = [openapi]
