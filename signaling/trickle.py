"""Candidates that come after the offer: fragments of SDP (RFC 8840) to one ICE session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from aiortc import RTCIceCandidate
from aiortc.sdp import SessionDescription

from signaling.ice import Reach
from signaling.sdp import CANDIDATE, MAX_CANDIDATES, candidate_of, is_usable

MAX_FRAGMENT_BYTES = 16 * 1024


class BadFragment(ValueError):
    """The fragment cannot be read; the message says what was wrong and what is expected."""


class RestartRefused(ValueError):
    """The fragment asks for an ICE restart, which aiortc cannot do."""


@dataclass(slots=True)
class Fragment:
    """`candidates` carry the `a=mid` of their section."""

    credentials: set[tuple[str, str]] = field(default_factory=set)
    candidates: list[RTCIceCandidate] = field(default_factory=list)


def trickled(text: str) -> Fragment:
    """Read `text` as `application/trickle-ice-sdpfrag` (RFC 8840, 9.2).

    ICE credentials stand above the first `m=` line or in each section. Other attributes are passed
    over, `a=end-of-candidates` too: see `checked_offer`. Raises `BadFragment`.
    """
    fragment = Fragment()
    for section in _sections(text):
        names, passwords = section.all("ice-ufrag"), section.all("ice-pwd")
        if len(names) > 1 or len(names) != len(passwords):
            raise BadFragment("Expected one a=ice-ufrag and one a=ice-pwd, together.")
        fragment.credentials.update(zip(names, passwords, strict=True))
        for line in section.lines:
            if line.startswith(CANDIDATE):
                fragment.candidates.append(_placed(line, section))
    if not fragment.credentials:
        raise BadFragment(
            "The fragment does not say which ICE session it is for (a=ice-ufrag, a=ice-pwd)."
        )
    return fragment


@dataclass(slots=True)
class _Section:
    """Lines up to the next `m=` line; the first section is the session's own."""

    has_media: bool
    lines: list[str] = field(default_factory=list)

    def all(self, attribute: str) -> list[str]:
        prefix = f"a={attribute}:"
        return [line.removeprefix(prefix) for line in self.lines if line.startswith(prefix)]


def _sections(text: str) -> Iterator[_Section]:
    section = _Section(has_media=False)
    for line in text.splitlines():
        if line.startswith("m="):
            yield section
            section = _Section(has_media=True)
        elif line.startswith("a="):
            section.lines.append(line)
        elif line.strip():
            raise BadFragment(
                "The body is not a fragment of SDP (RFC 8840): expected a= and m= lines alone."
            )
    yield section


def _placed(line: str, section: _Section) -> RTCIceCandidate:
    candidate = candidate_of(line)
    if candidate is None:
        raise BadFragment("An a=candidate line cannot be read (RFC 8839, 5.1).")
    mids = section.all("mid")
    if not section.has_media or len(mids) != 1:
        raise BadFragment("Every candidate belongs below an m= line with one a=mid.")
    candidate.sdpMid = mids[0]
    return candidate


class Trickle:
    """What an offer's ICE session may still be told. `offer` has passed `checked_offer`."""

    def __init__(self, offer: str, reach: Reach) -> None:
        self._reach = reach
        media = SessionDescription.parse(offer).media
        self._mids = {section.rtp.muxId for section in media}
        self._credentials = {
            (section.ice.usernameFragment, section.ice.password)
            for section in media
            if section.ice is not None
        }
        self._count = sum(len(section.ice_candidates) for section in media)

    def take(self, text: str) -> list[RTCIceCandidate]:
        """The candidates that the fragment `text` adds, in order, for `addIceCandidate`.

        What cannot be used, is outside the reach or beyond `MAX_CANDIDATES` is discarded without a
        word, as RFC 9725, 4.3.2 has it. Raises `BadFragment` and `RestartRefused`.
        """
        fragment = trickled(text)
        if not fragment.credentials <= self._credentials:
            raise RestartRefused(
                "Another a=ice-ufrag means an ICE restart, which is not done here. The connection "
                "goes on as it was; to change networks, publish again with the resume token."
            )
        if not {candidate.sdpMid for candidate in fragment.candidates} <= self._mids:
            raise BadFragment("A candidate names a section (a=mid) that the offer does not have.")
        usable = [c for c in fragment.candidates if is_usable(c, self._reach)]
        new = usable[: MAX_CANDIDATES - self._count]
        self._count += len(new)
        return new
