"""Webhooks: what the shop sends is believed, what somebody else sends is not.

Where the class has no `subscribe`, the fake's method of that name (url, secret) is what a person sets up
in the shop by hand.
"""

import contextlib
import functools
import http.server
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from integration_manager.kit.acceptance.bench import START, Bench, Check, Running
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.webhooks import SECRET, BadSignature, Hook

KEY = "whsec-acceptance-0123456789"
PATIENCE = 10.0  # seconds for a hook to come
QUIET = 0.5  # seconds in which none may come


@dataclass(frozen=True, slots=True)
class Got:
    """A webhook as it came over the wire."""

    headers: dict[str, str]
    body: bytes


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    if not bench.is_cart or not bench.has("webhook"):
        return []
    found: list[Check] = [
        ("webhook: the shop's own", functools.partial(the_shops_own, bench)),
        ("webhook: forged", functools.partial(forged, bench)),
    ]
    if bench.has("subscribe"):
        found.append(("webhook: register and remove", functools.partial(register, bench)))
    return found


@contextlib.contextmanager
def mailbox() -> Iterator[tuple[str, "queue.SimpleQueue[Got]"]]:
    """A server that takes webhooks: its address, and what has come."""
    came: queue.SimpleQueue[Got] = queue.SimpleQueue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            came.put(Got({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/acceptance/", came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def subscribed(bench: Bench, running: Running, url: str) -> list[str]:
    """Has the shop send its webhooks to `url`."""
    if bench.has("subscribe"):
        handles = running.connector.subscribe(url, secret_of(bench, running))
        assert handles and all(isinstance(one, str) and one for one in handles), f"subscribe() gives {handles!r}"
        return list(handles)
    running.fake.subscribe(url, KEY)  # type: ignore[attr-defined]  # which such a fake has: see above
    return []


def secret_of(bench: Bench, running: Running) -> str:
    """What the shop signs with: a secret of ours, or one of its own."""
    return KEY if bench.system.signs_with == SECRET else str(running.values[bench.system.signs_with])


def read(bench: Bench, running: Running, got: Got, secret: str | None = None) -> Hook:
    """The class reads a webhook, with the values it was connected with."""
    values = {name: str(value) for name, value in running.values.items()}
    values[bench.system.signs_with] = secret_of(bench, running) if secret is None else secret
    assert issubclass(bench.system, CartConnector)
    hook = bench.system.webhook(values, got.headers, got.body)
    assert isinstance(hook, Hook), f"webhook() gives {hook!r}"
    return hook


def about(bench: Bench, running: Running, came: "queue.SimpleQueue[Got]", key: str) -> Got:
    """The next webhook that is about an order; pings before it are read and passed over."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            got = came.get(timeout=max(until - time.monotonic(), 0.01))
        except queue.Empty:
            break
        hook = read(bench, running, got)
        if not hook.ping:
            assert hook.order_key in (None, key), f"a webhook about {hook.order_key!r}, and {key!r} was placed"
            assert hook.topic, "a webhook without a topic: nobody could tell it in the log"
            return got
    raise AssertionError(f"an order was placed, and no webhook came in {PATIENCE:.0f} s")


def the_shops_own(bench: Bench) -> None:
    """An order is placed, the shop tells us, and the class believes it; twice it means the same."""
    with bench.running() as running, mailbox() as (url, came):
        subscribed(bench, running, url)
        key = running.fake.place(5, START)
        got = about(bench, running, came, key)
        assert read(bench, running, got) == read(bench, running, got), "a repeated webhook means something else"


def forged(bench: Bench) -> None:
    """A changed body, another secret, none, and no signature at all: each is refused."""
    with bench.running() as running, mailbox() as (url, came):
        subscribed(bench, running, url)
        got = about(bench, running, came, running.fake.place(6, START))
        bare = {name: value for name, value in got.headers.items() if name in ("content-type", "content-length")}
        refused("a changed body", bench, running, Got(got.headers, got.body + b" "))
        refused("another body", bench, running, Got(got.headers, b""))
        refused("another secret", bench, running, got, secret="whsec-of-somebody-else")  # noqa: S106
        refused("no secret", bench, running, got, secret="")
        refused("no signature", bench, running, Got(bare, got.body))
        for name, value in got.headers.items():
            if (value and "signature" in name) or "hmac" in name:
                for other in ("", "é", value[:-4], "=" * 44):
                    refused(f"{name}: {other!r}", bench, running, Got({**got.headers, name: other}, got.body))


def refused(what: str, bench: Bench, running: Running, got: Got, secret: str | None = None) -> None:
    """The class does not believe it, and says so by nothing else than BadSignature."""
    try:
        hook = read(bench, running, got, secret)
    except BadSignature:
        return
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}, not BadSignature") from error
    assert hook.ping, f"{what}: believed"


def register(bench: Bench) -> None:
    """Registered twice, an order is told of as often as when registered once; removed, no more."""
    with bench.running() as running, mailbox() as (url, came):
        first = subscribed(bench, running, url)
        again = subscribed(bench, running, url)
        assert sorted(first) == sorted(again), f"registered again: {again}, and before {first}"
        about(bench, running, came, running.fake.place(7, START))
        for handle in again:
            running.connector.unsubscribe(handle)
            running.connector.unsubscribe(handle)  # what is gone already is no error
        time.sleep(QUIET)  # what is on its way arrives
        while not came.empty():
            came.get()
        running.fake.place(8, START)
        time.sleep(QUIET)
        assert came.empty(), "a webhook came after they were removed"
