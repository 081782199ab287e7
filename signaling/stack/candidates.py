"""Which addresses are offered, and how many a peer may teach."""

from __future__ import annotations

from typing import Any

import aioice.ice
from aiortc import RTCPeerConnection

MAX_LEARNED = 20
"""Addresses of one peer that its checks may teach, beside the candidates it names."""

_host_addresses = aioice.ice.get_host_addresses


def _loopback_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return ["127.0.0.1"] if use_ipv4 else []


def use_loopback(enabled: bool) -> None:
    """Offer 127.0.0.1 as the only host candidate (development and tests), or undo that."""
    aioice.ice.get_host_addresses = _loopback_addresses if enabled else _host_addresses


def limit_learned(pc: RTCPeerConnection) -> None:
    """Let checks teach each of `pc`'s ICE transports at most `MAX_LEARNED` addresses.

    A client can sign checks that seem to come from anywhere; aioice answers each such address with
    up to seven checks of its own. Call after `setRemoteDescription`.
    """
    inner: Any = pc
    for transport in inner._RTCPeerConnection__iceTransports:
        _limit_learned(transport._connection)


def _limit_learned(connection: Any) -> None:
    check_incoming = connection.check_incoming

    def check(message: Any, address: tuple[str, int], protocol: Any) -> None:
        known = {(c.host, c.port): c.type for c in connection._remote_candidates}
        if address in known or list(known.values()).count("prflx") < MAX_LEARNED:
            check_incoming(message, address, protocol)

    connection.check_incoming = check
