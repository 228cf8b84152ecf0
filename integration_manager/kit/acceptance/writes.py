"""Writing: once is once, an unknown outcome is said to be unknown, and is found out later."""

import functools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from msgspec import structs

from integration_manager.kit.acceptance.bench import LATE, START, Bench, Check, Running
from integration_manager.kit.acceptance.purchases import GOODS
from integration_manager.kit.canonical import (
    ZERO,
    Prepared,
    Product,
    Refund,
    RefundLine,
    Shipment,
    ShipmentLine,
    Stock,
    from_json,
)
from integration_manager.kit.connector import Dedupe
from integration_manager.kit.errors import (
    AlreadyDone,
    AuthFailed,
    BadAnswer,
    ConnectorError,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    Transient,
)
from integration_manager.kit.simulator import Fault

UNKNOWN = (OutcomeUnknown,)
# What a failed write may be where a repetition would do harm. After an answered failure that says
# so, the engine looks before it sends again; after the others it must know that it does not know.
WRITING: dict[Fault, tuple[type[Exception], ...]] = {
    Fault.ERROR: (Transient, OutcomeUnknown),
    Fault.ERROR_AFTER: (Transient, OutcomeUnknown),
    Fault.BAD_GATEWAY: UNKNOWN,
    Fault.LIMITED: (RateLimited,),
    Fault.LIMITED_BARE: (RateLimited,),
    Fault.REDIRECT: (BadAnswer, AuthFailed, OutcomeUnknown),
    Fault.ECHO: (Permanent,),
}


@dataclass(frozen=True, slots=True)
class Write:
    """One writing method: how to call it, and how often its effect was had."""

    method: str
    prepare: Callable[[Running], Any]  # gives what the others get
    call: Callable[[Any, Any], Any]
    effects: Callable[[Running, Any], int]
    find: Callable[[Any, Any], bool]  # the look-up, where there is one


def writes(bench: Bench) -> list[Write]:
    """The writing methods of this system whose effects can be counted."""
    found = []
    if bench.is_cart:
        if bench.has("ship"):
            found.append(Write("ship", _order, _ship, _count("shipment"), _shipped))
        if bench.has("cancel"):
            found.append(Write("cancel", _order_to_cancel, lambda c, k: c.cancel(k, "test"), _count("cancel"), _no))
        if bench.has("refund"):
            prepare = functools.partial(_refundable, bench)
            found.append(Write("refund", prepare, _refund, _refunds, _refunded))
    elif bench.has("send"):
        found.append(
            Write(
                "send",
                lambda running: "R-ACCEPT-1",
                functools.partial(_send, bench),
                _count("order"),
                lambda c, ref: c.find(ref) is not None,
            )
        )
    if bench.has("create_product"):
        found.append(
            Write(
                "create_product",
                lambda running: "SKU-ACCEPT-1",
                lambda c, sku: c.create_product(Product(key="1", sku=sku, name="Thing")),
                _count("product"),
                lambda c, sku: c.find_product(sku) is not None,
            )
        )
    if not bench.is_cart and bench.has("send_purchase_order"):
        found.append(
            Write(
                "send_purchase_order",
                lambda running: "PO-ACCEPT-1",
                lambda c, ref: c.send_purchase_order(GOODS, ref),
                _count("purchase order"),
                lambda c, ref: c.find_purchase_order(ref) is not None,
            )
        )
    return found


PARCEL = Shipment(
    key="parcel-1",
    ref="R1",
    carrier="UPS",
    method="GROUND",
    tracking_no="1Z999AA10123456784",
    tracking_url="https://track.example/1Z999AA10123456784",
    shipped_at=START,
)


# Of what is shipped or canceled nothing may be left to refund, so each has an order of its own.


def _order(running: Running) -> str:
    return running.fake.place(2, START)


def _order_to_cancel(running: Running) -> str:
    return running.fake.place(4, START)


def _ship(connector: Any, key: str) -> Any:
    return connector.ship(key, PARCEL)


def _refundable(bench: Bench, running: Running) -> tuple[str, Refund]:
    """An order, and a refund of one unit of its first line."""
    key = running.fake.place(1, START)
    rows = [row for page in running.connector.orders(START) for row in page.rows]
    raw = next(row for row in rows if bench.mapper("key_of")(row) == key)
    order = bench.mapper("to_order")(raw, bench.options())
    line = order.lines[0]
    price = (line.price or ZERO) - (line.discount or ZERO)
    assert price > 0, "the fake's first order has a first line without a price: there is nothing to refund"
    part = RefundLine(line.line_id, line.item, Decimal(1), price)
    return key, Refund("refund-1", order.currency_code or "USD", price, (part,), note="broken")


def _refund(connector: Any, about: tuple[str, Refund]) -> Any:
    return connector.refund(*about)


def _refunds(running: Running, about: tuple[str, Refund]) -> int:
    key, refund = about
    done = running.fake.effects("refund", key)
    wrong = [row for row in done if Decimal(str(row["amount"])) != refund.amount]
    assert not wrong, f"{refund.amount} was to be refunded, and the fake's journal says {wrong[0]['amount']}"
    return len(done)


def _refunded(connector: Any, about: tuple[str, Refund]) -> bool:
    return connector.find_refund(about[0], about[1].key) is not None


def _count(kind: str) -> Callable[[Running, Any], int]:
    return lambda running, key: len(running.fake.effects(kind, key))


def _shipped(connector: Any, key: str) -> bool:
    return any(one.tracking_no == PARCEL.tracking_no for one in connector.find_shipments(key))


def _no(connector: Any, key: str) -> bool:
    return False


def prepared_orders(bench: Bench) -> list[Prepared]:
    """The golden orders of a WMS."""
    return [from_json(Prepared, raw) for _, raw in bench.fixtures("prepared")]


def _send(bench: Bench, connector: Any, ref: str) -> Any:
    return connector.send(structs.replace(prepared_orders(bench)[0], wms_ref=ref), ref)


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    found: list[Check] = []
    for write in writes(bench):
        found.append((f"{write.method}: twice is once", functools.partial(twice, bench, write)))
        for fault in Fault:
            run = functools.partial(failing, bench, write, fault)
            found.append((f"{write.method}: fault {fault}", run))
    if bench.is_cart and bench.has("ship"):
        found.append(("ship: parts of an order", lambda: parts(bench)))
    if bench.is_cart and bench.has("stock"):
        found.append(("stock: a result for each level", lambda: stock(bench)))
    if not bench.is_cart and bench.has("send"):
        found.append(("send: every golden order", lambda: send_all(bench)))
    if not bench.is_cart and bench.has("find"):
        found.append(("find: the order and no other", lambda: find(bench)))
    return found


def twice(bench: Bench, write: Write) -> None:
    """What the engine does after a crash, by the declared dedupe, has no second effect."""
    with bench.running() as running:
        about = write.prepare(running)
        kind = bench.system.dedupe(write.method)
        looks = kind is Dedupe.LOOKUP
        assert not (looks and write.find(running.connector, about)), "found before it was there"
        write.call(running.connector, about)
        assert write.effects(running, about) == 1, (
            f"{write.method}() had {write.effects(running, about)} effects in the fake's journal"
        )
        _settled(bench, write, running, about)


def _settled(bench: Bench, write: Write, running: Running, about: Any) -> None:
    """Goes on as the engine does when it is not sure: exactly one effect is there in the end."""
    kind = bench.system.dedupe(write.method)
    if kind is Dedupe.LOOKUP:
        if not write.find(running.connector, about):
            assert not write.effects(running, about), f"{write.method}() is done and not found"
            write.call(running.connector, about)
            assert write.find(running.connector, about), f"{write.method}() is done and not found"
    elif kind in (Dedupe.KEY, Dedupe.NATURAL):
        try:
            write.call(running.connector, about)
        except AlreadyDone as error:
            assert error.remote_id, "AlreadyDone without the other side's id"
    else:
        return  # a person decides
    count = write.effects(running, about)
    assert count == 1, f"{write.method}() declares {kind}, and in the end had {count} effects"


def failing(bench: Bench, write: Write, fault: Fault) -> None:
    """A write that goes wrong: classified right, and in the end carried out once."""
    kind = bench.system.dedupe(write.method)
    harmless = kind in (Dedupe.KEY, Dedupe.NATURAL)
    with bench.running() as running:
        about = write.prepare(running)
        running.fail("write", fault, times=9 if harmless else 1)
        try:
            write.call(running.connector, about)
        except AlreadyDone:
            assert harmless, "AlreadyDone at the first call"
        except ConnectorError as error:
            wanted = WRITING.get(fault, UNKNOWN)
            right = isinstance(error, (*wanted, Transient, OutcomeUnknown) if harmless else wanted)
            names = " or ".join(one.__name__ for one in wanted)
            assert right, f"{fault} is {type(error).__name__}, not {names}"
        except Exception as error:
            raise AssertionError(f"{fault} is {type(error).__name__}: {error}") from error
        else:
            assert write.effects(running, about), f"{fault} is swallowed: it says done, and is not"
        running.heal()
        if fault in (Fault.LATE, Fault.LATE_HANG):
            time.sleep(LATE + 0.2)  # the engine waits `settle`; the fake is as late as this
        _settled(bench, write, running, about)
        assert not running.fake.led_away, "a redirect to another host was followed"


def parts(bench: Bench) -> None:
    """An order shipped in two parcels gets two, with the lines of each."""
    with bench.running() as running:
        key = running.fake.place(3, START)
        pages = list(running.connector.orders(START))
        raw = next(r for p in pages for r in p.rows if bench.mapper("key_of")(r) == key)
        line = bench.mapper("to_order")(raw, bench.options()).lines[0]
        some = (ShipmentLine(line.item, Decimal(1), line.line_id),)
        for number in (1, 2):
            parcel = structs.replace(PARCEL, key=f"parcel-{number}", tracking_no=f"1Z00{number}", lines=some)
            running.connector.ship(key, parcel)
        said = running.fake.effects("shipment", key)
        assert len(said) == 2, f"two parcels, {len(said)} shipments in the fake's journal"
        if bench.has("find_shipments"):
            found = {one.tracking_no for one in running.connector.find_shipments(key)}
            assert {"1Z001", "1Z002"} <= found, f"find_shipments() knows {found}"


def stock(bench: Bench) -> None:
    """stock() answers for each level, also for an item the shop has not; twice changes nothing."""
    with bench.running() as running:
        goods = {ln.item for ln in _lines(bench, running) if ln.item}
        levels = [Stock(sku, Decimal(n)) for n, sku in enumerate(sorted(goods))]
        levels.append(Stock("UNKNOWN-ITEM", Decimal(3)))
        for _ in range(2):
            results = running.connector.stock(levels)
            asked, got = Counter(ln.sku for ln in levels), Counter(r.sku for r in results)
            assert asked == got, f"{sorted((asked - got) + (got - asked))}: not one result each"
            wrong = [r for r in results if r.error and r.sku in goods]
            assert not wrong, f"{wrong[0]}"
        for level in levels[:-1]:
            said = running.fake.effects("stock", level.sku)
            assert said, f"{level.sku} did not arrive"
            assert Decimal(str(said[-1]["quantity"])) == level.available, f"{level.sku}: {said[-1]}"
        assert running.connector.stock([]) == [], "results without levels"


def _lines(bench: Bench, running: Running) -> list[Any]:
    running.fake.place(3, START)
    to_order, options = bench.mapper("to_order"), bench.options()
    rows = [row for page in running.connector.orders(START) for row in page.rows]
    return [line for row in rows for line in to_order(row, options).lines]


def send_all(bench: Bench) -> None:
    """Every golden order is accepted, under our reference."""
    with bench.running() as running:
        for number, prepared in enumerate(prepared_orders(bench), 1):
            ref = f"R-{number}"
            key = running.connector.send(structs.replace(prepared, wms_ref=ref), ref)
            assert isinstance(key, str) and key, f"send() gives {key!r}, not the WMS's key"
            assert len(running.fake.effects("order", ref)) == 1, f"{ref} is not at the WMS"


def find(bench: Bench) -> None:
    """find() gives the key, the number and the lines we sent; None for what is not there."""
    with bench.running() as running:
        assert running.connector.find("R-1") is None, "an order from nowhere"
        for number, prepared in enumerate(prepared_orders(bench), 1):
            ref = f"R-1{number}"  # R-1 is the beginning of all of them
            key = running.connector.send(structs.replace(prepared, wms_ref=ref), ref)
            found = running.connector.find(ref)
            assert found is not None, f"{ref} was sent and is not found"
            assert found.wms_key == key, f"{ref}: key {found.wms_key!r}, and send() gave {key!r}"
            assert found.order_no == prepared.order.cust_po_no, f"{ref}: number {found.order_no!r}"
            sent, there = Counter[str](), Counter[str]()
            for line in prepared.lines:
                sent[line.item] += int(line.quantity)
            for item, quantity in found.lines:
                there[item] += int(quantity)
            assert sent == there, f"{ref}: lines {dict(there)}, and we sent {dict(sent)}"
        for ref in ("R-1", "R", "", "R-1%", "*"):
            assert running.connector.find(ref) is None, f"find({ref!r}) gives another order"
        running.fail("read", Fault.ERROR, times=99)
        try:
            running.connector.find("R-11")
        except ConnectorError:
            return
        raise AssertionError("find() swallows a failure: the engine would send again")
