"""What clients of other projects' recognizers say, and what the answers mean.

One object a call; answers become `benchmarks.latency.Observation`s, by the same rule as ours:
committed is what the recognizer calls settled, tentative what it shows besides.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from benchmarks.latency import Observation

Message = dict[str, Any]


class Speech(Protocol):
    """One call's messages. `hello` opens it (unless None), `end` says that no audio follows."""

    hello: str | None
    end: bytes

    def is_ready(self, message: Any) -> bool:
        """Whether the server now takes audio."""

    def is_over(self, message: Any) -> bool:
        """Whether nothing follows; a server may also just close."""

    def observed(self, at_s: float, message: Any) -> list[Observation]:
        """What a message shows; nothing where it shows no words."""


class WhisperLiveKit:
    """Each message repeats the whole transcript: `lines` are settled, the buffer is not."""

    hello: str | None = None
    end = b""

    def is_ready(self, message: Message) -> bool:
        return bool(message.get("type") == "config")

    def is_over(self, message: Message) -> bool:
        return bool(message.get("type") == "ready_to_stop")

    def observed(self, at_s: float, message: Message) -> list[Observation]:
        if "lines" not in message:
            return []
        committed = " ".join(line["text"].strip() for line in message["lines"] if line["text"])
        return [Observation(at_s, 0, committed, message["buffer_transcription"].strip())]


class WhisperLive:
    """Each message repeats the last ten completed segments and the one still under way."""

    end = b"END_OF_AUDIO"

    def __init__(self) -> None:
        self._completed: dict[str, str] = {}
        self.hello: str | None = json.dumps(
            {
                "uid": "benchmark",
                "language": "en",
                "task": "transcribe",
                "model": "tiny.en",
                "use_vad": True,
                "audio_format": "int16",
                # As its own client has them.
                "send_last_n_segments": 10,
                "no_speech_thresh": 0.45,
                "clip_audio": False,
                "same_output_threshold": 10,
            }
        )

    def is_ready(self, message: Message) -> bool:
        if "status" in message:
            raise ConnectionError(f"WhisperLive refused the call: {message}")
        return bool(message.get("message") == "SERVER_READY")

    def is_over(self, message: Message) -> bool:
        return bool(message.get("message") == "DISCONNECT")

    def observed(self, at_s: float, message: Message) -> list[Observation]:
        if "segments" not in message:
            return []
        tentative = ""
        for segment in message["segments"]:
            if segment["completed"]:
                self._completed[segment["start"]] = segment["text"].strip()
            else:
                tentative = segment["text"].strip()
        return [Observation(at_s, 0, " ".join(self._completed.values()), tentative)]


class Moonshine:
    """Lines that changed, as `moonshine_server` sends them; only a finished line is settled.

    Their names are large numbers; they follow one another as they first came.
    """

    hello: str | None = None
    end = b""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def is_ready(self, message: Any) -> bool:
        return bool(message == "ready")

    def is_over(self, message: Any) -> bool:
        return False

    def observed(self, at_s: float, message: Any) -> list[Observation]:
        if not isinstance(message, list):
            return []
        seen = []
        for line in message:
            number = self._numbers.setdefault(line["id"], len(self._numbers))
            if line["done"]:
                seen.append(Observation(at_s, number, line["text"], is_final=True))
            else:
                seen.append(Observation(at_s, number, "", line["text"]))
        return seen
