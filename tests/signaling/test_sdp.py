"""What an offer must hold, and what the answer adds."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.sdp import MAX_CANDIDATES, BadOffer, checked_offer, finished_answer
from tests.signaling.offers import CHROMIUM, hidden, without

LINES = CHROMIUM.splitlines(True)
AUDIO = CHROMIUM[CHROMIUM.index("m=audio") : CHROMIUM.index("m=application")]
CHANNELS = CHROMIUM[CHROMIUM.index("m=application") :]
CANDIDATE = "a=candidate:1 1 udp 2122194687 {} {} typ host\r\n"
USABLE = without(CHROMIUM, "a=candidate:1483393710", "a=candidate:648357942", "a=candidate:567755")
"""Without Chromium's TCP candidates and the one in a documentation range."""
ANSWER = (
    "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
    "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=ssrc:1 cname:x\r\n"
)


def candidates(sdp: str) -> list[str]:
    return [line for line in sdp.splitlines() if line.startswith("a=candidate:")]


def with_candidates(*lines: str) -> str:
    return without(CHROMIUM, "a=candidate:").replace("a=ice-ufrag", "".join(lines) + "a=ice-ufrag")


def test_a_browsers_offer_passes_but_for_candidates_of_no_use() -> None:
    assert checked_offer(CHROMIUM) == USABLE
    assert len(candidates(USABLE)) == 1


def test_an_offer_without_data_channels_passes() -> None:
    offer = USABLE.removesuffix(CHANNELS).replace("BUNDLE 0 1", "BUNDLE 0")
    assert checked_offer(offer) == offer


def test_bare_newlines_are_taken_for_line_ends() -> None:
    assert checked_offer(CHROMIUM.replace("\r\n", "\n")) == USABLE


def test_local_names_are_dropped() -> None:
    assert candidates(checked_offer(hidden(CHROMIUM))) == []


def test_the_end_of_candidates_is_not_handed_on() -> None:
    """aioice would fail at once where it finds no pair, before it learns any from checks."""
    for end in ("a=end-of-candidates\r\n", "a=end-of-candidates:x\r\n"):
        offer = CHROMIUM.replace("a=ice-ufrag", end + "a=ice-ufrag")
        assert checked_offer(offer) == USABLE


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("b1dab9a1.local", "5000"),
        ("B1DAB9A1.LOCAL", "5000"),
        ("stun.example.com", "5000"),
        ("localhost", "5000"),
        ("10.0.0.1", "65536"),
        ("10.0.0.1", "0"),
        ("10.0.0.1", "-1"),
        ("10.0.0.1.5", "5000"),
        ("127.0.0.1", "5000"),
        ("169.254.169.254", "80"),
        ("192.0.2.1", "5000"),
    ],
)
def test_a_candidate_that_would_be_looked_up_or_cannot_be_sent_to_is_dropped(
    address: str, port: str
) -> None:
    good = CANDIDATE.format("10.0.0.7", "4000")
    offer = with_candidates(CANDIDATE.format(address, port), good)
    assert set(candidates(checked_offer(offer))) == {good.strip()}


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_no_candidate_hides_behind_another_kind_of_line_end(end: str) -> None:
    hidden = f"a=x{end}a=candidate:9 1 udp 1 127.0.0.1 9 typ host\r\n"
    offer = CHROMIUM.replace("a=sendonly", hidden + "a=sendonly")
    assert "127.0.0.1 9 typ host" not in checked_offer(offer)


def test_loopback_is_a_target_where_the_reach_says_so() -> None:
    own = CANDIDATE.format("127.0.0.1", "4000")
    checked = checked_offer(with_candidates(own), reach="loopback")
    assert set(candidates(checked)) == {own.strip()}
    assert candidates(checked_offer(with_candidates(own))) == []


def test_the_number_of_candidates_is_bounded() -> None:
    offer = with_candidates(*(CANDIDATE.format("10.0.0.1", 4_000 + i) for i in range(500)))
    assert len(candidates(checked_offer(offer))) == MAX_CANDIDATES


BAD = {
    "not SDP": ("hello", "session description"),
    "empty": ("", "session description"),
    "a picture": ("\x89PNG\r\n\x1a\n" * 10, "session description"),
    "parameters of a codec that is not there": (
        without(CHROMIUM, "a=rtpmap:111"),
        "session description",
    ),
    "no media": (CHROMIUM[: CHROMIUM.index("m=audio")], "0 audio sections"),
    "two audio sections": (CHROMIUM + AUDIO, "can only receive"),
    "video": (CHROMIUM + AUDIO.replace("m=audio", "m=video"), "nothing else"),
    "two sections of channels": (CHROMIUM + CHANNELS, "at most one"),
    "a section of text": (CHROMIUM + "m=text 9 RTP/AVP 98\r\na=mid:2\r\n", "nothing else"),
    "receive only": (CHROMIUM.replace("a=sendonly", "a=recvonly"), "does not send"),
    "inactive": (CHROMIUM.replace("a=sendonly", "a=inactive"), "does not send"),
    "no Opus": (without(CHROMIUM, "a=rtpmap:111", "a=fmtp:111", "a=rtcp-fb:111"), "Opus"),
    "no user fragment": (without(CHROMIUM, "a=ice-ufrag"), "ICE credentials"),
    "no ICE password": (without(CHROMIUM, "a=ice-pwd"), "ICE credentials"),
    "no fingerprint": (without(CHROMIUM, "a=fingerprint"), "fingerprint"),
    "an unknown fingerprint": (CHROMIUM.replace("sha-256", "md2"), "sha-256"),
    "no SCTP port": (without(CHROMIUM, "a=sctp-port"), "sctp-port"),
    "no mid": (without(CHROMIUM, "a=mid:1"), "a=mid"),
    "one mid twice": (CHROMIUM.replace("a=mid:1", "a=mid:0"), "a=mid"),
    "a bundle of strangers": (CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 7 1"), "BUNDLE"),
}


@pytest.mark.parametrize(("offer", "about"), BAD.values(), ids=BAD.keys())
def test_a_bad_offer_is_refused_with_what_is_wrong(offer: str, about: str) -> None:
    with pytest.raises(BadOffer, match=about) as refusal:
        checked_offer(offer)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("count", range(len(LINES)))
def test_an_offer_cut_off_at_any_line_is_refused_or_whole(count: int) -> None:
    with suppress(BadOffer):
        checked_offer("".join(LINES[:count]))


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(LINES) - 1),
            st.sampled_from(["drop", "repeat", "cut", "swap", "garble"]),
            st.text(max_size=12),
        ),
        max_size=6,
    )
)
def test_no_mutilated_offer_raises_anything_else(edits: list[tuple[int, str, str]]) -> None:
    lines = list(LINES)
    for at, how, text in edits:
        at %= len(lines)
        if how == "drop" and len(lines) > 1:
            del lines[at]
        elif how == "repeat":
            lines.insert(at, lines[at])
        elif how == "cut":
            lines[at] = lines[at][: len(text)] + "\r\n"
        elif how == "swap":
            lines[0], lines[at] = lines[at], lines[0]
        else:
            lines[at] = lines[at][:6] + text + lines[at][6:]
    with suppress(BadOffer):
        checked_offer("".join(lines))


@given(st.text(max_size=300))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(BadOffer):
        checked_offer(text)


def test_the_answer_asks_for_fec_and_against_dtx_in_20_ms_packets() -> None:
    answer = finished_answer(ANSWER)
    assert "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=0;stereo=0\r\n" in answer
    assert "a=ptime:20\r\n" in answer
    assert answer.index("a=rtpmap:111") < answer.index("a=fmtp:111") < answer.index("a=rtcp-fb")
    assert answer.replace("a=ptime:20\r\n", "").count("\r\n") == ANSWER.count("\r\n") + 1


def test_an_answer_without_opus_is_a_refusal() -> None:
    with pytest.raises(BadOffer, match="Opus"):
        finished_answer(ANSWER.replace("opus", "PCMU"))
