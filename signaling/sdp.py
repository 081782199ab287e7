"""What an offer must hold, and the lines of an answer that aiortc leaves out (RFC 8866, RFC 7587)."""

from __future__ import annotations

import re

from aiortc.sdp import SessionDescription

MAX_OFFER_BYTES = 64 * 1024
MAX_CANDIDATES = 20

_MDNS = re.compile(r"^a=candidate:\S+ \d+ \S+ \d+ \S+\.local ", re.IGNORECASE)
_OPUS = re.compile(r"^a=rtpmap:(\d+) opus/48000/2\r?$", re.IGNORECASE | re.MULTILINE)
OPUS_PARAMETERS = "minptime=10;useinbandfec=1;usedtx=0;stereo=0"


class BadOffer(ValueError):
    """The offer cannot be used; the message says what was wrong and what is expected."""


def checked_offer(sdp: str) -> str:
    """The offer to hand to aiortc: one Opus audio section and at most one of data channels.

    `.local` (mDNS) candidates are dropped, as resolving them stalls the answer by a second; where
    that leaves none, `a=end-of-candidates` goes too, or ICE would fail at once instead of learning
    the peer's address from its checks. Raises `BadOffer`.
    """
    try:
        description = SessionDescription.parse(sdp)
    except (ValueError, IndexError, KeyError, AttributeError, AssertionError) as error:
        raise BadOffer("The body is not a session description (SDP, RFC 8866).") from error
    audio = [media for media in description.media if media.kind == "audio"]
    if len(audio) != 1:
        raise BadOffer(
            f"The offer has {len(audio)} audio sections; exactly one with Opus is expected."
        )
    if any(media.kind == "video" for media in description.media):
        raise BadOffer("The offer has a video section; offer audio and data channels only.")
    if audio[0].direction not in ("sendonly", "sendrecv"):
        raise BadOffer("The audio section does not send: it must be sendonly or sendrecv.")
    if not _OPUS.search(sdp):
        raise BadOffer("The audio section does not offer Opus (opus/48000/2).")
    if not audio[0].ice.usernameFragment or not audio[0].ice.password:
        raise BadOffer("The offer has no ICE credentials (a=ice-ufrag, a=ice-pwd).")
    if audio[0].dtls is None or not audio[0].dtls.fingerprints:
        raise BadOffer("The offer has no DTLS fingerprint (a=fingerprint).")
    return _without_mdns(sdp)


def _without_mdns(sdp: str) -> str:
    lines = sdp.replace("\r\n", "\n").split("\n")
    kept: list[str] = []
    candidates = 0
    for line in lines:
        if line.startswith("a=candidate:"):
            if _MDNS.match(line) or candidates >= MAX_CANDIDATES:
                continue
            candidates += 1
        kept.append(line)
    if candidates == 0:
        kept = [line for line in kept if line != "a=end-of-candidates"]
    return "\r\n".join(kept)


def finished_answer(sdp: str) -> str:
    """The answer with Opus's format parameters: in-band FEC on, DTX off, mono, 20 ms packets.

    Without the `fmtp` line Chromium sends no FEC at all; with DTX there would be holes in time.
    """
    match = _OPUS.search(sdp)
    if match is None:
        raise BadOffer("No Opus could be agreed on.")
    payload_type = match.group(1)
    line_end = "\r\n" if "\r\n" in sdp else "\n"
    added = f"a=fmtp:{payload_type} {OPUS_PARAMETERS}{line_end}a=ptime:20{line_end}"
    at = sdp.index("\n", match.start()) + 1
    return sdp[:at] + added + sdp[at:]
