"""Fragments of SDP that trickle candidates (RFC 8840)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.sdp import MAX_CANDIDATES, checked_offer
from signaling.trickle import BadFragment, RestartRefused, Trickle, trickled
from tests.signaling.offers import CHROMIUM, without

CREDENTIALS = "a=ice-ufrag:i4Td\r\na=ice-pwd:F9dgfrzGxMfV1/O1oZXba9hC\r\n"
MEDIA = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
HOST = "a=candidate:1 1 udp 2122194687 10.0.0.7 4000 typ host generation 0 ufrag i4Td\r\n"
END = "a=end-of-candidates\r\n"
WHOLE = CREDENTIALS + MEDIA + HOST + END
BARE = without(CHROMIUM, "a=candidate:")


def host(port: int, address: str = "10.0.0.7") -> str:
    return HOST.replace("4000", str(port)).replace("10.0.0.7", address)


def trickle(offer: str = BARE) -> Trickle:
    return Trickle(checked_offer(offer), "private")


def test_a_fragment_gives_its_candidates_with_their_section() -> None:
    (candidate,) = trickle().take(WHOLE)
    assert (candidate.ip, candidate.port, candidate.sdpMid) == ("10.0.0.7", 4000, "0")


@pytest.mark.parametrize(
    "fragment",
    [
        MEDIA + CREDENTIALS + HOST,
        CREDENTIALS + MEDIA + HOST.replace("\r\n", "\n"),
        "a=group:BUNDLE 0 1\r\na=ice-options:trickle\r\n" + CREDENTIALS + MEDIA + HOST,
        CREDENTIALS + MEDIA + CREDENTIALS + HOST,
        CREDENTIALS + MEDIA + HOST + "m=application 9 UDP/DTLS/SCTP x\r\na=mid:1\r\n",
        CREDENTIALS + MEDIA + HOST + "\r\n",
    ],
    ids=["per section", "bare newlines", "more attributes", "twice", "two sections", "blank line"],
)
def test_the_forms_that_clients_send_are_understood(fragment: str) -> None:
    (candidate,) = trickle().take(fragment)
    assert candidate.port == 4000


def test_a_fragment_may_hold_the_end_alone() -> None:
    assert trickle().take(CREDENTIALS + MEDIA + END) == []
    assert trickle(CHROMIUM).take(CREDENTIALS + END) == []


@pytest.mark.parametrize(
    "line",
    [
        HOST.replace("10.0.0.7", "b1dab9a1.local"),
        HOST.replace("10.0.0.7", "stun.example.com"),
        HOST.replace("10.0.0.7", "127.0.0.1"),
        HOST.replace("10.0.0.7", "169.254.169.254"),
        HOST.replace(" udp ", " tcp ").replace("4000", "9"),
        HOST.replace(" 1 udp", " 2 udp"),
        HOST.replace("typ host", "typ prflx"),
        HOST.replace("4000", "0"),
        HOST.replace("4000", "65536"),
        HOST.replace("2122194687", "-1"),
        HOST.replace("2122194687", str(2**31)),
    ],
)
def test_what_cannot_be_used_is_discarded_without_a_word(line: str) -> None:
    kept = trickle().take(CREDENTIALS + MEDIA + line + host(5000) + END)
    assert [candidate.port for candidate in kept] == [5000]


def test_candidates_are_bounded_over_offer_and_fragments_together() -> None:
    given = trickle(BARE.replace("a=mid:0", "".join(map(host, range(4000, 4008))) + "a=mid:0"))
    taken = 8
    for at in range(5000, 5100, 5):
        fragment = CREDENTIALS + MEDIA + "".join(map(host, range(at, at + 5))) + END
        taken += len(given.take(fragment))
    assert taken == MAX_CANDIDATES


def test_other_credentials_are_a_restart_and_change_nothing() -> None:
    given = trickle()
    for other in (WHOLE.replace("i4Td\r\n", "ysXw\r\n"), WHOLE.replace("F9dg", "XXXX")):
        with pytest.raises(RestartRefused, match="publish again") as refusal:
            given.take(other)
        assert str(refusal.value).endswith(".")
    assert len(given.take(WHOLE)) == 1


BAD = {
    "empty": ("", "a=ice-ufrag"),
    "not SDP": ("hello", "fragment"),
    "JSON": ('{"candidate": ""}', "fragment"),
    "a whole offer": (CHROMIUM, "fragment"),
    "no credentials": (MEDIA + HOST, "a=ice-ufrag"),
    "no password": (WHOLE.replace("a=ice-pwd:", "a=x:"), "together"),
    "no user fragment": (WHOLE.replace("a=ice-ufrag:", "a=x:"), "together"),
    "two user fragments": ("a=ice-ufrag:i4Td\r\n" + WHOLE, "together"),
    "a candidate of no section": (CREDENTIALS + HOST, "m= line"),
    "a section without a mid": (WHOLE.replace("a=mid:0\r\n", ""), "a=mid"),
    "a section with two mids": (WHOLE.replace("a=mid:0\r\n", "a=mid:0\r\na=mid:1\r\n"), "a=mid"),
    "a section that was not offered": (WHOLE.replace("a=mid:0", "a=mid:7"), "does not have"),
    "half a candidate": (WHOLE.replace(" typ host", ""), "cannot be read"),
    "a port in words": (WHOLE.replace("4000", "four"), "cannot be read"),
    "a related port in words": (WHOLE.replace("generation 0", "rport four"), "cannot be read"),
    "a very long number": (WHOLE.replace("4000", "4" * 5000), "cannot be read"),
}


@pytest.mark.parametrize(("fragment", "about"), BAD.values(), ids=BAD.keys())
def test_a_bad_fragment_is_refused_with_what_is_wrong(fragment: str, about: str) -> None:
    with pytest.raises(BadFragment, match=about) as refusal:
        trickle().take(fragment)
    assert str(refusal.value).endswith(".")


@given(st.text(max_size=300))
def test_no_text_raises_anything_else(text: str) -> None:
    for fragment in (text, WHOLE + text, CREDENTIALS + MEDIA + "a=candidate:" + text):
        with suppress(BadFragment, RestartRefused):
            trickled(fragment)
            trickle().take(fragment)


LINES = WHOLE.splitlines(True)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 60), st.text(max_size=8)),
        min_size=1,
        max_size=5,
    )
)
def test_no_mutilated_fragment_raises_anything_else(edits: list[tuple[int, int, str]]) -> None:
    lines = list(LINES)
    for at, column, text in edits:
        lines[at] = lines[at][:column] + text + lines[at][column + len(text) :]
    with suppress(BadFragment, RestartRefused):
        trickle().take("".join(lines))
