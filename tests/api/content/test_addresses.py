"""Webhooks reach the public internet alone, however an address is written or a name resolves."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.content.addresses import Unreachable, is_public, is_within, reachable

PUBLIC = ["8.8.8.8", "93.184.216.34", "2001:4860:4860::8888", "2606:4700::1111"]
CLOSED = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
    "::/96",
    "100::/64",
    "64:ff9b:1::/48",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
"""IANA's registries of special-purpose addresses and multicast, and one of Azure's."""
closed_v4 = st.sampled_from([IPv4Network(each) for each in CLOSED if ":" not in each])


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("network", CLOSED)
def test_every_address_of_a_closed_network_is_refused(network: str) -> None:
    known = ip_network(network)

    @given(st.integers(0, known.num_addresses - 1))
    def check(offset: int) -> None:
        assert not is_public(known[offset])

    check()


@given(closed_v4, st.integers(0), st.sampled_from(["::ffff:0:0", "64:ff9b::", "2002::"]))
def test_ipv6_does_not_hide_a_closed_address(network: IPv4Network, n: int, prefix: str) -> None:
    inner = int(network[n % network.num_addresses])
    shift = 80 if prefix == "2002::" else 0
    assert not is_public(IPv6Address(int(IPv6Address(prefix)) + (inner << shift)))


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_alike_in_ipv6(number: int) -> None:
    plain = IPv4Address(number)
    mapped = IPv6Address(f"::ffff:{plain}")
    assert is_public(mapped) == is_public(plain)
    assert is_within(mapped, [IPv4Network("10.0.0.0/8")]) == (plain in IPv4Network("10.0.0.0/8"))


async def asked(found: list[str], *networks: str) -> str:
    async def resolve(host: str, port: int) -> list[str]:
        return found

    allowed = [ip_network(each) for each in networks]
    return str(await reachable("hooks.example", 443, allowed, resolve))


async def test_one_closed_address_among_several_is_enough_to_refuse_a_name() -> None:
    assert await asked(PUBLIC) == PUBLIC[0]
    with pytest.raises(Unreachable, match="not on the public internet") as refusal:
        await asked([*PUBLIC, "10.0.0.7"])
    assert not refusal.value.again


async def test_a_network_that_the_operator_named_is_reached() -> None:
    assert await asked(["10.1.2.3"], "10.0.0.0/8") == "10.1.2.3"
    with pytest.raises(Unreachable):
        await asked(["10.1.2.3"], "10.2.0.0/16", "fd00::/8")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0", "::1", "[::1"]
)
async def test_however_loopback_is_written_the_system_resolves_it_and_it_is_refused(
    host: str,
) -> None:
    with pytest.raises(Unreachable):
        await reachable(host, 443, [])


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example", ".", ""])
async def test_a_name_without_an_address_is_told_and_may_have_one_later(host: str) -> None:
    with pytest.raises(Unreachable, match=r"check its name|public internet"):
        await reachable(host, 443, [])
