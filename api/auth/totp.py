"""Time-based one-time codes (RFC 6238), their set-up picture, and recovery codes.

ASVS 5.0: 6.5.1 (each code works once: the step it belonged to is stored), 6.5.2 (recovery codes
have 59 bits, so they are hashed as passwords are), 6.5.3, 6.5.4, 6.5.5 and 6.5.8 (this node's
clock). A code of the step before or after is taken too, as RFC 6238 (5.2) proposes for clocks that
are apart and people who type slowly.
"""

from __future__ import annotations

import hmac
import io
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pyotp
import segno

from api.auth.passwords import Passwords

STEP_S: Final = 30
DRIFT_STEPS: Final = 1
ISSUER: Final = "Forecourt"
RECOVERY_CODES: Final = 10

_CODE = re.compile(r"[0-9]{6}")
_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_RECOVERY_LETTERS: Final = 12
"""log2(31) x 12 = 59 bits each."""


def new_secret() -> str:
    """160 random bits in base32, as authenticator apps take them."""
    return pyotp.random_base32(32)


def accepted_step(secret: str, code: str, now: datetime, last_step: int | None) -> int | None:
    """The step that `code` belongs to, to be stored as the last one; None when it is refused.

    Steps up to `last_step` are refused: a code works once, and none that is older works after it.
    The store must replace the last step only if it still is `last_step`, so that of two requests
    with one code one fails.
    """
    digits = "".join(code.split()) if len(code) <= 16 else ""
    if _CODE.fullmatch(digits) is None:
        return None
    totp = pyotp.TOTP(secret, interval=STEP_S)
    current = totp.timecode(now)
    found = None
    # All are compared, so that time does not tell which step it was.
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        matches = hmac.compare_digest(totp.generate_otp(step), digits)
        if matches and step > (-1 if last_step is None else last_step):
            found = step
    return found


def uri(secret: str, account: str) -> str:
    """The ``otpauth://`` address of a secret; `account` is what the app shows, an e-mail."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=account, issuer_name=ISSUER)


def qr_svg(address: str) -> str:
    """`address` as a QR code: an SVG element without script, style or reference."""
    out = io.BytesIO()
    segno.make_qr(address, error="m").save(
        out, kind="svg", xmldecl=False, svgclass=None, lineclass=None, omitsize=True, light="#fff"
    )
    return out.getvalue().decode()


def new_recovery_codes() -> list[str]:
    """Ten codes like ``3-K7QM-2XNP-9RTW``: the first character says which one it is."""
    return [_written(number, _random()) for number in range(RECOVERY_CODES)]


async def hash_recovery_codes(passwords: Passwords, codes: Sequence[str]) -> tuple[str, ...]:
    """An entry to store for each: its number, then its hash. Raises `Busy`."""
    return tuple([code[0] + await passwords.hash_secret(_essence(code)) for code in codes])


async def spent_recovery_code(
    passwords: Passwords, code: str, unspent: Sequence[str]
) -> tuple[str, ...] | None:
    """The entries of `unspent` that are left after `code`; None when it is refused. Raises `Busy`.

    The store must replace the entries only if they still are `unspent`, so that of two requests
    with one code one fails. One hash is verified, whatever the code: a number without an entry,
    spent or never given, costs the same.
    """
    essence = _essence(code) if len(code) <= 64 else ""
    entry = next((entry for entry in unspent if entry[:1] == essence[:1]), "")
    verdict = await passwords.verify(essence, entry[1:] or None)
    return tuple(each for each in unspent if each != entry) if verdict.matches else None


def _random() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_RECOVERY_LETTERS))


def _written(number: int, letters: str) -> str:
    return "-".join([str(number), letters[:4], letters[4:8], letters[8:]])


def _essence(code: str) -> str:
    """Without what people add or leave out in copying."""
    return "".join(char for char in code if char.isalnum()).upper()
