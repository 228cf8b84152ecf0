"""Access tokens: renewed by one holder at a time, stored before they are used."""

import threading
import time
from datetime import timedelta

import pytest

from integration_manager.kit import clock
from integration_manager.kit.errors import AuthFailed, Transient
from integration_manager.kit.tokens import Bearer, MemoryStore, Token
from integration_manager.kit.transport import Exchange, Http
from tests.kit_server import Handler, Server, serving


class Gate:
    """A server that gives out tokens at /token and takes only the latest of them."""

    def __init__(self, server: Server, store: MemoryStore) -> None:
        self.valid, self.given, self.store = "", 0, store
        self.used_before_stored = 0
        self.refuse = False
        self.lock = threading.Lock()
        server.play = self.play

    def play(self, handler: Handler) -> None:
        if handler.path == "/token":
            assert "Authorization" not in handler.asked.headers
            if self.refuse:
                return handler.say(400, {"error": "invalid_grant"})
            time.sleep(0.1)
            with self.lock:
                self.given += 1
                self.valid = f"token-number-{self.given}"
            return handler.say(200, {"access_token": self.valid, "refresh_token": f"refresh-{self.given}"})
        bearer = handler.asked.headers.get("Authorization", "").removeprefix("Bearer ")
        latest = self.store.load()
        self.used_before_stored += latest is None or latest.value != bearer
        return handler.say(200 if bearer == self.valid else 401, {})


def opened(server: Server, store: MemoryStore, life: timedelta = timedelta(hours=1), **more: object) -> Http:
    """A transport with a bearer, as a connector's `connect` makes it."""
    http = Http(base_url=server.url, guard=None, limiter=None, journal=None, tokens=store)

    def renew(old: Token | None) -> Token:
        body = {"refresh_token": old.refresh if old else "first", "client_secret": "canary-secret"}
        got = http.post("token", json=body, safe=True).json()
        return Token(got["access_token"], clock.now() + life, got["refresh_token"])

    http.auth = Bearer(http.tokens, renew, **more)  # type: ignore[arg-type]
    return http


def test_many_threads_and_two_workers_renew_once() -> None:
    store = MemoryStore()
    with serving() as server:
        gate = Gate(server, store)
        workers = [opened(server, store), opened(server, store)]
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda http=http: statuses.append(http.get("orders").status))
            for http in workers * 4
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 8
    assert gate.given == 1
    assert gate.used_before_stored == 0


def test_an_old_token_is_renewed_before_it_is_used() -> None:
    store = MemoryStore(Token("old-token", clock.now() + timedelta(seconds=30), "refresh-0"))
    with serving() as server:
        gate = Gate(server, store)
        opened(server, store).get("orders")
        assert [asked.path for asked in server.asked] == ["/token", "/orders"]
        assert b"refresh-0" in server.asked[0].body
    latest = store.load()
    assert latest
    assert latest.refresh == "refresh-1"
    assert gate.used_before_stored == 0


def test_a_refused_token_is_renewed_once_and_the_write_is_made() -> None:
    store = MemoryStore(Token("withdrawn", None, "r"))
    with serving() as server:
        gate = Gate(server, store)
        http = opened(server, store)
        assert http.post("orders", json={}).status == 200
        assert [asked.path for asked in server.asked] == ["/orders", "/token", "/orders"]
        gate.valid = "another"
        server.play = lambda h: h.say(401, {}) if h.path != "/token" else gate.play(h)
        with pytest.raises(AuthFailed):
            http.get("orders")
        assert gate.given == 2, "one attempt, no storm of log-ins"


def test_a_permission_that_has_ended_is_a_matter_for_a_person() -> None:
    store = MemoryStore()
    with serving() as server:
        Gate(server, store).refuse = True
        with pytest.raises(AuthFailed, match="connect it again"):
            opened(server, store).get("orders")
        assert store.hold(1), "and others may try"


def test_a_renewal_without_answer_is_no_unknown_outcome_of_the_order() -> None:
    store = MemoryStore()
    with serving() as server:
        server.play = lambda h: h.hang_up()
        http = Http(base_url=server.url, guard=None, limiter=None, journal=None)
        http.auth = Bearer(store, lambda old: Token(http.post("token").json()["t"]))
        with pytest.raises(Transient):
            http.post("orders", json={})
        assert [asked.path for asked in server.asked] == ["/token"]


def test_a_holder_that_takes_too_long() -> None:
    store = MemoryStore()
    assert store.hold(60)
    with serving() as server, pytest.raises(Transient, match="longer than usual"):
        opened(server, store, wait=0.2).get("orders")
    assert not server.asked


def test_tokens_are_in_no_exchange_and_no_repr() -> None:
    store, kept = MemoryStore(), list[Exchange]()
    with serving() as server:
        Gate(server, store)
        http = opened(server, store)
        http.journal, http.trace = kept.append, True
        http.get("orders")
        everything = repr((kept, http, http.auth, store.load()))
    assert len(kept) == 2
    for secret in ("token-number-1", "refresh-1", "canary-secret"):
        assert secret not in everything
