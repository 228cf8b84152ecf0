"""The budget of calls: in this process, in a real Redis, and when Redis is away."""

import os
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
import redis

from integration_manager.kit.connector import Rate
from integration_manager.kit.errors import RateLimited
from integration_manager.kit.limiter import Limiter, ProcessLimiter, RedisLimiter
from integration_manager.kit.transport import Http
from tests.kit_server import Handler, Server, serving


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=20, socket_connect_timeout=20) as opened:
        yield opened


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


@pytest.fixture(params=["process", "redis"])
def limiter(request: pytest.FixtureRequest, client: redis.Redis) -> Limiter:
    return ProcessLimiter() if request.param == "process" else RedisLimiter(client, "test-limit:")


def test_a_burst_then_a_steady_pace(limiter: Limiter, key: str) -> None:
    rate = Rate(per_second=1, burst=11)  # one of them is kept in reserve
    waits = [limiter.take(key, rate, time.time(), 100) for _ in range(13)]
    assert waits[:10] == [0] * 10
    assert waits[10:] == pytest.approx([1, 2, 3], abs=0.2)


def test_what_would_take_too_long_takes_nothing(limiter: Limiter, key: str) -> None:
    rate = Rate(per_second=0.1, burst=1)
    assert limiter.take(key, rate, time.time(), 0) == 0
    for _ in range(3):
        assert limiter.take(key, rate, time.time(), 5) == pytest.approx(10.5, abs=0.3)
    assert limiter.take(key, rate, time.time(), 15) == pytest.approx(10.5, abs=0.3)
    assert limiter.take(key, rate, time.time(), 5) == pytest.approx(21, abs=0.4)


def test_the_budget_fills_up_again(limiter: Limiter, key: str) -> None:
    rate = Rate(per_second=20, burst=4)
    assert [limiter.take(key, rate, time.time(), 0) for _ in range(3)] == [0, 0, 0]
    assert limiter.take(key, rate, time.time(), 0) > 0
    time.sleep(0.11)
    assert [limiter.take(key, rate, time.time(), 0) for _ in range(2)] == [0, 0]


def test_keys_have_budgets_of_their_own(limiter: Limiter, key: str) -> None:
    rate = Rate(per_second=0.1, burst=1)
    assert limiter.take(key, rate, time.time(), 0) == limiter.take(key + "b", rate, time.time(), 0) == 0


def test_the_other_sides_word_wins(limiter: Limiter, key: str) -> None:
    rate = Rate(per_second=10, burst=40)
    limiter.pause(key, time.time() + 0.5)
    limiter.pause(key, time.time() + 0.1)  # a later word does not shorten an earlier one
    assert limiter.take(key, rate, time.time(), 0.0) == pytest.approx(0.5, abs=0.1)
    waits = [limiter.take(key, rate, time.time(), 5) for _ in range(3)]
    assert waits == pytest.approx([0.5, 0.6, 0.7], abs=0.1), "and nothing is saved up afterwards"
    limiter.pause(key, time.time() + 10**9)
    assert limiter.take(key, rate, time.time(), 0) <= 86_402


def test_threads_get_no_more_than_there_is(limiter: Limiter, key: str) -> None:
    rate = Rate(per_second=1, burst=51)
    got: list[float] = []

    def take() -> None:
        for _ in range(25):
            got.append(limiter.take(key, rate, time.time(), 0))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 50 <= got.count(0) <= 52


def test_two_processes_share_one_budget(client: redis.Redis, key: str) -> None:
    one, two = RedisLimiter(client), RedisLimiter(client)
    rate = Rate(per_second=1, burst=3)
    assert [limiter.take(key, rate, 0.0, 0) for limiter in (one, two)] == [0, 0]
    assert one.take(key, rate, 0.0, 0) > 0
    ttl = client.pttl(f"limit:{key}")
    assert 0 < int(str(ttl)) < 10_000, "an idle key goes away"
    client.delete(f"limit:{key}")


class Counted(redis.Redis):
    """A client that counts how often it asks."""

    asked = 0

    def evalsha(self, *args: object, **kwargs: object) -> object:
        self.asked += 1
        return super().evalsha(*args, **kwargs)  # type: ignore[no-untyped-call, arg-type]


def test_a_high_rate_is_lent_to_the_process_in_small_batches(key: str) -> None:
    with Counted.from_url(os.environ["REDIS_URL"], socket_timeout=20, socket_connect_timeout=20) as client:
        limiter, rate = RedisLimiter(client), Rate(per_second=500, burst=500)
        assert [limiter.take(key, rate, 0.0, 0) for _ in range(200)] == [0] * 200
        assert client.asked <= 60, "not asked for each call"
        time.sleep(0.15)
        before = client.asked
        assert limiter.take(key, rate, 0.0, 0) == 0
        assert client.asked == before + 1, "a loan that was not used in time is lost"
        limiter.pause(key, time.time() + 5)
        assert limiter.take(key, rate, 0.0, 0) > 4, "and a pause ends it"


def test_loans_never_add_up_to_more_than_the_burst(client: redis.Redis, key: str) -> None:
    one, two = RedisLimiter(client), RedisLimiter(client)
    rate, began = Rate(per_second=100, burst=100), time.monotonic()
    got = [limiter.take(key, rate, 0.0, 0) for _ in range(150) for limiter in (one, two)].count(0)
    assert got <= 99 + (time.monotonic() - began) * rate.per_second
    client.delete(f"limit:{key}")


def test_without_redis_a_quarter_of_the_rate_and_no_waiting_for_it() -> None:
    gone = redis.Redis(host="127.0.0.1", port=1, socket_timeout=5, socket_connect_timeout=5)
    limiter = RedisLimiter(gone)
    rate = Rate(per_second=4, burst=40)
    began, now = time.monotonic(), time.time()
    assert [limiter.take("k", rate, now, 0) for _ in range(9)] == [0] * 9
    assert limiter.take("k", rate, now, 5) == pytest.approx(1, abs=0.2)
    limiter.pause("k", now + 300)
    assert limiter.take("k", rate, now, 1) > 250
    assert time.monotonic() - began < 20, "it waited"


def test_a_long_wait_yields_the_worker_and_a_short_one_does_not() -> None:
    with serving() as server:
        http = Http(
            base_url=server.url,
            guard=None,
            limiter=ProcessLimiter(),
            journal=None,
            key="k",
            rate=Rate(per_second=4, burst=1),
            max_wait=0.5,
        )
        began = time.monotonic()
        http.get("a")
        http.get("b")
        assert 0.2 < time.monotonic() - began < 20
        server.play = lambda h: h.say(429, b"", Retry_After="30")
        with pytest.raises(RateLimited) as first:
            http.get("c")
        with pytest.raises(RateLimited) as second:
            http.get("d")
        assert len(server.asked) == 3, "the pause is kept without asking again"
        assert first.value.retry_at
        assert second.value.retry_at
        assert abs((second.value.retry_at - first.value.retry_at).total_seconds()) < 1


class Metered:
    """A server with a token bucket of its own, as a shop has one."""

    def __init__(self, server: Server, rate: Rate) -> None:
        self.rate, self.tokens, self.at = rate, float(rate.burst), time.monotonic()
        self.statuses: list[int] = []
        self.lock = threading.Lock()
        server.play = self.play

    def play(self, handler: Handler) -> None:
        with self.lock:
            now = time.monotonic()
            self.tokens = min(self.rate.burst, self.tokens + (now - self.at) * self.rate.per_second)
            self.at = now
            status = 200 if self.tokens >= 1 else 429
            self.tokens -= status == 200
            self.statuses.append(status)
        handler.say(status, {})


def test_a_rate_limited_shop_is_used_up_and_not_annoyed(limiter: Limiter, key: str) -> None:
    """P12, at a pace that a busy machine keeps too: at most 1 % 429, at least 0.9 of what the shop allows."""
    rate, seconds, refused = Rate(per_second=5, burst=10), 4.0, []
    with serving() as server:
        shop = Metered(server, rate)
        http = Http(base_url=server.url, guard=None, limiter=limiter, journal=None, key=key, rate=rate)
        began = time.monotonic()

        def work() -> None:
            while time.monotonic() - began < seconds:
                try:
                    http.get("orders")
                except RateLimited as error:
                    refused.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    allowed = rate.burst + seconds * rate.per_second  # what is asked later was begun by then
    assert shop.statuses.count(429) <= 0.01 * len(shop.statuses)
    assert shop.statuses.count(200) >= 0.9 * allowed
    assert not refused
