"""`GET /api/v1/catalogues/LANGUAGE`: what people read, by key, for a page to show.

Beside the texts, parameters still in braces, the answer says whether the language is a beta and
whether this node recognizes speech in it.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.endpoint import OPEN, Answer, endpoint
from api.problems import Problem
from engine.catalogue import BETA, LANGUAGES, catalogue


class CataloguePath(BaseModel):
    language: Annotated[str, Field(max_length=20)]


class CatalogueView(BaseModel):
    """`beta`: its texts, or what is recognized, are not good yet. `speech`: whether this node
    recognizes it."""

    language: str
    beta: bool
    speech: bool
    texts: dict[str, str]


@endpoint(
    "GET",
    "/catalogues/{language}",
    OPEN,
    params=CataloguePath,
    answers={200: CatalogueView, 304: Answer("The same texts as before")},
)
async def get_catalogue(request: Request, params: CataloguePath) -> Response:
    """What people read, by key, in one language."""
    language = params.language
    if language not in LANGUAGES:
        known = " and ".join(LANGUAGES)
        raise Problem(404, f"There are no texts in this language, only in {known}.")
    recognized = request.app.state.recognizer.languages
    answer = JSONResponse(
        {
            "language": language,
            "beta": language in BETA,
            "speech": recognized is None or language in recognized,
            "texts": catalogue(language).texts,
        }
    )
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", "").replace("W/", "").split(", "):
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


endpoints = [get_catalogue]
