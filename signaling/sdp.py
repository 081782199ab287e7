"""What an offer must hold, and the lines that aiortc's answer lacks (RFC 8866, RFC 7587)."""

from __future__ import annotations

import ipaddress
import re

from aiortc.rtcdtlstransport import X509_DIGEST_ALGORITHMS
from aiortc.sdp import MediaDescription, SessionDescription

MAX_OFFER_BYTES = 64 * 1024
MAX_CANDIDATES = 20

_OPUS = re.compile(r"^a=rtpmap:(\d+) opus/48000/2\r?$", re.IGNORECASE | re.MULTILINE)
OPUS_PARAMETERS = "minptime=10;useinbandfec=1;usedtx=0;stereo=0"
CANNOT_READ = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    StopIteration,
    TypeError,
    ValueError,
)
"""What aiortc raises on its way through a description that it does not understand."""


class BadOffer(ValueError):
    """The offer cannot be used; the message says what was wrong and what is expected."""


def checked_offer(sdp: str) -> str:
    """The offer to hand to aiortc: one Opus audio section and at most one of data channels.

    Candidates that are names, `.local` (mDNS) above all, are dropped, as resolving them stalls the
    answer by a second; where that leaves none, `a=end-of-candidates` goes too, or ICE would fail at
    once instead of learning the peer's address from its checks. Raises `BadOffer`.
    """
    not_sdp = BadOffer("The body is not a session description (SDP, RFC 8866).")
    if not sdp.startswith("v=0"):
        raise not_sdp
    try:
        description = SessionDescription.parse(sdp)
    except CANNOT_READ as error:
        raise not_sdp from error
    audio = [media for media in description.media if media.kind == "audio"]
    channels = [media for media in description.media if media.kind == "application"]
    if len(audio) != 1:
        raise BadOffer(
            f"The offer has {len(audio)} audio sections; exactly one with Opus is expected."
        )
    if len(channels) > 1 or len(description.media) > 1 + len(channels):
        raise BadOffer("Offer one audio section and at most one of data channels, nothing else.")
    if audio[0].direction not in ("sendonly", "sendrecv"):
        raise BadOffer("The audio section does not send: it must be sendonly or sendrecv.")
    if not any(codec.mimeType.lower() == "audio/opus" for codec in audio[0].rtp.codecs):
        raise BadOffer("The audio section does not offer Opus (opus/48000/2).")
    for media in description.media:
        _check_transport(media)
    if channels and channels[0].profile != "DTLS/SCTP" and channels[0].sctp_port is None:
        raise BadOffer("The section of data channels has no a=sctp-port.")
    _check_bundle(description)
    return _with_addresses_only(sdp)


def _check_transport(media: MediaDescription) -> None:
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise BadOffer("The offer has no ICE credentials (a=ice-ufrag, a=ice-pwd).")
    if media.dtls is None or not media.dtls.fingerprints:
        raise BadOffer("The offer has no DTLS fingerprint (a=fingerprint).")
    kinds = {fingerprint.algorithm.lower() for fingerprint in media.dtls.fingerprints}
    if kinds.isdisjoint(X509_DIGEST_ALGORITHMS):
        raise BadOffer("The offer has no DTLS fingerprint of a known kind; sha-256 is expected.")


def _check_bundle(description: SessionDescription) -> None:
    mids = [media.rtp.muxId for media in description.media]
    if not all(mids) or len(set(mids)) != len(mids):
        raise BadOffer("Every section needs an a=mid of its own.")
    for group in description.group:
        if group.semantic == "BUNDLE" and not set(group.items) <= set(mids):
            raise BadOffer("a=group:BUNDLE names a section that the offer does not have.")


def _with_addresses_only(sdp: str) -> str:
    lines = sdp.replace("\r\n", "\n").split("\n")
    kept: list[str] = []
    candidates = 0
    for line in lines:
        if line.startswith("a=candidate:"):
            if candidates >= MAX_CANDIDATES or not _is_usable(line):
                continue
            candidates += 1
        kept.append(line)
    if candidates == 0:
        kept = [line for line in kept if line != "a=end-of-candidates"]
    return "\r\n".join(kept)


def _is_usable(candidate: str) -> bool:
    """Whether the candidate has an address, not a name, and a port (RFC 8839, 5.1)."""
    fields = candidate.split()
    try:
        ipaddress.ip_address(fields[4])
        return 0 < int(fields[5]) < 65_536
    except (IndexError, ValueError):
        return False


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
