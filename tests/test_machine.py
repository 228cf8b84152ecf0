"""The engine against a model: whatever shop, warehouse, person, network and death do, in any order.

Real PostgreSQL, the real service functions, real sockets to the sandbox systems. The model is a dict
of what the shop's orders ought to become; the warehouse's own books say what really happened there.
"""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from alerts.models import Alert
from carts.systems.sandbox_shop import SandboxShop
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.fake_server import Server
from integration_manager.kit.faults import Fault
from merchants.models import Schedule, Service
from orders import abilities, actions, cancelling, connections, editing, refunding, refunds
from orders.models import Effect, Order, OrderDetail, Status
from tests import services
from tests.dying import at_statement, dying, mortal
from tests.machine_books import CUSTOMER, Books, content
from tests.machine_trouble import LATE, LOST, NUMBERS, OTHER, POINTS, SETTLE, SHARES, TROUBLE
from tests.world import build, fake
from wms.systems.sandbox_wms import SandboxWms, SandboxWmsBlind, SandboxWmsKey

DAY = timedelta(hours=25)
PERSON = "p@example.com"
TABLES = (
    "orders_event", "orders_eventdetail", "orders_exchange", "orders_run", "orders_effect", "orders_shipmentline",
    "orders_shipment", "orders_orderline", "orders_orderdetail", "orders_order", "orders_skippedorder",
    "alerts_alert",
)  # fmt: skip


class Machine(Books, RuleBasedStateMachine):
    """One tenant's orders, from the shop to the shop."""

    server: ClassVar[Server]
    offset: ClassVar[timedelta] = timedelta(0)  # of the business clock

    @initialize()
    def clean(self) -> None:
        """An empty shop, an empty warehouse, no orders: in the same world."""
        world = self.world
        world.cart.cancel_upload = True  # what is canceled here is canceled in the shop
        world.cart.save()
        world.shop, world.warehouse = fake("sandbox_shop", "oak"), fake("sandbox_wms", "wms")
        self.server.fakes = {"/shop": world.shop, "/wms": world.warehouse}
        with connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - this tenant's rows, by its policy
        Schedule.objects.update(
            cursor=None, reached_back_at=None, state={}, paused="", failures=0, started_at=None, lease_until=None
        )
        # Parcels were seen before: a first look goes back two days of the business clock, which is jumpy here.
        world.schedule(Service.SHIP_CONFIRM)
        Schedule.objects.filter(service=Service.SHIP_CONFIRM).update(cursor=datetime.now(UTC) - timedelta(minutes=1))
        Machine.offset = timedelta(0)
        self.before = self.neighbours()
        self.held = set()  # a person keeps them from being sent
        self.must_alert = {}  # changed at the shop, and the warehouse has the old version under this key
        self.typed = {}  # what a person wrote into an order
        self.refunds = set()  # asked for by a person, by their keys
        self.taken_back = set()  # unpaid again, as a download has seen, and nobody has released them
        self.place(["plain", "plain", "plain"])

    # ── the shop ──

    @rule(kinds=st.lists(st.sampled_from(["plain", "plain", "bad_zip", "no_street"]), min_size=1, max_size=3))
    def place(self, kinds: list[str]) -> None:
        for kind in kinds:
            key = self.world.shop.place(len(self.shop_orders) + 1, datetime.now(UTC))
            if kind != "plain":
                field, value = {"bad_zip": ("zip", "00000"), "no_street": ("address_1", "")}[kind]
                self.change(key, ship_to={**self.shop_orders[key]["ship_to"], field: value})

    @rule(number=NUMBERS, what=st.sampled_from(["note", "more", "correct"]))
    def edit(self, number: int, what: str) -> None:
        order = self.shop_orders[self.key(number)]
        if order["status"] != "paid":
            return
        if what == "note":
            self.change(order["id"], note=f"{order['note']}!")
        elif what == "more":
            first, *rest = order["lines"]
            self.change(order["id"], lines=[{**first, "quantity": first["quantity"] + 1}, *rest])
        else:
            self.change(order["id"], ship_to=order["bill_to"])

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        order = self.shop_orders[self.key(number)]
        if order["status"] == "paid":
            self.change(order["id"], status="canceled")

    @rule(number=NUMBERS)
    def reopen(self, number: int) -> None:
        order = self.shop_orders[self.key(number)]
        if order["status"] == "canceled":
            self.change(order["id"], status="paid")

    @rule(number=NUMBERS)
    def take_back(self, number: int) -> None:
        """A payment is taken back; or it comes after all."""
        order = self.shop_orders[self.key(number)]
        other = {"paid": "unpaid", "unpaid": "paid"}.get(order["status"])
        if other:
            self.taken_back.discard(order["id"])
            self.change(order["id"], status=other)

    # ── our services: whole, in trouble, dying, or with something happening meanwhile ──

    @rule(trouble=TROUBLE)
    def download(self, trouble: Any) -> None:
        self.try_to(Service.DOWNLOAD, trouble)

    @rule(trouble=TROUBLE)
    def deliver(self, trouble: Any) -> None:
        self.try_to(Service.DELIVER, trouble)

    @rule(number=NUMBERS, what=st.sampled_from(["edit", "cancel", "reopen", "take_back"]), trouble=TROUBLE)
    def change_and_download(self, number: int, what: str, trouble: Any) -> None:
        self.edit(number, "more") if what == "edit" else getattr(self, what)(number)
        self.try_to(Service.DOWNLOAD, trouble)

    @rule(kind=st.sampled_from(["plain", "plain", "bad_zip"]), trouble=TROUBLE)
    def buy_and_deliver(self, kind: str, trouble: Any) -> None:
        self.place([kind, "plain"])
        self.complete(Service.DOWNLOAD)
        self.try_to(Service.DELIVER, trouble)

    @rule(fault=st.sampled_from([*LOST, *OTHER]))
    def take_back_what_is_under_way(self, fault: Fault) -> None:
        """An order is sent without an answer, and its payment is taken back before anybody looks."""
        self.place(["plain"])
        self.complete(Service.DOWNLOAD)
        self.try_to(Service.DELIVER, ("fault", fault, False))
        self.take_back(len(self.shop_orders) - 1)
        self.complete(Service.DOWNLOAD)

    @rule(trouble=TROUBLE)
    def deliver_once_more(self, trouble: Any) -> None:
        self.leases_expire()
        self.time_passes(61)
        self.try_to(Service.DELIVER, trouble)

    @rule(trouble=TROUBLE)
    def confirm(self, trouble: Any) -> None:
        self.try_to(Service.SHIP_CONFIRM, trouble)

    @rule(trouble=TROUBLE)
    def upload(self, trouble: Any) -> None:
        self.leases_expire()
        self.try_to(Service.UPLOAD_SHIPMENTS, trouble)

    @rule(number=NUMBERS, share=SHARES, trouble=TROUBLE)
    def ship_confirm_and_upload(self, number: int, share: str, trouble: Any) -> None:
        self.ship(number, share, None)
        self.complete(Service.SHIP_CONFIRM)
        self.try_to(Service.UPLOAD_SHIPMENTS, trouble)

    def try_to(self, service: Service, trouble: Any) -> None:
        """One run, with what goes wrong in it."""
        kind, *how = trouble
        if kind == "fault":
            self.fault(service, *how)
            self.complete(service)
        elif kind == "point":
            with dying(point=POINTS.get(service, ("", ""))[how[0]]):
                self.complete(service)
        elif kind == "statement":
            with dying(statement=how[0]):
                self.complete(service)
        elif kind == "meanwhile":
            statement, *what = how
            with at_statement(statement, lambda: self.meanwhile(service, *what), outside=True):
                self.complete(service)
        else:
            self.complete(service)

    def fault(self, service: Service, fault: Fault, first: bool) -> None:
        """The next call that this service makes (the one before it, where it looks first) fails."""
        shop, warehouse = self.world.shop.faults, self.world.warehouse.faults
        if service is Service.DOWNLOAD:
            shop.script("GET /api/orders", fault, seconds=LATE)
        elif service is Service.DELIVER:
            warehouse.script("GET /v1/orders" if first else "POST /v1/orders*", fault, seconds=LATE)
        elif service is Service.SHIP_CONFIRM:
            warehouse.script("GET /v1/shipments", fault, seconds=LATE)
        else:
            shop.script("* /api/orders/*/shipments" if first else "POST /api/orders/*", fault, seconds=LATE)

    def meanwhile(self, service: Service, what: str, number: int) -> None:
        """Another worker, or a person, does something between two statements of a run."""
        if what in ("edit", "cancel", "reopen", "take_back"):
            self.edit(number, "more") if what == "edit" else getattr(self, what)(number)
            if service is not Service.DOWNLOAD:
                self.complete(Service.DOWNLOAD)
        elif what == "hold":
            self.hold(number)
        elif what == "confirm" and service is not Service.SHIP_CONFIRM:
            self.ship(number, "1", True)
            self.complete(Service.SHIP_CONFIRM)
        elif what == "deliver" and service is not Service.DELIVER:
            self.complete(Service.DELIVER)

    # ── time ──

    @rule()
    def leases_expire(self) -> None:
        """Nobody lives that held them, and what was under way has settled."""
        self.server.settle()
        with connection.cursor() as cursor:
            for table in ("orders_order", "orders_shipment", "orders_effect", "merchants_schedule"):
                cursor.execute(
                    f"UPDATE {table} SET lease_until = now() - interval '1 s' WHERE lease_until IS NOT NULL"  # noqa: S608
                )

    @rule(minutes=st.sampled_from([1, 61, 1500]))
    def time_passes(self, minutes: int) -> None:
        Machine.offset += timedelta(minutes=minutes)

    # ── the warehouse ──

    @rule(number=NUMBERS, share=SHARES, close=st.sampled_from([None, None, True]))
    def ship(self, number: int, share: str, close: bool | None) -> None:
        for row in self.at_warehouse(self.key(number)):
            if row["status"] == "open":
                self.warehouse.pack(row["key"], share=share, close=close)

    @rule(number=NUMBERS)
    def void(self, number: int) -> None:
        """A parcel does not leave after all; its pieces are packed again later."""
        for row in self.at_warehouse(self.key(number)):
            for parcel in self.parcels(row["key"]):
                if not parcel["voided"]:
                    packed = {line: Decimal(n) for line, n in row["packed"].items()}
                    for line in parcel["lines"]:
                        packed[line["line_id"]] -= Decimal(line["quantity"])
                    left = {line: str(n) for line, n in packed.items() if n}
                    self.warehouse.orders.change(row["key"], packed=left, status="open")
                    self.warehouse.void(CUSTOMER, parcel["key"])
                    return

    @rule(number=NUMBERS)
    def correct_tracking(self, number: int) -> None:
        for row in self.at_warehouse(self.key(number)):
            for parcel in self.parcels(row["key"])[:1]:
                self.warehouse._shipments(CUSTOMER).change(
                    parcel["key"],
                    tracking_number=parcel["tracking_number"] + "X",
                    modified_at=self.warehouse.now(),
                )

    # ── a person ──

    @rule(number=NUMBERS)
    def hold(self, number: int) -> None:
        if self.act(actions.cancel_sending, number):
            self.held.add(self.key(number))

    @rule(number=NUMBERS)
    def let_go(self, number: int) -> None:
        if self.act(actions.undo_cancel, number):
            self.held.discard(self.key(number))
            self.taken_back.discard(self.key(number))

    @rule(number=NUMBERS)
    def resend(self, number: int) -> None:
        self.act(actions.resend, number)

    @rule(number=NUMBERS)
    def resend_tracking(self, number: int) -> None:
        self.act(actions.resend_tracking, number)

    @rule(number=NUMBERS, text=st.sampled_from(["Love", "Regards"]))
    def write(self, number: int, text: str) -> None:
        """Edits an order in the form: the gift message, which the shop never touches."""
        order = self.latest(number)
        if order is None:
            return
        data = OrderDetail.objects.get(order=order).data
        if data.get("lines"):
            base = editing.values_of(data)
            wanted = editing.Values({**base.fields, "gift_message": text}, base.lines)
            if self.try_it(lambda: editing.save(order, base, wanted, PERSON)):
                self.typed[order.pk] = text

    @rule(number=NUMBERS, again=st.booleans(), trouble=TROUBLE)
    def cancel_at_the_warehouse(self, number: int, again: bool, trouble: Any) -> None:
        """A person has the warehouse asked to cancel an order, perhaps to send it as it is now."""
        order = self.latest(number)
        if order is None:
            return
        able = abilities.of(order, self.world.wms)
        if self.try_it(lambda: cancelling.ask(order, able, PERSON, again=again)):
            self.try_to(Service.DELIVER, trouble)

    @rule(number=NUMBERS, part=st.booleans(), trouble=TROUBLE)
    def pay_back(self, number: int, part: bool, trouble: Any) -> None:
        """A person refunds an order in its cart: the whole, which cancels it, or one unit, which holds it."""
        order = self.latest(number)
        if order is None:
            return
        if (order.status, order.held_by) == (Status.HELD, "person") and any(
            row["status"] != "canceled" for row in self.at_warehouse(order.cart_key)
        ):
            return  # the person has looked, as the page says
        key = f"m-{len(self.refunds) + 1}"

        def ask() -> None:
            left = refunding.left_of(order, OrderDetail.objects.get(order=order).data)
            line = next((line for line in left.lines if line.quantity >= 1), None)
            if part and line is None:
                return
            one = {line.line_id: Decimal(1)} if line is not None else {}
            refund = refunds.part(left, one, Decimal(0), key, "") if part else refunds.whole(left, key, "")
            refunding.ask(order, refund, PERSON)
            self.refunds.add(key)
            order.refresh_from_db()
            if (order.status, order.held_by) == (Status.HELD, "person"):
                self.held.add(order.cart_key)

        if self.try_it(ask):
            self.try_to(Service.UPLOAD_SHIPMENTS, trouble)

    @rule()
    def answer_for_the_shop(self) -> None:
        """A person looks at the shop and says truly whether a refund is there."""
        for effect in Effect.objects.filter(kind="refund", state=Effect.State.PARKED).select_related("order"):
            self.server.settle()
            made = any(one["reference"] == effect.key for one in self.world.shop.effects("refund"))
            decide = refunding.was_made if made else refunding.was_not_made
            decide(effect.order, effect.key, PERSON)

    @rule()
    def answer(self) -> None:
        """A person looks at the warehouse and says truly whether an order is there."""
        for order in Order.objects.filter(status=Status.ERROR, error_code="outcome_unknown"):
            assert Alert.objects.filter(key=order.cause, resolved_at=None).exists()
            self.server.settle()
            known = self.warehouse.refs.get((CUSTOMER, order.wms_ref))
            if known:
                actions.it_arrived(order, known[0], PERSON)
            else:
                actions.it_did_not(order, PERSON)

    # ── what always holds, and the end ──

    @invariant()
    def always(self) -> None:
        if hasattr(self, "held"):
            self.check()

    def teardown(self) -> None:
        """Everything works again, time passes, the warehouse ships: every order ends right by itself."""
        if not hasattr(self, "held"):
            return
        self.world.shop.faults.clear()
        self.world.warehouse.faults.clear()
        for order in list(self.shop_orders.values()):
            if order["status"] == "unpaid":
                self.take_back(list(self.shop_orders).index(order["id"]))
            if order["status"] != "canceled" and order["ship_to"] != order["bill_to"]:
                self.change(order["id"], ship_to=order["bill_to"])
        for order in Order.objects.filter(status=Status.HELD, held_by="reopened"):
            actions.undo_cancel(order, PERSON)
        for _ in range(6):
            Machine.offset += DAY
            self.leases_expire()
            self.answer()
            self.answer_for_the_shop()
            self.complete(Service.DOWNLOAD)
            for order in Order.objects.filter(status=Status.HELD, held_by="reopened"):
                actions.undo_cancel(order, PERSON)
            self.complete(Service.DELIVER)
            self.complete(Service.SHIP_CONFIRM)
            self.complete(Service.UPLOAD_SHIPMENTS)
            for number in range(len(self.shop_orders)):
                self.ship(number, "1", None)
        self.check()
        for key, order in self.shop_orders.items():
            self.check_end(key, order)
        assert not Effect.objects.filter(state=Effect.State.WAITING, order__status=Status.AT_WMS).exists()
        self.check_refunds()

    # ── words of the rules ──

    def key(self, number: int) -> str:
        return list(self.shop_orders)[number % len(self.shop_orders)]

    def change(self, key: str, **fields: Any) -> None:
        time.sleep(0.002)  # the shop's times are to the millisecond; each change has its own
        self.world.shop.change(key, **fields)

    def complete(self, service: Service) -> None:
        """One run. A download that came through has seen every order of the shop."""
        begun, unwanted = time.time(), {*self.taken_back}
        stood = {key: order["status"] for key, order in self.shop_orders.items()}  # when the shop was asked
        run = self.world.run(service)
        sent = {
            seen.request.json["order_number"]
            for seen in [*self.warehouse.journal]
            if seen.began >= begun and (seen.request.method, seen.request.path) == ("POST", "/v1/orders")
        }
        assert not sent & {f"OAK-{key}" for key in unwanted & self.taken_back}, "what the shop had taken back was sent"
        if service is not Service.DOWNLOAD or self.world.schedule(service).problem or run is None:
            return
        known = set(Order.objects.values_list("cart_key", flat=True))
        for key, order in self.shop_orders.items():
            if order["status"] == stood.get(key) == "paid":
                assert key in known, "an order was not loaded"
            if order["status"] == stood.get(key) == "unpaid":
                self.taken_back.add(key)
            there = [row for row in self.at_warehouse(key) if row["status"] != "canceled"]
            if order["status"] == "paid" and there and content(order) != content(there[0]):
                self.must_alert[key] = there[0]["key"]

    def act(self, action: Any, number: int) -> bool:
        """A person tries something with the latest revision of an order."""
        order = self.latest(number)
        return order is not None and self.try_it(lambda: action(order, PERSON))

    def latest(self, number: int) -> Order | None:
        found: Order | None = Order.objects.filter(cart_key=self.key(number)).order_by("-revision").first()
        return found

    def try_it(self, what: Callable[[], Any]) -> bool:
        try:
            what()
        except (actions.NotNow, refunds.NotPossible, editing.Overtaken):
            return False
        return True


class _NoLimit:
    """A budget of calls that never ends; a 429 does not slow the next step down."""

    def take(self, *args: Any) -> float:
        return 0.0

    def pause(self, *args: Any) -> None:
        pass


@pytest.fixture
def machine(transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Machine]]:
    """The world that all examples share, with a neighbour whose orders have the same keys."""
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    connections.guard.cache_clear()
    limit = _NoLimit()
    monkeypatch.setattr(connections, "limiter", lambda: limit)
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + Machine.offset)
    shop, warehouse = fake("sandbox_shop", "oak"), fake("sandbox_wms", "wms")
    Machine.server = Server({"/shop": shop, "/wms": warehouse})
    Machine.server.start()
    url = Machine.server.url
    try:
        theirs = build(shop, f"{url}/shop", warehouse, f"{url}/wms")
        with tenancy.activate(theirs.account.pk):
            for number in range(1, 5):
                shop.place(number, datetime.now(UTC))
            theirs.run(Service.DOWNLOAD)
            assert len(theirs.orders()) == 4
        Machine.neighbour = theirs.account.pk
        for system in (SandboxWmsBlind, SandboxWms, SandboxWmsKey, SandboxShop):
            monkeypatch.setattr(system, "timeout", 0.4)
            monkeypatch.setattr(system, "overlap", timedelta(0))  # the cursor alone has to do
            if system is not SandboxWmsKey:
                monkeypatch.setattr(system, "settle", timedelta(seconds=SETTLE))
        mortal(monkeypatch)
        Machine.world = build(shop, f"{url}/shop", warehouse, f"{url}/wms")
        database = connection.settings_dict["NAME"]
        with services.admin(os.environ, database) as Machine.owner, tenancy.activate(Machine.world.account.pk):
            yield Machine
    finally:
        Machine.server.stop()
        connections.guard.cache_clear()


def _try(machine: type[Machine], system: str, examples: int) -> None:
    """IM_MACHINE_EXAMPLES looks for longer, at examples that differ from run to run."""
    longer = os.environ.get("IM_MACHINE_EXAMPLES", "")
    machine.system = machine.world.wms.system = system
    machine.world.wms.save()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(longer or examples),
            stateful_step_count=30,
            deadline=None,
            derandomize=not longer,
            database=None,
            print_blob=False,
            report_multiple_bugs=False,
            # A found failure is told at once; IM_MACHINE_SHRINK makes it small first, which takes minutes.
            phases=list(Phase) if os.environ.get("IM_MACHINE_SHRINK") else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_with_look_ups(machine: type[Machine]) -> None:
    _try(machine, "sandbox_wms", 20)


def test_with_an_idempotency_key(machine: type[Machine]) -> None:
    _try(machine, "sandbox_wms_key", 8)


def test_with_no_way_to_find_out(machine: type[Machine]) -> None:
    _try(machine, "sandbox_wms_blind", 8)
