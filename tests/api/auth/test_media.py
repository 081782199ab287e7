"""The cookie that opens one session's media, for GET, for ten minutes."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.media import LIFETIME, NAME, MediaCookies, Pass
from api.auth.tokens import Refused

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SESSION, OTHER = "d" * 24, "e" * 24
PASS = Pass("a" * 24, "b" * 24, "c" * 24, SESSION)
KEY = os.urandom(32)


def cookies(after: timedelta = timedelta(0), key: bytes = KEY) -> MediaCookies:
    return MediaCookies(key, lambda: START + after)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_cookie_opens_its_session_for_reading(method: str) -> None:
    value = cookies().value(PASS)
    assert cookies().verify(value, method=method, session_id=SESSION) == PASS


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", ""])
def test_the_cookie_is_good_for_nothing_but_reading(method: str) -> None:
    with pytest.raises(Refused, match="is not for"):
        cookies().verify(cookies().value(PASS), method=method, session_id=SESSION)


def test_the_cookie_opens_no_other_session() -> None:
    with pytest.raises(Refused, match="another session"):
        cookies().verify(cookies().value(PASS), method="GET", session_id=OTHER)


def test_the_cookie_ends_after_ten_minutes() -> None:
    value = cookies().value(PASS)
    almost = LIFETIME - timedelta(seconds=1)
    assert cookies(almost).verify(value, method="GET", session_id=SESSION) == PASS
    with pytest.raises(Refused, match="expired"):
        cookies(LIFETIME).verify(value, method="GET", session_id=SESSION)


def test_a_cookie_of_another_key_is_refused() -> None:
    value = cookies(key=os.urandom(32)).value(PASS)
    with pytest.raises(Refused, match="signature"):
        cookies().verify(value, method="GET", session_id=SESSION)


@given(st.data())
def test_a_cookie_with_any_letter_changed_is_refused(data: st.DataObject) -> None:
    value = cookies().value(PASS)
    at = data.draw(st.integers(0, len(value) - 1))
    letter = data.draw(st.characters().filter(lambda c: c != value[at]))
    changed = value[:at] + letter + value[at + 1 :]
    assert len(base64.urlsafe_b64decode(value + "==")) % 3 == 0, "no letter stands for nothing"
    with pytest.raises(Refused):
        cookies().verify(changed, method="GET", session_id=SESSION)


@given(st.text(max_size=400))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        cookies().verify(text, method="GET", session_id=SESSION)


def test_the_header_keeps_the_cookie_to_its_path_and_away_from_scripts() -> None:
    header = cookies().set_cookie(PASS, f"/api/v1/sessions/{SESSION}/")
    morsel = SimpleCookie(header)[NAME]
    assert morsel["path"] == f"/api/v1/sessions/{SESSION}/"
    assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "Strict")
    assert morsel["max-age"] == "600"
    assert cookies().verify(morsel.value, method="GET", session_id=SESSION) == PASS


@pytest.mark.parametrize(
    "path",
    [
        "/",
        f"/api/v1/sessions/{OTHER}/",
        f"/api/v1/sessions/{SESSION}",
        f"/x; Domain=evil/{SESSION}/",
        f"x/{SESSION}/",
        f"/a\r\nSet-Cookie: b=c/{SESSION}/",
    ],
)
def test_a_path_that_is_not_the_sessions_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        cookies().set_cookie(PASS, path)


@pytest.mark.parametrize("bad", ["", "a:b", "A" * 24, "a" * 25, "a" * 24 + "\n"])
def test_a_pass_is_made_of_ids(bad: str) -> None:
    with pytest.raises(ValueError, match="ids"):
        Pass(bad, "b" * 24, "c" * 24, SESSION)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        cookies(key=b"short")
