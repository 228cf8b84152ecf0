"""Cancel and refund in the cart. What counts is what stands in the shop's books in the end."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from alerts.models import Alert
from carts.models import Cart
from carts.systems.sandbox_shop import SandboxShop
from integration_manager.kit import clock
from integration_manager.kit.canonical import Refund
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.errors import AuthFailed, NeedsHuman, Permanent, RateLimited
from integration_manager.kit.faults import Fault
from merchants.models import Schedule, Service
from orders import actions, refunding, refunds
from orders.models import Effect, Event, Order, OrderDetail, Status
from orders.services import effects_cart
from tests.dying import dying
from tests.test_changes import cancel as cancel_in_shop
from tests.world import START, World, alerts, at, change, pack, place, run
from wms.systems.sandbox_wms import SandboxWmsBlind

DOWNLOAD, DELIVER, UPLOAD, CONFIRM = (
    Service.DOWNLOAD,
    Service.DELIVER,
    Service.UPLOAD_SHIPMENTS,
    Service.SHIP_CONFIRM,
)
PERSON = "p@example.com"


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def key(world: World) -> str:
    """One order of the shop, downloaded: two mugs and three pots, 10.00 + 15.00 + 4.95 for shipping."""
    paid = {"subtotal": "25.00", "shipping": "4.95", "total": "29.95", "discount": "0.00", "tax": "0.00"}
    key = place(world, 1, ("MUG-BLUE", 2), ("POT-GLASS", 3), **paid)
    run(world, DOWNLOAD)
    return key


def left(order: Order) -> refunds.Left:
    return refunding.left_of(order, OrderDetail.objects.get(order=order).data)


def everything(order: Order, key: str = "k1", note: str = "") -> Refund:
    return refunds.whole(left(order), key, note)


def some(order: Order, units: dict[str, int], shipping: str = "0", key: str = "k1") -> Refund:
    wanted = {f"{order.cart_key}-{line}": Decimal(n) for line, n in units.items()}
    return refunds.part(left(order), wanted, Decimal(shipping), key, "")


def paid_back(world: World) -> list[str]:
    """The amounts in the shop's books."""
    return [row["amount"] for row in world.shop.effects("refund")]


def expire() -> None:
    """The lease of one that died ends, long after what it had begun has settled."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_effect SET lease_until = now() - interval '1 s' WHERE lease_until IS NOT NULL")


def answering(monkeypatch: pytest.MonkeyPatch, method: str, *errors: Exception) -> list[Exception]:
    """The shop answers with these, one after the other, then as usual. Gives those left."""
    waiting, usual = list(errors), getattr(SandboxShop, method)

    def instead(self: SandboxShop, *args: Any) -> Any:
        if waiting:
            raise waiting.pop(0)
        return usual(self, *args)

    instead.dedupe = usual.dedupe  # type: ignore[attr-defined]
    monkeypatch.setattr(SandboxShop, method, instead)
    return waiting


# ── asked for, and done ──


@pytest.mark.parametrize("service", [UPLOAD, DOWNLOAD])
def test_the_whole_order(world: World, key: str, service: Service) -> None:
    """Whichever of the cart's services runs first carries it out."""
    order = world.only()
    assert refunding.ask(order, everything(order, note="Out of stock"), PERSON)
    assert world.only().status == Status.CANCELED
    run(world, service)
    assert paid_back(world) == ["29.95"]
    assert [row["key"] for row in world.shop.effects("cancel")] == [key]
    (refund,) = world.shop.effects("refund")
    assert [(line["line_id"], line["quantity"], line["amount"]) for line in refund["lines"]] == [
        (f"{key}-1", "2", "10.00"),
        (f"{key}-2", "3", "15.00"),
    ]
    assert (refund["shipping"], refund["note"], refund["currency"]) == ("4.95", "Out of stock", "USD")
    assert set(Effect.objects.values_list("state", flat=True)) == {"done"}
    said = Event.objects.get(kind="refunded").message
    assert said == "29.95 USD refunded (2 × MUG-BLUE, 3 × POT-GLASS, shipping 4.95 USD) in Shop."
    run(world, DOWNLOAD)  # the shop now shows it as canceled, which changes nothing
    run(world, DELIVER)
    assert (world.only().status, world.warehouse.effects("order"), alerts()) == (Status.CANCELED, [], [])
    assert paid_back(world) == ["29.95"]


def test_a_part_leaves_the_order_held_and_not_canceled(world: World, key: str) -> None:
    order = world.only()
    refunding.ask(order, some(order, {"2": 1}, shipping="1.50"), PERSON)
    run(world, UPLOAD)
    run(world, DELIVER)
    order = world.only()
    assert (order.status, order.held_by) == (Status.HELD, "person")
    assert (paid_back(world), world.shop.effects("cancel")) == (["6.50"], [])
    rest = left(order)
    assert (rest.total, rest.shipping) == (Decimal("23.45"), Decimal("3.45"))
    assert [(line.quantity, line.amount) for line in rest.lines] == [(2, Decimal("10.00")), (2, Decimal("10.00"))]
    actions.undo_cancel(order, PERSON)
    run(world, DELIVER)
    assert world.only().status == Status.AT_WMS


def test_two_posts_of_one_form_are_one_refund(world: World, key: str) -> None:
    order = world.only()
    refund = some(order, {"1": 1})
    assert refunding.ask(order, refund, PERSON) is True
    assert refunding.ask(order, refund, PERSON) is False
    run(world, UPLOAD)
    assert refunding.ask(order, refund, PERSON) is False
    run(world, UPLOAD)
    assert paid_back(world) == ["5.00"]


def test_never_more_than_is_left(world: World, key: str) -> None:
    order = world.only()
    stale = everything(order, key="k2")
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    with pytest.raises(actions.NotNow, match="meanwhile"):
        refunding.ask(order, stale, PERSON)
    with pytest.raises(refunds.NotPossible, match="Between 0 and 1"):
        some(order, {"1": 2}, key="k3")
    with pytest.raises(refunds.NotPossible, match=r"4\.95 USD is left"):
        some(order, {}, shipping="4.96", key="k3")
    with pytest.raises(refunds.NotPossible, match="2 decimals"):
        some(order, {}, shipping="1.005", key="k3")
    with pytest.raises(refunds.NotPossible, match="Choose"):
        some(order, {}, key="k3")
    refunding.ask(order, everything(order, key="k4"), PERSON)
    run(world, UPLOAD)
    assert paid_back(world) == ["5.00", "24.95"]
    with pytest.raises(refunds.NotPossible, match="already"):
        everything(order, key="k5")


def test_neither_at_the_wms_nor_after_it(world: World, key: str) -> None:
    run(world, DELIVER)
    order = world.only()
    with pytest.raises(actions.NotNow, match="Cancel it there first"):
        refunding.ask(order, everything(order), PERSON)
    pack(world)
    run(world, CONFIRM)
    with pytest.raises(actions.NotNow, match="It has shipped"):
        refunding.ask(order, everything(order), PERSON)
    run(world, UPLOAD)
    assert paid_back(world) == []


def test_canceled_at_the_wms_first_then_refunded(world: World, key: str) -> None:
    run(world, DELIVER)
    refunding.cancel_there(world.only(), PERSON)
    run(world, DELIVER)
    order = world.only()
    assert order.status == Status.CANCELED
    refunding.ask(order, everything(order), PERSON)
    run(world, UPLOAD)
    assert (paid_back(world), len(world.shop.effects("cancel"))) == (["29.95"], 1)


def test_an_order_that_is_being_sent_is_left_alone(world: World, key: str) -> None:
    refund = everything(world.only())
    Order.objects.update(status=Status.SENDING, starts=1)
    with pytest.raises(actions.NotNow, match="right now"):
        refunding.ask(world.only(), refund, PERSON)
    Order.objects.update(status=Status.READY, failures=1)
    with pytest.raises(actions.NotNow, match="may be at the WMS"):
        refunding.ask(world.only(), refund, PERSON)
    Order.objects.update(status=Status.ERROR, error_code="outcome_unknown")
    with pytest.raises(actions.NotNow, match="First say"):
        refunding.ask(world.only(), refund, PERSON)
    assert not Effect.objects.exists()


# ── what the cart is told of by itself ──


@pytest.mark.parametrize("told", [True, False])
def test_order_cancel_upload(world: World, key: str, told: bool) -> None:
    """Canceled here by a person, who asked the WMS first."""
    Cart.objects.update(cancel_upload=told)
    run(world, DELIVER)
    refunding.cancel_there(world.only(), PERSON)
    run(world, DELIVER)
    run(world, UPLOAD)
    assert world.only().status == Status.CANCELED
    assert len(world.shop.effects("cancel")) == told


def test_what_the_shop_canceled_it_is_not_told(world: World, key: str) -> None:
    Cart.objects.update(cancel_upload=True)
    run(world, DELIVER)
    cancel_in_shop(world, key)
    run(world, DELIVER)
    assert (world.only().status, Effect.objects.filter(kind="cancel_in_cart").count()) == (Status.CANCELED, 0)


@pytest.mark.parametrize("told", [True, False])
def test_order_cancel_pickup(world: World, key: str, told: bool) -> None:
    """The WMS canceled it by itself: a person hears of it, and the cart where that is wanted."""
    Cart.objects.update(cancel_upload=told)
    run(world, DELIVER)
    warehouse: Any = world.warehouse
    warehouse.call_off(world.only().wms_key)
    run(world, CONFIRM)
    run(world, CONFIRM)  # the same again
    order = world.only()
    assert (order.status, alerts()) == (Status.CANCELED, ["canceled_by_wms"])
    assert "Damaged in the hall." in Alert.objects.get().message
    assert Event.objects.filter(order_id=order.pk, kind="canceled").count() == 1
    run(world, UPLOAD)
    assert len(world.shop.effects("cancel")) == told


def test_a_rest_that_the_wms_cancels_is_short(world: World, key: str) -> None:
    run(world, DELIVER)
    pack(world, share="0.5", close=False)
    warehouse: Any = world.warehouse
    warehouse.call_off(world.only().wms_key)
    run(world, CONFIRM)
    order = world.only()
    assert (order.status, order.short, alerts()) == (Status.SHIPPED, True, ["canceled_by_wms"])
    run(world, UPLOAD)
    assert world.only().status == Status.CONFIRMED


# ── when it does not go well ──


def test_the_cart_does_not_cancel_so_nothing_is_paid(world: World, key: str) -> None:
    order = world.only()
    change(world, key, status="shipped")
    refunding.ask(order, everything(order), PERSON)
    run(world, UPLOAD)
    assert (paid_back(world), alerts()) == ([], ["cart_cancel_refused", "refund_refused"])
    assert left(world.only()).total == Decimal("29.95")


@pytest.mark.parametrize("error", [Permanent("Not this one."), NeedsHuman("The card is gone.", fix="Send a cheque.")])
def test_a_refused_refund_can_be_asked_for_again(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    order = world.only()
    answering(monkeypatch, "refund", error)
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    run(world, UPLOAD)
    assert (paid_back(world), alerts()) == ([], ["refund_refused"])
    refunding.ask(world.only(), some(order, {"1": 1}, key="k2"), PERSON)
    run(world, UPLOAD)
    assert paid_back(world) == ["5.00"]


@pytest.mark.parametrize("error", [AuthFailed("No."), RateLimited(retry_at=START + timedelta(minutes=7))])
def test_what_never_arrived_is_done_later(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    order = world.only()
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    answering(monkeypatch, "refund", error)
    with at(0):
        run(world, UPLOAD)
        effect = Effect.objects.get()
        assert (effect.state, effect.starts, paid_back(world)) == ("waiting", 0, [])
    with at(minutes=8):
        run(world, UPLOAD)
    assert (paid_back(world), Effect.objects.get().state) == (["5.00"], "done")


def test_a_shop_that_is_away_gets_it_once_it_is_back(world: World, key: str) -> None:
    order = world.only()
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    values = dict(world.cart.credentials)
    world.cart.credentials = {**values, "url": "http://127.0.0.1:9/shop"}
    world.cart.save()
    run(world, UPLOAD)
    assert Effect.objects.get().starts == 0
    world.cart.credentials = values
    world.cart.save()
    run(world, UPLOAD)
    assert paid_back(world) == ["5.00"]


def test_a_failing_cancellation_is_tried_again(world: World, key: str) -> None:
    order = world.only()
    refunding.ask(order, None, PERSON)
    world.shop.faults.script("POST */cancel", Fault.ERROR, times=9)
    with at(0):
        run(world, UPLOAD)
        assert alerts() == ["cart_cancel_failing"]
    world.shop.faults.clear()
    with at(minutes=5):
        run(world, UPLOAD)
    assert (len(world.shop.effects("cancel")), alerts()) == (1, [])


# ── nobody knows whether it was done ──

LOST = [Fault.DROP_AFTER, Fault.ERROR_AFTER, Fault.GARBAGE, Fault.TRUNCATED, Fault.ERROR, Fault.BAD_GATEWAY]


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("looks", [True, False])
def test_a_lost_answer_is_one_refund_or_a_question(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch, fault: Fault, looks: bool
) -> None:
    """Done and shown by the shop: done. Not shown, or the shop cannot be asked: a person says."""
    if not looks:
        monkeypatch.setattr(SandboxShop, "find_refund", CartConnector.find_refund)
    order = world.only()
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    world.shop.faults.script("POST */refunds", fault, times=1)
    for minutes in (0, 1, 2, 60):
        with at(minutes=minutes):
            run(world, UPLOAD)
    was_done = len(paid_back(world))
    assert was_done == (fault not in (Fault.ERROR, Fault.BAD_GATEWAY))
    decided = Effect.objects.get().state
    assert decided == ("done" if looks and was_done else "parked")
    _by_a_person(world, decided, was_done)


def _by_a_person(world: World, state: str, was_done: int) -> None:
    """A person looks into the shop where it is not decided; in the end there is exactly one refund."""
    order = world.only()
    if state == "parked":
        assert alerts() == ["refund_unknown"]
        (refunding.was_made if was_done else refunding.was_not_made)(order, "k1", PERSON)
        with pytest.raises(actions.NotNow, match="decided already"):
            refunding.was_made(order, "k1", PERSON)
        with at(minutes=90):
            run(world, UPLOAD)
    assert (paid_back(world), Effect.objects.get().state, alerts()) == (["5.00"], "done", [])


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("point", ["before_refund", "after_refund"])
def test_killed_beside_the_call(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch, point: str, looks: bool
) -> None:
    if not looks:
        monkeypatch.setattr(SandboxShop, "find_refund", CartConnector.find_refund)
    order = world.only()
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    with dying(point=point):
        run(world, UPLOAD)
    was_done = len(paid_back(world))
    assert was_done == (point == "after_refund"), "it died at the point"
    run(world, UPLOAD)
    assert Effect.objects.get().starts == 1, "what may still be under way is not touched"
    expire()
    run(world, UPLOAD)
    state = Effect.objects.get().state
    assert state == ("done" if looks and was_done else "parked")
    _by_a_person(world, state, was_done)


def test_a_naive_engine_would_pay_twice(world: World, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above would prove nothing."""
    call: Callable[..., str] = effects_cart._Refund.call
    from dataclasses import replace

    monkeypatch.setattr(effects_cart._Refund, "call", lambda self, one: call(self, replace(one, starts=1)))
    order = world.only()
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    with dying(point="after_refund"):
        run(world, UPLOAD)
    expire()
    run(world, UPLOAD)
    assert paid_back(world) == ["5.00", "5.00"]


def test_a_cart_that_cannot_be_looked_at_is_asked_again(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = world.only()
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    world.shop.faults.script("POST */refunds", Fault.DROP_AFTER, times=1)
    with at(0):
        run(world, UPLOAD)
    world.shop.faults.script("GET */refunds", Fault.ERROR, times=99)
    with at(minutes=1):
        run(world, UPLOAD)
        assert (Effect.objects.get().state, alerts()) == ("waiting", ["refund_failing"])
    world.shop.faults.clear()
    with at(minutes=3):
        run(world, UPLOAD)
    assert (paid_back(world), Effect.objects.get().state, alerts()) == (["5.00"], "done", [])


def test_killed_after_a_cancellation(world: World, key: str) -> None:
    refunding.ask(world.only(), None, PERSON)
    with dying(point="after_cart_cancel"):
        run(world, UPLOAD)
    expire()
    run(world, UPLOAD)
    assert (len(world.shop.effects("cancel")), Effect.objects.get().state) == (1, "done")


# ── who carries it out ──


def test_both_services_are_woken_also_by_the_clock_alone_but_none_that_is_off(world: World, key: str) -> None:
    later = clock.now() + timedelta(hours=5)
    for service in (DOWNLOAD, UPLOAD):
        world.schedule(service)
        Schedule.objects.filter(service=service).update(next_run=later, started_at=None)
    Schedule.objects.filter(service=UPLOAD).update(every=0, next_run=None)
    refunding.ask(world.only(), None, PERSON)
    assert world.schedule(DOWNLOAD).next_run < later
    assert world.schedule(UPLOAD).next_run is None


def test_a_wms_without_cancellations_is_never_asked(world: World, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from integration_manager.kit.connector import WmsConnector

    monkeypatch.setattr(SandboxWmsBlind, "canceled", WmsConnector.canceled)
    run(world, DELIVER)
    run(world, CONFIRM)
    assert world.warehouse.calls["GET 200"] and alerts() == []
