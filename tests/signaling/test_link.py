"""The link's quality, once a second: what was lost, what was recovered, what had to be made up."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from engine.events import Link
from signaling.link import LinkMeter
from tests.signaling.packets import RATE, Rtp, encode, kept, stream, voice
from tests.signaling.receiving import Line

SECONDS = 12
WITH_FEC = stream(encode(voice(SECONDS)))
WITHOUT_FEC = stream(encode(voice(SECONDS), fec=False))


def links(packets: Iterable[Rtp], origin: Rtp, *, late_s: float = 0.0) -> list[Link | None]:
    """What a meter says of each second; packets come at their time, every third one `late_s`."""
    line = Line()
    meter = LinkMeter(line.receiver, 0.0)
    told: list[Link | None] = []
    arrivals = []
    for packet in packets:
        sent_s = (packet.timestamp - origin.timestamp) / RATE
        arrivals.append((sent_s + (late_s if packet.seq % 3 == 0 else 0), packet))
    for at_s, packet in sorted(arrivals, key=lambda arrival: arrival[0]):
        line.send(packet, at_s)
        if meter.measure(line.now_s):
            told.append(meter.link)
    return told


def known(told: list[Link | None]) -> list[Link]:
    """All but the first second, in which the hold adapts and the first packets find their place."""
    assert None not in told
    return [link for link in told[1:] if link is not None]


def test_a_clean_link_is_told_once_a_second_with_its_bitrate() -> None:
    told = links(WITH_FEC, WITH_FEC[0])
    assert len(told) == SECONDS - 1
    for second, link in enumerate(known(told), 1):
        assert (link.lost_pct, link.recovered_pct, link.concealed_pct) == (0, 0, 0)
        assert link.jitter_ms == pytest.approx(0, abs=0.1)
        payloads = [packet.payload for packet in WITH_FEC[50 * second + 1 : 50 * (second + 1) + 1]]
        assert link.bitrate_kbps == pytest.approx(sum(map(len, payloads)) * 8 / 1000, rel=0.05)
        assert not link.weak


def test_what_fec_recovers_of_the_losses_is_not_concealed() -> None:
    told = known(links(kept(WITH_FEC, "...x......."), WITH_FEC[0]))
    for link in told:
        assert link.lost_pct == pytest.approx(9, abs=2)
        assert link.recovered_pct + link.concealed_pct == pytest.approx(link.lost_pct, abs=0.2)
    # The encoder puts a copy into most packets, not into all.
    recovered_pct = sum(link.recovered_pct for link in told)
    assert recovered_pct > 0.5 * sum(link.lost_pct for link in told)
    assert not all(link.weak for link in told)


def test_the_same_losses_without_fec_are_concealed_and_the_link_is_weak() -> None:
    for link in known(links(kept(WITHOUT_FEC, "...x......"), WITHOUT_FEC[0])):
        assert link.lost_pct == pytest.approx(10, abs=2)
        assert link.recovered_pct == 0
        assert link.concealed_pct == pytest.approx(10, abs=2)
        assert link.weak


def test_a_burst_counts_in_full_though_concealment_fades_out_before_its_end() -> None:
    burst = "." * 60 + "x" * 20 + "." * 20
    told = known(links(kept(WITHOUT_FEC, burst), WITHOUT_FEC[0]))
    worst = max(link.concealed_pct for link in told)
    assert worst == pytest.approx(40, abs=4)
    assert min(link.concealed_pct for link in told) == 0


def test_an_outage_that_time_jumps_over_is_told_by_the_packets_that_it_took() -> None:
    packets = [packet for i, packet in enumerate(WITH_FEC) if not 125 <= i < 245]
    told = [link for link in links(packets, WITH_FEC[0]) if link is not None]
    assert max(link.concealed_pct for link in told) > 60


def test_a_sender_that_leaves_time_out_is_not_the_links_fault() -> None:
    paused = [
        Rtp(p.ssrc, p.seq, p.timestamp + (24_000 if i >= 250 else 0), p.payload)
        for i, p in enumerate(WITH_FEC)
    ]
    told = known(links(paused, WITH_FEC[0]))
    assert max(link.concealed_pct for link in told) == 0
    assert not any(link.weak for link in told)


def test_uneven_arrival_is_told_as_jitter() -> None:
    link = known(links(WITH_FEC, WITH_FEC[0], late_s=0.015))[-1]
    assert link.lost_pct == 0
    assert link.jitter_ms == pytest.approx(10, abs=2)
    assert link.lag_ms <= 16


def test_a_second_in_which_nothing_was_due_is_not_judged() -> None:
    line = Line()
    meter = LinkMeter(line.receiver, 0.0)
    line.send_all(WITH_FEC[:10])
    assert meter.measure(1.0)
    assert meter.link is not None
    assert not meter.measure(1.5)
    assert meter.measure(2.0)
    assert meter.link is None
