"""Which names a node answers to."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api.settings import Settings

LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


def test_a_node_answers_to_loopback_names_alone_unless_told() -> None:
    assert set(Settings(host="127.0.0.1").allowed_hosts) == LOOPBACK


def test_a_node_answers_to_the_name_people_reach_it_by() -> None:
    settings = Settings(host="0.0.0.0", public_url="https://Coach.example.com:8443")
    assert set(settings.allowed_hosts) == LOOPBACK | {"coach.example.com"}
    assert "[2001:db8::7]" in Settings(public_url="https://[2001:db8::7]:8443").allowed_hosts
    assert "[2001:db8::7]" in Settings(public_url="https://[2001:db8::7]").allowed_hosts


def test_a_node_answers_to_its_own_address_and_to_further_names() -> None:
    settings = Settings(host="fd00::5", trusted_hosts=("forecourt", "Node-1.internal"))
    assert set(settings.allowed_hosts) == LOOPBACK | {"[fd00::5]", "forecourt", "node-1.internal"}


@pytest.mark.parametrize("name", ["*", "*.example.com", "", "a b", "a:80", "a/b", "a\n", "user@a"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="trusted_hosts"):
        Settings(trusted_hosts=(name,))


@pytest.mark.parametrize(
    "url",
    [
        "coach.example.com",
        "ftp://coach.example.com",
        "https://coach.example.com/",
        "https://user@coach.example.com",
        "https://coach.example.com?x",
        "https://*.example.com",
        "https://a b",
        "https://coach.example.com\n",
        "https://",
    ],
)
def test_what_is_no_origin_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        Settings(public_url=url)
