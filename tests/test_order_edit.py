"""Editing an order: what is saved, what follows, what is refused, and two people at once."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account
from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.canonical import Order as Canonical
from integration_manager.kit.canonical import from_json
from merchants.rules import Rules, judge
from merchants.rules.draft import HOLD_RULE
from orders import edit_forms, editing
from orders.actions import NotNow
from orders.content import source_hash
from orders.editing import LineValue, Overtaken, Values
from orders.models import Event, EventDetail, Order, OrderDetail, OrderLine, Status
from orders.reading import source_of
from tests import desk as desks
from tests.desk import Desk, make_order
from wms.systems import csv_wms, extensiv

pytestmark = pytest.mark.django_db
SHIP = {"first_name": "Dana", "last_name": "Whitfield", "address_1": "14 Wellington Place", "city": "Leeds",
        "zip": "LS1 4DY", "country": "GB", "email": "dana@mail.example"}  # fmt: skip
RAW = {
    "id": "7", "number": "AF-7", "status": "paid", "created_at": "2026-01-05T10:00:00+00:00",
    "modified_at": "2026-01-05T10:00:00+00:00", "currency": "GBP", "shipping_method": "GROUND", "note": "Ring twice.",
    "ship_to": SHIP, "bill_to": {}, "tags": [], "subtotal": "48.00", "total": "48.00", "shipping": "0.00",
    "lines": [{"id": "1", "sku": "CANDLE-8", "title": "Candle", "price": "24.00", "quantity": 2},
              {"id": "2", "sku": "WICK", "title": "Wick", "price": "0.00", "quantity": 1}],
}  # fmt: skip


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


@pytest.fixture
def order(desk: Desk) -> Order:
    """One order as the sandbox shop's connector reads it."""
    with tenancy.activate(desk.account.pk):
        return stored(desk)


def stored(desk: Desk, **fields: Any) -> Order:
    order = make_order(desk.carts[0], "AF-7", **fields)
    detail = OrderDetail.objects.select_related("order__cart__merchant").get(order=order)
    detail.raw = RAW
    detail.data = source_of(detail)
    detail.save()
    Order.objects.filter(pk=order.pk).update(source_hash=source_hash(detail.data))
    OrderLine.objects.filter(order=order).update(quantity=2)
    return order


def data() -> dict[str, Any]:
    found: dict[str, Any] = OrderDetail.objects.get().data
    return found


def values(**fields: str) -> Values:
    now = editing.values_of(data())
    return Values({**now.fields, **fields}, now.lines)


def form_of(client: Client, url: str) -> dict[str, str]:
    """What a browser would send back from the edit page, untouched."""
    page = client.get(url).content.decode()
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes.get("type") not in ("checkbox", "search", "submit") and "name" in attributes:
            found[attributes["name"]] = unescape(attributes.get("value", ""))
    for name, text in re.findall(r'<textarea name="(\w+)"[^>]*>\s*([^<]*)</textarea>', page):
        found[name] = unescape(text)
    return found


def test_what_is_said_of_a_saved_order_is_how_it_stands_then(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        order = stored(desk, status="held", held_by=HOLD_RULE)  # by a rule that there is no more
    client, url = desk.client("owner"), desk.url(f"orders/{order.public_id}/edit/")
    sent = form_of(client, url) | {"line1-quantity": "3"}
    text = client.post(url, sent, follow=True).content.decode()
    assert "Saved: Items. It is sent within a minute or two" in text and "stays on hold" not in text
    sent = form_of(client, url) | {"line1-item": ""}
    text = client.post(url, sent, follow=True).content.decode()
    assert "Saved: Items. It is not sent yet: " in text
    with tenancy.activate(desk.account.pk):
        assert Order.objects.get().status == Status.ERROR


def test_more_items_than_a_form_has_stay_as_they_are_and_the_rest_is_edited(
    desk: Desk, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit_forms, "MOST_LINES", 1)
    client, url = desk.client("owner"), desk.url(f"orders/{order.public_id}/edit/")
    other = form_of(client, url) | {"ship_city": "York"}
    sent = form_of(client, url) | {"ship_zip": "LS1 4DZ", "line1-item": "NOT-SEEN", "line1-quantity": "9"}
    assert "line2-item" not in form_of(client, url)
    assert "2 items are too many for a form" in client.get(url).content.decode()
    text = client.post(url, sent, follow=True).content.decode()
    assert "Saved: Ship to. " in text
    with tenancy.activate(desk.account.pk):
        assert [(ln["item"], ln["quantity"]) for ln in data()["lines"]] == [("CANDLE-8", "2"), ("WICK", "1")]
        assert (data()["ship"]["zip"], Order.objects.get().edited_fields) == ("LS1 4DZ", ["ship"])
    answer = client.post(url, other)
    assert answer.status_code == 409 and "LS1 4DZ" in answer.content.decode(), "somebody else was quicker"


def test_a_person_edits_everything_and_it_is_on_record(desk: Desk, order: Order) -> None:
    client, url = desk.client("owner"), desk.url(f"orders/{order.public_id}/edit/")
    sent = form_of(client, url)
    assert (sent["ship_zip"], sent["line1-item"], sent["line2-quantity"]) == ("LS1 4DY", "CANDLE-8", "1")
    assert client.post(url, sent).status_code == 302
    with tenancy.activate(desk.account.pk):
        assert not Event.objects.filter(kind="edited"), "nothing was changed"
    sent |= {
        "ship_zip": "LS1 4DZ", "ship_country": "united kingdom", "ship_code": "EXPRESS",
        "latest_ship_date": "2026-12-24", "expected_delivery_date": "2026-12-31", "gift_message": "Happy birthday",
        "shipping_instructions": "", "line1-quantity": "3", "line2-remove": "on",
        "line3-item": "TIN", "line3-quantity": "1.5",
    }  # fmt: skip
    text = client.post(url, sent, follow=True).content.decode()
    assert "Saved: Ship to, Ship method, Cancel after, Expected delivery, Instructions, Gift message, Items." in text
    for part in ("LS1 4DY</del>", "LS1 4DZ</ins>", "1 × WICK</del>", "1.5 × TIN</ins>", "CANDLE-8, quantity"):
        assert part in text
    with tenancy.activate(desk.account.pk):
        order.refresh_from_db()
        now = data()
        assert (now["ship"]["zip"], now["ship"]["country"], now["ship_code"]) == ("LS1 4DZ", "GB", "EXPRESS")
        assert "shipping_instructions" not in now
        assert [(ln["line_id"], ln["item"], ln["quantity"]) for ln in now["lines"]] == [
            ("1", "CANDLE-8", "3"), ("added-1", "TIN", "1.5"),
        ]  # fmt: skip
        assert now["lines"][0]["price"] == "24.00", "what is not edited stays"
        assert list(OrderLine.objects.order_by("position").values_list("item", "quantity")) == [
            ("CANDLE-8", 3),
            ("TIN", 1.5),
        ]
        assert (order.qty_total, order.lines, order.ship_code) == (4.5, 2, "EXPRESS")
        assert set(order.edited_fields) == {
            "ship", "ship_code", "latest_ship_date", "expected_delivery_date", "gift_message",
            "shipping_instructions", "lines",
        }  # fmt: skip
        prepared = judge(from_json(Canonical, now), Rules("ACME")).prepared(order.wms_ref)
        assert csv_wms.payload(prepared)["rows"][0]["expected_delivery_date"] == "2026-12-31"
        assert extensiv.payload(prepared)["expectedDeliveryDate"] == "2026-12-31"
        event = Event.objects.get(kind="edited")
        assert EventDetail.objects.get(event_id=event.pk).changes["expected_delivery_date"] == [None, "2026-12-31"]
        assert (event.actor, EventDetail.objects.get(event_id=event.pk).changes["ship_code"]) == (
            "Owner",
            ["GROUND", "EXPRESS"],
        )
        assert OrderDetail.objects.get().raw == RAW


def test_days_that_the_shop_has_the_wrong_way_round_stop_no_other_edit(desk: Desk, order: Order) -> None:
    with tenancy.activate(desk.account.pk):
        detail = OrderDetail.objects.get()
        detail.data |= {
            "requested_ship_date": "2026-12-24", "latest_ship_date": "2026-12-20",
            "expected_delivery_date": "2026-12-22",
        }  # fmt: skip
        detail.save()
    client, url = desk.client("owner"), desk.url(f"orders/{order.public_id}/edit/")
    sent = form_of(client, url)
    assert client.post(url, sent | {"gift_message": "Happy birthday"}).status_code == 302
    sent = form_of(client, url)
    for typed in (
        {"latest_ship_date": "2026-12-21"}, {"expected_delivery_date": "2026-12-23"},
        {"requested_ship_date": "2026-12-25"},
    ):  # fmt: skip
        assert client.post(url, sent | typed).status_code == 422, typed
    with tenancy.activate(desk.account.pk):
        assert (data()["gift_message"], data()["expected_delivery_date"]) == ("Happy birthday", "2026-12-22")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"ship_country": "Atlantis"}, "“Atlantis” is no country"),
        ({"ship_zip": "x" * 21}, "at most 20 characters"),
        ({"ship_e_mail": "nobody"}, "valid email address"),
        ({"line1-quantity": "0"}, "More than 0, or remove the item."),
        ({"line1-quantity": "-1"}, "More than 0, or remove the item."),
        ({"line1-quantity": "two"}, "Enter a number."),
        ({"line3-quantity": "2"}, "Which item is to be added?"),
        (
            {"requested_ship_date": "2026-12-24", "latest_ship_date": "2026-12-01"},
            "before the day on which it is to ship",
        ),
        (
            {"requested_ship_date": "2026-12-24", "expected_delivery_date": "2026-12-01"},
            "cannot arrive before the day on which it is to ship",
        ),
        ({"expected_delivery_date": "soon"}, "Enter a valid date."),
        ({"line1-remove": "on", "line2-remove": "on"}, "An order needs an item."),
        ({"shipping_instructions": "x" * 1001}, "at most 1000 characters"),
        ({"base": "forged"}, "Edit AF-7"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(
    desk: Desk, order: Order, typed: dict[str, str], words: str
) -> None:
    client, url = desk.client("owner"), desk.url(f"orders/{order.public_id}/edit/")
    answer = client.post(url, {**form_of(client, url), "gift_message": "Typed before", **typed})
    assert answer.status_code == 422
    assert words in unescape(answer.content.decode())
    assert "Typed before" in answer.content.decode()
    with tenancy.activate(desk.account.pk):
        assert not Event.objects.filter(kind="edited")


def test_more_rows_keep_what_was_typed(desk: Desk, order: Order) -> None:
    client, url = desk.client("owner"), desk.url(f"orders/{order.public_id}/edit/")
    text = client.post(url, {**form_of(client, url), "line3-item": "TIN", "more": "1"}).content.decode()
    assert 'name="line8-item"' in text
    assert 'value="TIN"' in text


def test_two_people_at_once_do_not_overwrite_each_other(desk: Desk, order: Order) -> None:
    url = desk.url(f"orders/{order.public_id}/edit/")
    first, second = desk.client("owner"), desk.client("owner")
    mine, theirs = form_of(first, url), form_of(second, url)
    theirs |= {"ship_zip": "LS9 9ZZ", "ship_city": "York", "line1-quantity": "5"}
    assert second.post(url, theirs).status_code == 302
    mine |= {
        "ship_zip": "LS1 1AA",
        "gift_message": "From us",
        "line1-item": "CANDLE-9",
        "line3-item": "TIN",
        "line3-quantity": "1",
    }
    answer = first.post(url, mine)
    text = unescape(answer.content.decode())
    assert answer.status_code == 409
    assert "Owner has changed this order meanwhile" in text
    assert "You both changed: Items; Ship to, postcode" in text
    assert "York</ins>" in text
    again = form_of_text(text)
    assert (again["ship_zip"], again["ship_city"], again["gift_message"]) == ("LS1 1AA", "York", "From us")
    assert (again["line1-item"], again["line1-quantity"], again["line3-item"]) == ("CANDLE-9", "5", "TIN")
    with tenancy.activate(desk.account.pk):
        assert data()["ship"]["zip"] == "LS9 9ZZ", "nothing was saved yet"
    assert first.post(url, again).status_code == 302
    with tenancy.activate(desk.account.pk):
        assert (data()["ship"]["zip"], data()["ship"]["city"], data()["gift_message"]) == ("LS1 1AA", "York", "From us")
    assert second.post(url, theirs).status_code == 409, "an old form never wins silently"
    assert first.post(url, again).status_code == 302, "the same once more changes nothing"
    with tenancy.activate(desk.account.pk):
        assert Event.objects.filter(kind="edited").count() == 2


def form_of_text(page: str) -> dict[str, str]:
    class Shown:
        content = page.encode()

    class Once:
        def get(self, url: str) -> Any:
            return Shown

    return form_of(Once(), "")  # type: ignore[arg-type]


def test_lines_of_two_people_come_together() -> None:
    a, b, c = (LineValue(key, key, "1") for key in "abc")
    new, theirs = LineValue("", "NEW", "1"), LineValue("d", "D", "4")
    base = Values({}, (a, b, c))
    mine = Values({}, (LineValue("a", "a", "2"), c, new))  # b taken out
    now = Values({}, (a, b, theirs))  # c taken out, d added
    together, both = editing.merged(base, mine, now)
    assert together.lines == (LineValue("a", "a", "2"), theirs, new)
    assert both == []
    changed = Values({}, (a, LineValue("b", "b", "9")))
    assert editing.merged(base, mine, changed)[1] == ["lines"], "I took out what they changed"
    kept = editing.merged(base, Values({}, (a, b, LineValue("c", "c", "7"))), Values({}, (a, b)))[0]
    assert kept.lines[-1] == LineValue("c", "c", "7"), "what I changed is not lost though they took it out"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "sending"}, "being sent to the WMS right now"),
        ({"status": "at_wms"}, "it can only be read"),
        ({"status": "shipped"}, "it can only be read"),
        ({"status": "canceled"}, "it can only be read"),
        ({"status": "error", "error_code": "outcome_unknown"}, "First say whether the order arrived"),
        ({"status": "error", "error_code": "unmappable"}, "could not be read from the shop"),
        ({"status": "ready", "cancel_requested_at": clock.now()}, "It was canceled"),
    ],
)
def test_what_cannot_be_edited_says_why(desk: Desk, order: Order, fields: dict[str, Any], words: str) -> None:
    client, url = desk.client("owner"), desk.url(f"orders/{order.public_id}/edit/")
    sent = form_of(client, url) | {"gift_message": "Just typed"}
    with tenancy.activate(desk.account.pk):
        Order.objects.update(**fields)
    assert words in unescape(client.get(url, follow=True).content.decode())
    answer = client.post(url, sent)
    assert answer.status_code == 409
    assert "Just typed" in answer.content.decode()
    assert words in unescape(answer.content.decode())
    with tenancy.activate(desk.account.pk):
        assert "gift_message" not in data()


def test_where_an_edited_order_goes(desk: Desk, order: Order) -> None:
    with tenancy.activate(desk.account.pk):
        bare = values(ship_city="")
        editing.save(order, values(), bare, "x")
        order.refresh_from_db()
        assert (order.status, order.error_code) == ("error", "address_incomplete")
        assert Alert.objects.get(key=order.cause).resolved_at is None
        editing.save(order, values(), values(ship_address_1=""), "x")
        order.refresh_from_db()
        assert "no street" in order.error_message, "another problem is told, and the first alert is over"
        editing.save(order, values(), values(ship_city="York", ship_address_1="1 Mill Lane"), "x")
        order.refresh_from_db()
        assert (order.status, order.error_code, order.cause) == ("ready", "", "")
        assert not Alert.objects.filter(kind="address_incomplete", resolved_at=None)
        for status, held_by, error_code, after in (
            ("held", "person", "", "held"), ("held", "source", "", "held"), ("held", "reopened", "", "held"),
            ("gave_up", "", "gave_up", "ready"), ("error", "", "bad_address", "ready"),
            ("error", "", "reference_taken", "error"),
        ):  # fmt: skip
            Order.objects.update(status=status, held_by=held_by, error_code=error_code, failures=3)
            editing.save(order, values(), values(gift_message=f"{status} {held_by} {error_code}"), "x")
            order.refresh_from_db()
            assert order.status == after, (status, held_by, error_code)
        Order.objects.update(
            status="ready", failures=3, first_failed_at=clock.now(), retry_at=clock.now() + timedelta(days=1)
        )
        editing.save(order, values(), values(gift_message="at once"), "x")
        order.refresh_from_db()
        assert (order.failures, order.retry_at <= clock.now()) == (0, True)


def test_it_is_given_back_to_its_source(desk: Desk, order: Order) -> None:
    with tenancy.activate(desk.account.pk):
        editing.save(order, values(), values(ship_zip="LS9 9ZZ", shipping_instructions="", gift_message="Ours"), "x")
    client = desk.client("owner")
    page = unescape(client.get(desk.url(f"orders/{order.public_id}/")).content.decode())
    assert "Edited here" in page
    assert "LS1 4DY" in page
    for part in ("ship", "shipping_instructions", "gift_message"):
        client.post(desk.url(f"orders/{order.public_id}/give-back/{part}/"))
    with tenancy.activate(desk.account.pk):
        order.refresh_from_db()
        assert order.edited_fields == []
        assert (data()["ship"]["zip"], data()["shipping_instructions"]) == ("LS1 4DY", "Ring twice.")
        assert "gift_message" not in data()
        assert Event.objects.filter(kind="edited").count() == 4
    again = client.post(desk.url(f"orders/{order.public_id}/give-back/ship/"), follow=True).content.decode()
    assert "It follows the shop already" in again
    assert client.post(desk.url(f"orders/{order.public_id}/give-back/cart_key/")).status_code == 404


def test_the_engine_refuses_an_overtaken_edit_and_forgotten_content(desk: Desk, order: Order) -> None:
    with tenancy.activate(desk.account.pk):
        base = values()
        editing.save(order, base, values(gift_message="First"), "x")
        with pytest.raises(Overtaken) as told:
            editing.save(order, base, Values({**base.fields, "gift_message": "Second"}, base.lines), "y")
        assert told.value.now.fields["gift_message"] == "First"
        assert editing.save(order, base, values(), "y") == [], "what I want is what it says"
        OrderDetail.objects.update(raw=None)
        with pytest.raises(NotNow, match="not known any more"):
            editing.give_back(order, "gift_message", Account.objects.get(pk=desk.account.pk), "x")
        OrderDetail.objects.update(data={"cart_key": "7"})
        with pytest.raises(NotNow, match="removed with its personal data"):
            editing.save(order, base, base, "x")


def test_notes_are_added_in_any_state_once_and_blanked_with_the_order(desk: Desk, order: Order) -> None:
    client, url = desk.client("owner"), desk.url(f"orders/{order.public_id}/note/")
    with tenancy.activate(desk.account.pk):
        Order.objects.update(status=Status.CONFIRMED)
    for _ in range(2):
        text = client.post(url, {"note": "Dana <called>"}, follow=True).content.decode()
    assert "Dana &lt;called&gt;" in text
    client.post(url, {"note": " "})
    client.post(url, {"note": "x" * 1001})
    with tenancy.activate(desk.account.pk):
        event = Event.objects.get(kind="note")
        assert (event.message, event.actor) == ("", "Owner")
        assert EventDetail.objects.get(event_id=event.pk).changes == {"note": [None, "Dana <called>"]}
