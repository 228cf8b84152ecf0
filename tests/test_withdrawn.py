"""Orders that the shop takes back before they are sent: unpaid again, closed by somebody else, unreadable.

Whatever holds them or is under way with them meanwhile, they are sent only once the shop wants them, or a person.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.canonical import Found, Refund
from merchants.models import Service
from orders import actions, editing, many, out_of_stock, refunding, refunds, states, storing
from orders.models import Event, Order, OrderDetail, OutFile, Status
from orders.services import file_batches
from orders.views.edit import _what_follows
from tests.test_changes import while_sending
from tests.test_holds import put as put_rule
from tests.test_ship_methods import put as put_method
from tests.world import START, World, alerts, asked, at, change, leases_expire, place, run
from wms.systems.sandbox_wms import SandboxWms, SandboxWmsKey

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
DANA = "dana@mail.example"
WITHDRAWN = pytest.mark.parametrize("state", ["unpaid", "shipped", "nonsense"])
VIP = ("Said so", "tag", "full", ["VIP"])


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def key(world: World) -> str:
    """One order of the shop, downloaded."""
    key = place(world, 1, ("MUG-BLUE", 2), tags=["VIP"])
    run(world, DOWNLOAD)
    return key


def says(world: World, key: str, **fields: Any) -> None:
    """The shop changes the order, and we look."""
    change(world, key, **fields)
    run(world, DOWNLOAD)


def sends(world: World) -> int:
    return asked(world.warehouse, "POST", "/v1/orders")


def stands(world: World) -> tuple[str, str]:
    order = world.only()
    return order.status, order.held_by


def unanswered(world: World, fault: str, times: int = 1) -> None:
    """So many sends without an answer; and time passes until the last has settled."""
    world.warehouse.faults.script("POST /v1/orders", fault, times=times)
    for _ in range(times):
        run(world, DELIVER)
        leases_expire()


HELD_BY_SHOP = (Status.HELD, "source")
GONE = (Status.AT_WMS, "")


# ── while a rule holds it ──


@WITHDRAWN
def test_what_waits_for_stock_is_not_sent_by_night_once_the_shop_has_taken_it_back(
    world: World, key: str, state: str
) -> None:
    refuse = world.warehouse.refuse(422, "out_of_stock", "Not enough of MUG-BLUE.")
    with at(0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(world.warehouse._exact, ("POST", "/v1/orders"), lambda _: refuse)
            run(world, DELIVER)
        again = world.only().retry_at
        assert stands(world) == (Status.HELD, out_of_stock.HELD_BY) and again is not None
        says(world, key, status=state)
        assert stands(world) == HELD_BY_SHOP
        run(world, DELIVER)
        assert alerts() == [], "it waits for no stock any more"
    night = (again - START).total_seconds()
    with at(seconds=night):
        assert out_of_stock.release_due(again) == 0
        before = sends(world)
        run(world, DELIVER)
        assert sends(world) == before
        says(world, key, status="paid")
        run(world, DELIVER)
    assert (stands(world), sends(world)) == (GONE, before + 1)


def waits_for_stock(world: World) -> Order:
    """The WMS lacks what is in the order."""
    refuse = world.warehouse.refuse(422, "out_of_stock", "Not enough of MUG-BLUE.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(world.warehouse._exact, ("POST", "/v1/orders"), lambda _: refuse)
        run(world, DELIVER)
    assert (stands(world), alerts()) == ((Status.HELD, out_of_stock.HELD_BY), ["out_of_stock"])
    return world.only()


def in_part(order: Order) -> Refund:
    """One of what it has is paid back."""
    left = refunding.left_of(order, OrderDetail.objects.get(order=order).data)
    return refunds.part(left, {left.lines[0].line_id: Decimal(1)}, Decimal(0), "k1", "")


def test_what_waits_for_stock_waits_for_a_person_once_a_part_of_it_is_refunded(world: World, key: str) -> None:
    with at(0):
        order = waits_for_stock(world)
        refunding.ask(order, in_part(order), DANA)
        assert (stands(world), alerts()) == ((Status.HELD, "person"), []), "it waits for no stock any more"
        told = Event.objects.filter(order_id=order.pk, kind="held").order_by("-id")[0]
        assert (told.actor, "a part of it is refunded" in told.message) == (DANA, True)


def test_refunded_in_the_very_moment_of_the_night_it_is_not_sent(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at(0):
        again = waits_for_stock(world).retry_at
    assert again is not None
    real = tenancy.activate

    def just_before(account: int) -> Any:
        monkeypatch.undo()
        refunding.ask(world.only(), in_part(world.only()), DANA)
        return real(account)

    monkeypatch.setattr(out_of_stock.tenancy, "activate", just_before)
    with at(seconds=(again - START).total_seconds()):
        assert out_of_stock.release_due(again) == 0
    assert stands(world) == (Status.HELD, "person")


def test_what_waits_for_stock_is_not_sent_by_night_once_a_person_keeps_it_here(world: World, key: str) -> None:
    with at(0):
        again = waits_for_stock(world).retry_at
        actions.cancel_sending(world.only(), DANA)
        assert (stands(world), alerts()) == ((Status.HELD, "person"), [])
        assert actions.why_not(world.only(), "cancel_sending") == (
            "It is Cancel Sending, so there is no sending to cancel."
        )
    assert again is not None
    with at(seconds=(again - START).total_seconds()):
        assert out_of_stock.release_due(again) == 0
        actions.undo_cancel(world.only(), DANA)
        run(world, DELIVER)
    assert stands(world) == GONE
    assert [event.actor for event in Event.objects.filter(to=Status.HELD).order_by("id")] == ["", DANA]


def test_what_its_shop_holds_is_not_taken_over_by_a_person_who_could_let_it_go(world: World, key: str) -> None:
    says(world, key, status="unpaid")
    assert stands(world) == HELD_BY_SHOP
    with pytest.raises(actions.NotNow):
        actions.cancel_sending(world.only(), DANA)
    assert (many.cancel_sending(world.orders(), DANA, clock.now()), stands(world)) == ([], HELD_BY_SHOP)


def test_what_a_rule_holds_stays_here_without_the_rule_once_a_person_keeps_it(world: World, key: str) -> None:
    put_rule(world, VIP)
    run(world, DELIVER)
    place(world, 2)
    run(world, DOWNLOAD)
    assert [order.status for order in world.orders()] == [Status.HELD, Status.READY]
    kept = many.cancel_sending(world.orders(), DANA, clock.now())
    assert sorted(kept) == [order.pk for order in world.orders()], "both, whatever keeps them"
    assert put_rule(world, ("Said so", "tag", "full", ["NOBODY"])).released == 0
    assert {(order.status, order.held_by) for order in world.orders()} == {(Status.HELD, "person")}


@pytest.mark.parametrize("who", ["shop", "person"])
def test_what_waits_for_stock_is_tried_at_once_when_it_is_edited(world: World, key: str, who: str) -> None:
    with at(0):
        order = waits_for_stock(world)
        if who == "shop":
            says(world, key, ship_to={**world.shop.table("orders").rows[key]["ship_to"], "city": "Salem"})
        else:
            assert _what_follows(order).startswith("It is sent within a minute or two")
            base = editing.values_of(OrderDetail.objects.get().data)
            editing.save(order, base, editing.Values({**base.fields, "ship_city": "Salem"}, base.lines), DANA)
        assert (stands(world), alerts()) == ((Status.READY, ""), [])
        before = sends(world)
        run(world, DELIVER)
        assert (stands(world), sends(world)) == (GONE, before + 1)


@pytest.mark.parametrize("what", ["a hold", "a problem"])
def test_what_waits_for_stock_waits_for_something_else_once_an_edit_brings_that(
    world: World, key: str, what: str
) -> None:
    with at(0):
        again = waits_for_stock(world).retry_at
        if what == "a hold":
            put_rule(world, VIP)
            says(world, key, note="With care.")
            assert (stands(world), alerts()) == ((Status.HELD, "hold_rule"), [])
        else:
            world.cart.reject_unmapped = True
            world.cart.save()
            says(world, key, shipping_method="BALLOON")
            assert (world.only().status, alerts()) == (Status.ERROR, ["ship_method_unmapped"])
    assert again is not None
    with at(seconds=(again - START).total_seconds()):
        assert out_of_stock.release_due(again) == 0


@WITHDRAWN
def test_what_a_rule_holds_is_not_sent_without_the_rule_once_the_shop_has_taken_it_back(
    world: World, key: str, state: str
) -> None:
    put_rule(world, VIP)
    run(world, DELIVER)
    assert stands(world) == (Status.HELD, "hold_rule")
    says(world, key, status=state)
    assert stands(world) == HELD_BY_SHOP
    told = Event.objects.filter(kind="held", message__contains="shop").count()
    says(world, key, status=state, note="Ring twice.")
    assert Event.objects.filter(kind="held", message__contains="shop").count() == told == 1, "once"
    put_rule(world, ("Said so", "tag", "full", ["NOBODY"]))
    run(world, DELIVER)
    assert (stands(world), sends(world)) == (HELD_BY_SHOP, 0)
    says(world, key, status="paid")
    run(world, DELIVER)
    assert (stands(world), sends(world)) == (GONE, 1)


def test_what_a_person_holds_stays_with_the_person(world: World, key: str) -> None:
    actions.cancel_sending(world.only(), DANA)
    for state, told in (("unpaid", "cannot be shipped"), ("shipped", "has closed the order")):
        says(world, key, status=state)
        assert stands(world) == (Status.HELD, "person")
        assert told in Event.objects.order_by("id").last().message  # type: ignore[union-attr]
    says(world, key, status="paid")
    assert stands(world) == (Status.HELD, "person")


# ── while it is sent ──


@WITHDRAWN
def test_taken_back_while_it_is_sent_it_is_not_tried_again(
    world: World, key: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at(0):
        world.warehouse.faults.script("POST /v1/orders", "error")
        while_sending(world, monkeypatch, lambda: says(world, key, status=state))
        assert stands(world) == HELD_BY_SHOP
    with at(2):
        run(world, DOWNLOAD, DELIVER)
        assert (stands(world), sends(world)) == (HELD_BY_SHOP, 1)
        says(world, key, status="paid")
        run(world, DELIVER)
    assert (stands(world), sends(world)) == (GONE, 2)


@WITHDRAWN
def test_taken_back_in_the_moment_in_which_it_is_taken_for_sending(
    world: World, key: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_of = storing.known_of

    def known(*args: Any) -> Any:
        found = known_of(*args)
        assert states.claim(world.merchant.pk, 1, 60, clock.now())
        return found

    with monkeypatch.context() as patch:
        patch.setattr(storing, "known_of", known)
        says(world, key, status=state)
    leases_expire()
    run(world, DELIVER)
    assert (stands(world), sends(world)) == (HELD_BY_SHOP, 0)


@WITHDRAWN
def test_taken_back_while_it_is_sent_it_is_at_the_wms_if_that_took_it(
    world: World, key: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_sending(world, monkeypatch, lambda: says(world, key, status=state))
    run(world, DOWNLOAD)
    assert (stands(world), world.only().source_changed, alerts()) == (GONE, False, [])
    assert OrderDetail.objects.get().newer is None


@WITHDRAWN
@pytest.mark.parametrize(("fault", "there"), [("drop", False), ("drop_after", True)])
@pytest.mark.parametrize("system", ["sandbox_wms", "sandbox_wms_key"])
def test_taken_back_before_an_unanswered_send_is_looked_up_nothing_is_sent_again(
    world: World, key: str, state: str, fault: str, there: bool, system: str
) -> None:
    world.wms.system = system
    world.wms.save()
    unanswered(world, fault)
    says(world, key, status=state)
    assert world.only().status == Status.SENDING
    run(world, DELIVER)
    assert (stands(world), sends(world)) == (GONE if there else HELD_BY_SHOP, 1)
    if not there:
        refunding_is_possible(world)
        says(world, key, status="paid")
        run(world, DELIVER)
        assert (stands(world), sends(world)) == (GONE, 2)


def refunding_is_possible(world: World) -> None:
    assert refunding.why_not(world.only()) == ""


@WITHDRAWN
def test_a_person_may_send_what_was_taken_back_while_it_was_sent(world: World, key: str, state: str) -> None:
    unanswered(world, "drop")
    says(world, key, status=state)
    run(world, DELIVER)
    actions.undo_cancel(world.only(), DANA)
    run(world, DELIVER)
    assert (stands(world), sends(world)) == (GONE, 2)


@WITHDRAWN
def test_canceled_first_it_is_looked_up_and_canceled_all_the_same(world: World, key: str, state: str) -> None:
    with at(0):
        world.warehouse.faults.script("POST /v1/orders", "error")
        run(world, DELIVER)
        says(world, key, status="canceled")
        says(world, key, status=state)
        run(world, DELIVER)
    assert (world.only().status, sends(world)) == (Status.CANCELED, 1)


@pytest.fixture
def hall(world: World, key: str, tmp_path: Path, settings: Any) -> Path:
    """Where the files lie of a WMS that takes two orders by files."""
    settings.IM_FOLDER_ROOT = str(tmp_path)
    hall = tmp_path / world.account.public_id / "orders"
    hall.mkdir(parents=True)
    world.merchant.wms_values = {"client_dir": "."}
    world.merchant.save()
    world.wms.system, world.wms.credentials, world.wms.options = "csv_wms", {"place": "disk"}, {"quiet": 0}
    world.wms.save()
    place(world, 2)
    run(world, DOWNLOAD)
    return hall


def only_the_second_is_in(hall: Path, world: World) -> bool:
    (file,) = hall.iterdir()
    first, second = (order.cust_po_no in file.read_text() for order in world.orders())
    return second and not first


@WITHDRAWN
def test_a_planned_file_goes_without_what_was_taken_back(
    world: World, key: str, hall: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(file_batches, "carry", lambda *_: None)  # dies before the first byte
        run(world, DELIVER)
    assert OutFile.objects.get().phase == OutFile.Phase.PLANNED
    says(world, key, status=state)
    leases_expire()
    run(world, DELIVER)
    first, second = world.orders()
    assert (first.status, first.held_by, second.status) == (*HELD_BY_SHOP, Status.AT_WMS)
    assert only_the_second_is_in(hall, world)


@pytest.mark.parametrize("holder", ["source", "hold_rule"])
def test_what_was_taken_for_a_file_that_was_never_planned_can_be_held_still(
    world: World, key: str, hall: Path, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(file_batches, "_render_fit", lambda *_: ([], "", b""))  # dies while it is written
        run(world, DELIVER)
    assert {order.status for order in world.orders()} == {Status.SENDING}
    if holder == "source":
        says(world, key, status="unpaid")
    else:
        put_rule(world, VIP)
    leases_expire()
    run(world, DELIVER)
    first, second = world.orders()
    assert (first.status, first.held_by, second.status) == (Status.HELD, holder, Status.AT_WMS)
    assert only_the_second_is_in(hall, world)


# ── wanted again ──


def test_wanted_again_with_a_problem_it_waits_for_the_fix(world: World) -> None:
    world.cart.reject_unmapped = True
    world.cart.save()
    key = place(world, 1, shipping_method="Drone")
    run(world, DOWNLOAD)
    says(world, key, status="unpaid")
    assert (stands(world), alerts()) == (HELD_BY_SHOP, [])
    says(world, key, status="paid")
    assert (world.only().status, alerts()) == (Status.ERROR, ["ship_method_unmapped"])
    assert put_method(world, ("exact", "Drone", "EXPRESS")).released == 1
    run(world, DELIVER)
    assert stands(world) == GONE


def test_wanted_again_with_a_hold_it_waits_for_the_rule(world: World, key: str) -> None:
    says(world, key, status="unpaid")
    put_rule(world, VIP)
    says(world, key, status="paid")
    assert stands(world) == (Status.HELD, "hold_rule")
    assert put_rule(world, ("Said so", "tag", "full", ["NOBODY"])).released == 1
    run(world, DELIVER)
    assert stands(world) == GONE


def test_what_a_rule_holds_waits_for_the_fix_once_an_edit_brings_a_problem(world: World, key: str) -> None:
    world.cart.reject_unmapped = True
    world.cart.save()
    put_method(world, ("exact", "GROUND", "GROUND"))
    put_rule(world, VIP)
    run(world, DELIVER)
    assert stands(world) == (Status.HELD, "hold_rule")
    says(world, key, tags=[], shipping_method="Drone")
    assert (world.only().status, alerts()) == (Status.ERROR, ["ship_method_unmapped"])
    assert put_method(world, ("exact", "Drone", "EXPRESS")).released == 1
    run(world, DELIVER)
    assert stands(world) == GONE


def test_what_was_given_up_waits_for_the_fix_once_an_edit_brings_a_problem(world: World, key: str) -> None:
    world.cart.reject_unmapped = True
    world.cart.save()
    Order.objects.update(status=Status.GAVE_UP, error_code="gave_up", cause="c1")
    Alert.objects.create(
        kind="gave_up", key="c1", merchant=world.merchant, message="x", first_seen=START, last_seen=START
    )
    says(world, key, shipping_method="Drone")
    assert (world.only().status, alerts()) == (Status.ERROR, ["ship_method_unmapped"])
    assert put_method(world, ("exact", "Drone", "EXPRESS")).released == 1
    run(world, DELIVER)
    assert stands(world) == GONE


# ── while a person is asked ──


@WITHDRAWN
@pytest.mark.parametrize("arrived", [True, False])
def test_nobody_knows_and_the_shop_takes_it_back_the_question_stays(
    world: World, key: str, state: str, arrived: bool
) -> None:
    unanswered(world, "drop", 4)
    assert world.only().error_code == "outcome_unknown"
    says(world, key, status=state)
    run(world, DOWNLOAD, DELIVER)
    order = world.only()
    assert (order.status, order.error_code, alerts()) == (Status.ERROR, "outcome_unknown", ["outcome_unknown"])
    assert actions.allowed(order) == ["it_arrived", "it_did_not"]
    assert refunding.why_not(order) == "First say whether the order arrived at the WMS."
    before = sends(world)
    if arrived:
        actions.it_arrived(order, "W1", DANA)
        assert alerts() == ["changed_after_sending"]
        return
    actions.it_did_not(order, DANA)
    run(world, DELIVER)
    assert (stands(world), sends(world)) == (HELD_BY_SHOP, before)
    actions.undo_cancel(world.only(), DANA)
    run(world, DELIVER)
    assert (stands(world), sends(world)) == (GONE, before + 1)


def test_nobody_knows_and_an_edit_brings_a_problem_or_a_hold_the_question_stays(world: World, key: str) -> None:
    unanswered(world, "drop", 4)
    put_rule(world, VIP)
    says(world, key, note="Ring twice.")
    assert (world.only().error_code, alerts()) == ("outcome_unknown", ["outcome_unknown"])
    says(world, key, ship_to={**world.shop.orders.rows[key]["ship_to"], "address_1": ""})
    assert (world.only().error_code, alerts()) == ("outcome_unknown", ["outcome_unknown"])
    actions.it_did_not(world.only(), DANA)
    run(world, DELIVER)
    assert world.only().error_code == "address_incomplete"


def test_nobody_knows_and_an_edit_has_it_looked_up_nothing_is_paid_back_before(world: World, key: str) -> None:
    unanswered(world, "drop", 4)
    says(world, key, note="Ring twice.")
    assert world.only().status == Status.READY, "it is looked up again"
    assert "may be at the WMS" in refunding.why_not(world.only())


def test_a_rules_word_says_nothing_of_what_the_wms_has(world: World, key: str) -> None:
    world.warehouse.faults.script("POST /v1/orders", "error_after")
    run(world, DELIVER)
    says(world, key, ship_to={**world.shop.orders.rows[key]["ship_to"], "address_1": ""})
    assert world.only().error_code == "address_incomplete"
    assert "may be at the WMS" in refunding.why_not(world.only())


def foreign(world: World) -> str:
    """Somebody else's order stands at the warehouse under our reference."""
    order = {
        "key": "X9", "customer": "C1", "reference": world.only().wms_ref, "order_number": "OTHER-9", "status": "open",
        "packed": {}, "lines": [{"line_id": "1", "item": "TEA", "quantity": "7"}],
    }  # fmt: skip
    world.warehouse.table("orders").put("X9", order)
    world.warehouse.refs["C1", world.only().wms_ref] = ["X9"]
    return "X9"


@pytest.mark.parametrize("same", [True, False])
def test_canceled_although_its_reference_is_taken_it_is_looked_up_once_and_a_person_says_whose_that_is(
    world: World, key: str, same: bool
) -> None:
    world.wms.system = "sandbox_wms_key"
    world.wms.save()
    foreign(world)
    run(world, DELIVER)
    assert world.only().error_code == "reference_taken"
    says(world, key, status="canceled")
    looks = asked(world.warehouse, "GET", "/v1/orders")
    for _ in range(3):
        run(world, DOWNLOAD, DELIVER)
    assert asked(world.warehouse, "GET", "/v1/orders") == looks + 1
    assert (world.only().error_code, alerts()) == ("reference_taken", ["reference_taken"])
    if same:
        actions.same_order(world.only(), "X9", DANA)
    else:
        actions.new_reference(world.only(), DANA)
    run(world, DELIVER)
    assert (world.only().status, len(world.warehouse.effects("cancel")), alerts()) == (Status.CANCELED, same, [])


# ── a hold that comes while nobody knows ──


@pytest.mark.parametrize("system", ["sandbox_wms", "sandbox_wms_key"])
@pytest.mark.parametrize(("fault", "there"), [("drop", False), ("drop_after", True)])
def test_a_hold_rule_that_comes_before_the_look_up_holds_what_is_not_there(
    world: World, key: str, fault: str, there: bool, system: str
) -> None:
    world.wms.system = system
    world.wms.save()
    unanswered(world, fault)
    put_rule(world, VIP)
    run(world, DELIVER)
    assert (stands(world), sends(world)) == (GONE if there else (Status.HELD, "hold_rule"), 1)
    if not there:
        refunding_is_possible(world)
        assert put_rule(world, ("Said so", "tag", "full", ["NOBODY"])).released == 1
        run(world, DELIVER)
        assert (stands(world), sends(world)) == (GONE, 2)


@pytest.mark.parametrize("rule", ["hold", "problem"])
def test_a_rule_that_goes_during_the_look_up_holds_nothing(
    world: World, key: str, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unanswered(world, "drop")
    if rule == "hold":
        put_rule(world, VIP)
    else:
        world.cart.reject_unmapped = True
        world.cart.save()

    def find(self: Any, ref: str) -> Found | None:
        if rule == "hold":
            put_rule(world, ("Said so", "tag", "full", ["NOBODY"]))
        else:
            put_method(world, ("exact", "GROUND", "EXPRESS"))
        return None

    with monkeypatch.context() as patch:
        patch.setattr(SandboxWms, "find", find)
        run(world, DELIVER)
        run(world, DELIVER)
    assert (stands(world), alerts()) == (GONE, [])


def test_without_a_look_up_a_hold_changes_nothing_of_what_was_begun(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.wms.system = "sandbox_wms_key"
    world.wms.save()
    monkeypatch.setattr(SandboxWmsKey, "overrides", classmethod(lambda cls, name: name != "find"))
    unanswered(world, "drop")
    put_rule(world, VIP)
    run(world, DELIVER)
    assert (stands(world), sends(world)) == (GONE, 2), "only the same call again can tell"


def test_what_was_refused_after_an_unanswered_send_is_held_like_any_other(world: World, key: str) -> None:
    unanswered(world, "drop")
    refuse = world.warehouse.refuse(422, "no_dock", "No dock takes it.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(world.warehouse._exact, ("POST", "/v1/orders"), lambda _: refuse)
        run(world, DELIVER)
    assert (world.only().status, world.only().unknown_rounds) == (Status.ERROR, 0)
    put_rule(world, VIP)
    actions.resend(world.only(), DANA)
    run(world, DELIVER)
    assert stands(world) == (Status.HELD, "hold_rule")
