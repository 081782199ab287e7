"""Offers: browsers' as captured, and aiortc's made on the spot."""

from __future__ import annotations

from pathlib import Path

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack


def _captured(name: str) -> str:
    return (Path(__file__).parent / "sdp" / name).read_text().replace("\n", "\r\n")


CHROMIUM = _captured("chromium.sdp")
"""Chromium 156, one microphone and the two data channels, max-bundle, host candidates."""
FIREFOX = _captured("firefox.sdp")
"""Firefox 153, a microphone, three more sections to hear on, data channels, host candidates."""


def without(sdp: str, *starts: str) -> str:
    """`sdp` without the lines that begin with any of `starts`."""
    return "".join(line for line in sdp.splitlines(True) if not line.startswith(starts))


def hidden(sdp: str) -> str:
    """`sdp` as a browser without microphone permission writes it: `.local` names for addresses."""
    lines = []
    for line in sdp.splitlines(True):
        if line.startswith("a=candidate:"):
            fields = line.split(" ")
            fields[4] = "b1dab9a1-5fca-4469-b857-22f1daf7228d.local"
            line = " ".join(fields)
        lines.append(line)
    return "".join(lines)


def fragment(sdp: str) -> str:
    """What `sdp` says of ICE, as it is trickled (RFC 8840)."""
    kept = ("m=", "a=mid", "a=ice-ufrag", "a=ice-pwd", "a=candidate", "a=end-of-candidates")
    lines = sdp[sdp.index("m=") :].splitlines(True)
    return "".join(line for line in lines if line.startswith(kept))


async def aiortc_offer() -> str:
    """A complete offer of a client that is then closed."""
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    client.addTrack(AudioStreamTrack())
    client.createDataChannel("events")
    await client.setLocalDescription(await client.createOffer())
    sdp: str = client.localDescription.sdp
    await client.close()
    return sdp
