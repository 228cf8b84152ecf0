"""What stands in the files of the lists. That each list has one: tests/test_web_forms.py, which reads every page."""

import csv
import io
from datetime import date, timedelta

import pytest

from accounts.models import AuditEntry, Invitation
from alerts import contacts
from carts.models import DryOrder, DryRun, WebhookDelivery
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Merchant, ReadFile, Schedule
from orders.models import BulkAction, BulkRow, Event, EventDetail, LookupCount, PurchaseOrder, Run
from orders.purchase_rows import note
from tests import desk as desks
from tests import desk_lists, every_page
from tests import test_idor as routes
from tests.desk import Desk, file_of

pytestmark = pytest.mark.django_db


def fill(desk: Desk) -> None:
    """What the lists have that the pages' own world has not."""
    now = clock.now()
    with tenancy.activate(desk.account.pk):
        cart = desk.carts[0]
        for merchant, where in ((desk.merchants[0], cart), (desk.merchants[0], None)):
            schedule = Schedule.objects.filter(merchant=merchant, cart=where).first()
            Run.objects.create(
                merchant_id=merchant.pk, cart_id=where.pk if where else None, schedule_id=schedule.pk,
                service=schedule.service, started_at=now, seconds=2.5, outcome="failed", calls=4, waited=2.0,
                counts={"found": 3}, code="unreachable", problem="=It could not be reached",
            )  # fmt: skip
        WebhookDelivery.objects.create(
            cart=cart, topic="orders/paid", delivery_id="d-1", received_at=now, verified=True
        )
        dry = DryRun.objects.create(
            cart=cart, state="done", earliest=date(2020, 1, 1), started_by="x", started_at=now, finished_at=now
        )
        DryOrder.objects.create(
            dry_run=dry, key="9", number="#9", verdict="hold", message="A rule", country="GB", lines=2, seen_at=now
        )
        bulk = BulkAction.objects.create(
            key="many", action="resend", user=desk.users["owner"], actor="dana@x.example", state="done",
            about="2 selected orders", total=2, done=1, refused=1,
        )  # fmt: skip
        BulkRow.objects.create(bulk=bulk, order_id=desk.orders[0].pk, outcome="refused", reason="It has shipped.")
        of_one = {"order_id": desk.orders[0].pk}
        for kind, changes in (
            ("note", {"note": [None, "=Call first"]}),
            ("edited", {"ship_code": ["Slow", "=Fast"], "gift_message": ["", "Hi"]}),
        ):
            event = Event.objects.create(at=now, kind=kind, actor="=dana@x.example", **of_one)
            EventDetail.objects.create(event_id=event.pk, changes=changes, **of_one)
        note([PurchaseOrder.objects.get(public_id=routes.purchase_of(desk))], "sent", "=There", now)
        LookupCount.objects.create(begins_on=date(2020, 1, 1), us=7)
        contacts.set_emails(desk.merchants[0], ["dock@x.example"])
        files = routes.by_files(desk)
        of = type(cart).objects.get(public_id=files["cart"])
        ReadFile.objects.create(
            merchant=of.merchant, cart=of, kind="orders", name="night.csv", size=12, modified_at=now, rows=5, refused=1
        )
        Invitation.objects.create(
            email="kim@x.example", name="=Kim", role="admin", invited_by="dana@x.example", token_hash="t",
            expires_at=now + timedelta(days=7),
        )  # fmt: skip


@pytest.fixture(scope="module")
def desk(kept: None) -> Desk:
    """An account with a row in every list, made once."""
    found = desks.build(orders=1)
    every_page.fill(found)
    routes.with_rows_of_each_kind(found)
    desk_lists.fill(found)
    fill(found)
    found.settle("owner", "colleague")
    return found


def rows(desk: Desk, name: str, who: str = "owner", query: str = "") -> list[dict[str, str]]:
    answer = desk.client(who).get(routes.address(desk, name) + query)
    return list(csv.DictReader(io.StringIO(file_of(answer).decode("utf-8-sig"))))


# route → (its query, what one of its rows has among others)
CONTENT: dict[str, tuple[str, dict[str, str]]] = {
    "users_csv": ("", {"E-mail": "owner@northquay.example", "Role": "Primary user", "Status": "Active"}),
    "carts_csv": ("", {"Cart": "Northquay One shop", "State": "Healthy", "Merchant": "Northquay One"}),
    "merchants_csv": ("", {"Merchant": "Northquay One", "Carts": "2", "Health": "Healthy"}),
    "ship_methods_csv": (
        "",
        {"Cart": "Northquay One shop", "Codes": "1", "Mapped": "1"},
    ),
    "cart_runs_csv": ("", {"Outcome": "Not reached", "What went wrong": "'=It could not be reached", "Calls": "4"}),
    "merchant_runs_csv": ("", {"Did": "3 found", "Seconds": "2.5", "Seconds of an answer": "0.50"}),
    "cart_products_csv": (
        "?state=refused",
        {"SKU": "CANDLE-8", "Id in the cart": "42", "Was there already": ""},
    ),
    "cart_dry_run_csv": ("?show=hold", {"Order": "#9", "What would become of it": "Would be held", "Why": "A rule"}),
    "cart_webhooks_csv": ("", {"Topic": "orders/paid", "Signature": "right", "Delivery": "d-1"}),
    "warehouses_csv": ("", {"Warehouse": "Default", "State": "Part of the stock", "Products": "1"}),
    "warehouse_csv": ("", {"SKU": "CANDLE-8", "Available": "9"}),
    "channels_csv": ("", {"Channel": "Dock", "Kind": "Slack", "Merchant": "Northquay One"}),
    "merchant_contacts_csv": ("", {"Address": "dock@x.example", "Who": "Additional address", "Gets mails": "Yes"}),
    "wms_contacts_csv": ("", {"Address": "owner@northquay.example", "Who": "User", "Alerted": "Yes"}),
    "order_timeline_csv": ("", {"What happened": "Edited", "Changed": "Ship method", "After": "'=Fast"}),
    "purchase_timeline_csv": ("", {"What happened": "At the WMS", "More": "'=There"}),
    "bulks_csv": ("", {"Orders": "2 selected orders", "Done": "1", "Not done": "1", "By": "dana@x.example"}),
    "order_views_csv": ("", {"Name": "Mine", "Whose": "Mine"}),
    "account_lookups_csv": ("", {"Billing period from": "2020-01-01", "US": "7"}),
    "cart_files_csv": ("", {"File": "night.csv", "List": "Files read", "Rows": "5", "Rows refused": "1"}),
    "merchant_formats_csv": ("", {"Name": "Mine", "Kind": "Order files", "Direction": "Comes in"}),
    "wms_formats_csv": ("", {"Name": "Ours"}),
}


@pytest.mark.parametrize("name", CONTENT)
def test_what_stands_in_a_file(desk: Desk, name: str) -> None:
    query, expected = CONTENT[name]
    found = rows(desk, name, query=query)
    assert any(expected.items() <= row.items() for row in found), found


def test_a_file_has_what_its_page_is_asked_for_and_its_reader_may_see(desk: Desk) -> None:
    assert [row["SKU"] for row in rows(desk, "cart_products_csv", query="?state=there")] == ["MUG-BLUE"]
    assert rows(desk, "warehouse_csv", query="?q=MUG") == []
    assert rows(desk, "carts_csv", query="?deleted") == rows(desk, "merchants_csv", query="?archived=1") == []
    assert {row["Merchant"] for row in rows(desk, "carts_csv", query=f"?merchant={desk.merchants[1].public_id}")} == {
        "Northquay Two"
    }
    people = rows(desk, "users_csv", query="?q=kim")
    assert [(row["Name"], row["Status"], row["Invited by"]) for row in people] == [
        ("'=Kim", "Invited", "dana@x.example")
    ]
    for name in ("carts_csv", "ship_methods_csv", "cart_rules_csv", "merchants_csv"):
        assert {row["Merchant"] for row in rows(desk, name, "colleague")} == {"Northquay Two"}, name
    assert [row["E-mail"] for row in rows(desk, "users_csv", "colleague")] == ["colleague@northquay.example"]
    assert rows(desk, "channels_csv", "colleague") == rows(desk, "bulks_csv", "colleague") == []
    with tenancy.activate(desk.account.pk):
        assert AuditEntry.objects.filter(verb="users.exported").count() >= 2, "who took the addresses along is known"


def test_the_file_of_a_timeline_has_what_its_page_shows(desk: Desk) -> None:
    found = rows(desk, "order_timeline_csv")
    assert [tuple(row.values())[1:] for row in found] == [
        ("Edited", "", "'=dana@x.example", "Ship method", "Slow", "'=Fast"),
        ("Edited", "", "'=dana@x.example", "Gift message", "", "Hi"),
        ("Note", "'=Call first", "'=dana@x.example", "", "", ""),
        ("Loaded", "from the shop", "", "", "", ""),
    ]
    with tenancy.activate(desk.account.pk):
        assert AuditEntry.objects.filter(verb="orders.exported", target="the timeline of ONE-100").exists()
        EventDetail.objects.all().delete()  # as when personal data has had its time
    assert {row["More"] + row["Before"] + row["After"] for row in rows(desk, "order_timeline_csv")} == {
        "", "from the shop",
    }  # fmt: skip


def test_who_lacks_values_for_the_wms_is_a_file_of_its_page(desk: Desk) -> None:
    address, client = routes.address(desk, "wms_lacking_csv"), desk.client("owner")
    assert address not in client.get(desk.url("wms/")).content.decode()
    with tenancy.activate(desk.account.pk):
        Merchant.objects.create(name="=Bare", code="BARE")
        Merchant.objects.filter(pk=desk.merchants[1].pk).update(wms_values={})
    assert address in client.get(desk.url("wms/")).content.decode()
    assert [tuple(row.values()) for row in rows(desk, "wms_lacking_csv")] == [
        ("'=Bare", "BARE", "Customer ID"),
        ("Northquay Two", "TWO", "Customer ID"),
    ]
    assert [row["Merchant"] for row in rows(desk, "wms_lacking_csv", "colleague")] == ["Northquay Two"]
