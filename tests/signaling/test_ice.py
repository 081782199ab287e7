"""TURN credentials, `Link` headers, and whom the node may send checks to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import time

import pytest
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from hypothesis import given
from hypothesis import strategies as st

from signaling.ice import IceSettings, Reach, credentials, is_target

PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00::1"]
PRIVATE = ["10.0.0.1", "172.16.5.4", "192.168.1.7", "100.64.0.1", "198.18.0.1", "fd00::2"]
LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1"]
DOCUMENTATION = ["192.0.2.1", "198.51.100.1", "203.0.113.9", "2001:db8::1", "3fff::1"]
NEVER = {
    "link-local": "169.254.169.254",
    "link-local v6": "fe80::1",
    "link-local with its interface": "fe80::1%eth0",
    "an interface's own loopback": "::1%lo",
    "IPv4 within v6": "::ffff:127.0.0.1",
    "unspecified": "0.0.0.0",
    "unspecified v6": "::",
    "this network": "0.1.2.3",
    "multicast": "224.0.0.251",
    "multicast v6": "ff02::fb",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "Teredo": "2001:0:1::1",
    "6to4 of loopback": "2002:7f00:1::",
    "NAT64 of loopback": "64:ff9b::7f00:1",
    "site-local": "fec0::1",
    "a name": "localhost",
    "an mDNS name": "b1dab9a1.local",
    "a number": "2130706433",
    "a short form": "127.1",
    "octal": "0177.0.0.1",
    "nothing": "",
}


@pytest.mark.parametrize(
    ("reach", "allowed"),
    [
        ("public", PUBLIC),
        ("private", PUBLIC + PRIVATE),
        ("loopback", PUBLIC + PRIVATE + LOOPBACK + DOCUMENTATION),
    ],
)
def test_each_reach_allows_the_ones_before_it_and_no_more(reach: Reach, allowed: list[str]) -> None:
    every = PUBLIC + PRIVATE + LOOPBACK + DOCUMENTATION
    assert [address for address in every if is_target(address, reach)] == allowed


@pytest.mark.parametrize("address", NEVER.values(), ids=NEVER.keys())
def test_some_addresses_are_never_a_target(address: str) -> None:
    assert not is_target(address, "loopback")


@given(st.ip_addresses())
def test_what_the_standard_library_calls_special_is_not_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = address.is_multicast or address.is_reserved or not address.is_global
    assert not (special and is_target(str(address), "public"))


@given(st.text(max_size=60))
def test_no_text_is_a_fault(text: str) -> None:
    assert is_target(text, "loopback") in (True, False)


def test_a_credential_is_coturns_expiry_and_hmac() -> None:
    given = credentials("north", "5f2a", now_s=1_700_000_000.9, lifetime_s=600)
    assert given.username == "1700000600:5f2a"
    expected = hmac.digest(b"north", b"1700000600:5f2a", hashlib.sha1)
    assert base64.b64decode(given.password) == expected


def test_a_credential_of_another_secret_user_or_time_is_another() -> None:
    one = credentials("north", "a", 1_000, 60)
    others = [
        credentials("south", "a", 1_000, 60),
        credentials("north", "b", 1_000, 60),
        credentials("north", "a", 1_001, 60),
        credentials("north", "a", 1_000, 61),
    ]
    assert one.password not in {other.password for other in others}


SETTINGS = IceSettings(
    servers=("stun:stun.example.com:3478",),
    turn_urls=("turn:t.example.com:3478?transport=udp", "turns:t.example.com?transport=tcp"),
    turn_secret="north",
    turn_ttl_s=600,
)


def test_links_name_every_server_with_a_fresh_credential() -> None:
    stun, udp, tcp = SETTINGS.links("5f2a")
    assert stun == '<stun:stun.example.com:3478>; rel="ice-server"'
    match = re.fullmatch(
        r'<turn:t\.example\.com:3478\?transport=udp>; rel="ice-server"; '
        r'username="(\d+):5f2a"; credential="([A-Za-z0-9+/=]+)"; credential-type="password"',
        udp,
    )
    assert match is not None
    expires_s = int(match.group(1))
    assert 590 < expires_s - time.time() <= 600
    assert match.group(2) == credentials("north", "5f2a", expires_s - 600, 600).password
    assert tcp.startswith('<turns:t.example.com?transport=tcp>; rel="ice-server"; username=')


def test_our_own_connections_get_the_same_servers_and_no_others() -> None:
    configuration = SETTINGS.configuration("5f2a")
    stun, turn = configuration.iceServers
    assert (stun.urls, stun.credential) == ("stun:stun.example.com:3478", None)
    assert turn.urls == list(SETTINGS.turn_urls)
    assert turn.username.endswith(":5f2a")
    assert configuration.iceTransportPolicy is RTCIceTransportPolicy.ALL
    assert IceSettings().configuration("x").iceServers == []
    assert IceSettings().links("x") == []
    relayed = IceSettings(relay_only=True).configuration("x")
    assert relayed.iceTransportPolicy is RTCIceTransportPolicy.RELAY


def test_secrets_are_not_shown() -> None:
    shown = repr(SETTINGS) + repr(credentials("north", "5f2a", 0))
    assert "north" not in shown
    assert credentials("north", "5f2a", 0).password not in shown
