"""Addresses from the shop to the warehouse: written as their country does, held, looked up once, corrected."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Account
from alerts.models import Alert
from integration_manager.kit import clock
from integration_manager.kit.faults import Fault
from integration_manager.kit.simulator import Reply
from merchants.models import Schedule, Service
from merchants.rules import address
from merchants.rules.draft import ADDRESS_LOOKUP
from orders import actions, address_changes, addresses, cart_settings, editing, holds
from orders.models import AddressAnswer, EventDetail, LookupCount, Order, OrderDetail, Status
from orders.retention import sweep
from orders.services import look_up
from tests.smarty_fake import FakeSmarty
from tests.world import World, alerts, answers, at, change, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
GOOD = {
    "first_name": "Ada", "last_name": "Okafor", "address_1": "12 Mill Lane", "city": "Salem", "state": "OR",
    "zip": "97301", "country": "US",
}  # fmt: skip


@pytest.fixture
def world(calm: World) -> World:
    """The quick one, whose cart verifies shipping addresses and holds what is wrong."""
    calm.cart.verify_addresses, calm.cart.hold_address_errors = "ship", True
    calm.cart.save()
    return calm


@pytest.fixture
def online(world: World, settings: Any) -> Iterator[FakeSmarty]:
    """The same with look-ups: the operator has set Smarty up, and the account wants them."""
    smarty = FakeSmarty()
    with smarty.serve() as url:
        settings.IM_ADDRESS_VERIFIER = "smarty"
        settings.IM_ADDRESS_VERIFIER_VALUES = {**smarty.values(url), "international": "yes"}
        Account.objects.filter(pk=world.account.pk).update(verification="online")
        yield smarty


def to(world: World, number: int = 1, **fields: str) -> str:
    """An order to this address."""
    return place(world, number, ship_to={**GOOD, **fields})


def sent(world: World) -> list[dict[str, Any]]:
    """The addresses that the warehouse has."""
    warehouse: Any = world.warehouse
    return [row["ship_to"] for row in warehouse.orders]


def counted() -> tuple[int, int]:
    """(US, international) look-ups of this period."""
    return LookupCount.objects.values_list("us", "international").first() or (0, 0)


def test_an_address_is_sent_as_its_country_writes_it_and_the_shops_own_is_kept(world: World) -> None:
    to(world, address_1="12 mill lane apt 4", city="salem", state="oregon", zip="973011234")
    run(world, DOWNLOAD, DELIVER)
    (arrived,) = sent(world)
    assert {name: arrived.get(name) for name in ("address_1", "address_2", "city", "state", "zip")} == {
        "address_1": "12 Mill Lane", "address_2": "Apt 4", "city": "Salem", "state": "OR", "zip": "97301-1234",
    }  # fmt: skip
    order = world.only()
    detail = OrderDetail.objects.get(order=order)
    assert (detail.data["ship"]["state"], detail.data["ship"]["zip"]) == ("oregon", "973011234")
    told = EventDetail.objects.get(order_id=order.pk).changes
    assert told["Shipping state"] == ["oregon", "OR"]
    assert told["Shipping postal code"] == ["973011234", "97301-1234"]


def test_an_address_error_holds_the_order_in_one_group_until_each_is_corrected(world: World) -> None:
    for number in (1, 2):
        to(world, number, zip="02134")
    to(world, 3, zip="97301")
    run(world, DOWNLOAD, DELIVER)
    held = Order.objects.filter(status=Status.ERROR, error_code=address.ERROR).order_by("pk")
    alert = Alert.objects.get(kind=address.ERROR)
    assert (len(held), len(sent(world)), alert.count) == (2, 1, 2)
    assert alert.message == "Shipping address: the postal code lies in another state."

    first, second = held
    line = "12 Mill Lane, Salem, MA, 02134, United States"
    with pytest.raises(actions.NotNow, match="not what is suggested"):
        editing.use_suggested(first, ["12 Mill Lane, Boston"], "dana@example.com")
    editing.use_suggested(first, [line], "dana@example.com")
    first.refresh_from_db()
    assert (first.status, first.edited_fields) == (Status.READY, ["ship"])
    assert alerts() == [address.ERROR], "the other one waits still"
    actions.address_is_right(second, "dana@example.com")
    assert alerts() == []
    run(world, DELIVER)
    assert sorted(where["state"] for where in sent(world)) == ["MA", "OR", "OR"]
    said = EventDetail.objects.filter(order_id=second.pk)
    assert said.exists() is False, "nothing was changed in it"


def test_a_correction_in_the_shop_lets_it_go(world: World) -> None:
    key = to(world, zip="1")
    run(world, DOWNLOAD)
    assert world.only().error_message == "Shipping address: the postal code is none of its country."
    change(world, key, ship_to=GOOD)
    run(world, DOWNLOAD, DELIVER)
    assert (world.only().status, alerts()) == (Status.AT_WMS, [])


def test_without_hold_it_is_sent_as_it_is_and_the_timeline_says_what_is_wrong(world: World) -> None:
    world.cart.hold_address_errors = False
    world.cart.save()
    to(world, zip="1")
    run(world, DOWNLOAD, DELIVER)
    assert sent(world)[0]["zip"] == "1"
    story = OrderDetail.objects.get(order=world.only()).applied
    assert story[-1]["why"] == "“1” is no postal code of US. Example: 12345. It is sent all the same."


@pytest.mark.parametrize("off", ["cart", "countries", "account"])
def test_what_is_not_verified_is_left_alone(world: World, off: str) -> None:
    to(world, zip="1", state="oregon")
    if off == "account":
        address_changes.change_verification(world.account, "off", clock.now(), "dana@example.com")
    elif off == "cart":
        world.cart.verify_addresses = ""
    else:
        world.cart.verify_countries = "other"
    world.cart.save()
    run(world, DOWNLOAD, DELIVER)
    assert sent(world)[0]["state"] == "oregon"
    assert OrderDetail.objects.get(order=world.only()).applied == []


def test_switching_it_off_for_the_account_lets_go_what_it_held(world: World) -> None:
    to(world, zip="1")
    run(world, DOWNLOAD)
    assert world.only().status == Status.ERROR
    assert address_changes.change_verification(world.account, "off", clock.now(), "dana@example.com") == 1
    assert (world.only().status, alerts()) == (Status.READY, [])


def test_switching_it_on_lets_go_what_it_completes(world: World) -> None:
    """Without verification nobody looks for the city in the street's line."""
    world.cart.verify_addresses = ""
    world.cart.save()
    to(world, address_1="12 Mill Lane, Salem OR 97301", city="", state="", zip="")
    run(world, DOWNLOAD)
    assert world.only().error_code == "address_incomplete"
    world.cart.verify_addresses = "ship"
    world.cart.save()
    with transaction.atomic():
        assert cart_settings.follow(world.cart, {"verify_addresses": ""}, clock.now(), "dana@example.com") == 1
    assert (world.only().status, alerts()) == (Status.READY, [])
    run(world, DELIVER)
    assert sent(world)[0]["city"] == "Salem"


# ── look-ups ──


def test_an_address_is_asked_about_once_and_counted_once(world: World, online: FakeSmarty) -> None:
    for number in (1, 2, 3):
        to(world, number, address_1="12 mill lane", address_2="Apt 4" if number < 3 else "apt 4")
    to(world, 4, address_1="3 rue des Écoles", city="Lyon", state="", zip="69001", country="FR")
    run(world, DOWNLOAD)
    assert {o.status for o in world.orders()} == {Status.READY}
    assert [len(online.effects("look_up", kind)) for kind in ("us", "international")] == [1, 1]
    assert counted() == (1, 1)
    run(world, DELIVER)
    american = [(where["zip"], where["address_2"]) for where in sent(world) if where["country"] == "US"]
    assert american == [("97301-4321", "Apt 4")] * 3
    to(world, 5, address_1="12 Mill Lane", address_2="Apt 4")
    run(world, DOWNLOAD, DELIVER)
    assert (len(sent(world)), counted()) == (5, (1, 1)), "an answer that is known is used again"


def test_what_the_provider_does_not_know_is_held_and_an_edit_is_asked_about_anew(
    world: World, online: FakeSmarty
) -> None:
    to(world, address_1="13 Mill Lane")
    run(world, DOWNLOAD)
    order = world.only()
    assert (order.status, order.error_message) == (
        Status.ERROR, "Shipping address: the address could not be confirmed.",
    )  # fmt: skip
    base = editing.values_of(OrderDetail.objects.get(order=order).data)
    wanted = editing.Values({**base.fields, "ship_address_1": "14 Mill Lane"}, base.lines)
    editing.save(order, base, wanted, "dana@example.com")
    order.refresh_from_db()
    assert (order.status, order.held_by, alerts()) == (Status.HELD, ADDRESS_LOOKUP, [])
    run(world, DELIVER)
    assert (world.only().status, counted()) == (Status.AT_WMS, (2, 0))


def test_while_the_provider_is_down_orders_wait_and_nothing_is_counted(world: World, online: FakeSmarty) -> None:
    online.faults.script("*", Fault.ERROR, times=2)
    with at():
        to(world)
        run(world, DOWNLOAD)
        order = world.only()
        assert (order.status, order.held_by, counted()) == (Status.HELD, ADDRESS_LOOKUP, (0, 0))
        assert alerts() == ["lookup_failing"]
        assert world.schedule(DOWNLOAD).next_run == clock.now() + timedelta(minutes=1)
        run(world, DELIVER)
        assert len(online.journal) == 1, "not before it is due"
    with at(minutes=1):
        run(world, DELIVER)
    with at(minutes=3):
        run(world, DELIVER)
        assert (world.only().status, counted(), alerts()) == (Status.AT_WMS, (1, 0), [])
    assert len(sent(world)) == 1


def test_after_an_hour_the_built_in_rules_decide_alone(world: World, online: FakeSmarty) -> None:
    online.faults.script("*", Fault.ERROR, times=50)
    for minutes in (0, 1, 3, 8, 18, 28, 38, 48, 58, 68):
        with at(minutes=minutes):
            if not minutes:
                to(world, state="oregon")
            run(world, DOWNLOAD, DELIVER)
            if minutes < 60:
                assert world.only().held_by == ADDRESS_LOOKUP
    assert (sent(world)[0]["state"], counted()) == ("OR", (0, 0))
    story = OrderDetail.objects.get(order=world.only()).applied
    assert story[-1]["why"] == "Smarty did not answer in time, so the built-in rules decided alone."
    online.faults.clear()
    with at(minutes=130):
        to(world, 2, state="oregon")
        run(world, DOWNLOAD, DELIVER)
    assert (len(sent(world)), counted()) == (2, (1, 0)), "later orders ask again"


def test_one_refused_address_stops_no_other_and_is_decided_by_the_built_in_rules(
    world: World, online: FakeSmarty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_up, "BATCH", 1)
    refused = [Reply({"errors": [{"message": "no"}]}, 400)]
    answers(online, "GET", "/street-address", lambda request, usual: refused.pop() if refused else usual(request))
    for number, house in enumerate((12, 14, 16), 1):
        to(world, number, address_1=f"{house} Mill Lane")
    run(world, DOWNLOAD)
    assert {order.status for order in world.orders()} == {Status.READY}
    assert (counted(), alerts()) == ((2, 0), []), "one was refused, the others were asked about all the same"
    stories = [OrderDetail.objects.get(order=order).applied for order in world.orders()]
    (why,) = [entry["why"] for story in stories for entry in story if "decided alone" in entry["why"]]
    assert why == "Smarty refuses to say anything about it (http_400), so the built-in rules decided alone."


def test_what_is_refused_alone_is_an_answer_all_the_same(world: World, online: FakeSmarty) -> None:
    answers(online, "GET", "/street-address", lambda *_: Reply({"errors": [{"message": "no"}]}, 400))
    to(world, 1)
    run(world, DOWNLOAD)
    assert (world.only().status, alerts()) == (Status.READY, []), "nobody is told that it does not answer"


@pytest.mark.parametrize(
    "said",
    [
        {"candidates": []},
        ["12 Mill Lane"],
        [{"components": [1], "analysis": {"dpv_match_code": "Y"}}],
        [{"components": {"city_name": {"a": 1}}, "analysis": {"dpv_match_code": "Y"}}],
        [{"components": {}, "analysis": {"dpv_match_code": 7}}],
        [{"delivery_line_1": ["12 Mill Lane"], "components": {}, "analysis": {}}],
        [{"delivery_line_1": "x" * 5000, "components": {}, "analysis": {"dpv_match_code": "Y"}}],
        Reply(b"<html>Sorry</html>"),
        Reply(b"[{"),
    ],
    ids=lambda said: str(said)[:60],
)
def test_an_answer_that_is_none_is_about_this_address_alone(
    world: World, online: FakeSmarty, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_up, "BATCH", 1)
    answers(
        online,
        "GET",
        "/street-address",
        lambda request, usual: said if request.query["street"].startswith("12") else usual(request),
    )
    with at():
        to(world, 1)
        to(world, 2, address_1="14 Mill Lane")
        run(world, DOWNLOAD, DELIVER)
        first, second = world.orders()
        assert (first.held_by, second.status, alerts()) == (ADDRESS_LOOKUP, Status.AT_WMS, [])
        assert AddressAnswer.objects.get(answer__isnull=True).failures == 1


def test_whatever_a_provider_says_can_be_kept(world: World, online: FakeSmarty) -> None:
    strange = rb'[{"delivery_line_1": "12 Mill\u0000 Lane \ud83d", "analysis": {"dpv_match_code": "Y"}}]'
    answers(online, "GET", "/street-address", lambda *_: Reply(strange))
    to(world)
    run(world, DOWNLOAD, DELIVER)
    assert (world.only().status, sent(world)[0]["address_1"]) == (Status.AT_WMS, "12 Mill\ufffd Lane ?")


def test_what_there_was_no_time_to_ask_about_is_asked_about_at_once(
    world: World, online: FakeSmarty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_up, "WINDOW", 0.0)
    with at():
        to(world)
        run(world, DOWNLOAD)
        assert (world.only().held_by, len(online.journal)) == (ADDRESS_LOOKUP, 0)
        soon = world.schedule(DOWNLOAD).next_run
        assert soon is not None and soon <= clock.now() + timedelta(seconds=1)


@pytest.mark.parametrize("where", ["held by a rule", "ready"])
def test_what_has_to_be_looked_up_from_now_on_is_looked_up_at_once(
    world: World, online: FakeSmarty, where: str
) -> None:
    rule = {"name": "Careful", "field": "units", "match": "at_least", "values": ["0"]}
    if where == "ready":
        Account.objects.update(verification="rules")
    else:
        world.cart.hold_rules = [rule]
        world.cart.save()
    with at():
        to(world)
        run(world, DOWNLOAD)
        assert (world.only().held_by, len(online.journal)) == ("" if where == "ready" else "hold_rule", 0)
        world.schedule(DELIVER)
        Schedule.objects.filter(service=DELIVER).update(next_run=clock.now() + timedelta(hours=1), automatic=True)
        if where == "ready":
            address_changes.change_verification(world.account, "online", clock.now(), "dana@example.com")
            run(world, DELIVER)
        else:
            holds.change(world.cart, clock.now(), "dana@example.com", remove=[holds.key_of(rule)])
        assert world.only().held_by == ADDRESS_LOOKUP
        soon = world.schedule(DELIVER).next_run
        assert soon is not None and soon < clock.now() + timedelta(minutes=2)
        run(world, DELIVER)
        assert world.only().status == Status.AT_WMS


def test_a_person_does_not_wait_for_a_look_up(world: World, online: FakeSmarty) -> None:
    online.faults.script("*", Fault.ERROR, times=50)
    to(world)
    run(world, DOWNLOAD)
    actions.undo_cancel(world.only(), "dana@example.com")
    run(world, DELIVER)
    assert (len(sent(world)), counted()) == (1, (0, 0))


def test_without_the_provider_nobody_waits_for_it(world: World, online: FakeSmarty, settings: Any) -> None:
    online.faults.script("*", Fault.ERROR, times=50)
    to(world)
    run(world, DOWNLOAD)
    settings.IM_ADDRESS_VERIFIER = ""
    run(world, DELIVER)
    assert world.only().status == Status.AT_WMS


def test_two_runs_never_ask_about_the_same_address(world: World, online: FakeSmarty) -> None:
    from django.db.models.functions import Now

    to(world)
    asking = {"domestic": True, "token": 7, "lease_until": Now() + timedelta(seconds=30)}
    run(world, DOWNLOAD)
    AddressAnswer.objects.update(answer=None, answered_at=None, **asking)
    LookupCount.objects.all().delete()
    to(world, 2)
    run(world, DOWNLOAD)
    second = world.orders()[1]
    assert (second.status, second.held_by) == (Status.HELD, ADDRESS_LOOKUP)
    assert (len(online.effects("look_up", "us")), counted()) == (1, (0, 0)), "somebody else is asking"


def test_the_token_stays_out_of_exchanges_and_answers_are_forgotten(world: World, online: FakeSmarty) -> None:
    from orders.models import Exchange

    online.faults.script("*", Fault.ECHO, times=1)
    to(world)
    run(world, DOWNLOAD)
    kept = Exchange.objects.filter(url__contains="street-address").values_list("url", "request", "response")
    assert kept, "a failure is kept"
    assert not any(online.credential in text for row in kept for text in row)
    assert AddressAnswer.objects.count() == 1
    sweep(clock.now() + timedelta(days=31))
    assert AddressAnswer.objects.count() == 0


def test_the_key_of_an_answer_says_no_address() -> None:
    from integration_manager.kit.canonical import Address
    from merchants.verifiers.smarty import Smarty

    key = addresses.key_of(Smarty, Address(address_1="12 Mill Lane", city="Salem"))
    assert key == addresses.key_of(Smarty, Address(address_1="12 MILL LANE", city="salem"))
    assert (len(key), "mill" in key.lower()) == (64, False)
