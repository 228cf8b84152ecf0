"""The budget of calls: how fast one system may be called with one set of credentials.

A token bucket, kept as one number, the time at which it will be full again. A caller that is let go
later than now has its place already, so waiting callers go in turn and nobody asks twice. All times are
seconds of real time (`time.time()`): the business clock may stand still in tests, servers do not.
"""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from integration_manager.kit.connector import Rate

log = logging.getLogger(__name__)

AWAY = 5.0  # seconds for which Redis is left alone after it failed
SHARE = 4  # without Redis each process takes this part of the rate, since it knows of no other
LONGEST_PAUSE = 24 * 3600.0  # seconds
LOAN = 0.1  # seconds for which calls lent to a process are good; what is left of them then is lost
LEAST_LOAN = 5  # a rate that does not bring so many calls within LOAN is asked for call by call


class Limiter(Protocol):
    """What the transport asks before each call."""

    def take(self, key: str, rate: Rate, now: float, longest: float = 0.0) -> float:
        """Takes one call from the budget of `key` and gives the seconds to wait before making it.

        If that is more than `longest`, nothing is taken. `now` in seconds since the epoch.
        """

    def pause(self, key: str, until: float) -> None:
        """The other side's own word: no call under `key` before `until` (seconds since the epoch)."""


class ProcessLimiter:
    """The budget within this process, shared by its threads."""

    def __init__(self) -> None:
        self._full_at: dict[str, float] = {}
        self._paused: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, key: str, rate: Rate, now: float, longest: float = 0.0) -> float:
        """See `Limiter.take`."""
        each, saved = _pace(rate)
        with self._lock:
            full_at = max(self._full_at.get(key, 0.0), now)
            if key in self._paused:
                # Nothing is saved up at the end of a pause: the other side had none left.
                full_at = max(full_at, self._paused.pop(key) + saved)
                self._full_at[key] = full_at
            wait = max(0.0, full_at - saved - now)
            if wait <= longest:
                if len(self._full_at) > 10_000:
                    self._forget(now)
                self._full_at[key] = full_at + each
        return wait

    def pause(self, key: str, until: float) -> None:
        """See `Limiter.pause`."""
        until = min(until, time.time() + LONGEST_PAUSE)
        with self._lock:
            self._paused[key] = max(self._paused.get(key, 0.0), until)

    def _forget(self, now: float) -> None:
        """A full bucket is what an unknown key has too."""
        self._full_at = {key: at for key, at in self._full_at.items() if at > now}


# One step in Redis, by Redis's clock, so that processes and hosts need not agree on the time.
_TAKE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local each, saved, longest, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local have = redis.call('HMGET', KEYS[1], 'full_at', 'paused')
local full_at = math.max(tonumber(have[1] or 0), now)
local known = have[2]
if known then
  full_at = math.max(full_at, tonumber(known) + saved)
  redis.call('HDEL', KEYS[1], 'paused')
end
local wait = math.max(0, full_at - saved - now)
local taken = 0
if wait <= longest then
  -- More than one only of what is there at this moment.
  taken = math.max(1, math.min(count, math.floor((saved + now - full_at) / each) + 1))
  full_at = full_at + taken * each
end
if known or wait <= longest then
  redis.call('HSET', KEYS[1], 'full_at', string.format('%.0f', full_at))
  redis.call('PEXPIRE', KEYS[1], math.ceil((full_at - now) / 1000) + 1000)
end
return string.format('%.0f %d', wait, taken)
"""

_PAUSE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local have = tonumber(redis.call('HGET', KEYS[1], 'paused') or 0)
local paused = math.max(have, now + tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'paused', string.format('%.0f', paused))
local left = redis.call('PTTL', KEYS[1])
redis.call('PEXPIRE', KEYS[1], math.max(left, math.ceil((paused - now) / 1000) + 60000))
return 1
"""


@dataclass(slots=True)
class _Loan:
    """Calls that this process has taken from the budget before it makes them."""

    size: int
    left: int
    until: float  # by time.monotonic()


class RedisLimiter:
    """The budget shared by all processes, in Redis; a part of it in this process when Redis is away.

    `client` should be the limiter's own, and have short time-outs (half a second): calls wait for it. Its
    own repetitions are switched off, because they take seconds.
    """

    def __init__(self, client: redis.Redis, prefix: str = "limit:") -> None:
        client.set_retry(Retry(NoBackoff(), 0))
        self._prefix = prefix
        self._take = client.register_script(_TAKE)
        self._pause = client.register_script(_PAUSE)
        self._alone = ProcessLimiter()
        self._away_until = 0.0
        self._loans: dict[str, _Loan] = {}
        self._lock = threading.Lock()

    def take(self, key: str, rate: Rate, now: float, longest: float = 0.0) -> float:
        """See `Limiter.take`. `now` counts without Redis only.

        Where the rate is so high that asking for each call would hold it up, the process takes some at
        once, as many as it has lately used up in time.
        """
        each, saved = _pace(rate)
        most = int(rate.per_second * LOAN)
        if most < LEAST_LOAN or saved < 2 * LOAN:
            return self._take_some(key, rate, now, longest, each, saved, 1)[0]
        with self._lock:  # held while Redis is asked: the other threads then have their share of the answer
            loan, at = self._loans.get(key), time.monotonic()
            if loan and loan.left and at < loan.until:
                loan.left -= 1
                return 0.0
            used_up = loan is not None and not loan.left and at < loan.until
            size = min(most, 2 * loan.size if used_up else loan.size - loan.left) if loan else 1
            # They may be made later than they are taken, so that much less may be saved up.
            wait, taken = self._take_some(key, rate, now, longest, each, saved - LOAN, max(size, 1))
            if len(self._loans) > 1_000:
                self._loans.clear()
            self._loans[key] = _Loan(max(taken, 1), max(taken - 1, 0), at + LOAN)
            return wait

    def _take_some(
        self, key: str, rate: Rate, now: float, longest: float, each: float, saved: float, count: int
    ) -> tuple[float, int]:
        """(seconds to wait, calls taken): up to `count` of what may be made at once, else one or none."""
        answer = self._ask(self._take, key, _micro(each), _micro(saved), _micro(longest), count)
        if answer is not None:
            wait, taken = answer.split()
            return float(wait) / 1e6, int(taken)
        part = Rate(rate.per_second / SHARE, max(1, rate.burst // SHARE))
        return self._alone.take(key, part, now, longest), 1

    def pause(self, key: str, until: float) -> None:
        """See `Limiter.pause`. Noted in this process too, in case Redis goes away meanwhile."""
        self._alone.pause(key, until)
        with self._lock:
            self._loans.pop(key, None)
        seconds = min(max(until - time.time(), 0.0), LONGEST_PAUSE)
        self._ask(self._pause, key, _micro(seconds))

    def _ask(self, script: Any, key: str, *args: int) -> Any:
        """What the script answers; None while Redis is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            return script(keys=[self._prefix + key], args=args)
        except (redis.RedisError, OSError) as error:
            self._away_until = time.monotonic() + AWAY
            log.warning("Redis is away (%s): a quarter of the rate per process", type(error).__name__)
            return None


def _micro(seconds: float) -> int:
    return round(seconds * 1e6)


def _pace(rate: Rate) -> tuple[float, float]:
    """(seconds per call, seconds' worth of calls that may be made at once on top of one).

    One call of the burst is left unused, or 5 % of the rate where there is no burst to speak of: calls
    do not arrive in the rhythm in which they left, and the other side counts when they arrive.
    """
    if rate.burst < 3:
        return 1.05 / rate.per_second, 0.0
    return 1.0 / rate.per_second, (rate.burst - 2) / rate.per_second
