"""Which addresses a webhook may reach: those of the public internet, asked of the number itself.

A name says nothing about where it leads, and may lead elsewhere a moment later. So it is resolved
once, every address that it has is looked at, and the connection goes to one of those.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host and port, as text. Raises `OSError`."""

NOT_PUBLIC: Final = (
    "The webhook's host is not on the public internet. Its network must be among "
    "FORECOURT_HOOKS_TO_PRIVATE to be called."
)
RESOLVES_WITHIN_S: Final = 5.0
MAX_ADDRESSES: Final = 16

_UNICAST: Final = ip_network("2000::/3")
"""All of IPv6 that is given out for the public internet (RFC 4291, 2.4)."""
_NAT64: Final = ip_network("64:ff9b::/96")
"""Ends in the IPv4 address that it leads to (RFC 6052)."""
_6TO4: Final = ip_network("2002::/16")
"""Has it in its second and third group (RFC 3056)."""
_CLOSED: Final = (
    # IETF assignments (RFC 6890), Teredo (RFC 4380) among them, which ends in any address.
    ip_network("192.0.0.0/24"),
    ip_network("2001::/23"),
    # Relays of 6to4 (RFC 7526), and documentation (RFC 9637).
    ip_network("192.88.99.0/24"),
    ip_network("3fff::/20"),
    # Where Azure's machines ask the host below them.
    ip_network("168.63.129.16/32"),
)
"""Beyond what Python's `is_global` knows of IANA's registries of special addresses."""


class Unreachable(Exception):
    """A host has no address that may be called; the message is a sentence for people. `again`: it
    may have one later."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


def is_public(address: Address) -> bool:
    """Whether `address` is of a host on the public internet, looked at through the ways to write an
    IPv4 address in IPv6."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    if any(address.version == net.version and address in net for net in _CLOSED):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _6TO4:
        return IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return address.ipv4_mapped


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    inner = _inner(address) or address
    return any(inner.version == net.version and inner in net for net in networks)


async def resolve(host: str, port: int) -> list[str]:
    """By the system, in a thread. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def reachable(
    host: str, port: int, networks: Sequence[Network], resolve: Resolve = resolve
) -> Address:
    """The address to connect to: public, or one of `networks`. Raises `Unreachable` also where one
    of several is neither."""
    try:
        async with asyncio.timeout(RESOLVES_WITHIN_S):
            found = await resolve(host, port)
    except TimeoutError as error:
        why = "The name of the webhook's host was not resolved in time."
        raise Unreachable(why, again=True) from error
    except (OSError, UnicodeError) as error:
        why = "The webhook's host has no address: check its name."
        raise Unreachable(why, again=True) from error
    # fe80::1%eth0: a zone is of link-local addresses alone.
    addresses = [ip_address(each.partition("%")[0]) for each in found[:MAX_ADDRESSES]]
    if not all(is_public(each) or is_within(each, networks) for each in addresses):
        raise Unreachable(NOT_PUBLIC, again=False)
    return addresses[0]
