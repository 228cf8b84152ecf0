"""A canary: secrets that occur nowhere else, runs against systems that fail and echo, then a look everywhere."""

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from integration_manager import log, tenancy
from integration_manager.kit.simulator import Reply
from integration_manager.kit.transport import Http
from merchants.models import Service
from orders.models import Exchange
from tests.world import World, answers, at, pack, place, run

SHOP, WMS = "canary-Sh0p/+key=7f3a9c", "canary-Wms&k%y-51d2e8"
FAULTS = ["echo", "error", "bad_gateway", "garbage", "alien", "drop", "redirect", "limited_bare"]


@pytest.fixture
def world(calm: World) -> World:
    """Both systems are entered with a canary."""
    for fake, row, secret in ((calm.shop, calm.cart, SHOP), (calm.warehouse, calm.wms, WMS)):
        fake.credential = secret  # type: ignore[misc]
        row.credentials = {**row.credentials, "api_key": secret}
        row.save()
    return calm


@pytest.fixture
def logs() -> Iterator[list[str]]:
    """Every log line, as production writes it."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Lines()
    handler.addFilter(log.Redaction())
    handler.setFormatter(log.JsonFormatter())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(handler)
    root.setLevel(level)


def forms(secret: str) -> set[str]:
    """The ways in which a secret may stand somewhere."""
    from urllib.parse import quote, quote_plus

    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, quote(secret), quote_plus(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], encoded}


def database() -> str:
    """Every row of every table, as text."""
    found = []
    with tenancy.everyone("a test"), connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} t")  # noqa: S608 (names from the catalog)
            found += [f"{table}: {row}" for (row,) in cursor.fetchall()]
    return "\n".join(found)


def assert_nowhere(*places: str) -> None:
    for secret in (SHOP, WMS):
        for form in forms(secret):
            for place_ in places:
                at_ = place_.find(form)
                assert at_ < 0, place_[max(0, at_ - 300) : at_ + len(form)]


def live(world: World) -> None:
    """All that can happen between us and them, in one go."""
    run(world, Service.DOWNLOAD, Service.DELIVER)
    for order in world.orders():
        order.refresh_from_db()
        if order.wms_key in world.warehouse.table("orders"):
            pack(world, order)
    run(world, Service.SHIP_CONFIRM, Service.INVENTORY, Service.UPLOAD_SHIPMENTS, Service.UPLOAD_INVENTORY)


def test_no_secret_is_left_anywhere_after_runs_against_systems_in_trouble(world: World, logs: list[str]) -> None:
    for hour, fault in enumerate(FAULTS):
        place(world, 2 * hour + 1)
        place(world, 2 * hour + 2, shipping_method="DRONE")
        for fake in (world.shop, world.warehouse):
            fake.faults.script("read", fault, times=2, skip=hour % 2)
            fake.faults.script("write", fault, times=2)
        with at(2 * hour):
            live(world)
        with at(2 * hour + 1):
            for fake in (world.shop, world.warehouse):
                fake.faults.clear()
            live(world)
    seen = [request.headers.get("authorization") for request in (s.request for s in world.warehouse.journal)]
    assert f"Bearer {WMS}" in seen, "the canary flew"
    assert Exchange.objects.count() > 20, "and what was said is kept"
    assert Exchange.objects.filter(response__contains="Not understood").exists(), "also what echoes the request"
    assert_nowhere(database(), "\n".join(logs))


def test_no_secret_is_left_by_refusals_that_quote_it(world: World, logs: list[str]) -> None:
    """Some systems repeat the key in their error: in a sentence, in a header, in a page of HTML."""
    quoting: list[Any] = [
        world.warehouse.refuse(422, f"key_{WMS}", f"The key {WMS} has no right to this."),
        Reply(f"<html><body>Bad key: {WMS}</body></html>".encode(), 500, {"Content-Type": "text/html"}),
        Reply({"message": f"{WMS} is not known"}, 401, {"X-Your-Key": WMS}),
        Reply({"key": "W1", "debug": {"authorization": WMS, "note": [WMS]}}, 201),
    ]
    for number, reply in enumerate(quoting, 1):
        place(world, number)
        with at(number):
            run(world, Service.DOWNLOAD)
            answers(world.warehouse, "POST", "/v1/orders", lambda *_, reply=reply: reply)
            run(world, Service.DELIVER)
    assert_nowhere(database(), "\n".join(logs))


def test_no_secret_is_left_by_our_own_mistakes(world: World, logs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug's traceback goes to the log: with the values that our code had in hand."""

    def broken(self: Http, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"headers were {self.headers}, authorization: Bearer {WMS}")

    place(world)
    run(world, Service.DOWNLOAD)
    monkeypatch.setattr(Http, "post", broken)
    for hour in range(5):
        with at(hour):
            run(world, Service.DELIVER)
    assert any("RuntimeError" in line for line in logs)
    assert_nowhere(database(), "\n".join(logs))


def test_no_secret_is_in_the_words_of_what_holds_it(world: World) -> None:
    from orders.connections import open_cart, open_wms
    from orders.journal import Journal

    opened = [
        open_cart(world.cart, world.account, Journal()),
        open_wms(world.wms, world.merchant, world.account, Journal()),
    ]
    words = [repr(x) for x in (*opened, *(c.http for c in opened), *(c.values for c in opened))]  # type: ignore[attr-defined]
    assert_nowhere("\n".join([*words, repr(vars(world.cart)), repr(world)]))
