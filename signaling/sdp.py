"""What an offer must hold, and the lines that aiortc's answer lacks (RFC 8866, RFC 7587)."""

from __future__ import annotations

import re

from aiortc import RTCIceCandidate
from aiortc.rtcdtlstransport import X509_DIGEST_ALGORITHMS
from aiortc.sdp import MediaDescription, SessionDescription, candidate_from_sdp

from signaling.ice import Reach, is_target

MAX_OFFER_BYTES = 64 * 1024
MAX_CANDIDATES = 20
"""Remote candidates of one connection, offered and trickled; those beyond are not used."""
CANDIDATE = "a=candidate:"

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


MAX_AUDIO = 4
"""Audio sections of an offer: one to speak on, which may hear as well, and more to hear."""
PUBLISHING = ("sendonly", "sendrecv")
LISTENING = ("recvonly", "sendrecv")


class BadOffer(ValueError):
    """The offer cannot be used; the message says what was wrong and what is expected."""


def checked_offer(
    sdp: str, directions: tuple[str, ...] = PUBLISHING, *, reach: Reach = "private"
) -> str:
    """The offer to hand to aiortc: Opus audio sections and at most one of data channels.

    The first audio section must have one of `directions`; those behind it only receive, and go over
    the transport of the first.
    Candidates that cannot be used or are outside `reach` are dropped; names are among them,
    `.local` (mDNS) above all, as resolving them stalls the answer by a second. So is
    `a=end-of-candidates`: where no candidate pairs with one of ours, aioice would then fail at once
    instead of learning the peer's address from its checks. Raises `BadOffer`.
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
    if not 1 <= len(audio) <= MAX_AUDIO:
        raise BadOffer(
            f"The offer has {len(audio)} audio sections; one with Opus is expected, and at most "
            f"{MAX_AUDIO - 1} more to receive on."
        )
    if len(channels) > 1 or len(description.media) > len(audio) + len(channels):
        raise BadOffer("Offer audio sections and at most one of data channels, nothing else.")
    if audio[0].direction not in directions:
        does_not = "send" if directions == PUBLISHING else "receive"
        expected = " or ".join(directions)
        raise BadOffer(f"The audio section does not {does_not}: it must be {expected}.")
    if any(media.direction != "recvonly" for media in audio[1:]):
        raise BadOffer("Audio sections behind the first can only receive: make them recvonly.")
    for media in audio:
        if not any(codec.mimeType.lower() == "audio/opus" for codec in media.rtp.codecs):
            raise BadOffer("An audio section does not offer Opus (opus/48000/2).")
    for media in description.media:
        _check_transport(media)
    if channels and channels[0].profile != "DTLS/SCTP" and channels[0].sctp_port is None:
        raise BadOffer("The section of data channels has no a=sctp-port.")
    _check_bundle(description, len(audio))
    return _with_addresses_only(sdp, reach)


def _check_transport(media: MediaDescription) -> None:
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise BadOffer("The offer has no ICE credentials (a=ice-ufrag, a=ice-pwd).")
    if media.dtls is None or not media.dtls.fingerprints:
        raise BadOffer("The offer has no DTLS fingerprint (a=fingerprint).")
    kinds = {fingerprint.algorithm.lower() for fingerprint in media.dtls.fingerprints}
    if kinds.isdisjoint(X509_DIGEST_ALGORITHMS):
        raise BadOffer("The offer has no DTLS fingerprint of a known kind; sha-256 is expected.")


def audio_directions(sdp: str) -> list[str | None]:
    """Of each audio section of a checked offer."""
    description = SessionDescription.parse(sdp)
    return [media.direction for media in description.media if media.kind == "audio"]


def _check_bundle(description: SessionDescription, audio: int) -> None:
    mids = [media.rtp.muxId for media in description.media]
    if not all(mids) or len(set(mids)) != len(mids):
        raise BadOffer("Every section needs an a=mid of its own.")
    for group in description.group:
        if group.semantic == "BUNDLE" and not set(group.items) <= set(mids):
            raise BadOffer("a=group:BUNDLE names a section that the offer does not have.")
    bundled = [group.items for group in description.group if group.semantic == "BUNDLE"]
    if audio > 1 and (len(bundled) != 1 or set(bundled[0]) != set(mids)):
        raise BadOffer("Several sections must share one transport: put all in a=group:BUNDLE.")


def _with_addresses_only(sdp: str, reach: Reach) -> str:
    kept: list[str] = []
    candidates = 0
    # The same line ends as aiortc's parser knows, or a candidate could hide behind another.
    for line in sdp.splitlines():
        if line.startswith(CANDIDATE):
            if candidates >= MAX_CANDIDATES or not is_usable(candidate_of(line), reach):
                continue
            candidates += 1
        if not line.startswith("a=end-of-candidates"):
            kept.append(line)
    return "".join(f"{line}\r\n" for line in kept)


def candidate_of(line: str) -> RTCIceCandidate | None:
    """The candidate of an `a=candidate:` line (RFC 8839, 5.1); None where it is not one."""
    fields = line.removeprefix(CANDIDATE)
    try:
        return candidate_from_sdp(fields) if fields.split()[6] == "typ" else None
    except CANNOT_READ:
        return None


def is_usable(candidate: RTCIceCandidate | None, reach: Reach) -> bool:
    """Whether checks can and may go there: UDP, RTP and RTCP together, an address and a port."""
    return (
        candidate is not None
        and candidate.protocol.lower() == "udp"
        and candidate.component == 1
        and candidate.type in ("host", "srflx", "relay")
        and 0 < candidate.port < 65_536
        and 0 < candidate.priority < 2**31
        and is_target(candidate.ip, reach)
    )


def finished_answer(sdp: str) -> str:
    """The answer with Opus's format parameters: in-band FEC on, DTX off, mono, 20 ms packets.

    Without the `fmtp` line Chromium sends no FEC at all; with DTX there would be holes in time.
    """
    line_end = "\r\n" if "\r\n" in sdp else "\n"

    def completed(match: re.Match[str]) -> str:
        line = match.group(0).rstrip("\r")
        added = f"a=fmtp:{match.group(1)} {OPUS_PARAMETERS}{line_end}a=ptime:20"
        return f"{line}{line_end}{added}" + ("\r" if line_end == "\r\n" else "")

    finished, count = _OPUS.subn(completed, sdp)
    if not count:
        raise BadOffer("No Opus could be agreed on.")
    return finished
