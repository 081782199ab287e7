"""A server that speaks OpenAI's transcription API and really transcribes, in a process of its own.

`Server` runs and commands it; `python -m tests.transcription PORT FOLDER` is the server. How it
behaves is changed while it runs: it may stall, refuse, break off, answer nonsense.
"""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import soundfile
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from engine.asr import weights
from engine.asr.decoded import Decoded
from engine.asr.whisper import ShortContextWhisper
from tests.node import ROOT, free_port

READY_WITHIN_S = 60.0
HUGE_BYTES = 64 << 20

Json = dict[str, Any]


@dataclass(slots=True)
class Behaviour:
    """How requests are answered, `left` of them (None: all from now on); then well."""

    left: int | None = None
    stall: bool = False
    """Keep requests waiting until it is told to behave otherwise."""
    status: int = 200
    retry_after: str | None = None
    body: str | None = None
    """Instead of a transcription. `huge`, `drip` and `cut` are special."""
    content_type: str = "application/json"
    times: bool = True
    segments: bool = True
    key: str = ""
    """What `Authorization: Bearer` must show."""
    text: str | None = None
    """Said instead of what is heard."""
    poison: int | None = None
    """Only audio that begins with this sample is refused with `status`."""


@dataclass(slots=True)
class Seen:
    """What has come in. `forms` are those of the last requests, without the audio."""

    requests: int = 0
    now: int = 0
    most: int = 0
    """Requests at the same time since the behaviour was last changed."""
    gone: int = 0
    """Clients that did not wait for an answer."""
    sent_bytes: int = 0
    """Of answers without an end."""
    seconds: list[float] = field(default_factory=list)
    """Of audio, of each request; silence included."""
    firsts: list[int] = field(default_factory=list)
    """First samples."""
    forms: list[Json] = field(default_factory=list)
    headers: Json = field(default_factory=dict)
    at_s: list[float] = field(default_factory=list)
    """When each request came (monotonic)."""


class Transcription:
    """The API over one model."""

    def __init__(self, folder: Path) -> None:
        self._model = ShortContextWhisper(folder, **weights.options("whisper-tiny.en"))
        self._lock = asyncio.Lock()
        self._behaviour = Behaviour()
        self._seen = Seen()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/audio/transcriptions", self.transcribe, methods=["POST"]),
                Route("/behaviour", self.behave, methods=["PUT"]),
                Route("/seen", self.seen, methods=["GET"]),
            ]
        )

    async def behave(self, request: Request) -> Response:
        self._behaviour = Behaviour(**await request.json())
        self._seen.most = self._seen.now
        return Response(status_code=204)

    async def seen(self, request: Request) -> Response:
        return JSONResponse(asdict(self._seen))

    async def transcribe(self, request: Request) -> Response:
        seen = self._seen
        seen.requests += 1
        seen.at_s.append(time.monotonic())
        seen.now += 1
        seen.most = max(seen.most, seen.now)
        try:
            return await self._answer(request)
        finally:
            seen.now -= 1

    async def _answer(self, request: Request) -> Response:
        async with request.form() as form:
            file = form.get("file")
            audio = await file.read() if isinstance(file, UploadFile) else b""
            self._note(request, form)
        while self._behaviour.stall:
            if await request.is_disconnected():
                self._seen.gone += 1
                return Response(status_code=499)
            await asyncio.sleep(0.01)
        how = self._behaviour
        if how.left is not None:
            then = Behaviour(text=how.text)
            self._behaviour = replace(how, left=how.left - 1) if how.left > 1 else then
        if how.key and request.headers.get("authorization") != f"Bearer {how.key}":
            given = request.headers.get("authorization", "")
            return _error(401, f"Incorrect API key provided: {given}.")
        if how.status != 200 and how.poison in (None, _first(audio)):
            headers = {"Retry-After": how.retry_after} if how.retry_after else {}
            return _error(how.status, "Not now.", headers)
        if how.body in ("huge", "drip", "cut"):
            return StreamingResponse(self._endless(how.body), media_type="application/json")
        if how.body is not None:
            return Response(how.body, media_type=how.content_type)
        return await self._transcription(form, audio, how)

    async def _transcription(self, form: FormData, audio: bytes, how: Behaviour) -> Response:
        if not form.get("model"):
            return _error(400, "you must provide a model parameter")
        try:
            pcm, rate = soundfile.read(io.BytesIO(audio), dtype="int16", always_2d=True)
        except soundfile.LibsndfileError:
            return _error(400, "Invalid file format.")
        if rate != 16_000 or pcm.shape[1] != 1:
            return _error(400, f"{rate} Hz, {pcm.shape[1]} channels: 16 kHz mono is wanted")
        self._seen.seconds.append(len(pcm) / rate)
        self._seen.firsts.append(int(pcm[0, 0]))
        granularities = form.getlist("timestamp_granularities[]") or ["segment"]
        if how.text is None:
            async with self._lock:
                decoded = await asyncio.to_thread(
                    lambda: self._model.decode([pcm[:, 0]], ["word" in granularities])[0]
                )
        else:
            decoded = Decoded([], -0.1, 0.0, False)
        spoken = " ".join(word.text for word in decoded.words)
        text = spoken if how.text is None else how.text
        if form.get("response_format") != "verbose_json":
            return JSONResponse({"text": text})
        body: Json = {
            "task": "transcribe",
            "language": "english",
            "duration": len(pcm) / rate,
            "text": text,
        }
        if how.times and "word" in granularities:
            # As OpenAI's own server does: no punctuation here.
            body["words"] = [
                {
                    "word": word.text.strip(".,;:!?"),
                    "start": word.start_ms / 1000,
                    "end": word.end_ms / 1000,
                }
                for word in decoded.words
            ]
        if how.segments and "segment" in granularities:
            body["segments"] = [_segment(text, len(pcm) / rate, decoded)] if text else []
        return JSONResponse(body)

    async def _endless(self, how: str) -> AsyncIterator[bytes]:
        piece = b" " * (1 << 16) if how == "huge" else b" "
        for sent in range(0, HUGE_BYTES, len(piece)):
            self._seen.sent_bytes = sent + len(piece)
            yield piece
            # A pause, however short: without one nobody notices that the client has gone.
            await asyncio.sleep(0.05 if how == "drip" else 0.001)
            if how == "cut":
                raise ConnectionResetError("the connection is cut, as it was told")

    def _note(self, request: Request, form: FormData) -> None:
        fields = {name: form.getlist(name) for name in form if name != "file"}
        self._seen.forms = [*self._seen.forms, fields][-10:]
        self._seen.headers = dict(request.headers)


def _first(wav: bytes) -> int:
    """The first sample of a file with the shortest of headers."""
    return int.from_bytes(wav[44:46], "little", signed=True)


def _segment(text: str, length_s: float, decoded: Decoded) -> Json:
    return {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": length_s,
        "text": f" {text}",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": decoded.average_log_probability,
        "compression_ratio": 1.0,
        "no_speech_prob": decoded.no_speech_probability,
    }


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    error = {"message": message, "type": "error", "param": None, "code": None}
    return JSONResponse({"error": error}, status, headers)


class Server:
    """The process. Its port outlives a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As a client is given it."""
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.transcription", str(self._port), str(self._folder)],
            cwd=ROOT,
            start_new_session=True,
        )
        until_s = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                self.seen()
                return
            except httpx.TransportError:
                if self._process.poll() is not None or time.monotonic() > until_s:
                    self.kill()
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def behave(self, **how: Any) -> None:
        """From now on; without arguments: well."""
        httpx.put(f"http://127.0.0.1:{self._port}/behaviour", json=how).raise_for_status()

    def seen(self) -> Seen:
        return Seen(**httpx.get(f"http://127.0.0.1:{self._port}/seen", timeout=10).json())


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server with the model in `folder`, killed at the end."""
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    app = Transcription(folder).app()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical")


if __name__ == "__main__":
    main()
