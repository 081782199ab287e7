"""Settings of ICE: what is refused at the start, instead of in every call."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api.settings import Settings

TURN = ("turn:relay.example.com:3478?transport=udp",)


def test_a_turn_server_with_its_secret_is_taken_and_the_secret_not_shown() -> None:
    settings = Settings(turn_urls=(*TURN, "turns:relay.example.com"), turn_secret="north")
    assert settings.turn_secret.get_secret_value() == "north"
    assert "north" not in repr(settings)


def test_environment_variables_hold_lists_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_TURN_URLS", f'["{TURN[0]}"]')
    monkeypatch.setenv("FORECOURT_TURN_SECRET", "north")
    monkeypatch.setenv("FORECOURT_ICE_SERVERS", '["stun:stun.example.com"]')
    settings = Settings()
    assert settings.turn_urls == TURN
    assert settings.ice_servers == ("stun:stun.example.com",)


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"turn_urls": TURN}, "FORECOURT_TURN_SECRET"),
        ({"ice_relay_only": True}, "FORECOURT_TURN_URLS"),
        ({"turn_urls": ("turn:a b",), "turn_secret": "north"}, "turn_urls"),
        ({"turn_urls": ('turn:a>; rel="x"',), "turn_secret": "north"}, "turn_urls"),
        ({"turn_urls": ("turn:a\r\nX: y",), "turn_secret": "north"}, "turn_urls"),
        ({"turn_urls": ("turn:a\n",), "turn_secret": "north"}, "turn_urls"),
        ({"turn_urls": ("turn:a?transport=sctp",), "turn_secret": "north"}, "turn_urls"),
        ({"turn_urls": ("https://a",), "turn_secret": "north"}, "turn_urls"),
        ({"ice_servers": ("turn:a",), "turn_secret": "north"}, "ice_servers"),
        ({"ice_servers": ("stun:a?transport=udp",), "turn_secret": "north"}, "ice_servers"),
        ({"turn_ttl_s": 0, "turn_secret": "north"}, "turn_ttl_s"),
        ({"ice_targets": "everything", "turn_secret": "north"}, "ice_targets"),
    ],
)
def test_what_would_fail_in_every_call_is_refused_at_the_start(
    given: dict[str, object], about: str
) -> None:
    with pytest.raises(ValidationError, match=about) as refusal:
        Settings(**given)  # type: ignore[arg-type]
    assert "north" not in str(refusal.value)
