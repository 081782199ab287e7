"""The bad network is as bad as it says, and equally bad for all."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from benchmarks.impairment import Impairment, Loss, Relay, is_rtp, relay

PACKETS = 200_000
ANSWER = "a=candidate:1 1 udp 2130706431 192.0.2.7 {port} typ host\r\n"
RTP_HEADER = 12


def pattern(loss: float, burst_packets: float | None, seed: int = 7) -> list[bool]:
    chain = Loss(seed)
    return [chain.next(loss, burst_packets) for _ in range(PACKETS)]


def runs(lost: Sequence[bool]) -> list[int]:
    return [len(list(group)) for is_lost, group in itertools.groupby(lost) if is_lost]


@pytest.mark.parametrize("burst_packets", [None, 1.5, 3.0, 8.0])
@pytest.mark.parametrize("loss", [0.01, 0.05, 0.10, 0.4])
def test_the_mean_loss_is_as_asked(loss: float, burst_packets: float | None) -> None:
    lost = pattern(loss, burst_packets)
    # Runs of length b spread the mean about sqrt(2b) times as wide as independent losses do.
    spread = (loss * (1 - loss) * 2 * (burst_packets or 1) / PACKETS) ** 0.5
    assert sum(lost) / PACKETS == pytest.approx(loss, abs=4 * spread)


@pytest.mark.parametrize("burst_packets", [1.5, 3.0, 8.0])
def test_the_mean_burst_is_as_asked(burst_packets: float) -> None:
    lengths = runs(pattern(0.05, burst_packets))
    assert sum(lengths) / len(lengths) == pytest.approx(burst_packets, rel=0.05)


def test_independent_losses_come_in_runs_only_by_chance() -> None:
    lengths = runs(pattern(0.10, None))
    assert sum(lengths) / len(lengths) == pytest.approx(1 / 0.9, rel=0.02)


@pytest.mark.parametrize("burst_packets", [None, 3.0])
def test_nothing_is_lost_where_no_loss_is_asked(burst_packets: float | None) -> None:
    assert not any(pattern(0.0, burst_packets))


@pytest.mark.parametrize(("loss", "burst_packets"), [(0.05, 0.5), (0.9, 2.0), (1.0, 3.0)])
def test_bursts_that_cannot_be_are_refused(loss: float, burst_packets: float) -> None:
    with pytest.raises(ValueError, match="no chain loses"):
        Loss(1).next(loss, burst_packets)


def test_equal_seeds_lose_equal_packets_and_others_do_not() -> None:
    assert pattern(0.1, 3.0, seed=1) == pattern(0.1, 3.0, seed=1)
    assert pattern(0.1, 3.0, seed=1) != pattern(0.1, 3.0, seed=2)


class Inbox(asyncio.DatagramProtocol):
    """The node's end: numbers of the media packets that came, and everything else."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.others: list[bytes] = []

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if is_rtp(data):
            self.numbers.append(int.from_bytes(data[2:4], "big"))
        else:
            self.others.append(data)


def packet(number: int) -> bytes:
    return bytes([0x80, 111]) + number.to_bytes(2, "big") + bytes(RTP_HEADER)


async def sent_through(impairment: Impairment, count: int, seed: int = 3) -> tuple[Inbox, Relay]:
    """`count` media packets a few ms apart, and an RTCP packet before them."""
    loop = asyncio.get_running_loop()
    inbox = Inbox()
    node, _ = await loop.create_datagram_endpoint(lambda: inbox, local_addr=("127.0.0.1", 0))
    async with relay(impairment, seed) as line:
        port = node.get_extra_info("sockname")[1]
        answer = line.rewrite_answer(ANSWER.format(port=port).replace("192.0.2.7", "127.0.0.1"))
        front = ("127.0.0.1", int(answer.split()[5]))
        client, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=front)
        client.sendto(bytes([0x80, 201]) + bytes(RTP_HEADER))
        for number in range(count):
            client.sendto(packet(number))
            await asyncio.sleep(0.002)
        await asyncio.sleep(impairment.jitter_s + 0.1)
        client.close()
    node.close()
    await asyncio.sleep(0)
    return inbox, line


async def test_a_relay_that_impairs_nothing_passes_everything_in_order() -> None:
    inbox, line = await sent_through(Impairment(), 50)
    assert inbox.numbers == list(range(50))
    assert len(inbox.others) == 1
    assert (line.media, line.lost, line.duplicated, line.reordered) == (50, 0, 0, 0)


async def test_two_relays_of_equal_seed_lose_the_same_packets_whatever_the_jitter() -> None:
    still, _ = await sent_through(Impairment(loss=0.2, burst_packets=3), 300)
    shaky, line = await sent_through(Impairment(loss=0.2, burst_packets=3, jitter_s=0.03), 300)
    assert sorted(shaky.numbers) == still.numbers
    assert line.lost == 300 - len(still.numbers) > 0
    assert line.bursts == len(runs([n not in still.numbers for n in range(300)]))


async def test_jitter_reorders_and_loses_nothing() -> None:
    inbox, line = await sent_through(Impairment(jitter_s=0.03), 200)
    assert sorted(inbox.numbers) == list(range(200))
    newest = list(itertools.accumulate(inbox.numbers, max))
    overtaken = sum(n < most for n, most in zip(inbox.numbers, newest, strict=True))
    assert line.reordered == overtaken > 0


async def test_duplicates_come_twice_and_are_counted() -> None:
    inbox, line = await sent_through(Impairment(duplicate=0.3), 300)
    twice = [n for n in range(300) if inbox.numbers.count(n) == 2]
    assert len(twice) == line.duplicated
    assert 50 < line.duplicated < 140
    assert len(set(inbox.numbers)) == 300


async def test_a_cut_line_passes_nothing() -> None:
    inbox, _ = await sent_through(Impairment(cut=True), 20)
    assert inbox.numbers == inbox.others == []


def test_the_offer_leaves_without_candidates() -> None:
    offer = (
        "v=0\r\na=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\na=end-of-candidates\r\nm=audio\r\n"
    )
    assert Relay(Impairment(), 1).rewrite_offer(offer) == "v=0\r\nm=audio\r\n"
