"""`GET /api/v1/catalogues/LANGUAGE`: what people read, by key, for a page to show.

Beside the texts, parameters still in braces, the answer says whether the language is a beta and
whether this node recognizes speech in it.
"""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.problems import Problem
from engine.catalogue import BETA, LANGUAGES, catalogue


async def texts(request: Request) -> Response:
    """200, 304 for the same texts as before, 404 for a language without a catalogue."""
    language = request.path_params["language"]
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


routes = [Route("/catalogues/{language}", texts, methods=["GET"])]
