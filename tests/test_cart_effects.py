"""Cancel and refund in the cart. What counts is what stands in the shop's books in the end."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from msgspec import structs

from accounts.models import Membership, User
from alerts.models import Alert
from carts.models import Cart
from carts.systems.sandbox_shop import SandboxShop
from integration_manager.kit import canonical, clock
from integration_manager.kit.canonical import Refund, from_json
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.errors import AuthFailed, NeedsHuman, Permanent, RateLimited
from integration_manager.kit.faults import Fault
from merchants.models import Schedule, Service
from orders import abilities, actions, cancelling, refunding, refunds
from orders.models import Effect, Event, Order, OrderDetail, Status
from orders.services import effects_cart, effects_wms
from tests.dying import Killed, dying
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

    instead.__dict__.update(vars(usual))  # how it dedupes, where it writes
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


@pytest.mark.parametrize("asked", [True, False])
def test_after_a_restore_a_refund_is_looked_for_and_not_paid_again(
    world: World, key: str, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asked`: whether the shop can say that it was made since the backup."""
    if not asked:
        monkeypatch.setattr(SandboxShop, "find_refund", CartConnector.find_refund)
    refunding.ask(world.only(), some(world.only(), {"1": 1}), PERSON)
    run(world, UPLOAD)
    Effect.objects.update(state=Effect.State.WAITING, starts=0, remote_id="", done_at=None)
    call_command("im", "after-restore")
    run(world, UPLOAD)
    assert len(paid_back(world)) == 1
    assert Effect.objects.get().state == (Effect.State.DONE if asked else Effect.State.PARKED)
    assert alerts() == ([] if asked else ["refund_unknown"])


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
    cancelling.ask(world.only(), abilities.of(world.only(), world.wms), PERSON)
    run(world, DELIVER)
    order = world.only()
    assert order.status == Status.CANCELED
    refunding.ask(order, everything(order), PERSON)
    run(world, UPLOAD)
    assert (paid_back(world), len(world.shop.effects("cancel"))) == (["29.95"], 1)


def test_a_try_that_may_have_arrived_is_not_forgotten_by_a_resend(world: World, key: str) -> None:
    world.warehouse.faults.script("POST /v1/orders", "error_after")
    refund = everything(world.only())
    with at(0):
        run(world, DELIVER)
        assert world.only().failures == 1
        actions.resend(world.only(), PERSON)
        assert world.only().failures == 0
        with pytest.raises(actions.NotNow, match="may be at the WMS"):
            refunding.ask(world.only(), refund, PERSON)
        actions.cancel_sending(world.only(), PERSON)  # and has looked there, as it was told
        assert refunding.ask(world.only(), refund, PERSON)


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
    cancelling.ask(world.only(), abilities.of(world.only(), world.wms), PERSON)
    run(world, DELIVER)
    run(world, UPLOAD)
    assert world.only().status == Status.CANCELED
    assert len(world.shop.effects("cancel")) == told


def test_killed_before_the_cart_is_told(world: World, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warehouse has agreed, and dead is who should have said so."""
    Cart.objects.update(cancel_upload=True)
    run(world, DELIVER)
    cancelling.ask(world.only(), abilities.of(world.only(), world.wms), PERSON)

    def killed(*args: Any, **fields: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(effects_wms, "tell_of_cancellation", killed)
        run(world, DELIVER)
    expire()
    run(world, DELIVER)
    run(world, UPLOAD)
    assert (world.only().status, len(world.shop.effects("cancel"))) == (Status.CANCELED, 1)


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


@pytest.mark.parametrize("again", [False, True])
def test_where_a_part_has_shipped_the_wms_cancels_the_rest_and_not_the_order(
    world: World, key: str, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cart is not told that all of it is canceled, and nothing of it is sent a second time."""
    Cart.objects.update(cancel_upload=True)
    run(world, DELIVER)
    cancelling.ask(world.only(), abilities.of(world.only(), world.wms), PERSON, again=again)
    pack(world, share="0.5", close=False)
    run(world, CONFIRM)
    monkeypatch.setattr(SandboxWmsBlind, "cancel", lambda *_: True)
    run(world, DELIVER)
    order = world.only()
    assert (order.status, order.short, alerts()) == (Status.SHIPPED, True, ["canceled_after_shipping"])
    run(world, UPLOAD)
    assert (world.only().status, world.shop.effects("cancel")) == (Status.CONFIRMED, [])
    assert Effect.objects.get().state == Effect.State.DONE


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
    refunding.ask(world.only(), some(order, {"2": 1}, key="k2"), PERSON)
    run(world, UPLOAD)
    assert (paid_back(world), alerts()) == (["5.00"], ["refund_refused"]), "another item's money is back"
    one = some(order, {"1": 1}, key="k3")
    (line,) = one.lines
    less = structs.replace(one, amount=Decimal("3.00"), lines=(structs.replace(line, amount=Decimal("3.00")),))
    refunding.ask(world.only(), less, PERSON)
    run(world, UPLOAD)
    assert (paid_back(world), alerts()) == (["5.00", "3.00"], ["refund_refused"]), "of its money a part alone is"
    refunding.ask(world.only(), some(order, {"1": 1}, key="k4"), PERSON)
    run(world, UPLOAD)
    assert (len(paid_back(world)), alerts()) == (3, [])


def test_a_refused_cancellation_can_be_asked_for_again(world: World, key: str) -> None:
    change(world, key, status="shipped")
    assert refunding.ask(world.only(), None, PERSON)
    run(world, UPLOAD)
    assert alerts() == ["cart_cancel_refused"]
    change(world, key, status="paid")
    assert refunding.ask(world.only(), None, PERSON)
    assert not refunding.ask(world.only(), None, PERSON), "it waits already"
    run(world, UPLOAD)
    assert (len(world.shop.effects("cancel")), Effect.objects.get().state, alerts()) == (1, "done", [])
    assert not refunding.ask(world.only(), None, PERSON)


def test_what_the_cart_did_not_cancel_is_over_once_it_is_canceled_with_a_refund(world: World, key: str) -> None:
    change(world, key, status="shipped")
    assert refunding.ask(world.only(), None, PERSON)
    run(world, UPLOAD)
    assert alerts() == ["cart_cancel_refused"]
    change(world, key, status="paid")
    refunding.ask(world.only(), everything(world.only()), PERSON)  # an effect of its own
    run(world, UPLOAD)
    assert (len(world.shop.effects("cancel")), len(paid_back(world)), alerts()) == (1, 1, [])


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


def test_what_cannot_be_looked_at_for_30_days_is_a_persons_to_look_at_and_no_refusal(world: World, key: str) -> None:
    order = world.only()
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    world.shop.faults.script("GET */refunds", Fault.ERROR, times=99)
    world.shop.faults.script("POST */refunds", Fault.DROP, times=2)
    for week in range(6):  # from the second on it is looked at
        assert week < 2 or (Effect.objects.get().state, alerts()) == ("waiting", ["refund_failing"])
        with at(week * 7 * 24):
            run(world, UPLOAD)
    assert (Effect.objects.get().state, alerts()) == ("waiting", ["refund_failing"])
    with at(6 * 7 * 24):
        run(world, UPLOAD)
        assert (Effect.objects.get().state, alerts()) == ("parked", ["refund_unknown"])
        refunding.was_not_made(order, "k1", PERSON)
        run(world, UPLOAD)
    with at(6 * 7 * 24 + 1):
        run(world, UPLOAD)
        assert Effect.objects.get().state == "waiting", "asked for anew, its time begins anew"


def test_our_own_mistake_in_looking_is_a_question_and_no_refusal(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been paid: called refused, it would be paid a second time."""
    order = world.only()
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    world.shop.faults.script("POST */refunds", Fault.DROP_AFTER, times=1)
    answering(monkeypatch, "find_refund", *[ValueError("ours")] * 9)
    for hours in range(8):
        with at(minutes=61 * hours):
            run(world, UPLOAD)
    assert (paid_back(world), left(order).total) == (["5.00"], Decimal("24.95"))
    _by_a_person(world, Effect.objects.get().state, was_done=1)


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


# ── the pages ──


@pytest.fixture
def owner(world: World) -> Client:
    user = User.objects.create_user("owner@oak.example", "correct horse battery", name="Owner")
    Membership.objects.create(user=user, role="primary")
    browser = Client()
    browser.force_login(user)
    return browser


def address(world: World, path: str = "refund/") -> str:
    return f"/a/{world.account.public_id}/orders/{world.only().public_id}/{path}"


def confirmation(page: str) -> str:
    return re.findall(r'name="confirm" value="([^"]+)"', page)[0]


def test_the_sum_is_shown_before_it_happens_and_happens_once(world: World, key: str, owner: Client) -> None:
    assert "29.95 USD left to refund" in owner.get(address(world)).content.decode()
    chosen = {"what": "part", "line-2": "2", "shipping": "amount", "shipping_amount": "1.00", "note": "Broken"}
    shown = owner.post(address(world), chosen).content.decode()
    assert "11.00 USD go back to the customer" in shown and not Effect.objects.exists()
    sealed = confirmation(shown)
    for said in ("Refund 11.00 USD", "asked for in the cart", "once"):
        assert said in shown or said in owner.post(address(world), {"confirm": sealed}, follow=True).content.decode()
    assert Effect.objects.count() == 1
    run(world, UPLOAD)
    owner.post(address(world), {"confirm": sealed})
    run(world, UPLOAD)
    assert paid_back(world) == ["11.00"]
    order_page = owner.get(address(world, "")).content.decode()
    assert "11.00 USD refunded (2 × POT-GLASS, shipping 1.00 USD)" in order_page


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"what": "part"}, "Choose what to refund"),
        ({"what": "part", "line-1": "3"}, "At most 2 left."),
        ({"what": "part", "line-1": "-1"}, "greater than or equal to 0"),
        ({"what": "part", "line-1": "1.5"}, "no more than 0 decimal places"),
        ({"what": "part", "line-1": "NaN"}, "Enter a number."),
        ({"what": "part", "shipping": "amount"}, "Say how much"),
        ({"what": "part", "shipping": "amount", "shipping_amount": "5"}, "At most 4.95 USD"),
        ({"what": "part", "shipping": "amount", "shipping_amount": "1.005"}, "2 decimal places"),
        ({"what": "everything"}, "not one of the available choices"),
        ({}, "required"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_beside_the_field(
    world: World, key: str, owner: Client, chosen: dict[str, str], said: str
) -> None:
    answer = owner.post(address(world), chosen)
    assert (answer.status_code, said in answer.content.decode()) == (422, True)
    assert not Effect.objects.exists()


def test_a_sum_that_was_tampered_with_or_is_another_orders_is_not_taken(world: World, key: str, owner: Client) -> None:
    sealed = confirmation(owner.post(address(world), {"what": "whole"}).content.decode())
    owner.post(address(world), {"confirm": sealed[:-3] + "abc"})
    url = address(world)
    Order.objects.update(public_id="anotherorder")
    owner.post(url.replace(url.split("/")[-3], "anotherorder"), {"confirm": sealed})
    assert not Effect.objects.exists()


def test_at_the_wms_the_page_offers_to_ask_the_wms(world: World, key: str, owner: Client) -> None:
    run(world, DELIVER)
    assert "Cancel at the WMS…" in owner.get(address(world)).content.decode()
    assert "Ask the WMS to cancel it" in owner.get(address(world, "cancel-at-wms/")).content.decode()
    owner.post(address(world, "cancel-at-wms/"))
    run(world, DELIVER)
    assert world.only().status == Status.CANCELED
    assert "29.95 USD left to refund" in owner.get(address(world)).content.decode()


def test_shipped_says_why_not(world: World, key: str, owner: Client) -> None:
    run(world, DELIVER)
    pack(world)
    run(world, CONFIRM)
    assert "It has shipped." in owner.get(address(world)).content.decode()


def test_it_says_what_it_waits_for(world: World, key: str, owner: Client) -> None:
    Schedule.objects.update(every=0, next_run=None)
    assert "are off or paused" in owner.get(address(world)).content.decode()


def test_a_cart_that_can_only_cancel(world: World, key: str, owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SandboxShop, "refund", CartConnector.refund)
    sealed = confirmation(owner.get(address(world)).content.decode())
    for _ in range(2):
        owner.post(address(world), {"confirm": sealed})
    run(world, UPLOAD)
    assert (len(world.shop.effects("cancel")), paid_back(world)) == (1, [])


def test_a_person_decides_on_the_page(world: World, key: str, owner: Client) -> None:
    order = world.only()
    refunding.ask(order, some(order, {"1": 1}), PERSON)
    with dying(point="before_refund"):
        run(world, UPLOAD)
    expire()
    run(world, UPLOAD)
    assert "Was this refund made?" in owner.get(address(world, "")).content.decode()
    owner.post(address(world, "refund/k1/not-made/"))
    owner.post(address(world, "refund/k1/made/"))
    run(world, UPLOAD)
    assert (paid_back(world), Effect.objects.get().state) == (["5.00"], "done")


# ── amounts ──


def test_a_discount_on_the_order_and_its_tax_fall_to_the_lines() -> None:
    lines = [
        {"line_id": "a", "item": "A", "quantity": "3", "price": "10.00"},
        {"line_id": "b", "item": "B", "quantity": "1", "price": "20.00"},
    ]
    data = {"cart_key": "1", "cust_ref": "1", "cust_po_no": "1", "order_date": "2026-01-01", "ship": {}}
    money = {"currency_code": "EUR", "sales_tax": "5.00", "shipping_handling": "4.00", "grand_total": "53.50"}
    order = from_json(canonical.Order, {**data, **money, "source_state": "eligible", "lines": lines})
    rest = refunds.left(order, [])
    # 55.00 with tax, of which 49.50 were paid: nine tenths of everything.
    assert [(line.amount, line.tax) for line in rest.lines] == [
        (Decimal("27.00"), Decimal("2.70")),
        (Decimal("18.00"), Decimal("1.80")),
    ]
    made: list[Refund] = []
    for number in range(3):
        made.append(refunds.part(refunds.left(order, made), {"a": Decimal(1)}, Decimal(0), f"k{number}", ""))
    assert [refund.amount for refund in made] == [Decimal("9.90")] * 3
    last = refunds.whole(refunds.left(order, made), "k9", "")
    assert (last.amount, last.shipping, last.whole) == (Decimal("23.80"), Decimal("4.00"), True)
    assert refunds.left(order, [*made, last]).total == 0


def test_the_tax_on_shipping_goes_back_with_it() -> None:
    line = {"line_id": "a", "item": "A", "quantity": "2", "price": "10.00", "tax": "4.00"}
    data = {"cart_key": "1", "cust_ref": "1", "cust_po_no": "1", "order_date": "2026-01-01", "ship": {}}
    money = {"currency_code": "EUR", "sales_tax": "5.00", "shipping_handling": "5.00", "grand_total": "30.00"}
    order = from_json(canonical.Order, {**data, **money, "source_state": "eligible", "lines": [line]})
    rest = refunds.left(order, [])
    assert (rest.shipping, rest.lines[0].amount, rest.lines[0].tax) == (Decimal(6), Decimal(20), Decimal(4))
    everything = refunds.part(rest, {"a": Decimal(2)}, rest.shipping, "k1", "")
    assert (everything.amount, everything.whole) == (Decimal(30), True)


@pytest.mark.parametrize(
    ("currency", "amounts"), [("JPY", ["333", "334", "333"]), ("KWD", ["333.333", "333.334", "333.333"])]
)
def test_parts_of_a_line_add_up_to_it_in_every_currency(currency: str, amounts: list[str]) -> None:
    data = {"cart_key": "1", "cust_ref": "1", "cust_po_no": "1", "order_date": "2026-01-01", "ship": {}}
    line = {"line_id": "a", "item": "A", "quantity": "3", "price": "333.3333333"}
    paid = {"currency_code": currency, "grand_total": "1000", "lines": [line]}
    order = from_json(canonical.Order, {**data, **paid, "source_state": "eligible"})
    made: list[Refund] = []
    for number in range(3):
        made.append(refunds.part(refunds.left(order, made), {"a": Decimal(1)}, Decimal(0), f"k{number}", ""))
    assert [str(refund.amount) for refund in made] == amounts
    assert made[-1].whole
