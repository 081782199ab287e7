"""STUN and TURN servers, short-lived credentials for them, and whom ICE may send checks to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal, get_args

from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcconfiguration import RTCBundlePolicy, RTCIceTransportPolicy

CREDENTIAL_LIFETIME_S = 3_600

Reach = Literal["public", "private", "loopback"]
"""How far inside checks may go; each of them allows the ones before it too."""
_REACHES: tuple[Reach, ...] = get_args(Reach)

_LOOPBACK = (
    IPv4Network("127.0.0.0/8"),
    IPv6Network("::1/128"),
    # Documentation (RFC 5737, 3849, 9637): on no real network, but on those of test machines.
    IPv4Network("192.0.2.0/24"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("3fff::/20"),
)
_PRIVATE = (
    IPv4Network("10.0.0.0/8"),  # RFC 1918
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),  # carriers' NAT and private overlays, RFC 6598
    IPv4Network("198.18.0.0/15"),  # laboratories, RFC 2544
    IPv6Network("fc00::/7"),  # RFC 4193
)
_NEVER = (
    IPv4Network("0.0.0.0/8"),  # "this network", the unspecified address among it
    IPv4Network("169.254.0.0/16"),  # link-local; clouds keep their instances' secrets there
    IPv4Network("192.0.0.0/24"),  # protocol assignments, RFC 6890
    IPv4Network("192.88.99.0/24"),  # the former 6to4 relays, RFC 7526
    IPv4Network("224.0.0.0/4"),  # multicast
    IPv4Network("240.0.0.0/4"),  # reserved, and broadcast
    IPv6Network("2001::/23"),  # protocol assignments, Teredo among them, RFC 2928
    IPv6Network("2002::/16"),  # 6to4 holds an IPv4 address, any at all
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291: the rest of IPv6 is nobody's address


def is_target(address: str, reach: Reach) -> bool:
    """Whether ICE may send checks to `address`, a textual IPv4 or IPv6 address.

    Never to link-local, multicast, unspecified, broadcast or reserved addresses, and never to what
    is not an address, a name above all. `loopback` is for development on one machine.
    """
    try:
        kind = _kind_of(ipaddress.ip_address(address))
    except ValueError:
        return False
    return kind is not None and _REACHES.index(kind) <= _REACHES.index(reach)


def _kind_of(address: IPv4Address | IPv6Address) -> Reach | None:
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return None
    if any(address in network for network in _LOOPBACK):
        return "loopback"
    if any(address in network for network in _PRIVATE):
        return "private"
    if any(address in network for network in _NEVER):
        return None
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return None
    return "public"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a TURN server asks for (long-term credentials, RFC 8489, 9.2)."""

    username: str
    password: str = field(repr=False)


def credentials(
    secret: str, user: str, now_s: float, lifetime_s: int = CREDENTIAL_LIFETIME_S
) -> Credential:
    """A credential for `user` that a server which shares `secret` takes until it expires.

    The scheme is "A REST API For Access To TURN Services" (draft-uberti-behave-turn-rest), coturn's
    `use-auth-secret`: the user name is the Unix second of expiry and `user`, the password its
    HMAC-SHA1. `now_s` is Unix time.
    """
    username = f"{int(now_s) + lifetime_s}:{user}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return Credential(username, base64.b64encode(digest).decode())


def servers_of(links: list[str]) -> list[RTCIceServer]:
    """The servers among the values of a node's `Link` headers: what `IceSettings.links` wrote."""
    servers = []
    for link in links:
        url, _, rest = link.removeprefix("<").partition(">")
        given = dict(re.findall(r'([a-z-]+)="([^"]*)"', rest))
        if given.get("rel") == "ice-server":
            username, credential = given.get("username"), given.get("credential")
            servers.append(RTCIceServer(urls=url, username=username, credential=credential))
    return servers


@dataclass(frozen=True, slots=True)
class IceSettings:
    """Servers, and rules for candidates. Nothing given: host candidates only.

    `servers` are STUN addresses (RFC 7064), `turn_urls` TURN addresses (RFC 7065); aiortc uses the
    first of each, clients get all. `turn_secret` is shared with the TURN servers. A credential
    lives for `turn_ttl_s`. coturn checks it when a relay is allocated, not when it is refreshed,
    so longer calls go on there; under a server that checks every refresh a call breaks off at the
    expiry and its client resumes with a fresh credential. `relay_only` offers nothing but relayed
    candidates. `reach` says which remote addresses may be sent to.
    """

    servers: tuple[str, ...] = ()
    turn_urls: tuple[str, ...] = ()
    turn_secret: str = field(default="", repr=False)
    turn_ttl_s: int = CREDENTIAL_LIFETIME_S
    relay_only: bool = False
    reach: Reach = "private"

    def credential(self, user: str) -> Credential | None:
        """A fresh credential; None without TURN servers."""
        if not self.turn_urls:
            return None
        return credentials(self.turn_secret, user, time.time(), self.turn_ttl_s)

    def configuration(self, user: str) -> RTCConfiguration:
        """For a peer connection of ours, which answers.

        Empty lists, as aiortc's defaults ask a public server. By its default, too, all audio
        sections of an offer have one transport from the start, which then knows the candidates of
        the last alone; browsers write them into the first (RFC 8843, 7.1.4).
        """
        servers = [RTCIceServer(urls=url) for url in self.servers]
        credential = self.credential(user)
        if credential is not None:
            servers.append(
                RTCIceServer(
                    urls=list(self.turn_urls),
                    username=credential.username,
                    credential=credential.password,
                )
            )
        policy = RTCIceTransportPolicy.RELAY if self.relay_only else RTCIceTransportPolicy.ALL
        return RTCConfiguration(
            iceServers=servers,
            iceTransportPolicy=policy,
            bundlePolicy=RTCBundlePolicy.MAX_COMPAT,
        )

    def links(self, user: str) -> list[str]:
        """Values of `Link` headers that tell a client the servers (RFC 9725, 4.6). Never log."""
        links = [f'<{url}>; rel="ice-server"' for url in self.servers]
        credential = self.credential(user)
        if credential is not None:
            links += [
                f'<{url}>; rel="ice-server"; username="{credential.username}"; '
                f'credential="{credential.password}"; credential-type="password"'
                for url in self.turn_urls
            ]
        return links
