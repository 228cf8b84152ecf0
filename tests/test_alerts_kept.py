"""Whatever stops is told: by a worker that dies at any moment, and by two who act at once."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from alerts.models import Alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.errors import Permanent
from merchants.models import Service
from orders import causes, jobs, managed, many, releasing, ruling, storing
from orders.models import Effect, Order, Status
from orders.out_of_stock import HELD_BY, release_due
from orders.services import outcomes
from tests.crossing import crossing
from tests.dying import Killed, dying, mortal
from tests.test_cancellations import failing
from tests.test_changes import cancel
from tests.test_outcomes import taken
from tests.test_tracking import shipped_at_the_warehouse
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


def stops(order: Order, error: Permanent = NO_DOCK) -> None:
    cause = causes.of_error(order.merchant_id, error)
    assert causes.to_error([order.pk], Status(order.status), error, cause, START)


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


def download(world: World, keys: list[str]) -> None:
    for order in world.orders():
        if order.status == Status.ERROR:
            change(world, order.cart_key, shipping_method="EXPRESS")
    run(world, DOWNLOAD)


def release(world: World, keys: list[str]) -> None:
    with transaction.atomic():
        assert releasing.release(world.merchant, keys, "Mapped.", START, actor="") == 2


def review(world: World, keys: list[str]) -> None:
    with transaction.atomic():
        assert releasing.review(world.merchant, world.cart, "no_dock", "Mapped.", START, actor="").released == 2


class Resend:
    """A person sends orders again, in a thread of its own: `moved` once it is done."""

    def __init__(self, world: World, orders: list[Order]) -> None:
        self.world, self.orders = world, orders
        self.moved: list[int] | None = None
        self.thread = threading.Thread(target=self._run)
        self.join = lambda: self.thread.join(20)

    def _run(self) -> None:
        try:
            with tenancy.activate(self.world.account.pk):
                self.moved = many.resend(self.orders, "dana@mail.example", START)
        finally:
            connection.close()


def resent_after(world: World, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, orders: list[Order]) -> Resend:
    """Once this function has been called for the first time, a person sends these again."""
    does, resend = getattr(module, name), Resend(world, orders)

    def slowly(*args: Any, **kwargs: Any) -> Any:
        done = does(*args, **kwargs)
        if resend.thread.ident is None:
            resend.thread.start()
            resend.thread.join(0.5)
        return done

    monkeypatch.setattr(module, name, slowly)
    return resend


MANY = pytest.mark.parametrize(
    ("go_on", "module", "name"),
    [(download, storing, "update_known"), (release, causes, "free"), (review, releasing, "_place")],
)


@MANY
def test_who_sends_an_order_again_waits_for_what_is_done_to_many_that_have_its_cause(
    world: World, monkeypatch: pytest.MonkeyPatch, go_on: Any, module: Any, name: str
) -> None:
    """Orders are locked before alerts, or each would wait for the other."""
    monkeypatch.setattr(releasing, "BATCH", 1)
    for order in two_orders(world):
        stops(order)
    _, other = world.orders()
    said = resent_after(world, monkeypatch, module, name, [other])
    go_on(world, [other.cause])
    said.join()
    assert ([order.status for order in world.orders()], alerts(), said.moved) == ([Status.READY] * 2, [], [])


def of_two_causes(world: World) -> list[Order]:
    """Two orders in error, the first by the cause that is locked later. Gives one more of each."""
    for number in range(1, 5):
        place(world, number)
    run(world, DOWNLOAD)
    both = [Permanent(f"No {what} takes it.", code="no_dock") for what in ("dock", "gate")]
    both.sort(key=lambda error: causes.of_error(world.merchant.pk, error).key)
    first, second, *others = world.orders()
    stops(first, both[1])
    stops(second, both[0])
    for order, error in zip(others, both, strict=True):
        stops(order, error)
    Order.objects.filter(pk__in=[order.pk for order in others]).update(status=Status.GAVE_UP)
    return world.orders()[2:]


@MANY
def test_who_sends_orders_of_two_causes_again_waits_for_what_is_done_to_others_of_both(
    world: World, monkeypatch: pytest.MonkeyPatch, go_on: Any, module: Any, name: str
) -> None:
    """Order by order, the later cause is settled first: its alerts are locked before, in the order of everybody."""
    monkeypatch.setattr(releasing, "BATCH", 1)
    others = of_two_causes(world)
    first, second, *_ = world.orders()
    resend = resent_after(world, monkeypatch, module, name, others)
    go_on(world, [first.cause, second.cause])
    resend.join()
    assert [order.status for order in world.orders()] == [Status.READY] * 4
    assert (resend.moved, alerts()) == ([order.pk for order in others], [])


def called(monkeypatch: pytest.MonkeyPatch, *names: tuple[Any, str]) -> list[str]:
    """What of these is called from now on."""
    told: list[str] = []

    def tells(module: Any, name: str) -> None:
        does = getattr(module, name)

        def says(*args: Any, **kwargs: Any) -> Any:
            told.append(name)
            return does(*args, **kwargs)

        monkeypatch.setattr(module, name, says)

    for module, name in names:
        tells(module, name)
    return told


def test_what_is_loaded_and_stops_is_told_before_its_stock_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds a merchant's stock waits for no alert: who holds that waits for the stock."""
    Cart.objects.update(reject_unmapped=True)
    change(world, place(world), shipping_method="HOVERCRAFT")
    told = called(monkeypatch, (causes, "open_alert"), (managed, "settle"))
    run(world, DOWNLOAD)
    assert (world.only().status, told) == (Status.ERROR, ["open_alert", "settle"])


def test_what_was_not_there_and_stops_is_told_before_its_stock_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(world, place(world), shipping_method="HOVERCRAFT")
    run(world, DOWNLOAD)
    world.warehouse.faults.script("POST /v1/orders", "drop")
    run(world, DELIVER)
    ruling.change([world.cart.pk])
    Cart.objects.update(reject_unmapped=True)
    leases_expire()
    told = called(monkeypatch, (causes, "open_alert"), (outcomes, "keep"))
    run(world, DELIVER)
    assert (world.only().status, told[-2:]) == (Status.ERROR, ["open_alert", "keep"])


def test_who_sends_orders_of_two_causes_again_waits_for_what_the_wms_has_shipped_of_both(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = of_two_causes(world)
    for number, order in enumerate(world.orders()[:2], 1):
        shipped_at_the_warehouse(world, order, number)
    resend = resent_after(world, monkeypatch, causes, "settle", others)
    run(world, Service.SHIP_CONFIRM)
    resend.join()
    assert [order.status for order in world.orders()] == [Status.SHIPPED] * 2 + [Status.READY] * 2
    assert (resend.moved, alerts()) == ([order.pk for order in others], [])


def test_a_run_that_would_wait_for_ever_gives_way_and_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL undoes one of two that wait for each other. That is nobody's failure, and nobody is told."""
    run(world, DOWNLOAD)

    def service(_: Any) -> None:
        with transaction.atomic():
            meet()

    with crossing() as meet, monkeypatch.context() as patched:
        patched.setitem(jobs.SERVICES, DOWNLOAD, service)
        run(world, DOWNLOAD)
    schedule = world.schedule(DOWNLOAD)
    assert (schedule.failures, alerts()) == (0, [])
    assert "goes on in a moment" in schedule.problem and schedule.next_run <= clock.now() + timedelta(seconds=10)
    run(world, DOWNLOAD)
    assert world.schedule(DOWNLOAD).problem == ""
