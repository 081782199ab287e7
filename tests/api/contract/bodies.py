"""Bodies that are no JSON: good ones among junk."""

from __future__ import annotations

import io
import wave

import schemathesis
from hypothesis import strategies as st

from tests.signaling.offers import CHROMIUM


def _wav() -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000))
    return made.getvalue()


JUNK = st.binary(max_size=2_000)
CANDIDATE = b"a=mid:0\r\na=candidate:1 1 UDP 2130706431 127.0.0.1 40000 typ host\r\n"

schemathesis.openapi.media_type("application/sdp", JUNK | st.just(CHROMIUM.encode()))
schemathesis.openapi.media_type("application/trickle-ice-sdpfrag", JUNK | st.just(CANDIDATE))
schemathesis.openapi.media_type("audio/wav", JUNK | st.just(_wav()))
