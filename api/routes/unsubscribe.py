"""`/unsubscribe`: where the link in a mail to a list leads (RFC 8058).

Nobody signs in here, and the page does without scripts. Looking at it changes nothing, as mail
scanners follow links; the button does, and so does what a mail program posts by itself. The token
stands in the query, which no log of ours has.
"""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from api.routes.pages import ASSETS
from api.services import services_of
from api.store.content import Subscriber
from engine.catalogue import DEFAULT, LANGUAGES, catalogue

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta name="robots" content="noindex">
  <title>{title}</title>
  <script src="/static/js/theme.js"></script>
  <link rel="icon" type="image/svg+xml" href="/static/img/forecourt.svg">
  <link rel="stylesheet" href="/static/css/theme.css">
  <link rel="stylesheet" href="/static/css/shell.css">
  <link rel="stylesheet" href="/static/css/account.css">
</head>
<body>
  <main>
    <section class="sheet door">
      <h1>{title}</h1>
      <p class="lead">{told}</p>
      {form}
    </section>
  </main>
</body>
</html>
"""
_FORM = '<form method="post"><button class="primary" type="submit">{button}</button></form>'


async def show(request: Request) -> Response:
    """Asks whether it is meant. 404 where the link is nobody's."""
    subscriber = await _subscriber(request)
    if subscriber is None:
        return _nobody(request)
    return await _page(request, subscriber, "done" if subscriber.unsubscribed_at else "ask")


async def unsubscribe(request: Request) -> Response:
    """Ends it for good, for all lists of the dealership; once more does no harm."""
    subscriber = await _subscriber(request)
    if subscriber is None:
        return _nobody(request)
    subscribers = services_of(request).store.subscribers
    await subscribers.unsubscribe(subscriber.dealership_id, subscriber.id)
    return await _page(request, subscriber, "done")


async def _subscriber(request: Request) -> Subscriber | None:
    token = request.query_params.get("token", "")
    return await services_of(request).outlets.subscriber_of(token)


async def _page(request: Request, subscriber: Subscriber, key: str) -> Response:
    dealership = await services_of(request).store.dealerships.get(subscriber.dealership_id)
    name = dealership.name if dealership else ""
    return _written(subscriber.language, key, 200, dealership=name)


def _nobody(request: Request) -> Response:
    wanted = request.headers.get("accept-language", "")[:2].lower()
    return _written(wanted if wanted in LANGUAGES else DEFAULT, "unknown", 404)


def _written(language: str, key: str, status: int, **parameters: str) -> Response:
    texts = catalogue(language)
    button = escape(texts.text("unsubscribe.button"))
    page = ASSETS.linked(_PAGE).format(
        language=language,
        title=escape(texts.text("unsubscribe.title")),
        told=escape(texts.text(f"unsubscribe.{key}", **parameters)),
        form=_FORM.format(button=button) if key == "ask" else "",
    )
    return HTMLResponse(page, status, {"Cache-Control": "no-store"})


routes = [
    Route("/unsubscribe", show, methods=["GET"]),
    Route("/unsubscribe", unsubscribe, methods=["POST"]),
]
