"""The page of one order: what stands on it, what may be done, and how much it asks the database."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.kit.errors import Permanent
from orders import parcel_alerts
from orders.alerted import with_orders
from orders.models import Effect, Event, EventDetail, Order, OrderDetail, OrderLine, PurchaseOrder, Shipment, Status
from orders.purchase_rows import note
from orders.views import timeline
from tests import desk as desks
from tests.desk import Desk, make_order
from tests.statements import counted
from tests.test_order_edit import RAW, stored

pytestmark = pytest.mark.django_db
MOST = 12  # queries of a page


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


def page(desk: Desk, order: Order, path: str = "", **data: str) -> str:
    client, url = desk.client("owner"), desk.url(f"orders/{order.public_id}/{path}")
    answer = client.post(url, data, follow=True) if data else client.get(url)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def parcels(order: Order, *several: dict[str, Any]) -> None:
    now = clock.now()
    for number, fields in enumerate(several, 1):
        Shipment.objects.create(
            merchant_id=order.merchant_id, cart_id=order.cart_id, order=order, key=f"P{number}", created_at=now,
            retry_at=now, **{"data": {}, "tracking_no": f"1Z00000000{number}", "carrier": "UPS", **fields},
        )  # fmt: skip


def everything(desk: Desk) -> Order:
    """An order at the WMS of which everything can be said at once."""
    order = stored(desk, status="at_wms", test=True, wms_key="W1", qty_shipped=1, edited_fields=["ship"], revision=1)
    now = clock.now()
    detail = OrderDetail.objects.get()
    detail.raw = {**RAW, "note": "Ring three times."}
    detail.data["ship"]["zip"] = "LS9 9ZZ"
    detail.data |= {"grand_total": "50.00", "shipping_handling": "0.00"}
    detail.applied = [{"field": "Items", "why": "WICK is left out: it is on the cart’s item filter."}]
    detail.save()
    OrderLine.objects.create(order=order, position=2, line_id="2", item="WICK", quantity=1, filtered=True)
    OrderLine.objects.filter(position=1).update(sent_item="AFC8", qty_shipped=1)
    Alert.objects.create(
        kind="changed_after_sending",
        key=f"order:{order.pk}",
        order_id=order.pk,
        message="x",
        first_seen=now,
        last_seen=now,
    )
    parcels(order, {"uploaded_at": now}, {"parked_at": now, "error_message": "No such order."}, {"voided_at": now})
    event = Event.objects.create(order_id=order.pk, at=now, kind="edited", actor="Priya")
    EventDetail.objects.create(event_id=event.pk, order_id=order.pk, changes={"ship": [{"zip": "A"}, {"zip": "B"}]})
    Event.objects.create(order_id=order.pk, at=now, kind="cancel_requested")
    for kind, state in (("cancel_at_wms", "refused"), ("refund", "done")):
        Effect.objects.create(
            merchant_id=order.merchant_id, order=order, kind=kind, key="k", state=state, actor="x", created_at=now,
            retry_at=now, error_message="too late.",
            data={"key": "k", "currency": "GBP", "amount": "1.00"} if kind == "refund" else {},
        )  # fmt: skip
    return order


def rows(sent: list[str]) -> int:
    """The statements that read rows."""
    return sum(not sql.startswith("SELECT set_config") for sql in sent)


def test_everything_is_said_within_twelve_queries(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        order = everything(desk)
        earlier = Order.objects.get()
        earlier.pk, earlier.public_id, earlier.revision, earlier.wms_ref = None, public_id(), 0, "AF-7-before"
        earlier.save()
    client, url = desk.client("owner"), desk.url(f"orders/{order.public_id}/")
    client.get(url)  # the session and the membership note their first page
    with counted() as sent:
        text = unescape(client.get(url).content.decode())
    assert rows(sent) <= MOST, "\n".join(sent)
    for words in (
        "Test order", "Not sent", "WICK is left out: it is on the cart’s item filter.", "sent as", "AFC8",
        "says 50.00 in all: 2.00 more than its parts add up to, 48.00",
        "Changed in Northquay One shop after it was sent", "Ring three times.", "Edited here", "LS9 9ZZ", "LS1 4DY",
        "https://www.ups.com/track?tracknum=1Z000000001", "The cart does not take it", "It is in the cart",
        "It is not, send it", "Still to ship", "1 × AFC8", "did not cancel it", "Ship to, postcode", "by Priya",
        "Cancel at the WMS…", "<progress", "earlier: AF-7-before",
    ):  # fmt: skip
        assert words in text, words
    assert "Edit</a>" not in text, "the WMS has it"
    assert "send again…" not in text, "a part of it has shipped"


def test_an_order_that_waits_is_within_twelve_queries_too(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        order = stored(desk, edited_fields=["ship", "lines"])
        taken = make_order(desk.carts[0], "AF-8", status="error", error_code="reference_taken", cause="k")
        there = {"order_no": "AF-7", "wms_key": "W9", "lines": [["TEA", "4"]]}
        OrderDetail.objects.filter(order=taken).update(there=there)
    client = desk.client("owner")
    client.get(desk.url(f"orders/{order.public_id}/"))
    for one in (order, taken):
        with counted() as sent:
            text = unescape(client.get(desk.url(f"orders/{one.public_id}/")).content.decode())
        assert rows(sent) <= MOST, "\n".join(sent)
    for words in ("At the WMS", "4 × ", "TEA", "our order AF-7", 'value="W9"', "It is the same order"):
        assert words in text, words


def test_a_parcel_is_sent_again_or_found_in_the_cart(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "AF-1", status="shipped")
        Shipment.objects.all().delete()
        now = clock.now()
        parcels(
            order, {"uploaded_at": now, "starts": 1},
            {"parked_at": now, "starts": 1, "error_code": "outcome_unknown", "unknown_rounds": 3},
            {"parked_at": now, "starts": 1, "error_code": "refused"},
        )  # fmt: skip
        for parcel in Shipment.objects.filter(parked_at__isnull=False):
            refused, row = Permanent(f"Not {parcel.key}."), (parcel.pk, order.pk, (parcel.key,))
            parcel_alerts.open_alerts(desk.carts[0], "tracking_refused", [row], refused, now)
        alert = with_orders(Alert.objects.filter(kind="tracking_refused", resolved_at=None)).get()
        assert (alert.count, alert.waiting, alert.order_number) == (2, 1, "AF-1"), "two parcels of one order"
    text = desk.client("owner").get(desk.url(f"orders/?cause={alert.key}")).content.decode()
    assert "AF-1" in text and "Resend tracking" in text and "They arrived" not in text
    assert "goes to the cart again" in page(desk, order, "do/resend_parcel/", parcel="P1")
    assert "on its way to the cart already" in page(desk, order, "do/resend_parcel/", parcel="P1")
    page(desk, order, "do/resend_parcel/", parcel="P2")
    with tenancy.activate(desk.account.pk):
        assert Alert.objects.get(pk=alert.pk).resolved_at is None, "the other one is not there"
    assert "no such parcel" in page(desk, order, "do/resend_parcel/", parcel="P9")
    assert "Noted: the cart has the tracking" in page(desk, order, "do/tracking_there/", parcel="P3")
    assert "decided already" in page(desk, order, "do/tracking_there/", parcel="P3")
    with tenancy.activate(desk.account.pk):
        found = {p.key: (p.uploaded_at is None, p.parked_at is None, p.starts) for p in Shipment.objects.all()}
        assert found == {"P1": (True, True, 1), "P2": (True, True, 0), "P3": (False, True, 1)}
        assert not Alert.objects.filter(kind="tracking_refused", resolved_at=None)
        Shipment.objects.update(uploaded_at=None, parked_at=clock.now())
    for key in ("P1", "P2", "P3"):
        page(desk, order, "do/tracking_there/", parcel=key)
    with tenancy.activate(desk.account.pk):
        assert Order.objects.get().status == Status.CONFIRMED, "the last of its parcels is there"


@pytest.mark.parametrize("action", ["resend_parcel", "tracking_there"])
def test_what_is_said_of_a_parcel_is_done_whole_or_not_at_all(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "AF-1", status="shipped")
        Shipment.objects.all().delete()
        parcels(order, {"parked_at": clock.now(), "starts": 1, "error_code": "refused"})

    def cut_off(*_: Any) -> None:
        raise KeyError

    with monkeypatch.context() as patched, pytest.raises(KeyError):
        patched.setattr(parcel_alerts, "settle", cut_off)
        page(desk, order, f"do/{action}/", parcel="P1")
    assert "already" not in page(desk, order, f"do/{action}/", parcel="P1")


def test_the_page_before_canceling_at_the_wms_says_what_happens(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "AF-1", status="at_wms", wms_key="W1", delivered_at=clock.now())
    text = page(desk, order, "cancel-at-wms/")
    assert "Nobody can promise that it agrees" in text
    assert "It is canceled at the WMS" not in text
    assert "sent again as it is in" in page(desk, order, "cancel-at-wms/?again=1")
    assert "is asked to cancel it" in page(desk, order, "cancel-at-wms/", again="")
    assert "is asked already" in page(desk, order, "cancel-at-wms/")
    assert "asked to cancel it already" in page(desk, order, "cancel-at-wms/", again="")
    with tenancy.activate(desk.account.pk):
        Effect.objects.update(state="refused", error_message="too late.")
    assert "The WMS did not cancel it when it was asked" in page(desk, order, "cancel-at-wms/")
    assert "Noted: it is canceled at the WMS" in page(desk, order, "cancel-at-wms/", by_hand="1")
    assert "It is not at the WMS" in page(desk, order, "cancel-at-wms/")
    assert "It is not at the WMS" in page(desk, order, "cancel-at-wms/", by_hand="1")
    with tenancy.activate(desk.account.pk):
        assert Order.objects.get().status == Status.CANCELED


@pytest.mark.parametrize("status", Status)
def test_the_page_opens_in_every_state(desk: Desk, status: Status) -> None:
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "AF-1", status=status, cause="k" if status == "error" else "")
        OrderDetail.objects.update(data={}, raw=None)
        Order.objects.update(retry_at=clock.now() + timedelta(hours=1), failures=2, first_failed_at=clock.now())
    text = page(desk, order)
    assert "removed with the order’s personal data" in text
    assert 'class="next"' in text


def test_who_may_only_look_sees_no_button(desk: Desk) -> None:
    from accounts.models import User

    with tenancy.activate(desk.account.pk):
        order = everything(desk)
    desk.users["staff"] = User.objects.create_user("staff@operator.example", "x" * 12, is_staff=True)
    desks.with_app(desk.users["staff"])
    client = desk.client("staff")
    client.post(f"/staff/open/{desk.account.public_id}/")
    text = client.get(desk.url(f"orders/{order.public_id}/")).content.decode()
    main = text[text.index("<main") : text.index("</main")]
    assert 'action="/a/' not in main
    assert "Give back" not in main


def walked_back(client: Client, address: str) -> str:
    """Walks from a page with the newest of seven steps to the first, and a page back; no script. Gives that page."""
    client.get(address)
    seen: list[list[str]] = []
    while True:
        with counted() as sent:
            answer = client.get(address)
        assert answer.status_code == 200 and rows(sent) <= MOST, sent
        said = unescape(answer.content.decode())
        assert "of another" not in said
        seen.append(re.findall(r"step (\d)\.", said))
        link = re.search(r'rel="next" href="([^"]+)"', said)
        if link is None:
            break
        address = link[1] if link[1].startswith("/") else address.partition("?")[0] + link[1]
    assert seen == [["6", "5", "4"], ["3", "2", "1"], ["0"]], "each once, newest first"
    back = re.search(r'rel="prev" href="([^"]+)"', said)
    assert back is not None
    said = unescape(client.get(address.partition("?")[0] + back[1]).content.decode())
    assert re.findall(r"step (\d)\.", said) == seen[1]
    assert re.findall(r'rel="(?:prev|next)"[^>]*>(?:<svg.*?</svg>)?\s*(\w+)', said, re.S) == ["Newer", "Older"]
    return said


def test_a_long_timeline_goes_on_page_by_page_to_its_beginning_and_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "MOST", 3)
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "ONE-1")
        other = make_order(desk.carts[0], "ONE-2")
        Event.objects.all().delete()
        for number in range(7):
            event = Event.objects.create(order_id=order.pk, at=clock.now(), kind="edited", message=f"step {number}.")
            changes = {"ship_code": [f"from-{number}", f"to-{number}"]}
            EventDetail.objects.create(event_id=event.pk, order_id=order.pk, changes=changes)
            Event.objects.create(order_id=other.pk, at=clock.now(), kind="edited", message=f"of another {number}.")
    client, address = desk.client("owner"), desk.url(f"orders/{order.public_id}/")
    said = walked_back(client, address)
    assert all(f"to-{number}" in said for number in (3, 2, 1))
    mine = desk.url(f"orders/{order.public_id}/timeline/")
    for odd in ("", "?after=1", "?before=zzz"):
        said = client.get(mine + odd).content.decode()
        assert re.findall(r"step (\d)\.", said) == ["6", "5", "4"], "what is no cursor is the beginning"
    with tenancy.activate(desk.account.pk):
        Event.objects.filter(order_id=order.pk).delete()
    assert "Nothing before that" in client.get(mine).content.decode()


def test_so_does_that_of_a_purchase_order(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "MOST", 3)
    cart = desk.carts[0]
    with tenancy.activate(desk.account.pk):
        mine, other = (
            PurchaseOrder.objects.create(
                merchant=cart.merchant, cart=cart, source=cart.source, key=key, number=key, search=key.lower(),
                ref=key, data={"key": key, "number": key, "status": "open", "lines": []},
            )
            for key in ("PO-1", "PO-2")
        )  # fmt: skip
        for number in range(7):
            note([mine], "changed", f"step {number}.", clock.now())
            note([other], "changed", f"of another {number}.", clock.now())
    client, address = desk.client("owner"), desk.url(f"orders/purchases/{mine.public_id}/")
    said = walked_back(client, address)
    assert "What happened to purchase order PO-1" in said and f'href="{address}"' in said
    with tenancy.activate(desk.account.pk):
        mine.events.all().delete()
    assert "Nothing before that" in client.get(f"{address}timeline/").content.decode()


@pytest.mark.parametrize(
    ("code", "where"),
    [("item_code_unknown", "items-h"), ("kit_not_whole", "items-h"), ("address_error", "ship-h")],
)
def test_correct_it_here_leads_to_what_is_wrong(desk: Desk, code: str, where: str) -> None:
    with tenancy.activate(desk.account.pk):
        order = stored(desk, status="error", error_code=code, error_message="It is wrong.", cause="x")
        times = {"first_seen": clock.now(), "last_seen": clock.now()}
        Alert.objects.create(kind=code, key="x", merchant=order.merchant, message="It is wrong.", **times)
    assert re.findall(r'/edit/#([a-z-]+)">Correct it here', page(desk, order)) == [where]
