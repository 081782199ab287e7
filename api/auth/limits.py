"""How often: attempts to sign in, to reset, to verify and to publish, by address and by account.

The answer to ASVS 5.0, 6.1.1 and 6.3.1. Windows move: there is no moment at which a new budget
begins. What holds (`RULES`):

- **By address.** All people of a dealership may share one, so these limits are wide. An IPv6
  address counts as its /64, which is what one line gets.
- **By account and address together.** This is the lock-out: who guesses a colleague's password
  locks out only the address they guess from, for a quarter of an hour, and a success clears it.
- **By account alone.** A ceiling against guessing from many addresses. For passwords it only slows:
  each further attempt waits, none is barred. For one-time codes, of which three in a million are
  right, it bars, but not on devices that this person has signed in on before; who gets that far
  has the password. For resets it bars more mail than twelve an hour: whoever asked for them, they
  went to the right person and open the account. So nobody can lock a colleague out for ever.

Keys are digests under the node's pepper: neither memory nor Redis holds an address or e-mail. With
a Redis URL the nodes count together; while it is away each counts in its own memory.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import math
import unicodedata
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import MovingWindowSupport, RedisStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from redis.asyncio import BlockingConnectionPool

from api.problems import Problem

log = structlog.get_logger(__name__)

What = Literal["sign_in", "second_factor", "reset", "verify", "publish"]
By = Literal["address", "pair", "account"]

SLOWED_BY_S: Final = 4.0
MAX_SLOWED: Final = 256
"""Attempts that wait at once; further ones are refused."""
MAX_KEYS: Final = 50_000
"""Windows in a node's memory (some 30 MB at worst); the one longest untouched goes first."""
AWAY_S: Final = 5.0
"""How long Redis is not asked again after it failed, so that nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `amount` in any `per_s` seconds."""

    by: By
    amount: int
    per_s: int
    beyond: Literal["refused", "slowed", "refused unless known"] = "refused"


RULES: Final[dict[What, tuple[Rule, ...]]] = {
    "sign_in": (
        Rule("address", 60, 300),
        Rule("pair", 10, 900),
        Rule("account", 50, 3600, "slowed"),
    ),
    "second_factor": (
        Rule("pair", 6, 900),
        Rule("account", 20, 3600, "refused unless known"),
    ),
    "reset": (
        Rule("address", 20, 3600),
        Rule("pair", 4, 3600),
        Rule("account", 12, 3600, "refused unless known"),
    ),
    "verify": (Rule("address", 60, 300),),
    "publish": (Rule("address", 240, 60), Rule("account", 30, 60)),
}

_SENTENCES: Final[dict[What, str]] = {
    "sign_in": "Too many attempts to sign in",
    "second_factor": "Too many codes were tried",
    "reset": "Too many resets were asked for",
    "verify": "Too many links were tried",
    "publish": "Too many calls were begun",
}


class TooMany(Problem):
    """429 with ``Retry-After``."""

    def __init__(self, what: What, retry_after_s: int) -> None:
        super().__init__(
            429,
            f"{_SENTENCES[what]}; try again in {_in_words(retry_after_s)}.",
            headers={"Retry-After": str(retry_after_s)},
        )
        self.retry_after_s = retry_after_s


def _in_words(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"


def network_of(address: str) -> str:
    """What of an address is counted: all of IPv4, the /64 of IPv6, else ``unknown``."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
        return str(parsed.ipv4_mapped)
    return str(parsed)


class Windows(Storage, MovingWindowSupport):
    """Moving windows in memory: bounded, by a clock that is handed in.

    The library's own has no bound and walks all keys, each in a thread, after every hit.
    """

    STORAGE_SCHEME = None

    def __init__(self, now: Callable[[], datetime], max_keys: int = MAX_KEYS) -> None:
        super().__init__()
        self._now = now
        self._max_keys = max_keys
        self._windows: OrderedDict[str, tuple[int, deque[float]]] = OrderedDict()
        self.dropped = 0
        """Windows that were forgotten before their time."""

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return ()

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now_s = self._now().timestamp()
        self._forget(now_s)
        _, times = self._windows.get(key, (expiry, None))
        if times is None:
            times = deque()
        while times and times[0] <= now_s - expiry:
            times.popleft()
        if len(times) + amount > limit:
            return False
        times.extend([now_s] * amount)
        self._windows[key] = (expiry, times)
        self._windows.move_to_end(key)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        now_s = self._now().timestamp()
        _, times = self._windows.get(key, (expiry, deque()))
        counted = [time_s for time_s in times if time_s > now_s - expiry]
        return (counted[0], len(counted)) if counted else (now_s, 0)

    async def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    async def reset(self) -> int | None:
        count = len(self._windows)
        self._windows.clear()
        return count

    async def check(self) -> bool:
        return True

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError("only moving windows are kept")

    async def get(self, key: str) -> int:
        raise NotImplementedError("only moving windows are kept")

    async def get_expiry(self, key: str) -> float:
        raise NotImplementedError("only moving windows are kept")

    def _forget(self, now_s: float) -> None:
        """Drop some windows that are over, and the stalest while there are too many."""
        for _ in range(4):
            if not self._windows:
                return
            key, (expiry, times) = next(iter(self._windows.items()))
            is_over = times[-1] <= now_s - expiry
            if not is_over and len(self._windows) < self._max_keys:
                return
            del self._windows[key]
            self.dropped += not is_over


class Limits:
    """Counts attempts and says when it is too many."""

    def __init__(
        self,
        pepper: bytes,
        *,
        redis_url: str | None = None,
        per_address: int = 60,
        publishes_per_minute: int = 30,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`pepper`: 32 bytes, the same on all nodes. Redis counts by real time, whatever `now`.

        `per_address`: attempts to sign in, and links tried, from one address in five minutes.
        `publishes_per_minute`: of one account.
        """
        self._amounts: dict[tuple[What, By], int] = {
            ("sign_in", "address"): per_address,
            ("verify", "address"): per_address,
            ("publish", "account"): publishes_per_minute,
            ("publish", "address"): 8 * publishes_per_minute,
        }
        self._pepper = pepper
        self._now = now
        self._sleep = sleep
        self._slowed = 0
        self._away_until_s = -math.inf
        self.windows = Windows(now)
        self._memory = MovingWindowRateLimiter(self.windows)
        self._pool: BlockingConnectionPool | None = None
        self._shared: MovingWindowRateLimiter | None = None
        if redis_url is not None:
            self._pool = BlockingConnectionPool.from_url(
                redis_url,
                max_connections=16,
                timeout=1.0,
                socket_timeout=1.0,
                socket_connect_timeout=1.0,
            )
            storage = RedisStorage(
                redis_url,
                wrap_exceptions=True,
                implementation="redispy",
                key_prefix="forecourt:limits",
                connection_pool=self._pool,  # type: ignore[arg-type] # typed for numbers only
            )
            self._shared = MovingWindowRateLimiter(storage)

    async def check(
        self, what: What, *, address: str, account: str = "", known_device: bool = False
    ) -> None:
        """Count one attempt. Raises `TooMany`; may wait `SLOWED_BY_S` first.

        `account` is what was typed, whether or not there is such an account: answers must not tell.
        `known_device`: this device proved that `account` has signed in on it before.
        """
        for rule in self._rules(what):
            if known_device and rule.beyond != "refused":
                continue
            retry_after_s = await self._hit(what, rule, address, account)
            if retry_after_s is None:
                continue
            if rule.beyond != "slowed":
                raise TooMany(what, retry_after_s)
            await self._slow(what)

    async def succeeded(self, what: What, *, address: str, account: str) -> None:
        """Forget the attempts from this address at this account: it was the right person."""
        for rule in self._rules(what):
            if rule.by == "pair":
                key = self._key(what, rule, address, account)
                await self._memory.clear(_item(rule), key)
                if self._shared is not None and not self._is_away():
                    try:
                        await self._shared.clear(_item(rule), key)
                    except StorageError as error:
                        self._lost(error)

    def _rules(self, what: What) -> list[Rule]:
        return [
            replace(rule, amount=self._amounts.get((what, rule.by), rule.amount))
            for rule in RULES[what]
        ]

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()

    async def _slow(self, what: What) -> None:
        if self._slowed >= MAX_SLOWED:
            raise TooMany(what, math.ceil(SLOWED_BY_S))
        self._slowed += 1
        try:
            await self._sleep(SLOWED_BY_S)
        finally:
            self._slowed -= 1

    async def _hit(self, what: What, rule: Rule, address: str, account: str) -> int | None:
        """None when there was room, else the seconds until there is."""
        key = self._key(what, rule, address, account)
        if self._shared is not None and not self._is_away():
            try:
                return await self._hit_in(self._shared, rule, key)
            except StorageError as error:
                self._lost(error)
        return await self._hit_in(self._memory, rule, key)

    async def _hit_in(self, limiter: MovingWindowRateLimiter, rule: Rule, key: str) -> int | None:
        item = _item(rule)
        if await limiter.hit(item, key):
            return None
        stats = await limiter.get_window_stats(item, key)
        left_s = stats.reset_time - self._now().timestamp()
        return min(max(math.ceil(left_s), 1), rule.per_s)

    def _is_away(self) -> bool:
        return self._now().timestamp() < self._away_until_s

    def _lost(self, error: StorageError) -> None:
        self._away_until_s = self._now().timestamp() + AWAY_S
        log.warning("limits_store_away", error=type(error.storage_error).__name__)

    def _key(self, what: What, rule: Rule, address: str, account: str) -> str:
        name = unicodedata.normalize("NFC", account.strip()).casefold()
        parts = {
            "address": (network_of(address),),
            "account": (name,),
            "pair": (network_of(address), name),
        }[rule.by]
        text = "\0".join((what, rule.by, *parts)).encode(errors="surrogatepass")
        return hmac.digest(self._pepper, text, "sha256").hex()[:32]


def _item(rule: Rule) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(rule.amount, rule.per_s)
