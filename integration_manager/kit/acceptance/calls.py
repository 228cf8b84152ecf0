"""The single calls: credentials, identity, one order, parcels by key, shipping methods."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from integration_manager.kit.acceptance.bench import START, Bench, Check
from integration_manager.kit.errors import AuthFailed, ConnectorError
from integration_manager.kit.simulator import Fault


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    found: list[Check] = []
    if bench.has("check"):
        found.append(("check: right and wrong credentials", lambda: credentials(bench)))
    if bench.has("identity"):
        found.append(("identity", lambda: identity(bench)))
    if bench.is_cart and bench.has("order"):
        found.append(("one order", lambda: one_order(bench)))
    if not bench.is_cart and bench.has("shipments_of"):
        found.append(("parcels of some orders", lambda: parcels_of(bench)))
    if not bench.is_cart and bench.has("ship_methods"):
        found.append(("shipping methods", lambda: ship_methods(bench)))
    return found


def credentials(bench: Bench) -> None:
    """check() passes with the right credentials, and each wrong one is AuthFailed, everywhere."""
    with bench.running() as running:
        running.connector.check()
        assert running.fake.calls, "check() called nobody"
        for name, field in bench.system.fields.items():
            if not field.secret or not running.values.get(name):
                continue
            values = {**running.values, name: "wrong" + str(running.values[name])[::-1]}
            with bench.connect(values, []) as stranger:
                refused(f"check() with a wrong {name}", stranger.check)
                for what, call in reads(bench, stranger):
                    refused(f"{what} with a wrong {name}", call)


def reads(bench: Bench, connector: Any) -> Iterator[tuple[str, Any]]:
    """The readings of a connector, as calls without arguments."""
    if bench.is_cart and bench.has("orders"):
        yield "orders()", lambda: list(connector.orders(START))
    if bench.is_cart and bench.has("products"):
        yield "products()", lambda: list(connector.products(START))
    if bench.is_cart and bench.has("purchase_orders"):
        yield "purchase_orders()", lambda: list(connector.purchase_orders(START))
    if not bench.is_cart and bench.has("products"):
        yield "products()", lambda: list(connector.products(None))
    if not bench.is_cart and bench.has("receipts"):
        yield "receipts()", lambda: list(connector.receipts(START))
    if not bench.is_cart and bench.has("find_purchase_order"):
        yield "find_purchase_order()", lambda: connector.find_purchase_order("R1")
    if not bench.is_cart and bench.has("shipments"):
        yield "shipments()", lambda: list(connector.shipments(START))
    if not bench.is_cart and bench.has("stock"):
        yield "stock()", lambda: list(connector.stock(None))
    if not bench.is_cart and bench.has("find"):
        yield "find()", lambda: connector.find("R1")
    if bench.has("find_product"):
        yield "find_product()", lambda: connector.find_product("S1")


def refused(what: str, call: Any) -> None:
    """The call raises AuthFailed."""
    try:
        call()
    except AuthFailed:
        return
    except ConnectorError as error:
        raise AssertionError(f"{what} is {type(error).__name__}, not AuthFailed") from error
    raise AssertionError(f"{what} is accepted")


def identity(bench: Bench) -> None:
    """The system's own id: there, and the same each time."""
    with bench.running() as running:
        first, again = running.connector.identity(), running.connector.identity()
        assert isinstance(first, str) and first.strip(), f"identity() is {first!r}"
        assert first == again, f"identity() is {first!r}, then {again!r}"


def one_order(bench: Bench) -> None:
    """order() finds by the number people see, and gives None where there is none."""
    with bench.running() as running:
        keys = [running.fake.place(n, START + timedelta(minutes=n)) for n in (7, 77, 770)]
        raw = next(
            row
            for page in running.connector.orders(START)
            for row in page.rows
            if bench.mapper("key_of")(row) == keys[1]
        )
        order = bench.mapper("to_order")(raw, bench.options())
        for number in (order.cust_po_no, order.cart_key):
            found = running.connector.order(number)
            assert found is not None, f"order({number!r}) finds nothing"
            assert bench.mapper("key_of")(found) == keys[1], f"order({number!r}) is another order"
        for number in ("no-such-order", "../7", "7 7", "#?&"):
            assert running.connector.order(number) is None, f"order({number!r}) finds something"
        for fault in (Fault.ERROR, Fault.ECHO):
            running.fail("read", fault, times=99)
            swallowed = True
            try:
                running.connector.order(order.cust_po_no)
            except ConnectorError:
                swallowed = False
            assert not swallowed, f"order() takes {fault} for an order that is not there"
            running.heal()


def parcels_of(bench: Bench) -> None:
    """shipments_of() gives the parcels of these orders, and of no others."""
    with bench.running() as running:
        assert running.connector.shipments_of([]) == [], "parcels of no orders"
        for number in range(1, 61):
            running.fake.parcel(number, START + timedelta(minutes=number))
        every = [s for page in running.connector.shipments(START) for s in page.rows]
        for some in (every[:1], every[3:9], every):
            keys = {s.wms_key for s in some}
            found = running.connector.shipments_of(list(keys))
            got, wanted = {s.key for s in found}, {s.key for s in every if s.wms_key in keys}
            assert got == wanted, f"of {len(some)} orders: {sorted(got ^ wanted)[:5]} differ"


def ship_methods(bench: Bench) -> None:
    """Every shipping method has a code of its own."""
    with bench.running() as running:
        codes = [method.code for method in running.connector.ship_methods()]
        assert codes and all(codes), f"codes {codes}"
        assert len(set(codes)) == len(codes), f"codes {codes} are not unique"
