"""What an answer of the WMS means: a person has to act, never again, done already, nobody knows."""

import time
from datetime import timedelta
from typing import Any

import pytest

from alerts.models import Alert
from merchants.models import Service
from orders import actions, causes, many
from orders.models import Event, Order, Status
from orders.services import outcomes
from tests.world import START, World, alerts, answers, asked, at, change, leases_expire, place, run
from wms.systems.sandbox_wms import FIXES, SandboxWmsBlind

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
DANA = "dana@mail.example"


@pytest.fixture
def world(calm: World) -> World:
    return calm


def sends(world: World) -> int:
    return asked(world.warehouse, "POST", "/v1/orders")


def trouble(world: World, fault: str, match: str = "POST /v1/orders", **how: Any) -> None:
    world.warehouse.faults.script(match, fault, **how)


def arrived(world: World) -> list[str]:
    """The references under which orders were made at the warehouse: one each, or it was sent twice."""
    return [effect["key"] for effect in world.warehouse.effects("order")]


# ── somebody has to act ──


def test_what_needs_a_person_is_not_retried_until_the_source_corrects_it(world: World) -> None:
    keys = [place(world, number, shipping_method="DRONE") for number in (1, 2)]
    run(world, DOWNLOAD)
    with at(0):
        run(world, DELIVER)
        assert {(o.status, o.error_code) for o in world.orders()} == {(Status.ERROR, "ship_method_unknown")}
        assert alerts() == ["ship_method_unknown"], "one cause, one alert"
        alert = Alert.objects.get()
        assert (alert.count, "DRONE" in alert.message) == (2, True)
        assert alert.fix == FIXES["ship_method_unknown"][1]
    before = sends(world)
    with at(30):
        run(world, DOWNLOAD, DELIVER)
        assert sends(world) == before
    change(world, keys[0], shipping_method="EXPRESS")
    with at(31):
        run(world, DOWNLOAD, DELIVER)
        assert [o.status for o in world.orders()] == [Status.AT_WMS, Status.ERROR]
        assert alerts() == ["ship_method_unknown"], "it still holds one"
    change(world, keys[1], shipping_method="EXPRESS")
    with at(32):
        run(world, DOWNLOAD, DELIVER)
        assert [o.status for o in world.orders()] == [Status.AT_WMS, Status.AT_WMS]
        assert alerts() == []


def test_different_causes_are_different_alerts(world: World) -> None:
    place(world, 1, shipping_method="DRONE")
    place(world, 2, shipping_method="PIGEON")
    place(world, 3, ("UNKNOWN-1", 1))
    run(world, DOWNLOAD, DELIVER)
    assert alerts() == ["item_unknown", "ship_method_unknown", "ship_method_unknown"]


def refused(world: World) -> None:
    """In words that name the order."""

    def answer(request: Any, *_: Any) -> Any:
        return world.warehouse.refuse(422, "no_dock", f"No dock takes order {request.json['order_number']} yet.")

    answers(world.warehouse, "POST", "/v1/orders", answer)


def test_the_alert_of_one_order_names_it_and_that_of_several_none(world: World) -> None:
    refused(world)
    said = []
    for number in (1, 2):
        place(world, number)
        run(world, DOWNLOAD, DELIVER)
        said.append(Alert.objects.get().message)
    assert said == [f"No dock takes order {world.orders()[0].cust_po_no} yet.", "No dock takes order … yet."]
    many.cancel_sending(world.orders(), DANA, START)
    place(world, 3)
    run(world, DOWNLOAD, DELIVER)
    assert world.orders()[2].cust_po_no in Alert.objects.get(resolved_at=None).message


def references_taken(world: World) -> None:
    for order in world.orders():
        taken(world, order.wms_ref, f"ELSES-{order.pk}")


def unanswered(world: World) -> None:
    world.wms.system = "sandbox_wms_blind"
    world.wms.save()
    trouble(world, "drop_after", times=2)


@pytest.mark.parametrize(
    ("code", "happens"),
    [("no_dock", refused), ("reference_taken", references_taken), ("outcome_unknown", unanswered)],
)
def test_what_differs_by_the_name_of_the_order_alone_is_one_cause(
    request: pytest.FixtureRequest, code: str, happens: Any
) -> None:
    world: World = request.getfixturevalue("keyed" if code == "reference_taken" else "world")
    for number in (1, 2):
        place(world, number)
    run(world, DOWNLOAD)
    happens(world)
    run(world, DELIVER)
    first, second = world.orders()
    assert (first.error_code, alerts(), Alert.objects.get().count) == (code, [code], 2)
    assert first.cause == second.cause == Alert.objects.get().key
    names = {name for order in (first, second) for name in (order.cust_po_no, order.wms_ref)}
    assert not any(name in Alert.objects.get().message for name in names), "it is about both"
    if code == "reference_taken":
        assert first.wms_ref in first.error_message and second.wms_ref in second.error_message
    many.cancel_sending([first], DANA, START)
    if code != "outcome_unknown":
        assert alerts() == [code], "it still holds one"
        many.cancel_sending([second], DANA, START)
        assert alerts() == []


def test_the_same_mistake_of_ours_is_one_cause_with_one_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, prepared: Any, ref: str) -> str:
        raise ZeroDivisionError if "-3" not in prepared.order.cust_po_no else KeyError("x")

    monkeypatch.setattr(outcomes, "BUGS", 1)
    monkeypatch.setattr(SandboxWmsBlind, "_send", broken)
    for number in (1, 2, 3):
        place(world, number)
    run(world, DOWNLOAD, DELIVER)
    first, second, other = world.orders()
    assert alerts() == ["internal", "internal"]
    assert first.cause == second.cause != other.cause
    assert first.error_message == second.error_message != other.error_message


def test_the_name_of_an_order_is_no_part_of_another_word() -> None:
    said = "Order 10 of 100 (ref IM-10): 10 left, see 10/3."
    assert causes.general(said, ["10", "", "IM-10"]) == "Order … of 100 (ref …): … left, see …/3."
    assert causes.general(said, ["", "."]) == said
    assert causes.general(said, []) == said


def test_what_a_rule_finds_wrong_is_never_sent(world: World) -> None:
    key = place(world, 1, ship_to={"first_name": "Ada", "country": "US"})
    place(world, 2, ship_to={"first_name": "Ben", "country": "US"})
    run(world, DOWNLOAD, DELIVER)
    assert sends(world) == 0
    assert {(o.status, o.error_code) for o in world.orders()} == {(Status.ERROR, "address_incomplete")}
    alert = Alert.objects.get()
    assert (alert.count, alert.message) == (2, "The shipping address has no street, no city.")
    whole = {"first_name": "Ada", "address_1": "12 Mill Lane", "city": "Portland", "zip": "97201", "country": "US"}
    change(world, key, ship_to=whole)
    run(world, DOWNLOAD, DELIVER)
    assert world.orders()[0].status == Status.AT_WMS
    assert alerts() == ["address_incomplete"]


def test_holding_or_canceling_the_last_order_of_a_cause_resolves_its_alert(world: World) -> None:
    key = place(world, 1, shipping_method="DRONE")
    place(world, 2, shipping_method="DRONE")
    run(world, DOWNLOAD, DELIVER)
    actions.cancel_sending(world.orders()[1], DANA)
    assert alerts() == ["ship_method_unknown"]
    change(world, key, status="canceled")
    run(world, DOWNLOAD, DELIVER)
    assert [o.status for o in world.orders()] == [Status.CANCELED, Status.HELD]
    assert alerts() == []


def refuses(world: World, status: int, code: str, message: str) -> None:
    answers(world.warehouse, "POST", "/v1/orders", lambda *_: world.warehouse.refuse(status, code, message))


def test_a_permanent_refusal_stops_the_order_and_resend_is_allowed(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    usual = world.warehouse._exact["POST", "/v1/orders"]
    refuses(world, 422, "too_heavy", "We do not take pallets.")
    with at(0):
        run(world, DELIVER)
    order = world.only()
    assert (order.status, order.error_code, order.error_message) == (
        Status.ERROR,
        "too_heavy",
        "We do not take pallets.",
    )
    assert (alerts(), actions.allowed(order)[0]) == (["too_heavy"], "resend")
    before = sends(world)
    with at(48):
        run(world, DELIVER)
        assert sends(world) == before
    world.warehouse._exact["POST", "/v1/orders"] = usual
    actions.resend(order, DANA)
    run(world, DELIVER)
    assert (world.only().status, alerts()) == (Status.AT_WMS, [])


@pytest.mark.parametrize(
    ("code", "message"),
    [("c" * 300, "m" * 5000), ("nul\x00code", "a nul \x00 byte"), ("half", "half a letter \ud83d")],
    ids=["absurdly long", "NUL", "lone surrogate"],
)
def test_a_refusal_in_absurd_words_is_a_refusal(world: World, code: str, message: str) -> None:
    import json

    from integration_manager.kit.simulator import Reply

    place(world)
    run(world, DOWNLOAD)
    body = json.dumps({"code": code, "message": message}).encode()
    answers(world.warehouse, "POST", "/v1/orders", lambda *_: Reply(body, 422))
    run(world, DELIVER)
    order = world.only()
    assert order.status == Status.ERROR
    assert order.error_message[:10] == message[:10].replace("\x00", "\ufffd")
    assert len(alerts()) == 1


# ── "duplicate" ──


@pytest.fixture
def keyed(world: World) -> World:
    """The warehouse that keeps references unique, and says so."""
    world.wms.system = "sandbox_wms_key"
    world.wms.save()
    return world


def taken(world: World, reference: str, number: str) -> str:
    """Somebody else's order stands at the warehouse under this reference."""
    key = f"X{number}"
    order = {
        "key": key, "customer": "C1", "reference": reference, "order_number": number, "status": "open", "packed": {},
        "lines": [{"line_id": "1", "item": "TIN-SMALL", "quantity": "4"}],
    }  # fmt: skip
    world.warehouse.table("orders").put(key, order)
    world.warehouse.refs["C1", reference] = [key]
    return key


def test_duplicate_without_a_call_of_ours_is_another_order(keyed: World) -> None:
    place(keyed)
    run(keyed, DOWNLOAD)
    key = taken(keyed, keyed.only().wms_ref, keyed.only().cust_po_no)
    run(keyed, DELIVER)
    order = keyed.only()
    assert (order.status, order.error_code) == (Status.ERROR, "reference_taken")
    assert (alerts(), arrived(keyed)) == (["reference_taken"], [])
    actions.same_order(order, key, DANA)
    assert (keyed.only().status, keyed.only().wms_key, alerts()) == (Status.AT_WMS, key, [])


def test_duplicate_after_a_call_of_ours_is_believed_after_a_look(keyed: World) -> None:
    place(keyed)
    run(keyed, DOWNLOAD)
    trouble(keyed, "drop_after")
    run(keyed, DELIVER)
    assert keyed.only().status == Status.SENDING
    leases_expire()
    run(keyed, DELIVER)
    assert keyed.only().status == Status.AT_WMS
    assert asked(keyed.warehouse, "GET", "/v1/orders") == 1, "it was looked at"
    assert arrived(keyed) == [keyed.only().wms_ref]
    assert alerts() == []


def test_duplicate_of_another_order_is_not_believed_even_after_a_call_of_ours(keyed: World) -> None:
    place(keyed)
    run(keyed, DOWNLOAD)
    trouble(keyed, "drop")  # before anything was done
    run(keyed, DELIVER)
    taken(keyed, keyed.only().wms_ref, "SOMEBODY-ELSES")
    leases_expire()
    run(keyed, DELIVER)
    assert (keyed.only().status, keyed.only().error_code) == (Status.ERROR, "reference_taken")
    assert "SOMEBODY-ELSES" in keyed.only().error_message


# ── nobody knows ──


def test_an_unanswered_send_is_looked_up_after_it_has_settled_and_not_before(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    trouble(world, "drop_after")
    run(world, DELIVER)
    assert (world.only().status, world.only().unknown_rounds, world.only().failures) == (Status.SENDING, 1, 0)
    run(world, DELIVER)
    assert (sends(world), asked(world.warehouse, "GET", "/v1/orders")) == (1, 0), "too early to ask"
    next_run = world.schedule(DELIVER).next_run
    assert next_run is not None
    leases_expire()
    run(world, DELIVER)
    assert world.only().status == Status.AT_WMS
    assert arrived(world) == [world.only().wms_ref]
    kinds = list(Event.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["loaded", "unknown", "sent"]


def test_it_comes_again_by_itself_when_the_send_has_settled(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    with at(0):
        trouble(world, "drop_after")
        run(world, DELIVER)
        next_run, settled = world.schedule(DELIVER).next_run, START + SandboxWmsBlind.settle
        assert next_run is not None
        assert world.planned(DELIVER, settled) <= next_run <= settled + timedelta(seconds=3)


def test_an_order_that_comes_into_being_after_the_connection_broke_is_found(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    trouble(world, "late", seconds=0.2)
    run(world, DELIVER)
    assert arrived(world) == []
    time.sleep(0.4)
    leases_expire()
    run(world, DELIVER)
    assert (world.only().status, arrived(world)) == (Status.AT_WMS, [world.only().wms_ref])


def test_what_the_look_up_does_not_find_is_sent_again(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    trouble(world, "drop")
    run(world, DELIVER)
    leases_expire()
    run(world, DELIVER)
    assert (world.only().status, arrived(world), sends(world)) == (Status.AT_WMS, [world.only().wms_ref], 2)


@pytest.mark.parametrize("fault", ["hang", "drop", "garbage", "truncated", "alien", "bad_gateway", "cut"])
def test_every_kind_of_silence_ends_with_exactly_one_order(
    world: World, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SandboxWmsBlind, "timeout", 0.4)
    place(world)
    run(world, DOWNLOAD)
    trouble(world, fault)
    run(world, DELIVER)
    assert world.only().status == Status.SENDING
    leases_expire()
    run(world, DELIVER)
    assert (world.only().status, arrived(world)) == (Status.AT_WMS, [world.only().wms_ref])


def test_a_look_up_that_fails_sends_nothing(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    trouble(world, "drop_after")
    run(world, DELIVER)
    leases_expire()
    trouble(world, "error", "GET /v1/orders")
    run(world, DELIVER)
    assert (world.only().status, sends(world)) == (Status.SENDING, 1)
    leases_expire()
    run(world, DELIVER)
    assert (world.only().status, len(arrived(world))) == (Status.AT_WMS, 1)


def test_credentials_refused_at_the_look_up_pause_and_lose_nothing_of_the_run(world: World) -> None:
    for number in (1, 2, 3):
        place(world, number)
    run(world, DOWNLOAD)
    trouble(world, "drop_after", times=3)
    run(world, DELIVER)
    leases_expire()
    world.warehouse.credential = "changed"  # type: ignore[misc]
    run(world, DELIVER)
    assert world.schedule(DELIVER).paused == "auth"
    assert {o.status for o in world.orders()} == {Status.SENDING}
    del world.warehouse.credential  # type: ignore[misc]
    leases_expire()
    run(world, DELIVER)
    assert ({o.status for o in world.orders()}, len(arrived(world))) == ({Status.AT_WMS}, 3)


def test_three_rounds_without_an_answer_are_a_persons_to_decide(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    trouble(world, "drop", times=4)
    for _ in range(4):
        assert world.only().status != Status.ERROR
        run(world, DELIVER)
        leases_expire()
    order = world.only()
    assert (order.status, order.error_code, alerts()) == (Status.ERROR, "outcome_unknown", ["outcome_unknown"])
    assert actions.allowed(order) == ["it_arrived", "it_did_not"], "nothing else, least of all a resend"
    with pytest.raises(actions.NotNow, match="First say whether"):
        actions.resend(order, DANA)
    actions.it_did_not(order, DANA)
    run(world, DELIVER)
    assert (world.only().status, len(arrived(world)), alerts()) == (Status.AT_WMS, 1, [])


def test_a_wms_that_cannot_be_asked_leaves_it_to_a_person_at_once(world: World) -> None:
    world.wms.system = "sandbox_wms_blind"
    world.wms.save()
    place(world)
    run(world, DOWNLOAD)
    trouble(world, "drop_after")
    run(world, DELIVER)
    assert (world.only().status, world.only().error_code) == (Status.ERROR, "outcome_unknown")
    leases_expire()
    with at(500):
        run(world, DELIVER)
    assert len(arrived(world)) == 1
    actions.it_arrived(world.only(), "W000001", DANA)
    assert (world.only().status, world.only().wms_key, alerts()) == (Status.AT_WMS, "W000001", [])


@pytest.mark.parametrize(
    "changed", ["before", "meanwhile", "while it is looked up", "before it was sent again", "never"]
)
def test_who_finds_it_at_the_wms_is_told_if_it_was_changed_meanwhile(world: World, changed: str) -> None:
    looks = changed == "while it is looked up"
    if not looks:
        world.wms.system = "sandbox_wms_blind"
        world.wms.save()
    key = place(world)
    run(world, DOWNLOAD)

    def change_it(when: str) -> None:
        if changed == when:
            change(world, key, shipping_method="EXPRESS")
            run(world, DOWNLOAD)

    def send() -> None:
        trouble(world, "drop")
        run(world, DELIVER)
        leases_expire()

    change_it("before")
    send()
    change_it("while it is looked up")
    if looks:
        for _ in range(3):
            send()
    change_it("meanwhile")
    change_it("before it was sent again")
    run(world, DELIVER)  # what was changed is looked at again, and nobody knows still
    assert (world.only().status, world.only().error_code) == (Status.ERROR, "outcome_unknown")
    if changed == "before it was sent again":
        actions.it_did_not(world.only(), DANA)
        send()
        assert world.only().error_code == "outcome_unknown"
    actions.it_arrived(world.only(), "W000001", DANA)
    older = changed in ("meanwhile", "while it is looked up")
    assert alerts() == (["changed_after_sending"] if older else []), "whether the WMS has what the shop said before"


def test_a_found_order_with_other_content_is_said_and_not_sent_again(world: World) -> None:
    place(world)
    run(world, DOWNLOAD)
    trouble(world, "drop_after")
    run(world, DELIVER)
    rows: Any = world.warehouse.table("orders")
    (row,) = list(rows)
    rows.change(row["key"], lines=[{**line, "quantity": "9"} for line in row["lines"]])
    leases_expire()
    run(world, DELIVER)
    assert (world.only().status, alerts()) == (Status.AT_WMS, ["changed_after_sending"])
    assert Order.objects.count() == len(arrived(world)) == 1
