"""Personal data of orders that are done goes after its time, wherever the order has left it, and for good."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from alerts.models import Alert
from carts.systems import registry
from integration_manager import settings as house
from integration_manager import tenancy
from integration_manager.kit import clock
from orders import forgetting
from orders.inserting import skip
from orders.models import Effect, Event, EventDetail, Exchange, Order, OrderDetail, SkippedOrder
from tests import desk as desks
from tests.desk import Desk, make_order

pytestmark = pytest.mark.django_db
PERSON = ("Dana", "Whitfield", "14 Wellington Place", "dana@mail.example", "0113 496 0999", "for our Robin",
          "14 wellington pl", "41 Wellington Road")  # fmt: skip


_DONE = {"canceled": "canceled_at", "at_wms": "delivered_at"}


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


def order(
    desk: Desk, number: str, status: str = "confirmed", *, days: int = 181, cart: int = 0, **fields: Any
) -> Order:
    """One order with Dana's traces everywhere, done so many days ago."""
    now = clock.now()
    done = {_DONE.get(status, "shipped_at"): now - timedelta(days=days)}
    made = make_order(desk.carts[0], number, status=status, **done)
    detail = OrderDetail.objects.get(order=made)
    detail.data |= {
        "ship": detail.data["ship"] | {"phone": "0113 496 0999"},
        "bill": {"first_name": "Dana", "last_name": "Whitfield", "company": "", "address_1": None},
        "gift_message": "for our Robin",
        "extra_fields": {"engraving": "for our Robin", "empty": ""},
        "lines": [{"line_id": "1", "item": "CANDLE-8", "quantity": "2", "extra_fields": {"to": "for our Robin"}}],
    }
    detail.raw, detail.newer, detail.there = {"name": "Dana Whitfield"}, {"name": "Dana"}, {"order": {"name": "Dana"}}
    detail.applied = [
        {"field": "Shipping street", "why": "“14 wellington pl” is standard", "before": "14 wellington pl",
         "after": "14 Wellington Place"},
        {"field": "Suggested shipping address", "why": "41 Wellington Road, Leeds", "before": "", "after": ""},
        {"field": "ship_code", "why": "mapped", "before": "Express", "after": "UPS-2"},
    ]  # fmt: skip
    detail.save()
    event = Event.objects.create(
        order_id=made.pk, at=now, kind="failed", message="“dana whitfield” is not known there."
    )
    changes = {"ship": [{"city": "York", "phone": "0113 496 0999"}, None], "note": [None, "for our Robin"]}
    EventDetail.objects.create(event_id=event.pk, order_id=made.pk, changes=changes)
    Alert.objects.create(
        order_id=made.pk, kind="address", key=f"order:{made.pk}", message="14 Wellington Place does not exist.",
        said="Dana Whitfield: bad address", first_seen=now, last_seen=now, resolved_at=now,
    )  # fmt: skip
    Effect.objects.create(
        merchant=made.merchant, order=made, kind="refund", key="1", data={"note": "for our Robin", "whole": True},
        actor="x", created_at=now, retry_at=now,
    )  # fmt: skip
    return made


def everything(made: Order) -> str:
    """Every value of every row that belongs to an order, as text."""
    tables = {
        "orders_order": "id", "orders_orderdetail": "order_id", "orders_orderline": "order_id",
        "orders_event": "order_id", "orders_eventdetail": "order_id", "orders_exchange": "order_id",
        "orders_shipment": "order_id", "orders_effect": "order_id", "alerts_alert": "order_id",
    }  # fmt: skip
    found = []
    with tenancy.everyone("a test"), connection.cursor() as cursor:
        for table, key in tables.items():
            cursor.execute(f"SELECT to_jsonb(t)::text FROM {table} t WHERE {key} = %s", [made.pk])  # noqa: S608 (names above)
            found += [row[0] for row in cursor.fetchall()]
    return "\n".join(found).lower()


def test_nothing_of_the_person_is_left_and_everything_else_is(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        made = order(desk, "A-1")
        before = OrderDetail.objects.get(order=made).data
    assert all(trace.lower() in everything(made) for trace in PERSON), "or this test proves nothing"
    assert forgetting.forget(clock.now()) == 1
    left = everything(made)
    assert not [trace for trace in PERSON if trace.lower() in left]
    with tenancy.activate(desk.account.pk):
        detail = OrderDetail.objects.select_related("order").get(order=made)
        assert detail.order.forgotten_at is not None and detail.order.status == "confirmed"
        assert (detail.raw, detail.newer, detail.there, detail.name_key, detail.email_key) == (None,) * 3 + ("", "")
        assert (detail.ref_key, detail.number_key) == ("a-1", "a-1")
        kept = {"city": "Leeds", "zip": "LS1 4DY", "country": "GB"}
        assert detail.data["ship"] == dict.fromkeys(before["ship"], forgetting.MARK) | kept
        assert detail.data["bill"]["company"] == "" and detail.data["bill"]["address_1"] is None
        assert detail.data["lines"][0] | {"extra_fields": {}} == before["lines"][0] | {"extra_fields": {}}
        assert detail.data["extra_fields"] == {"engraving": forgetting.MARK, "empty": ""}
        assert detail.applied[0]["after"] == forgetting.MARK and detail.applied[2]["after"] == "UPS-2"
        assert not Exchange.objects.filter(order_id=made.pk).exists()
        assert Event.objects.filter(order_id=made.pk, message=f"“{forgetting.MARK}” is not known there.").exists()
        assert EventDetail.objects.get(order_id=made.pk).changes["ship"][0]["city"] == "York"
        assert Effect.objects.get(order=made).data == {"whole": True}
    assert forgetting.forget(clock.now()) == 0, "once is enough"


@pytest.mark.parametrize(
    ("status", "days", "gone"),
    [
        ("confirmed", 179, 0), ("shipped", 181, 1), ("canceled", 181, 1), ("ready", 900, 0), ("gave_up", 900, 0),
        ("at_wms", 179, 0), ("at_wms", 181, 1),
    ],
)  # fmt: skip
def test_only_what_is_done_is_forgotten_and_in_its_time(desk: Desk, status: str, days: int, gone: int) -> None:
    with tenancy.activate(desk.account.pk):
        order(desk, "A-1", status, days=days)
    assert forgetting.forget(clock.now()) == gone


def test_each_kind_of_cart_has_its_time_and_the_operator_the_last_word(
    desk: Desk, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = desks.build("Eastport", orders=0)
    with tenancy.activate(desk.account.pk):
        order(desk, "A-1", days=61)
    with tenancy.activate(other.account.pk):
        order(other, "B-1", days=61)
        other.carts[0].system = "woocommerce"
        other.carts[0].save()
    assert forgetting.forget(clock.now()) == 0
    monkeypatch.setattr(registry().get("woocommerce"), "personal_days", 60)
    assert forgetting.forget(clock.now()) == 1
    settings.IM_PERSONAL_DAYS = {"sandbox_shop": 62}
    assert forgetting.forget(clock.now()) == 0
    settings.IM_PERSONAL_DAYS = {"sandbox_shop": 62, "": 30}
    assert (forgetting.days_of("woocommerce"), forgetting.days_of("gone"), forgetting.forget(clock.now())) == (
        30,
        30,
        0,
    )
    settings.IM_PERSONAL_DAYS = {"": 30}
    assert forgetting.forget(clock.now()) == 1


def test_a_number_for_all_kinds_makes_none_longer_than_its_own(settings: Any) -> None:
    found = {}
    for days in ({"": 365}, {"": 30}, {"": 30, "shopify": 90}, {}):
        settings.IM_PERSONAL_DAYS = days
        found[str(days)] = (forgetting.days_of("shopify"), forgetting.days_of("woocommerce"))
    assert list(found.values()) == [(60, 365), (30, 30), (90, 30), (60, 180)]


def test_a_carts_page_says_when(desk: Desk, settings: Any) -> None:
    settings.IM_PERSONAL_DAYS = {"sandbox_shop": 62}
    page = desk.client("owner").get(desk.url(f"carts/{desk.carts[0].public_id}/"))
    assert "removed for good 62 days after" in page.content.decode()


def test_what_was_never_loaded_is_forgotten_in_its_carts_time_too(
    desk: Desk, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 2)
    settings.IM_PERSONAL_DAYS = {"sandbox_shop": 30}
    with tenancy.activate(desk.account.pk):
        for number, (days, reason) in enumerate(
            [(31, "order_filtered"), (31, "handled"), (31, "too_old"), (29, "order_filtered")], 1
        ):
            SkippedOrder.objects.create(
                merchant=desk.merchants[0],
                cart=desk.carts[0],
                key=str(number),
                reason=reason,
                message="Its e-mail address is dana@mail.example.",
                raw={"name": "Dana Whitfield"},
                seen_at=clock.now() - timedelta(days=days),
            )
    assert forgetting.forget(clock.now()) == 0, "orders are counted, and none is due"
    with tenancy.activate(desk.account.pk):
        kept = {row.key: (row.raw is not None, "dana" in row.message) for row in SkippedOrder.objects.all()}
    assert kept == {"1": (False, False), "2": (False, True), "3": (False, True), "4": (True, True)}


def test_what_the_shop_shows_again_is_forgotten_again(desk: Desk, settings: Any) -> None:
    settings.IM_PERSONAL_DAYS = {"sandbox_shop": 30}
    for age in (40, 31):
        seen = clock.now() - timedelta(days=age)
        with tenancy.activate(desk.account.pk):
            skip(desk.carts[0], "1", "order_filtered", "Its city is Leeds.", seen, raw={"city": "Leeds"})
            assert SkippedOrder.objects.get().raw == {"city": "Leeds"}
        forgetting.forget(clock.now())
        with tenancy.activate(desk.account.pk):
            row = SkippedOrder.objects.get()
        assert row.raw is None and "Leeds" not in row.message


def test_many_accounts_in_small_batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 2)
    for one in (desk, desks.build("Eastport", orders=0)):
        with tenancy.activate(one.account.pk):
            for number in range(3):
                order(one, f"{one.account.pk}-{number}")
            order(one, f"{one.account.pk}-young", days=1)
    assert forgetting.forget(clock.now(), time.monotonic()) == 0, "there is no time"
    assert forgetting.forget(clock.now(), time.monotonic() + 60) == 6


def test_the_page_the_list_and_the_search_of_what_is_forgotten(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        made = order(desk, "A-1")
    forgetting.forget(clock.now())
    owner = desk.client("owner")
    page = owner.get(desk.url(f"orders/{made.public_id}/")).content.decode()
    assert "Personal data removed" in page and "**PII Removed**" in page and "Wellington" not in page
    assert "A-1" in owner.get(desk.url("orders/")).content.decode()
    assert "A-1" in owner.get(desk.url("orders/"), {"q": "A-1"}).content.decode()
    assert "A-1" not in owner.get(desk.url("orders/"), {"q": "Whitfield"}).content.decode()


@pytest.mark.parametrize("value", ["0", "shopify=", "ten", "a=-1", "1.5"])
def test_a_setting_that_is_no_number_of_days_stops_the_start(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IM_PERSONAL_DAYS", value)
    with pytest.raises(ImproperlyConfigured, match="IM_PERSONAL_DAYS"):
        house._days("IM_PERSONAL_DAYS")


def test_the_setting_names_kinds_and_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IM_PERSONAL_DAYS", "90, shopify=60,amazon = 30")
    assert house._days("IM_PERSONAL_DAYS") == {"": 90, "shopify": 60, "amazon": 30}
