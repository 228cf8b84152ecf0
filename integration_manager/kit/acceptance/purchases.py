"""Purchase orders: what a shop gives of them and is told, and how a WMS takes them and says what came.

Paging and once-is-once are in feeds.py, writes.py.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from msgspec import structs

from integration_manager.kit.acceptance.bench import START, Bench, Check
from integration_manager.kit.acceptance.mapping import NAMES
from integration_manager.kit.canonical import (
    PurchaseLine,
    PurchaseOrder,
    PurchaseStatus,
    Receipt,
    ReceiptLine,
    from_json,
    to_json,
)
from integration_manager.kit.connector import Dedupe
from integration_manager.kit.errors import ConnectorError, Permanent
from integration_manager.kit.simulator import Fault

GOODS = PurchaseOrder(
    key="PO-1",
    number="PO-2026-0042",
    status=PurchaseStatus.OPEN,
    lines=(
        PurchaseLine("1", "MUG-BLUE", Decimal(48), "Mug, blue", Decimal("3.20")),
        PurchaseLine("2", "POT-GLASS", Decimal(12), "Teapot, glass", Decimal("9.90")),
    ),
    supplier="Hartwell & Söhne",
    expected_on=date(2026, 3, 14),
    currency_code="EUR",
)
REF = "PO-ACCEPT-1"


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    found: list[Check] = []
    if bench.is_cart:
        if bench.has("purchase_orders"):
            found.append(("purchase_orders: as the shop has them", lambda: well_formed(bench)))
        if bench.has("tell_received"):
            found.append(("tell_received: totals, and the latest hold", lambda: told(bench)))
        return found
    if bench.has("receipts"):
        found.append(("receipts: what has come in all", lambda: received(bench)))
    if not bench.has("send_purchase_order"):
        return found
    found.append(("send_purchase_order: once, with a way to know", lambda: sent(bench)))
    if bench.has("find_purchase_order"):
        found.append(("find_purchase_order: that one and no other", lambda: find(bench)))
    if bench.has("change_purchase_order"):
        found.append(("change_purchase_order: changes, and adds none", lambda: change(bench)))
    if bench.has("cancel_purchase_order"):
        found.append(("cancel_purchase_order: twice is once", lambda: cancel(bench)))
    return found


def well_formed(bench: Bench) -> None:
    """Every purchase order has a key of its own, and comes whole; each line too."""
    with bench.running() as running:
        made = [running.fake.purchase(n, START + timedelta(minutes=n)) for n in range(1, 4)]
        rows = [row for page in running.connector.purchase_orders(START) for row in page.rows]
        assert [row.key for row in rows] == made, f"keys {[row.key for row in rows]}, and the shop's are {made}"
        for row in rows:
            assert isinstance(row, PurchaseOrder), f"purchase_orders() gives {type(row).__name__}, no PurchaseOrder"
            assert row.number and row.status is PurchaseStatus.OPEN, f"number or status is lost: {row}"
            assert row.modified_at is not None and row.modified_at.tzinfo, f"{row.key}: when it changed is lost"
            assert row.lines, f"{row.key}: its lines are lost"
            ids = {line.line_id for line in row.lines}
            assert len(ids) == len(row.lines), f"{row.key}: two of its lines have one id"
            assert all(line.item and line.quantity > 0 for line in row.lines), f"{row.key}: SKU or quantity is lost"
            assert from_json(PurchaseOrder, to_json(row)) == row, "the purchase order does not survive as JSON"


def told(bench: Bench) -> None:
    """What has come arrives line by line; once more changes nothing; of one that is not there it says so."""
    if bench.system.dedupe("tell_received") not in (Dedupe.NATURAL, Dedupe.KEY):
        raise AssertionError("tell_received() has to be NATURAL: it sets totals")
    with bench.running() as running:
        key = running.fake.purchase(1, START)
        (order,) = [row for page in running.connector.purchase_orders(START) for row in page.rows]
        line = order.lines[0]
        for many, times in ((5, 2), (7, 1)):
            part = ReceiptLine(line.item, Decimal(many), line.line_id)
            for _ in range(times):
                running.connector.tell_received(key, Receipt(lines=(part,), received_at=START))
        said = [Decimal(str(row["lines"][0]["received"])) for row in running.fake.effects("received", key)]
        assert said == [5, 7], f"5, 5 again and 7 in all were told, and the fake's journal says {said}"
        try:
            running.connector.tell_received("no-such-one", Receipt())
        except Permanent:
            return
        except ConnectorError as error:
            raise AssertionError(f"of a purchase order that is not there it is {type(error).__name__}") from error
        raise AssertionError("what was received of a purchase order that is not there is taken")


def received(bench: Bench) -> None:
    """What has come is the total, with key and reference to know the purchase order by."""
    with bench.running() as running:
        for minutes in (1, 2):
            key = running.fake.receipt(7, START + timedelta(minutes=minutes))
        rows = [row for page in running.connector.receipts(START) for row in page.rows]
        assert rows and isinstance(rows[-1], Receipt), f"receipts() gives {rows}"
        last: Receipt = rows[-1]
        assert last.wms_key == key, f"it is of {last.wms_key!r}, and the WMS calls it {key!r}"
        assert last.lines and last.lines[0].item, "the lines are lost"
        assert last.lines[0].quantity == 10, f"5 and 5 came, and it says {last.lines[0].quantity} in all"
        assert last.modified_at is not None and last.modified_at.tzinfo, "when it changed is lost"
        assert from_json(Receipt, to_json(last)) == last, "the receipt does not survive as JSON"


def sent(bench: Bench) -> None:
    """What the WMS gets has number and lines, and its key is given; where it looks up, it finds what it sends."""
    with bench.running() as running:
        for number, name in enumerate(NAMES):
            ref = f"PO-{number}"
            key = running.connector.send_purchase_order(structs.replace(GOODS, supplier=name), ref)
            assert isinstance(key, str) and key, f"send_purchase_order() gives {key!r}, not the WMS's key"
            assert len(running.fake.effects("purchase order", ref)) == 1, f"{ref} is not at the WMS"


def find(bench: Bench) -> None:
    """find_purchase_order() gives key, number and lines of exactly this reference; no failure is taken for none."""
    with bench.running() as running:
        connector: Any = running.connector
        assert connector.find_purchase_order(REF) is None, "a purchase order from nowhere"
        keys = {ref: connector.send_purchase_order(GOODS, ref) for ref in (REF, f"{REF}1")}
        for ref, key in keys.items():
            found = connector.find_purchase_order(ref)
            assert found is not None and found.wms_key == key, f"{ref} was sent as {key}, and is not found as that"
            assert found.order_no == GOODS.number, f"{ref}: number {found.order_no!r}"
            there = {item: int(quantity) for item, quantity in found.lines}
            assert there == {"MUG-BLUE": 48, "POT-GLASS": 12}, f"{ref}: lines {there}"
        for ref in ("PO", "", f"{REF}%", "*", f"{REF}&x=1"):
            assert connector.find_purchase_order(ref) is None, f"find_purchase_order({ref!r}) gives another one"
        running.fail("read", Fault.ERROR, times=99)
        try:
            connector.find_purchase_order(REF)
        except ConnectorError:
            return
        raise AssertionError("find_purchase_order() swallows a failure: the engine would send it again")


def change(bench: Bench) -> None:
    """Other lines arrive, twice is no harm, and it stays one purchase order."""
    assert bench.system.dedupe("change_purchase_order") in (Dedupe.KEY, Dedupe.NATURAL), "it has to be NATURAL"
    with bench.running() as running:
        key = running.connector.send_purchase_order(GOODS, REF)
        other = structs.replace(GOODS, lines=(structs.replace(GOODS.lines[0], quantity=Decimal(60)),))
        for _ in range(2):
            running.connector.change_purchase_order(key, other)
        sent_ones = running.fake.effects("purchase order", REF)
        assert len(sent_ones) == 1, f"one was sent and changed, and {len(sent_ones)} are there"
        if bench.has("find_purchase_order"):
            found = running.connector.find_purchase_order(REF)
            assert found is not None and found.lines == (("MUG-BLUE", Decimal(60)),), f"changed to 60: {found}"


def cancel(bench: Bench) -> None:
    """It is expected no more; said again that is still true."""
    assert bench.system.dedupe("cancel_purchase_order") in (Dedupe.KEY, Dedupe.NATURAL), "it has to be NATURAL"
    with bench.running() as running:
        key = running.connector.send_purchase_order(GOODS, REF)
        said = [running.connector.cancel_purchase_order(key) for _ in range(2)]
        assert said == [True, True], f"cancel_purchase_order() says {said} of one of which nothing has come"
        if bench.has("find_purchase_order"):
            found = running.connector.find_purchase_order(REF)
            assert found is not None and found.canceled, "canceled, and it does not say so"
