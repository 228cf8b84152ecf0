"""What the state machine's model demands of the engine: after every step, and in the end.

The model is a dict of the shop's orders and what was done to them; the warehouse's and the shop's own
books say what really happened there.
"""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any, ClassVar

from alerts.models import Alert
from orders.models import Effect, Event, Order, OrderDetail, OrderLine, Shipment, ShipmentLine, Status
from orders.states import TRANSITIONS
from tests.world import World

CUSTOMER = "C1"


class Books:
    """The checks, for a machine whose rules are elsewhere."""

    world: ClassVar[World]
    neighbour: ClassVar[int]
    owner: ClassVar[Any]  # a cursor that sees everybody's rows
    system: ClassVar[str]

    held: set[str]  # orders that a person keeps from being sent
    must_alert: dict[str, str]  # changed at the shop, while the warehouse has the old version: its key there
    typed: dict[int, str]  # by order: the gift message that a person wrote
    before: Any  # what the neighbour had at the beginning

    # ── what always holds ──

    def check(self) -> None:
        """After every step."""
        orders = list(Order.objects.order_by("id"))
        self.nothing_is_sent_twice()
        self.every_order_is_in_one_place(orders)
        self.the_timeline_is_lawful(orders)
        self.quantities_add_up(orders)
        self.what_a_person_wrote_stays()
        self.nothing_is_paid_back_twice()
        assert self.neighbours() == self.before, "another tenant's rows have changed"

    def nothing_is_sent_twice(self) -> None:
        sent = Counter(row["key"] for row in self.world.warehouse.effects("order"))
        assert not [ref for ref, n in sent.items() if n > 1], "an order is at the warehouse twice"
        told = Counter(
            (row["key"], row["reference"], row["tracking_number"]) for row in self.world.shop.effects("shipment")
        )
        assert not [parcel for parcel, n in told.items() if n > 1], "the shop was told twice of a parcel"

    def every_order_is_in_one_place(self, orders: list[Order]) -> None:
        living: Counter[str] = Counter()
        for order in orders:
            living[order.cart_key] += order.status != Status.CANCELED
            assert (order.lease_until is not None) == (order.status == Status.SENDING), (order.status, "and a lease")
        assert not [key for key, n in living.items() if n > 1], "two living revisions of one order"

    def the_timeline_is_lawful(self, orders: list[Order]) -> None:
        stands: dict[int, str] = {}
        for event in Event.objects.exclude(to="").order_by("order_id", "id"):
            before = stands.get(event.order_id, "")
            if event.frm:
                claimed = before == Status.READY and event.frm == Status.SENDING  # claims write no event
                assert event.frm == before or claimed, (before, event.frm, event.to)
                assert event.to in TRANSITIONS[Status(event.frm)], (event.frm, event.to)
            stands[event.order_id] = event.to
        for order in orders:
            now = stands[order.pk]
            assert order.status == now or (now, order.status) == (Status.READY, Status.SENDING), (now, order.status)

    def quantities_add_up(self, orders: list[Order]) -> None:
        packed: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
        for part in ShipmentLine.objects.filter(shipment__voided_at=None).select_related("shipment"):
            packed[part.shipment.order_id, part.line_id] += part.quantity
        total: dict[int, Decimal] = defaultdict(Decimal)
        shipped: dict[int, Decimal] = defaultdict(Decimal)
        for line in OrderLine.objects.all():
            total[line.order_id] += line.quantity
            shipped[line.order_id] += line.qty_shipped
            assert line.qty_shipped <= line.quantity
            assert line.qty_shipped == packed[line.order_id, line.line_id], "a line and its parcels disagree"
        for order in orders:
            assert order.qty_total == total[order.pk] > 0
            assert order.qty_shipped == shipped[order.pk]

    def what_a_person_wrote_stays(self) -> None:
        for detail in OrderDetail.objects.filter(order__in=self.typed):
            assert detail.data.get("gift_message") == self.typed[detail.order_id], "an edit was lost"

    def nothing_is_paid_back_twice(self) -> None:
        paid = Counter(one["reference"] for one in self.world.shop.effects("refund"))
        assert not [key for key, n in paid.items() if n > 1], "a refund was made twice"

    def check_refunds(self) -> None:
        """In the end: what we call done is in the shop, what we call refused is not, and nothing is left open."""
        paid = {one["reference"] for one in self.world.shop.effects("refund")}
        for effect in Effect.objects.filter(kind="refund"):
            assert effect.state in ("done", "refused"), (effect.state, effect.error_message)
            assert (effect.key in paid) == (effect.state == "done"), (effect.key, effect.state)

    # ── how every order ends ──

    def check_end(self, key: str, order: dict[str, Any]) -> None:
        rows = list(Order.objects.filter(cart_key=key).order_by("revision"))
        living = [row for row in rows if row.status != Status.CANCELED]
        there = [row for row in self.at_warehouse(key) if row["status"] != "canceled"]
        assert len(there) <= 1
        parcels = Shipment.objects.filter(order__in=rows).values_list(
            "key", "voided_at", "uploaded_at", "parked_at", "error_message"
        )
        said = (key, order["status"], [(row.status, row.error_code) for row in rows], there, list(parcels))
        if order["status"] == "canceled":
            if there:
                assert [row.status for row in living] in ([Status.SHIPPED], [Status.CONFIRMED]), said
            else:
                assert not living, said
            return
        assert len(living) == 1, said
        (row,) = living
        if key in self.held and not there:
            assert row.status == Status.HELD, said
            return
        assert row.status == Status.CONFIRMED, said
        assert there and there[0]["key"] == row.wms_key, said
        leave = {(p["key"], p["tracking_number"]) for p in self.parcels(row.wms_key) if not p["voided"]}
        parcels_told = self.world.shop.effects("shipment", key)
        told = {(s["reference"], s["tracking_number"]) for s in parcels_told}
        for s in parcels_told:
            ours = Shipment.objects.filter(order__in=rows, remote_id=s["id"])  # one may stand for a voided one
            names = {s["reference"], *ours.values_list("key", flat=True)}
            corrections = self.world.shop.effects("correction", s["id"])
            told |= {(name, corrected["tracking_number"]) for name in names for corrected in corrections}
        assert {parcel for parcel, _ in leave} <= {parcel for parcel, _ in told}, (said, leave, told)
        if not leave <= told:  # changed after the shop was told, and it takes no corrections: people know
            assert Alert.objects.filter(kind="tracking_changed", key=f"order:{row.pk}").exists(), (said, leave, told)
        assert not Shipment.objects.filter(order=row, voided_at=None, uploaded_at=None).exists(), said
        if self.must_alert.get(key) == there[0]["key"]:
            assert Alert.objects.filter(kind="changed_after_sending", key=f"order:{row.pk}").exists(), said
        elif self.system != "sandbox_wms_blind":
            mine = sum(line.quantity for line in OrderLine.objects.filter(order=row))
            assert mine == sum(Decimal(line["quantity"]) for line in there[0]["lines"]), said

    # ── the books ──

    @property
    def shop_orders(self) -> dict[str, Any]:
        rows: dict[str, Any] = self.world.shop.orders.rows
        return rows

    @property
    def warehouse(self) -> Any:
        return self.world.warehouse

    def at_warehouse(self, key: str) -> list[Any]:
        """What the warehouse has of an order of the shop, whether we know it or not."""
        with self.warehouse.lock:
            return [row for row in self.warehouse.orders if row["order_number"] == f"OAK-{key}"]

    def parcels(self, wms_key: str) -> list[Any]:
        return [row for row in self.warehouse._shipments(CUSTOMER) if row["order"] == wms_key]

    def neighbours(self) -> Any:
        """All that another tenant has, seen with the owner's eyes."""
        self.owner.execute(
            """SELECT (SELECT md5(string_agg(o::text, '|' ORDER BY id)) FROM orders_order o WHERE account_id = %(a)s),
                      (SELECT md5(string_agg(l::text, '|' ORDER BY id)) FROM orders_orderline l
                       WHERE account_id = %(a)s),
                      (SELECT count(*) FROM orders_event WHERE account_id = %(a)s),
                      (SELECT count(*) FROM orders_shipment WHERE account_id = %(a)s),
                      (SELECT count(*) FROM alerts_alert WHERE account_id = %(a)s)""",
            {"a": self.neighbour},
        )
        return self.owner.fetchone()


def content(order: dict[str, Any]) -> Any:
    """What is the same in the shop's order and in the warehouse's, if nobody changed it."""
    lines = sorted((line.get("sku") or line.get("item"), Decimal(line["quantity"])) for line in order["lines"])
    return order["note"] or "", order["ship_to"]["zip"], order["ship_to"]["address_1"], lines
