"""Whatever stops is told: by a worker that dies at any moment, and by two who act at once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.errors import Permanent
from merchants.models import Service
from orders import causes, many, releasing, storing
from orders.models import Effect, Order, Status
from orders.out_of_stock import HELD_BY, release_due
from orders.services import outcomes
from tests.dying import Killed, dying, mortal
from tests.test_cancellations import failing
from tests.test_changes import cancel
from tests.test_outcomes import taken
from tests.world import START, World, alerts, answers, change, leases_expire, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
NO_DOCK = Permanent("No dock takes it.", code="no_dock")


def killed(*_: Any) -> None:
    raise Killed


def arrives(world: World, number: int) -> str:
    """An order of now is loaded: what was loaded before may be as new. Gives its key."""
    key = place(world, number)
    change(world, key, shipping_method="GROUND")
    run(world, DOWNLOAD)
    return key


def reference_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    world.wms.system = "sandbox_wms_key"
    world.wms.save()

    def before() -> None:
        (order,) = new(world)
        taken(world, order.wms_ref, f"ELSES-{order.pk}")

    return before


def outcome_unknown(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    world.wms.system = "sandbox_wms_blind"
    world.wms.save()
    return lambda: world.warehouse.faults.script("POST /v1/orders", "drop_after")


def refused(code: str) -> Any:
    def raises(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        answers(world.warehouse, "POST", "/v1/orders", lambda *_: world.warehouse.refuse(422, code, "Not now."))
        return lambda: None

    return raises


def gave_up(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.setattr(outcomes, "TRIES", 1)
    answers(world.warehouse, "POST", "/v1/orders", lambda *_: world.warehouse.refuse(503, "repair", "In repair."))
    return lambda: None


def changed_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A send has arrived and was not answered; then the order was changed."""

    def before() -> None:
        world.warehouse.faults.script("POST /v1/orders", "drop_after")
        run(world, DELIVER)
        (order,) = new(world)
        change(world, order.cart_key, shipping_method="EXPRESS")
        run(world, DOWNLOAD)
        leases_expire()

    return before


def new(world: World) -> list[Order]:
    return [order for order in world.orders() if order.status in (Status.READY, Status.SENDING)]


STOPS = {
    "reference_taken": reference_taken,
    "outcome_unknown": outcome_unknown,
    "out_of_stock": refused("out_of_stock"),
    "no_dock": refused("no_dock"),
    "gave_up": gave_up,
    "changed_after_sending": changed_meanwhile,
}


@pytest.mark.parametrize("kind", STOPS)
def test_killed_anywhere_no_order_stands_still_without_its_alert(
    calm: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    world = calm
    prepare = STOPS[kind](world, monkeypatch)
    mortal(monkeypatch)

    def begin(number: int) -> Order:
        Alert.objects.all().delete()
        Order.objects.update(status=Status.CANCELED, cause="", held_by="")
        arrives(world, number)
        prepare()
        return world.orders()[-1]

    number, survived = 0, False
    while not survived:
        order = begin(number)
        with dying(statement=number):
            run(world, DELIVER)
            survived = True
        order.refresh_from_db()
        if kind == "changed_after_sending":
            stopped = order.status == Status.AT_WMS
        else:
            stopped = order.status in (Status.ERROR, Status.GAVE_UP, Status.HELD)
        assert (kind in alerts()) is stopped, (number, order.status)
        if kind == "out_of_stock" and stopped:
            assert (order.status, order.held_by) == (Status.HELD, HELD_BY), "sent again at night"
        number += 1
    assert stopped


@pytest.mark.parametrize("answer", ["refused", "shipped"])
def test_killed_anywhere_a_cancellation_that_is_refused_is_told(
    calm: World, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    world = calm
    kind = {"refused": "cancel_refused", "shipped": "shipped_although_canceled"}[answer]
    mortal(monkeypatch)

    def begin(number: int) -> None:
        Alert.objects.all().delete()
        Effect.objects.all().delete()
        Order.objects.update(status=Status.CANCELED)
        key = arrives(world, number)
        run(world, DELIVER)
        cancel(world, key)
        if answer == "shipped":
            Order.objects.filter(status=Status.AT_WMS).update(status=Status.SHIPPED)
        else:
            failing(monkeypatch, Permanent("It is packed."))

    number, survived = 0, False
    while not survived:
        begin(number)
        with dying(statement=number):
            run(world, DELIVER)
            survived = True
        decided = Effect.objects.get().state == Effect.State.REFUSED
        assert alerts() == ([kind] if decided else []), number
        number += 1
    assert decided


def test_killed_once_it_waits_for_stock_its_alert_ends_all_the_same_when_it_has_gone_out(
    calm: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = calm
    usual = world.warehouse._exact["POST", "/v1/orders"]
    refused("out_of_stock")(world, monkeypatch)
    place(world)
    run(world, DOWNLOAD)
    with monkeypatch.context() as patch, dying():
        patch.setattr(outcomes.Outcomes, "close", killed)
        run(world, DELIVER)
    order = world.only()
    assert (order.status, alerts()) == (Status.HELD, ["out_of_stock"])
    world.warehouse._exact["POST", "/v1/orders"] = usual
    assert order.retry_at is not None
    with clock.frozen(order.retry_at):
        assert release_due(order.retry_at) == 1
        run(world, DELIVER)
    assert (world.only().status, alerts()) == (Status.AT_WMS, [])


def two_at_once(world: World, first: Callable[[], None], second: Callable[[], None]) -> None:
    """The second begins within the first one's transaction, and waits for what that has locked."""
    acted = threading.Event()

    def act() -> None:
        try:
            with tenancy.activate(world.account.pk), transaction.atomic():
                second()
        finally:
            acted.set()
            connection.close()

    thread = threading.Thread(target=act)
    with transaction.atomic():
        first()
        thread.start()
        acted.wait(0.5)
    thread.join(20)
    assert acted.is_set()


def stops(order: Order) -> None:
    cause = causes.of_error(order.merchant_id, NO_DOCK)
    assert causes.to_error([order.pk], Status(order.status), NO_DOCK, cause, START)


def resends(order: Order) -> None:
    assert many.resend([order], "dana@mail.example", START)


def two_orders(world: World) -> list[Order]:
    for number in (1, 2):
        place(world, number)
    run(world, DOWNLOAD)
    return world.orders()


def test_who_frees_the_last_order_of_a_cause_does_not_end_it_for_one_that_stops_at_once(world: World) -> None:
    one, other = two_orders(world)
    stops(one)
    one.refresh_from_db()
    two_at_once(world, lambda: stops(other), lambda: resends(one))
    assert [order.status for order in world.orders()] == [Status.READY, Status.ERROR]
    assert alerts() == ["no_dock"]


def test_of_two_who_free_the_last_orders_of_a_cause_at_once_one_ends_it(world: World) -> None:
    for order in two_orders(world):
        stops(order)
    one, other = world.orders()
    two_at_once(world, lambda: resends(one), lambda: resends(other))
    assert [order.status for order in world.orders()] == [Status.READY, Status.READY]
    assert alerts() == []


def test_killed_while_a_person_sends_it_again_its_alert_ends_with_it_or_stays(calm: World) -> None:
    one = two_orders(calm)[0]
    stops(one)
    one.refresh_from_db()
    number = 0
    while one.status == Status.ERROR:
        assert alerts() == ["no_dock"], number
        with dying(statement=number):
            resends(one)
        one.refresh_from_db()
        number += 1
    assert (one.status, alerts()) == (Status.READY, []), number


def download(world: World, key: str) -> None:
    for order in world.orders():
        change(world, order.cart_key, shipping_method="EXPRESS")
    run(world, DOWNLOAD)


def release(world: World, key: str) -> None:
    with transaction.atomic():
        assert releasing.release(world.merchant, [key], "Mapped.", START, actor="") == 2


def review(world: World, key: str) -> None:
    with transaction.atomic():
        assert releasing.review(world.merchant, world.cart, "no_dock", "Mapped.", START, actor="").released == 2


@pytest.mark.parametrize(
    ("go_on", "module", "name"),
    [(download, storing, "update_known"), (release, causes, "free"), (review, releasing, "_place")],
)
def test_who_sends_an_order_again_waits_for_what_is_done_to_many_that_have_its_cause(
    world: World, monkeypatch: pytest.MonkeyPatch, go_on: Any, module: Any, name: str
) -> None:
    """Orders are locked before alerts, or each would wait for the other."""
    monkeypatch.setattr(releasing, "BATCH", 1)
    for order in two_orders(world):
        stops(order)
    _, other = world.orders()
    does, threads, said = getattr(module, name), [], []

    def resend() -> None:
        try:
            with tenancy.activate(world.account.pk):
                said.append(many.resend([other], "dana@mail.example", START))
        finally:
            connection.close()

    def slowly(*args: Any, **kwargs: Any) -> Any:
        done = does(*args, **kwargs)
        if not threads:
            threads.append(threading.Thread(target=resend))
            threads[0].start()
            threads[0].join(0.5)
        return done

    monkeypatch.setattr(module, name, slowly)
    go_on(world, causes.of_error(world.merchant.pk, NO_DOCK).key)
    threads[0].join(20)
    assert ([order.status for order in world.orders()], alerts(), said) == ([Status.READY] * 2, [], [[]])
