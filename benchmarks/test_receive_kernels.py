"""What does one packet cost on its way in: decryption and parsing, decoding in order, recovery?

    python -m pytest benchmarks/test_receive_kernels.py

Budget: 240 calls are 12,000 packets a second on one core, 83 us each, everything included. The
speech is real, encoded as browsers do; each round takes packets of its own.
"""

from __future__ import annotations

import struct

import pytest
from pylibsrtp import Policy, Session

from benchmarks.generator import encoded
from benchmarks.reading import clips
from engine.clock import TrackClock
from signaling.packet import parse
from signaling.publisher import FRAME, RATE, load_audio
from signaling.rtp import Receiver

SSRC = 0x0F0C0A27
ROUNDS = 1_000
SECONDS = 25
HEADER = struct.Struct("!BBHII")
KEY = bytes(range(30))


@pytest.fixture(scope="module")
def speech():
    return load_audio(clips()["two_cities"])[: SECONDS * RATE]


@pytest.fixture(scope="module")
def payloads(speech):
    return encoded(speech)


@pytest.fixture(scope="module")
def protected_payloads(speech):
    return encoded(speech, fec=True)


class Counter:
    """A sink that counts frames by source."""

    def __init__(self):
        self.sources = {}

    def frames(self, frames):
        for frame in frames:
            self.sources[frame.source.value] = self.sources.get(frame.source.value, 0) + 1

    def packet(self, start_rtp, payload): ...

    def anchored(self, anchor): ...

    def skipped(self, to_sample): ...


class Line:
    """A receiver on a clock that runs with the packets, 20 ms each."""

    def __init__(self, payloads):
        self.sink = Counter()
        self.at = -1
        self._payloads = payloads
        self._waited_s = 0.0
        self._expired = None
        self._receiver = Receiver("kernel", TrackClock(), self.sink, self._now_s, self._call_later)
        for _ in range(50):
            self.push()

    def _now_s(self):
        return max(self.at, 0) * 0.02 + self._waited_s

    def _call_later(self, delay_s, callback):
        self._delay_s, self._expired = delay_s, callback
        return self

    def cancel(self):
        self._expired = None

    def push(self):
        self.at += 1
        self._waited_s = 0.0
        payload = self._payloads[self.at % len(self._payloads)]
        self._receiver.push(SSRC, self.at & 0xFFFF, self.at * FRAME & 0xFFFFFFFF, payload)

    def push_behind_a_hole(self):
        self.at += 1
        self.push()
        if self._expired is not None:
            self._waited_s = self._delay_s
            self._expired()


def test_a_packet_in_order(benchmark, payloads):
    line = Line(payloads)
    benchmark.pedantic(line.push, rounds=ROUNDS)
    assert line.sink.sources == {"received": line.at + 1}


def test_a_packet_behind_a_hole_that_is_recovered_by_fec(benchmark, protected_payloads):
    line = Line(protected_payloads)
    benchmark.pedantic(line.push_behind_a_hole, rounds=ROUNDS)
    # Silence carries no copy: some holes are concealed instead.
    assert line.sink.sources["fec"] > 0.6 * ROUNDS
    assert line.sink.sources["received"] == 50 + ROUNDS


def test_decryption_and_parsing_of_a_packet(benchmark, payloads):
    sender = Session(Policy(key=KEY, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
    receiver = Session(Policy(key=KEY, ssrc_type=Policy.SSRC_ANY_INBOUND))
    datagrams = iter(
        [
            sender.protect(HEADER.pack(0x80, 111, i, i * FRAME, SSRC) + payload)
            for i, payload in enumerate(payloads)
        ]
    )
    benchmark.pedantic(
        lambda: parse(receiver.unprotect(next(datagrams))), rounds=min(ROUNDS, len(payloads))
    )
