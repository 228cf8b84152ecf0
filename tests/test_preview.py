"""Previews: what they show is what is sent, nothing is imported; and why an order is not here."""

import html
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from accounts.models import AuditEntry
from carts.models import Cart
from integration_manager import trying
from integration_manager.kit import clock
from merchants.models import Schedule, Service
from orders import editing
from orders.models import Exchange, Order, OrderDetail, OutFile, SkippedOrder, Status
from orders.reading import GONE
from tests.counter import Counter, text
from tests.world import World, ago, alerts, asked, change, place, run
from wms.models import Wms

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def owner(world: World) -> Counter:
    return Counter(world)


def shown(answer: Any) -> dict[str, Any]:
    """The orders of a preview's page, by number."""
    return {one.number: one for one in answer.context["orders"]}


def test_what_it_shows_is_what_the_wms_gets(world: World, owner: Counter) -> None:
    Cart.objects.update(order_source="OAK-SHOP")
    for number in range(1, 6):
        world.shop.place(number, ago(minutes=number))
    before = shown(owner.post("cart/preview/"))
    assert set(before) == {f"OAK-{number}" for number in range(1, 6)}
    run(world, DOWNLOAD, DELIVER)
    sent = {effect["said"]["order_number"]: effect["said"] for effect in world.warehouse.effects("order")}
    assert {number: json.loads(one.payload) for number, one in before.items()} == sent
    assert {one.forecast.verdict for one in before.values()} == {"send"}


def test_of_a_wms_that_takes_files_it_shows_the_rows(
    world: World, owner: Counter, settings: Any, tmp_path: Any
) -> None:
    settings.IM_FOLDER_ROOT = str(tmp_path)
    Wms.objects.update(system="csv_wms", options={"directory_order": "client_first"})
    Wms.objects.get()
    wms = Wms.objects.get()
    wms.credentials = {"place": "disk"}
    wms.save()
    world.merchant.wms_values = {"client_dir": "ACME"}
    world.merchant.save()
    place(world, 1, ("MUG-BLUE", 2))
    one = shown(owner.post("cart/preview/"))["OAK-1"]
    assert "MUG-BLUE" in one.file
    run(world, DOWNLOAD, DELIVER)
    assert bytes(OutFile.objects.get().content).decode() == one.file


def test_nothing_is_imported_and_who_looked_is_on_record(world: World, owner: Counter) -> None:
    place(world, 1)
    page = text(owner.post("cart/preview/"))
    assert "Would be loaded and sent" in page
    assert "MUG-BLUE × 1" in page
    assert (Order.objects.count(), SkippedOrder.objects.count()) == (0, 0)
    assert world.warehouse.effects("order") == []
    entry = AuditEntry.objects.get(verb="orders.previewed")
    assert (entry.actor, entry.changes) == ("primary@counter.example", {"orders": [None, "OAK-1"]})
    assert Exchange.objects.filter(url__contains="/api/orders").exists(), "kept, since it was asked for"
    assert text(owner.get("cart/preview/")).count("MUG-BLUE") == 0, "looking at the page asks nobody"


@pytest.mark.parametrize(
    ("fields", "verdict", "words"),
    [
        ({"status": "canceled"}, "leave", "canceled there"),
        ({"status": "unpaid"}, "leave", "not ready to be shipped"),
        ({"status": "shipped"}, "leave", "shipped or closed"),
        ({"created_at": "2019-05-01T10:00:00+00:00"}, "skip", "Earliest Order Date"),
        ({"lines": []}, "error", "no item to ship"),
        ({"status": "who knows"}, "error", "could not be read"),
    ],
)
def test_what_would_happen_happens(
    world: World, owner: Counter, fields: dict[str, Any], verdict: str, words: str
) -> None:
    place(world, 1, **fields)
    (one,) = owner.post("cart/preview/").context["orders"]
    assert one.forecast.verdict == verdict
    assert words in one.forecast.message
    run(world, DOWNLOAD)
    found = [order.status for order in world.orders()]
    skipped = list(SkippedOrder.objects.values_list("message", flat=True))
    assert (found, skipped) == {
        "leave": ([], []),
        "skip": ([], [one.forecast.message]),
        "error": ([Status.ERROR], []),
    }[verdict]
    if verdict == "error":
        assert world.only().error_message == one.forecast.message


def test_what_a_rule_would_hold_is_not_said_to_be_sent(world: World, owner: Counter) -> None:
    place(world, 1)
    held = {"name": "Careful", "field": "item", "match": "starts", "values": ["MUG"]}
    world.cart.hold_rules = [held]
    world.cart.save()
    answer = owner.post("cart/preview/")
    (one,) = answer.context["orders"]
    assert (one.forecast.verdict, "Careful: its item is" in one.forecast.message) == ("hold", True)
    assert "Would be loaded and held" in text(answer) and "loaded and sent" not in text(answer)
    asked = text(owner.post("cart/preview/", {"number": one.number}))
    assert "Would be loaded and held" in asked
    run(world, DOWNLOAD)
    assert world.only().status == Status.HELD


def test_one_order_by_its_number(world: World, owner: Counter) -> None:
    for number in range(1, 9):
        world.shop.place(number, ago(days=100 + number))
    assert set(shown(owner.post("cart/preview/", {"number": "OAK-3"}))) == {"OAK-3"}
    assert "There is no such order" in text(owner.post("cart/preview/", {"number": "OAK-99"}))
    assert owner.post("cart/preview/", {"number": " "}).status_code == 422
    assert owner.post("cart/preview/", {"number": "x" * 10_000}).status_code == 422
    assert len(shown(owner.post("cart/preview/"))) == 5, "of the last year"


def test_loaded_already_it_says_so_with_its_own_reference(world: World, owner: Counter) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    one = shown(owner.post("cart/preview/"))["OAK-1"]
    assert (one.forecast.verdict, one.order) == ("known", world.only())
    assert json.loads(one.payload)["reference"] == world.only().wms_ref


def wms_got(world: World) -> dict[str, Any]:
    """What the warehouse was sent, by order number."""
    return {effect["said"]["order_number"]: effect["said"] for effect in world.warehouse.effects("order")}


def test_an_order_edited_here_is_shown_as_the_wms_gets_it(world: World, owner: Counter) -> None:
    place(world, 1, ("MUG-BLUE", 1))
    run(world, DOWNLOAD)
    order = world.only()
    base = editing.values_of(OrderDetail.objects.get().data)
    lines = (replace(base.lines[0], item="TIN-SMALL", quantity="3"),)
    wanted = editing.Values({**base.fields, "ship_city": "Elsewhere", "ship_code": "EXPRESS"}, lines)
    editing.save(order, base, wanted, "Me")
    for number in ("", "OAK-1"):
        answer = owner.post("cart/preview/", {"number": number} if number else {})
        one = shown(answer)["OAK-1"]
        assert {"TIN-SMALL × 3 at 5.00", "EXPRESS"} <= {fact.value.partition(",")[0] for fact in one.ours}
        assert "MUG-BLUE" in one.raw, "the shop's own stays beside it"
        assert "Edited here, so not as the shop has it: Items, Ship to, Ship method." in one.notes
    run(world, DELIVER)
    assert json.loads(one.payload) == wms_got(world)["OAK-1"]
    assert "Elsewhere" in one.payload and '"MUG-BLUE",' not in one.payload
    sent = shown(owner.post("cart/preview/"))["OAK-1"]
    assert (sent.payload, sent.notes) == (one.payload, []), "nothing stands against what was sent"
    Order.objects.update(sent_hash="of what other rules made of it")
    sent = shown(owner.post("cart/preview/"))["OAK-1"]
    assert (sent.payload, "not as it would be now" in sent.nothing) == ("", True)


def test_what_each_rule_did_is_shown_of_new_and_of_loaded_orders(world: World, owner: Counter) -> None:
    place(world, 1)
    world.cart.hold_rules = [{"name": "Careful", "field": "item", "match": "starts", "values": ["MUG"]}]
    world.cart.delay_minutes = 180
    world.cart.save()
    new = shown(owner.post("cart/preview/"))["OAK-1"]
    assert new.forecast.message.startswith("Careful") and new.payload
    assert [note.partition(":")[0] for note in new.notes] == ["It would wait"], (
        "the delay, beside what the forecast says"
    )
    run(world, DOWNLOAD)
    loaded = shown(owner.post("cart/preview/"))["OAK-1"]
    assert loaded.forecast.verdict == "known"
    assert [note.partition(":")[0] for note in loaded.notes] == ["It waits"] * 2
    assert any("Careful" in note for note in loaded.notes)
    world.cart.refresh_from_db()
    world.cart.order_filters = [{"field": "item", "match": "starts", "values": ["MUG"], "restricted": True}]
    world.cart.save()
    place(world, 2)
    both = shown(owner.post("cart/preview/"))
    assert (both["OAK-2"].forecast.verdict, both["OAK-2"].payload, both["OAK-2"].sent) == ("skip", "", [])
    assert both["OAK-1"].payload == ""
    assert any(note.startswith("It is held instead of sent: ") for note in both["OAK-1"].notes)
    assert all(note in html.unescape(text(owner.post("cart/preview/"))) for note in both["OAK-1"].notes)


def test_what_is_not_loaded_for_its_age_is_shown_as_if(world: World, owner: Counter) -> None:
    place(world, 1, created_at="2019-05-01T10:00:00+00:00")
    answer = owner.post("cart/preview/")
    assert shown(answer)["OAK-1"].payload
    assert "would get, if it were loaded" in text(answer)


def test_of_a_cart_by_hand_loaded_orders_are_shown_as_stored(world: World, owner: Counter) -> None:
    assert "would get" not in text(owner.get("cart/preview/"))
    place(world, 1)
    run(world, DOWNLOAD)
    was = shown(owner.post("cart/preview/"))["OAK-1"]
    Cart.objects.update(system="csv_cart", credentials={})
    world.cart.refresh_from_db()
    world.cart.credentials = {"place": "browser"}
    world.cart.save()
    Order.objects.update(source=world.cart.source)
    before = asked(world.shop)
    for said in ({}, {"number": "oak-1"}):
        answer = owner.post("cart/preview/", said)
        one = shown(answer)["OAK-1"]
        assert (one.payload, one.ours, one.order) == (was.payload, was.ours, world.only())
        assert "as stored here" in text(answer)
    assert "No such order is loaded" in text(owner.post("cart/preview/", {"number": "OAK-9"}))
    Order.objects.all().delete()
    page = text(owner.post("cart/preview/"))
    assert "come in files that people upload" in page and "Place a test order there" not in page
    assert asked(world.shop) == before
    assert AuditEntry.objects.filter(verb="orders.previewed").count() == 3


def test_what_the_shop_does_not_know_any_more_is_shown_as_stored(world: World, owner: Counter) -> None:
    key = place(world, 1)
    run(world, DOWNLOAD)
    with world.shop.lock:
        world.shop.table("orders").rows.pop(key)
    answer = owner.post("cart/preview/", {"number": "OAK-1"})
    assert shown(answer)["OAK-1"].payload
    assert "the shop knows no order by this number any more" in text(answer)


def test_a_loaded_order_is_shown_whatever_becomes_of_its_shop(world: World, owner: Counter) -> None:
    """From its own page; while the shop does not let us in; and once the cart is deleted."""
    place(world, 1)
    run(world, DOWNLOAD)
    was = shown(owner.post("cart/preview/"))["OAK-1"].payload
    order, before = world.only(), asked(world.shop)
    link = f"cart/preview/?order={order.public_id}"
    assert owner.url(link) in text(owner.get(f"orders/{order.public_id}/"))
    answer = owner.get(link)
    assert (shown(answer)["OAK-1"].payload, asked(world.shop)) == (was, before)
    assert 'value="OAK-1"' in text(answer) and "read from" not in text(answer)
    world.cart.credentials = {**world.cart.credentials, "api_key": "wrong"}
    world.cart.save()
    refused = owner.post("cart/preview/", {"number": "OAK-1"})
    assert (refused.status_code, "refused the credentials" in text(refused)) == (422, True)
    assert (shown(refused)["OAK-1"].payload, "as stored here" in text(refused)) == (was, True)
    nothing = text(owner.post("cart/preview/", {"number": "OAK-9"}))
    assert "refused the credentials" in nothing and "as stored here" not in nothing
    before = asked(world.shop)
    Cart.objects.update(archived_at=clock.now())
    for found in (owner.get(link), owner.post("cart/preview/", {"number": "OAK-1"}), owner.post("cart/preview/")):
        assert (shown(found)["OAK-1"].payload, "This cart is deleted" in text(found)) == (was, True)
    assert asked(world.shop) == before
    assert owner.get("cart/preview/?order=aaaaaaaaaaaa").status_code == 404


def test_a_shop_that_does_not_let_us_in(world: World, owner: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    world.cart.credentials = {**world.cart.credentials, "api_key": "wrong"}
    world.cart.save()
    answer = owner.post("cart/preview/")
    assert (answer.status_code, "refused the credentials" in text(answer)) == (422, True)
    monkeypatch.setattr(trying, "AT_ONCE", 0)
    assert "running already" in text(owner.post("cart/preview/"))
    assert alerts() == []


def test_without_a_wms_the_rest_is_shown(world: World, owner: Counter) -> None:
    Wms.objects.all().delete()
    place(world, 1)
    page = text(owner.post("cart/preview/"))
    assert "No WMS is set up yet" in page
    assert "MUG-BLUE × 1" in page


# ── why don't I see order X? ──


def why(owner: Counter, number: str) -> str:
    return text(owner.post("carts/why/", {"cart": owner.world.cart.public_id, "number": number}))


def test_what_is_here_is_found_without_asking(world: World, owner: Counter) -> None:
    place(world, 1)
    world.shop.place(7, ago(minutes=1), ago(days=9000))
    run(world, DOWNLOAD)
    before = asked(world.shop)
    assert f"/orders/{world.only().public_id}/" in why(owner, "oak-1")
    assert "It was skipped" in why(owner, "OAK-7")
    assert "It was skipped" in why(owner, "oak-7"), "as for what is loaded"
    SkippedOrder.objects.update(reason=GONE, raw=None)
    (there,) = re.findall(r'href="[^"]*/(orders/skipped/[^"]*)"', why(owner, "OAK-7"))
    assert [row.number for row in owner.get(html.unescape(there)).context["page"].items] == ["OAK-7"]
    assert asked(world.shop) == before


def test_what_the_shop_says_of_it(world: World, owner: Counter) -> None:
    world.schedule(DOWNLOAD)
    key = place(world, 1)
    assert "has no such order" in why(owner, "OAK-2")
    assert "ready to be loaded" in why(owner, "OAK-1")
    Schedule.objects.update(every=0)
    assert "Order Download is off" in why(owner, "OAK-1")
    Schedule.objects.update(every=60, paused="person")
    assert "paused" in why(owner, "OAK-1")
    change(world, key, status="unpaid")
    assert "not ready to be shipped" in why(owner, "OAK-1")
    change(world, key, status="paid", lines=[])
    assert "no item to ship" in why(owner, "OAK-1")
    assert Order.objects.count() == 0
    assert AuditEntry.objects.filter(verb="order.asked").count() == 6


def test_a_cart_of_somebody_else_is_not_asked(world: World, owner: Counter) -> None:
    answer = owner.post("carts/why/", {"cart": "aaaaaaaaaaaa", "number": "1"})
    assert answer.status_code == 422
    assert asked(world.shop) == 0
