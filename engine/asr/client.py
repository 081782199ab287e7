"""One server that speaks OpenAI's transcription API: asked for a window, it answers or it does not.

Neither audio, words nor the key are logged or told in an error.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from engine.asr import transcription
from engine.asr.window import Hypothesis, Window

MAX_ANSWER_BYTES = 1 << 20
CONNECT_TIMEOUT_S = 3.0
KEEPALIVE_S = 4.0
"""Just under uvicorn's 5 s: a request on a connection that the server is closing is lost."""
LONGEST_ASKED_PAUSE_S = 15.0
"""What is respected of a `Retry-After`: nobody waits for words that are a minute late."""
SHOWN_CHARACTERS = 200


class NoAnswer(Exception):
    """`why` is a clause for people. `is_outage`: other windows would fare no better now.

    `again`: the same window may succeed later. `pause_s` is what the server asked for.
    """

    def __init__(
        self, why: str, *, is_outage: bool = True, again: bool = True, pause_s: float = 0.0
    ) -> None:
        super().__init__(why)
        self.why = why
        self.is_outage = is_outage
        self.again = again
        self.pause_s = pause_s


class _Error(BaseModel):
    message: str


class _Refusal(BaseModel):
    """The body of an error, as OpenAI's server and those like it send it."""

    error: _Error


class Client:
    """`url` is that of the transcriptions; at most `most_connections` are open at a time."""

    def __init__(self, url: str, api_key: SecretStr, model: str, most_connections: int) -> None:
        self._url = url
        self._key = api_key.get_secret_value()
        self._model = model
        # An answer of a megabyte may unpack to a gigabyte: no compression.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=most_connections, keepalive_expiry=KEEPALIVE_S),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, window: Window, timeout_s: float, *, explain: bool = False) -> Hypothesis:
        """The server's answer, within `timeout_s` from first byte to last. Raises `NoAnswer`;
        `explain` adds what the server says of it."""
        data = transcription.form(window, self._model)
        files = {"file": ("window.wav", transcription.wav(window.pcm), "audio/wav")}
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._http.stream("POST", self._url, data=data, files=files) as response,
            ):
                body = await _read(response)
        except (TimeoutError, httpx.TimeoutException) as error:
            why = f"the recognition server took longer than {timeout_s:g} s"
            if isinstance(error, httpx.ConnectTimeout):
                why = "the recognition server cannot be reached"
            raise NoAnswer(why) from error
        except (httpx.ConnectError, httpx.InvalidURL) as error:
            why = "the recognition server cannot be reached"
            raise NoAnswer(f"{why} ({error})" if explain else why) from error
        except httpx.HTTPError as error:
            raise NoAnswer("the recognition server broke off the connection") from error
        if response.status_code != httpx.codes.OK:
            raise _refused(response, self._said(body) if explain else "")
        try:
            return transcription.hypothesis(window, body)
        except ValidationError:
            # Its message quotes the answer, which may be speech: it goes no further.
            kind = response.headers.get("content-type", "no type")[:80]
            why = f"the recognition server answered with no transcription ({kind})"
            raise NoAnswer(why) from None

    def _said(self, body: bytes) -> str:
        """The server's own words for an error, printable, short and without our key."""
        try:
            text = _Refusal.model_validate_json(body).error.message
        except ValidationError:
            text = body[: 4 * SHOWN_CHARACTERS].decode(errors="replace")
        shown = "".join(c if c.isprintable() else " " for c in text)
        if self._key:
            shown = shown.replace(self._key, "***")
        return shown[:SHOWN_CHARACTERS].strip()


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise NoAnswer("the recognition server's answer is too long to be a transcription")
    return bytes(body)


def _refused(response: httpx.Response, said: str) -> NoAnswer:
    """What a status other than 200 means for this window and for the others."""
    status = response.status_code
    told = f" ({status}: {said})" if said else f" ({status})"
    if status in (401, 403):
        return NoAnswer(f"the recognition server does not accept our key{told}", again=False)
    if status in (404, 405) or status < 400:
        return NoAnswer(f"the recognition server has no such address or model{told}", again=False)
    if status in (408, 429) or status >= 500:
        why = f"the recognition server is overloaded or out of order{told}"
        return NoAnswer(why, pause_s=retry_after_s(response))
    why = f"the recognition server refuses such a request{told}"
    return NoAnswer(why, is_outage=False, again=False)


def retry_after_s(response: httpx.Response, most_s: float = LONGEST_ASKED_PAUSE_S) -> float:
    """`Retry-After` (RFC 9110, 10.2.3), seconds or a date, `most_s` at most; 0 for none and for
    nonsense."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), most_s)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        return 0.0
    ahead_s = (until - datetime.now(UTC)).total_seconds()
    return min(max(0.0, ahead_s), most_s)
