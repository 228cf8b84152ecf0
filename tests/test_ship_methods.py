"""Ship methods from an order's code to its release: one cause, one alert, one mapping for all that wait."""

import html
import re
from typing import Any

import pytest

from accounts.models import AuditEntry
from alerts import links
from alerts.models import Alert
from carts.models import Cart, CartShipMethod
from integration_manager.kit import clock
from merchants.models import Service
from merchants.rules.methods import cause_of, code_key
from orders import ruling, ship_methods, watch
from orders.alerted import with_orders
from orders.intake import Intake, Stored
from orders.models import Event, EventDetail, Order, OrderDetail, Status
from orders.ship_map import ShipMap
from orders.ship_methods import Entry
from tests.counter import Counter, text
from tests.world import World, alerts, change, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER


@pytest.fixture
def world(calm: World) -> World:
    """The quick one."""
    return calm


@pytest.fixture
def strict(world: World) -> World:
    """A world whose cart rejects unmapped codes."""
    world.cart.reject_unmapped = True
    world.cart.save()
    return world


def put(world: World, *entries: tuple[str, str, str], **more: Any) -> ship_methods.Saved:
    return ship_methods.change(
        world.cart, clock.now(), "dana@example.com", put=[Entry(*entry) for entry in entries], **more
    )


def sent_codes(world: World) -> list[str]:
    """The methods of the orders at the warehouse, oldest first."""
    warehouse: Any = world.warehouse
    return [row["ship_method"] for row in warehouse.orders]


def test_twenty_orders_of_one_unmapped_method_are_one_group_and_one_mapping_releases_them(strict: World) -> None:
    for number in range(1, 21):
        place(strict, number, shipping_method="Drone" if number % 2 else " DRONE ")
    place(strict, 21, shipping_method="GROUND")
    run(strict, DOWNLOAD)
    strict.schedule(DELIVER)
    cause = cause_of(strict.cart.public_id, "drone")
    assert Order.objects.filter(cause=cause, status=Status.ERROR).count() == 20
    alert = Alert.objects.get(kind="ship_method_unmapped", key=cause)
    assert (alert.count, alert.cart, alert.resolved_at) == (20, strict.cart, None)
    assert alert.message == "Ship method “Drone” of Shop is not mapped."

    saved = put(strict, ("exact", "drone", "EXPRESS"))
    assert saved.released == 20
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert strict.schedule(DELIVER).woken_at is not None
    run(strict, DELIVER)
    assert sent_codes(strict) == ["EXPRESS"] * 20
    assert Order.objects.filter(status=Status.AT_WMS).count() == 20
    assert alerts() == ["ship_method_unmapped"], "GROUND waits still, and is another cause"
    assert put(strict, ("exact", "GROUND", "GROUND")).released == 1
    assert alerts() == []


def test_what_a_deleted_cart_has_left_is_told_until_it_goes_and_leads_to_its_restoring(strict: World) -> None:
    """Its orders are still sent, as its page of deletion says."""
    for number in (1, 2):
        place(strict, number, shipping_method="Drone" if number == 1 else "GROUND")
    run(strict, DOWNLOAD)
    Cart.objects.update(archived_at=clock.now())
    Order.objects.filter(pk=strict.orders()[1].pk).update(status=Status.CANCELED, cause="")
    watch._end_what_is_gone(clock.now())
    (alert,) = with_orders(Alert.objects.filter(resolved_at=None).select_related("cart", "merchant"))
    assert alert.key == cause_of(strict.cart.public_id, "drone"), "the other has no order left"
    way = links.fix(strict.account, alert).partition(strict.account.public_id)[2]
    client = Counter(strict)
    assert "Restore Shop" in text(client.get(way.strip("/") + "/"))
    client.post(f"{way.strip('/')}/restore/")
    assert put(strict, ("exact", "drone", "EXPRESS")).released == 1
    assert alerts() == []


def test_the_timeline_says_what_the_map_made_of_the_code_with_before_and_after(strict: World) -> None:
    put(strict, ("exact", "Drone", "EXPRESS"))
    place(strict, 1, shipping_method="drone")
    run(strict, DOWNLOAD)
    event = Event.objects.get(order_id=strict.only().pk, kind="rules")
    assert "“drone” is sent as EXPRESS" in event.message
    assert EventDetail.objects.get(event_id=event.pk).changes == {"Ship method": ["drone", "EXPRESS"]}
    run(strict, DELIVER)
    assert Event.objects.filter(kind="rules").count() == 1, "once, unless it changes"


def test_a_map_that_changed_before_it_is_sent_is_the_one_that_counts(world: World) -> None:
    put(world, ("exact", "Drone", "EXPRESS"))
    place(world, 1, shipping_method="Drone")
    run(world, DOWNLOAD)
    put(world, ("exact", "Drone", "GROUND"))
    run(world, DELIVER)
    assert sent_codes(world) == ["GROUND"]
    detail = OrderDetail.objects.get(order=world.only())
    assert [one["after"] for one in detail.applied] == ["GROUND"]
    assert Event.objects.filter(kind="rules").count() == 2


def test_without_reject_codes_pass_and_appear_to_be_mapped(world: World) -> None:
    for number, code in enumerate(["GROUND", "ground ", "EXPRESS"], 1):
        place(world, number, shipping_method=code)
    run(world, DOWNLOAD)
    assert sorted(CartShipMethod.objects.values_list("key", "wms_code", "by_hand")) == [
        ("express", "", False),
        ("ground", "", False),
    ]
    assert {order.status for order in world.orders()} == {Status.READY}
    assert {row.how for row in ShipMap(world.cart).codes} == {"Sent as it is"}


def test_a_code_that_stops_being_mapped_stops_what_is_not_sent(strict: World) -> None:
    put(strict, ("exact", "Drone", "EXPRESS"))
    place(strict, 1, shipping_method="Drone")
    run(strict, DOWNLOAD)
    put(strict, ("exact", "Drone", ""))
    run(strict, DELIVER)
    order = strict.only()
    assert (order.status, order.error_code) == (Status.ERROR, "ship_method_unmapped")
    assert put(strict, ("exact", "Drone", "GROUND")).released == 1


def test_an_edit_in_the_shop_moves_an_order_from_one_cause_to_another(strict: World) -> None:
    key = place(strict, 1, shipping_method="Drone")
    run(strict, DOWNLOAD)
    change(strict, key, shipping_method="Kite")
    run(strict, DOWNLOAD)
    assert strict.only().cause == cause_of(strict.cart.public_id, "kite")
    assert Alert.objects.get(resolved_at=None).message.startswith("Ship method “Kite”")
    assert put(strict, ("exact", "Drone", "EXPRESS")).released == 0
    assert put(strict, ("exact", "Kite", "EXPRESS")).released == 1


@pytest.mark.parametrize(
    ("entries", "more", "released"),
    [
        ([("starts", "Dro", "EXPRESS")], {}, 1),
        ([("contains", "one", "EXPRESS")], {}, 1),
        ([("contains", "kite", "EXPRESS")], {}, 0),
        ([("default", "", "GROUND")], {}, 1),
        ([], {"reject": False}, 1),
    ],
)
def test_patterns_the_default_and_passing_release_too(strict: World, entries: Any, more: Any, released: int) -> None:
    place(strict, 1, shipping_method="Drone")
    run(strict, DOWNLOAD)
    assert put(strict, *entries, **more).released == released
    assert alerts() == ([] if released else ["ship_method_unmapped"])


def test_a_page_that_was_read_by_the_old_map_is_judged_by_the_new_one(strict: World) -> None:
    intake = Intake(strict.merchant, strict.cart)
    assert intake.rules.ship_methods.decide("drone") is None  # loaded before the map is saved
    put(strict, ("exact", "Drone", "EXPRESS"))
    from django.db import transaction

    with transaction.atomic():
        intake.keep_rules()
        decided = intake.rules.ship_methods.decide("drone")
    assert decided is not None
    assert decided.method.code == "EXPRESS"


def test_a_delivery_that_read_the_old_map_gives_the_order_back_instead_of_stopping_it(
    strict: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(strict, ("exact", "Drone", "EXPRESS"))
    place(strict, 1, shipping_method="Drone")
    run(strict, DOWNLOAD)
    put(strict, ("exact", "Drone", ""))
    refresh, saved = ruling.refresh, []

    def saves_right_after(*args: Any) -> None:
        refresh(*args)
        if not saved:
            saved.append(put(strict, ("exact", "Drone", "GROUND")))

    monkeypatch.setattr(ruling, "refresh", saves_right_after)
    run(strict, DELIVER)
    assert sent_codes(strict) == ["GROUND"]
    assert Event.objects.filter(kind="error").count() == 0


def test_what_the_wms_refused_for_its_method_goes_again_when_its_code_is_mapped(world: World) -> None:
    for number, code in enumerate(["DRONE", "DRONE", "KITE"], 1):
        place(world, number, shipping_method=code)
    run(world, DOWNLOAD, DELIVER)
    assert alerts() == ["ship_method_unknown", "ship_method_unknown"]
    assert put(world, ("exact", "drone", "EXPRESS")).released == 2
    assert put(world, ("starts", "zeppelin", "GROUND")).released == 0
    run(world, DELIVER)
    assert sent_codes(world) == ["EXPRESS", "EXPRESS"]
    assert alerts() == ["ship_method_unknown"], "the other one stands"


def test_a_method_that_the_wms_does_not_know_is_mapped_or_sent_again_from_its_alert(world: World) -> None:
    """What is added at the WMS nobody hears of here."""
    for number in (1, 2):
        place(world, number, shipping_method="DRONE")
    run(world, DOWNLOAD, DELIVER)
    owner = Counter(world)
    page = text(owner.get("alerts/"))
    assert re.findall(r'href="([^"]+)"[^>]*>Map the method', page) == [
        f"/a/{world.account.public_id}/ship-methods/{world.cart.public_id}/"
    ]
    (path,) = re.findall(r'href="([^"]+action=resend)"', page)
    assert "Resend to WMS: 2 of 2" in text(owner.browser.get(html.unescape(path)))
    assert "what is put right at the WMS, by Resend to WMS" in text(owner.get(f"orders/{world.orders()[0].public_id}/"))


def test_what_is_saved_is_audited_and_the_same_again_is_not(world: World) -> None:
    put(world, ("exact", "Drone", "EXPRESS"), ("starts", "Free", "GROUND"), reject=True)
    put(world, ("exact", " DRONE", "EXPRESS"))
    (entry,) = AuditEntry.objects.filter(verb="cart.ship_methods")
    assert entry.changes == {
        "“Drone”": ["", "EXPRESS"],
        "starts with “Free”": ["", "GROUND"],
        "Reject Unmapped Shipping Codes": [False, True],
    }


def test_the_list_of_codes_ends_at_5000_and_orders_are_held_all_the_same(strict: World) -> None:
    rows = [CartShipMethod(cart=strict.cart, code=f"c{n}", key=f"c{n}") for n in range(5000)]
    CartShipMethod.objects.bulk_create(rows)
    place(strict, 1, shipping_method="Drone")
    run(strict, DOWNLOAD)
    assert CartShipMethod.objects.count() == 5000
    assert strict.only().error_code == "ship_method_unmapped"
    assert put(strict, ("default", "", "GROUND")).released == 1
    with pytest.raises(ship_methods.Refused, match="5,000"):
        put(strict, ("exact", "one more", "GROUND"))


def test_codes_of_any_letters_are_listed_once(world: World) -> None:
    strange = ["=1+1", "ÄÖÜ straße", "ÄÖÜ STRASSE", "x" * 300, "<b>x</b>", "nul\x00l"]
    for number, code in enumerate(strange, 1):
        place(world, number, shipping_method=code)
    run(world, DOWNLOAD)
    assert len(world.orders()) == len(strange)
    assert CartShipMethod.objects.count() == len({code_key(code) for code in strange})
    assert Stored().new == 0
