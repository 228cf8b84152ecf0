"""The simulator itself: it remembers, it fails as told, and its systems refuse what they should."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from carts.systems.sandbox_shop import SandboxShop
from integration_manager.im.simulate import demo_places, demo_world, served
from integration_manager.kit.canonical import Prepared, from_json
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import (
    AlreadyDone,
    NeedsHuman,
    OutcomeUnknown,
    Permanent,
    RateLimited,
)
from integration_manager.kit.fake_server import Server
from integration_manager.kit.fake_store import Store
from integration_manager.kit.faults import Faults
from integration_manager.kit.simulator import Fake, Fault, load_fake, stamp
from integration_manager.kit.transport import Http
from wms.systems.sandbox_wms import SandboxWms, SandboxWmsBlind, SandboxWmsKey

CONNECTORS = Path(__file__).parent / "connectors"
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
ADDRESS = {"address_1": "12 Mill Lane", "zip": "97201"}


def shop(**options: Any) -> Any:
    return load_fake(CONNECTORS / "sandbox_shop")("oak", **options)


def wms(**options: Any) -> Any:
    return load_fake(CONNECTORS / "sandbox_wms")("wms", **options)


@contextmanager
def connected(system: Any, fake: Fake, **values: Any) -> Iterator[Any]:
    with fake.serve() as url:
        http = Http(guard=Guard(["127.0.0.1"]), limiter=None, journal=None, timeout=2)
        with http:
            yield system({**fake.values(url), **values}, http=http)


def prepared(**changes: Any) -> Prepared:
    raw = json.loads((CONNECTORS / "sandbox_wms/plain.prepared.json").read_text("utf-8"))
    raw["order"]["ship"] |= changes.pop("ship", {})
    return from_json(Prepared, {**raw, **changes})


def test_rows_survive_a_restart_and_the_half_line_of_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "oak.jsonl"
    first = shop(path=path)
    for number in (1, 2, 3):
        first.place(number, AT + timedelta(minutes=number))
    first.place(1, AT + timedelta(hours=1))
    first.orders.remove("2")
    first.effect("shipment", "1", tracking_number="T1", lines=[])
    with path.open("ab") as file:
        file.write(b'["orders", "4", {"id": "4", "modi')
    for _ in range(2):  # the second start reads what the first one wrote anew
        again = shop(path=path)
        assert [row["id"] for row in again.orders.since()] == ["3", "1"]
        assert [row["tracking_number"] for row in again.effects("shipment", "1")] == ["T1"]
        again.store.close()


def test_a_table_keeps_its_order_while_rows_change() -> None:
    table = Store().table("rows", sort="at")
    for number in range(100):
        table.put(str(number), {"key": str(number), "at": stamp(AT + timedelta(seconds=number))})
    for number in range(0, 100, 3):
        table.change(str(number), at=stamp(AT + timedelta(hours=1, seconds=-number)))
    found = [row["at"] for row in table.since()]
    assert found == sorted(found) and len(found) == 100
    assert len(table.since(stamp(AT + timedelta(seconds=98)))) == 35


def test_a_plan_repeats_by_its_seed_and_a_script_comes_first() -> None:
    def picks(seed: int) -> list[str]:
        faults = Faults(seed)
        faults.plan({"error": 0.2, "late": 0.1}, match="write", late=(1, 3))
        faults.script("POST /orders", Fault.DROP_AFTER, skip=1)
        assert faults.pick("GET /orders", False) is None
        found = [faults.pick("POST /orders", True) for _ in range(200)]
        assert found[1] is not None and found[1].fault is Fault.DROP_AFTER
        assert all(one is None or 1 <= one.seconds <= 3 for one in found)
        return [one.fault.value if one else "" for one in found]

    assert picks(1) == picks(1) != picks(2)
    assert 30 <= picks(1).count("error") <= 50


def test_another_process_reads_the_journal_and_sets_faults() -> None:
    fake = shop()
    with fake.serve() as url:
        call = {"method": "place", "args": [7, AT.isoformat()]}
        assert requests.post(f"{url}/_sim/call", json=call, timeout=30).json() == "7"
        script = {"match": "GET /api/shop", "fault": "error", "times": 1}
        requests.post(f"{url}/_sim/script", json=script, timeout=30)
        head = {"Authorization": f"Bearer {fake.credential}"}
        statuses = [requests.get(f"{url}/api/shop", headers=head, timeout=30).status_code for _ in "ab"]
        assert statuses == [500, 200]
        fake.effect("shipment", "7", lines=[])
        seen = requests.get(f"{url}/_sim/effects?kind=shipment&key=7", timeout=30).json()
        assert len(seen) == 1
        assert requests.get(f"{url}/_sim/requests", timeout=30).json()["calls"]["GET error"] == 1
    assert "7" in fake.orders


def test_pieces_of_a_request_and_several_in_one_are_understood() -> None:
    fake = shop()
    with fake.serve() as url:
        host, _, port = url.removeprefix("http://").partition(":")
        request = b"GET /api/shop HTTP/1.1\r\nAuthorization: Bearer sandbox-key\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=30) as link:
            link.sendall(request + request[:30])
            time.sleep(0.05)
            link.sendall(request[30:])
            answer = b""
            while answer.count(b'{"id":"oak"') < 2:
                answer += link.recv(65536)
    assert answer.count(b"200 OK") == 2


def test_the_warehouse_refuses_what_a_person_has_to_correct() -> None:
    fake = wms()
    with connected(SandboxWms, fake) as connector:
        for order, code, field in (
            (prepared(ship_code="DRONE"), "ship_method_unknown", "ship_code"),
            (prepared(ship={"zip": "00000"}), "bad_address", "ship"),
        ):
            with pytest.raises(NeedsHuman) as refused:
                connector.send(order, "R1")
            assert (refused.value.code, refused.value.field) == (code, field)
            assert refused.value.fix
        assert fake.effects("order") == []
        connector.send(prepared(), "R1")
        assert len(fake.effects("order", "R1")) == 1


def test_the_warehouse_serves_its_customers_apart_and_no_strangers() -> None:
    fake = wms()
    with connected(SandboxWms, fake) as one, connected(SandboxWms, fake, customer="C2") as two:
        key = one.send(prepared(), "R1")
        fake.pack(key)
        assert two.find("R1") is None
        assert [row for page in two.shipments(AT) for row in page.rows] == []
        two.send(prepared(), "R1")  # a reference is unique for one customer
    with connected(SandboxWms, fake, customer="C9") as stranger, pytest.raises(Permanent):
        stranger.check()


def test_the_three_ways_to_dedupe() -> None:
    for system, orders in ((SandboxWms, 2), (SandboxWmsBlind, 2), (SandboxWmsKey, 1)):
        fake = wms()
        with connected(system, fake) as connector:
            key = connector.send(prepared(), "R1")
            try:
                connector.send(prepared(), "R1")
            except AlreadyDone as error:
                assert error.remote_id == key
            assert len(fake.effects("order", "R1")) == orders, system.key
    assert not SandboxWmsBlind.overrides("find")


def test_an_order_that_comes_up_after_the_connection_was_dropped() -> None:
    fake = wms()
    with connected(SandboxWms, fake) as connector:
        fake.faults.script("POST /v1/orders", Fault.LATE, seconds=0.4)
        with pytest.raises(OutcomeUnknown):
            connector.send(prepared(), "R1")
        assert connector.find("R1") is None
        time.sleep(0.6)
        assert connector.find("R1") is not None


def test_a_wait_is_passed_on() -> None:
    with connected(SandboxShop, fake := shop()) as connector:
        fake.faults.script("*", Fault.LIMITED, times=9, seconds=30)
        with pytest.raises(RateLimited) as limited:
            connector.check()
        assert limited.value.retry_at is not None


def test_two_parcels_stock_and_a_cancellation_that_comes_too_late() -> None:
    fake = wms()
    with connected(SandboxWms, fake) as connector:
        key, other = connector.send(prepared(), "R1"), connector.send(prepared(), "R2")
        fake.pack(key, share="0.5")
        fake.pack(key)
        first, second = connector.shipments_of([key])
        assert (first.closed, second.closed) == (False, True)
        pieces = sum(line.quantity for parcel in (first, second) for line in parcel.lines)
        assert pieces == Decimal(3)
        assert (connector.cancel(key), connector.cancel(other)) == (False, True)
        levels = {(row.sku, row.warehouse): row for page in connector.stock(None) for row in page.rows}
        mugs = levels["MUG-BLUE", "MAIN"]
        assert (mugs.available, mugs.on_hand) == (Decimal(198), Decimal(198))
        assert ("MUG-BLUE", "EAST") in levels


def test_the_demo_lives_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    world = demo_world(tmp_path)
    now = [AT]
    for fake in world.values():
        fake.faults.clear()
        fake.clock = lambda: now[0]
    oak, hall = world["/oak"], world["/wms"]
    for _ in range(4 * 600):
        now[0] += timedelta(seconds=0.25)
        for fake in world.values():
            fake.tick()
    assert 40 < len(oak.orders) < 110  # type: ignore[attr-defined]
    states = {row["status"] for row in oak.orders}  # type: ignore[attr-defined]
    assert states == {"paid", "canceled"}
    wrong = [row for row in oak.orders if row["shipping_method"] == "DRONE"]  # type: ignore[attr-defined]
    assert len(wrong) <= 8, "the owner corrects what the warehouse cannot ship by"
    with connected(SandboxWms, hall) as connector:
        key = connector.send(prepared(), "R1")
        now[0] += timedelta(seconds=60)
        hall.tick()
        now[0] += timedelta(seconds=60)
        hall.tick()
        assert connector.shipments_of([key])[-1].closed
    for fake in world.values():
        fake.store.close()
    assert len(demo_world(tmp_path)["/oak"].orders) == len(oak.orders)  # type: ignore[attr-defined]
    places = {place.name: place for place in demo_places(8100)}
    assert places["oak"].values["url"] == "http://127.0.0.1:8100/oak"
    assert places["wms"].system == "sandbox_wms"


def test_single_systems_live_as_a_process() -> None:
    """Whoever connects to one in the browser sees orders come in, and what is sent leave."""
    fakes: dict[str, Any] = served(["shopify", "woocommerce", "extensiv"])
    for fake in fakes.values():
        fake.clock = lambda: datetime.now(UTC) + timedelta(minutes=5)
        fake.tick()
    assert all(len(fakes[name].orders) for name in ("/shopify", "/woocommerce"))
    assert fakes["/shopify"].maximum == 2000, "as throttled as a shop on the usual plan"
    assert fakes["/extensiv"].pace, "it packs by itself"


def test_one_server_carries_several_systems_and_many_clients() -> None:
    fakes = {"/oak": shop(), "/wms": wms()}
    server = Server(fakes)
    server.start()
    try:
        refs: list[str] = []

        def send(worker: int) -> None:
            session = requests.Session()
            session.headers.update({"Authorization": "Bearer sandbox-key", "X-Customer": "C1"})
            for number in range(50):
                body = {
                    "reference": f"{worker}-{number}", "order_number": "1", "ship_to": ADDRESS,
                    "lines": [{"line_id": "1", "item": "MUG-RED", "quantity": "1"}],
                }  # fmt: skip
                answer = session.post(f"{server.url}/wms/v1/orders", json=body, timeout=30)
                refs.append(answer.json()["key"])

        threads = [threading.Thread(target=send, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(refs)) == 200 == len(fakes["/wms"].effects("order"))
        assert requests.get(f"{server.url}/nowhere", timeout=30).status_code == 404
        assert requests.get(f"{server.url}/oak/api/shop", timeout=30).status_code == 401
    finally:
        server.stop()
