"""The order list as people use it: actions on many, files, views, columns, skipped orders."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.errors import Permanent
from orders import actions, bulk_run, causes
from orders.models import BulkAction, Order, SavedView, SkippedOrder, Status
from tests import desk as desks
from tests.desk import Desk, make_order
from tests.statements import counted

pytestmark = pytest.mark.django_db
MOST_QUERIES = 12


@pytest.fixture
def desk() -> Desk:
    """Of merchant One three errors and one at the WMS, of merchant Two one error."""
    desk = desks.build(orders=0)
    with tenancy.activate(desk.account.pk):
        for index in range(3):
            make_order(desk.carts[0], f"ONE-{index}", status="error", error_code="x", ship_country="GB")
        make_order(desk.carts[0], "ONE-AT", status="at_wms", ship_code="UPS")
        make_order(desk.carts[1], "TWO-0", status="error", error_code="x")
    return desk


def states(desk: Desk) -> dict[str, str]:
    with tenancy.activate(desk.account.pk):
        return dict(Order.objects.values_list("cust_po_no", "status"))


def ids(desk: Desk, *numbers: str) -> list[str]:
    with tenancy.activate(desk.account.pk):
        return list(Order.objects.filter(cust_po_no__in=numbers).values_list("public_id", flat=True))


def hidden(page: str) -> dict[str, list[str]]:
    """What the form of a page that asks sends."""
    form = page[page.index('name="action"') - 60 :]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form):
        found.setdefault(name, []).append(value)
    return found


def rows(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_orders_of_one_cause_can_be_decided_together(desk: Desk) -> None:
    """The way from an alert to its orders names no state."""
    with tenancy.activate(desk.account.pk):
        Order.objects.filter(cust_po_no="ONE-0").update(cause="k")
    offers = {
        where: desk.client("owner").get(desk.url(f"orders/?{where}")).content.decode() for where in ("cause=k", "")
    }
    assert ["They arrived" in page for page in offers.values()] == [True, False]


def test_a_selection_is_asked_about_then_done_and_told_order_by_order(desk: Desk) -> None:
    client, chosen = desk.client("owner"), ids(desk, "ONE-0", "ONE-AT")
    asked = client.get(desk.url("orders/bulk/"), {"action": "resend", "order": chosen, "state": "error"})
    page = asked.content.decode()
    assert "Resend to WMS: 1 of 2" in page
    assert "It is At WMS, so it cannot be sent again." in page
    assert "?state=error" in page, "the way back is the list as it was"
    assert states(desk)["ONE-0"] == "error", "nothing happens before it is confirmed"
    done = client.post(desk.url("orders/bulk/"), hidden(page), follow=True)
    assert "<b>1</b> of 2 orders go to the WMS again, <b>1</b> stays as it is." in done.content.decode()
    assert states(desk) == {"ONE-0": "ready", "ONE-1": "error", "ONE-2": "error", "ONE-AT": "at_wms", "TWO-0": "error"}
    again = client.post(desk.url("orders/bulk/"), hidden(page))
    assert again.headers["Location"] == done.redirect_chain[-1][0], "sent twice it is the same action"
    found = rows(client.get(again.headers["Location"] + "csv/"))
    assert {row["Order"]: row["Result"] for row in found} == {"ONE-0": "Done", "ONE-AT": "Not done"}
    assert "Resend to WMS" in client.get(desk.url("orders/bulk/")).content.decode()


def test_everything_that_matches_is_what_the_filters_say_within_the_own_merchants(desk: Desk) -> None:
    client = desk.client("colleague")  # of merchant Two
    page = client.get(desk.url("orders/bulk/?action=cancel_sending&all=1&state=error")).content.decode()
    assert "all orders with state Error" in page
    assert "Cancel Sending: 1 of 1" in page
    client.post(desk.url("orders/bulk/"), hidden(page))
    assert states(desk) == {"ONE-0": "error", "ONE-1": "error", "ONE-2": "error", "ONE-AT": "at_wms", "TWO-0": "held"}
    theirs = client.post(desk.url("orders/bulk/"), {"action": "resend", "order": ids(desk, "ONE-1")}, follow=True)
    assert "of 0 orders" in theirs.content.decode(), "an order of another merchant is none"
    assert states(desk)["ONE-1"] == "error"
    with tenancy.activate(desk.account.pk):
        bulk = BulkAction.objects.get(action="cancel_sending")
    assert desk.client("owner").get(desk.url(f"orders/bulk/{bulk.public_id}/")).status_code == 200
    assert desk.client("stranger").get(desk.url(f"orders/bulk/{bulk.public_id}/")).status_code == 404


@pytest.mark.parametrize("action", ["it_did_not", "cancel_sending"])
def test_more_orders_than_the_page_showed_are_asked_about_again(desk: Desk, action: str) -> None:
    """An older order comes to a cause that a person is just looking into: the WMS may well have that one."""
    code = "outcome_unknown" if action == "it_did_not" else "x"
    with tenancy.activate(desk.account.pk):
        Order.objects.filter(cust_po_no__startswith="ONE-").update(error_code=code, cause="k")
        Order.objects.filter(cust_po_no="ONE-0").update(cause="")
    client, address = desk.client("owner"), desk.url(f"orders/bulk/?action={action}&all=1&cause=k")
    page = client.get(address).content.decode()
    assert "2 of 3" in page
    with tenancy.activate(desk.account.pk):
        Order.objects.filter(cust_po_no="ONE-0").update(cause="k")
    before = states(desk)
    again = client.post(desk.url("orders/bulk/"), hidden(page))
    assert again.status_code == 200 and "more of them by now" in again.content.decode()
    assert states(desk) == before and "3 of 4" in again.content.decode()
    with tenancy.activate(desk.account.pk):
        Order.objects.filter(cust_po_no="ONE-2").update(cause="")  # fewer are no reason to ask
    assert client.post(desk.url("orders/bulk/"), hidden(again.content.decode())).status_code == 302
    assert {number for number, state in states(desk).items() if state != before[number]} == {"ONE-0", "ONE-1"}


def test_an_order_that_takes_the_place_of_another_one_is_left_as_it_is(desk: Desk) -> None:
    """As many as were shown, but not the same: one has left, and one that nobody has seen has come."""
    client = desk.client("owner")
    page = client.get(desk.url("orders/bulk/?action=resend&all=1&state=error")).content.decode()
    assert "Resend to WMS: 4 of 4" in page
    with tenancy.activate(desk.account.pk):
        gone, comes = Order.objects.get(cust_po_no="ONE-0"), make_order(desk.carts[0], "ONE-3", status="ready")
        actions.cancel_sending(gone, "somebody@example.com")
        refused = Permanent("No such method.", code="x")
        assert causes.to_error(
            [comes.pk], Status.READY, refused, causes.of_error(comes.merchant_id, refused), clock.now()
        )
    done = client.post(desk.url("orders/bulk/"), hidden(page), follow=True).content.decode()
    assert "<b>3</b> of 3 orders go to the WMS again" in done
    assert "1 order came, or changed, after you were shown them" in done
    assert (states(desk)["ONE-3"], states(desk)["ONE-2"]) == ("error", "ready")


def test_a_large_one_runs_in_the_background_and_its_page_follows_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(bulk_run, "AT_ONCE", 2)
    monkeypatch.setattr(bulk_run, "hint", lambda *ids: sent.append(ids))
    client = desk.client("owner")
    page = client.get(desk.url("orders/bulk/?action=resend&all=1&state=error")).content.decode()
    running = client.post(desk.url("orders/bulk/"), hidden(page), follow=True)
    text = running.content.decode()
    assert "4 to go. You can leave this page" in text
    assert 'hx-trigger="every 2s"' in text
    assert sent, "a task was asked for"
    with tenancy.activate(desk.account.pk):
        bulk_run.carry_on(sent[0][0])
    finished = client.get(running.redirect_chain[-1][0], headers={"HX-Target": "bulk"}).content.decode()
    assert "<b>4</b> of 4 orders go to the WMS again" in finished


def test_export_is_what_matches_safe_for_a_spreadsheet_and_within_the_own_merchants(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "=cmd()", status="shipped", ship={"first_name": "+1"}, ship_country="GB")
    client = desk.client("owner")
    found = rows(client.get(desk.url("orders/export/?country=GB")))
    assert [row["Order"] for row in found] == ["'=cmd()", "ONE-2", "ONE-1", "ONE-0"]
    assert (found[0]["Customer"], found[0]["Tracking"], found[0]["State"]) == ("'+1 Whitfield", "1Z=cmd()", "Shipped")
    assert found[0]["Postal code"] == "LS1 4DY"
    lines = rows(client.get(desk.url("orders/export/?what=lines&state=at-wms")))
    assert [(row["Order"], row["SKU"], row["Quantity"]) for row in lines] == [("ONE-AT", "CANDLE-8", "2")]
    chosen = rows(client.get(desk.url("orders/export/"), {"order": ids(desk, "ONE-1"), "columns": "shown"}))
    assert [row["Order"] for row in chosen] == ["ONE-1"]
    assert "Postal code" not in chosen[0]
    mine = rows(desk.client("colleague").get(desk.url("orders/export/")))
    assert [row["Order"] for row in mine] == ["TWO-0"]
    with tenancy.activate(desk.account.pk):
        assert AuditEntry.objects.filter(verb="orders.exported").count() == 4


@pytest.mark.parametrize("sort", ["loaded", "placed", "loaded-first", "placed-first"])
def test_an_export_of_many_parts_has_each_order_once(desk: Desk, sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from orders import exporting

    monkeypatch.setattr(exporting, "BATCH", 2)
    found = [row["Order"] for row in rows(desk.client("owner").get(desk.url(f"orders/export/?sort={sort}")))]
    assert sorted(found) == sorted(states(desk))


def test_filters_are_in_the_address(desk: Desk) -> None:
    client = desk.client("owner")

    def shown(query: str) -> set[str]:
        return set(re.findall(r'rowlink"[^>]*>([^<]+)<', client.get(desk.url(f"orders/?{query}")).content.decode()))

    for country in ("gb", "GBR", "United Kingdom"):
        assert shown(f"country={country}") == {"ONE-0", "ONE-1", "ONE-2"}, country
    assert shown("country=Narnia") == set()
    assert shown("method=UPS") == {"ONE-AT"}
    assert shown("loaded=today&state=error&country=GB") == {"ONE-0", "ONE-1", "ONE-2"}
    tomorrow = clock.now().date() + timedelta(days=2)
    assert shown(f"loaded_from={tomorrow}") == set()
    assert shown(f"loaded_to={tomorrow}") == set(states(desk))
    with counted() as statements:
        client.get(desk.url("orders/?country=GB&merchant=" + desk.merchants[0].public_id))
    assert len(statements) <= MOST_QUERIES


def test_a_search_that_other_filters_leave_empty_does_not_say_that_there_is_no_such_order(desk: Desk) -> None:
    client = desk.client("owner")
    page = client.get(desk.url("orders/?q=ONE-AT&state=error")).content.decode()
    assert "Nothing that we have" not in page and 'href="?q=ONE-AT"' in page
    assert "ONE-AT</a>" in client.get(desk.url("orders/?q=ONE-AT")).content.decode()
    assert "Nothing that we have begins with this text" in client.get(desk.url("orders/?q=NOWHERE")).content.decode()


def test_who_has_as_many_views_as_there_may_be_can_still_change_them(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orders import saved_views

    monkeypatch.setattr(saved_views, "MOST", 1)
    client = desk.client("owner")
    for query in ("state=error", "state=new"):
        client.post(desk.url("orders/views/"), {"name": "Mine", "query": query})
    assert "Delete one first" in client.post(desk.url("orders/views/"), {"name": "Another"}).content.decode()
    with tenancy.activate(desk.account.pk):
        assert list(SavedView.objects.exclude(name="").values_list("name", "query")) == [("Mine", "state=new")]


def test_a_view_keeps_filters_and_columns_and_can_be_what_is_seen_first(desk: Desk) -> None:
    client = desk.client("owner")
    client.post(desk.url("orders/columns/"), {"column": ["placed", "reference", "nonsense"], "back": "?state=error"})
    page = client.get(desk.url("orders/?state=error")).content.decode()
    assert "Reference</th>" in page
    assert "Ship method</th>" not in page
    form = client.get(desk.url("orders/views/?state=error&country=GB&after=x")).content.decode()
    assert 'value="state=error&amp;country=GB"' in form
    assert "State: <b>Error</b> · Country: <b>GB</b>" in form
    cart = desk.carts[0]
    form = client.get(desk.url(f"orders/views/?cart={cart.public_id}&sort=placed")).content.decode()
    assert f"Cart: <b>{cart.name}</b> · Sort: <b>newest placed first</b>" in form
    answer = client.post(
        desk.url("orders/views/"),
        {"name": "British errors", "query": "state=error&country=GB&after=x", "default": "on", "shared": "on"},
    )
    assert answer.status_code == 302
    first = client.get(desk.url("orders/"), follow=True)
    assert "country=GB" in first.redirect_chain[0][0]
    assert "ONE-0" in first.content.decode()
    assert "TWO-0" not in first.content.decode()
    assert "TWO-0" in client.get(desk.url("orders/?state=")).content.decode(), "everything is a step away"
    with tenancy.activate(desk.account.pk):
        view = SavedView.objects.get(name="British errors")
    assert (view.query, view.shared, view.columns) == ("state=error&country=GB", True, ["reference", "placed"])
    assert "British errors" not in desk.client("colleague").get(desk.url("orders/")).content.decode()
    assert desk.client("colleague").post(desk.url(f"orders/views/{view.public_id}/")).status_code == 404
    client.post(desk.url(f"orders/views/{view.public_id}/"), {"act": "delete"})
    assert client.get(desk.url("orders/")).status_code == 200


def test_a_search_without_a_result_leads_to_asking_the_shop(desk: Desk) -> None:
    page = desk.client("owner").get(desk.url("orders/?q=AF%2699")).content.decode()
    assert "why/?number=AF%2699" in page


def test_skipped_orders_by_reason_cart_number_and_date_and_as_a_file(desk: Desk) -> None:
    now = clock.now()
    with tenancy.activate(desk.account.pk):
        for number, reason, cart, age in (
            ("S-1", "too_old", 0, 0),
            ("S-2", "unreadable", 0, 5),
            ("T-1", "handled", 1, 9),
        ):
            SkippedOrder.objects.create(
                merchant=desk.merchants[cart], cart=desk.carts[cart], key=number, number=number, reason=reason,
                message="Why not.", seen_at=now - timedelta(days=age),
            )  # fmt: skip
    client = desk.client("owner")

    def shown(query: str, who: Client = client) -> set[str]:
        return set(re.findall(r"\b([ST]-\d)</th>", who.get(desk.url(f"orders/skipped/?{query}")).content.decode()))

    assert shown("") == {"S-1", "S-2", "T-1"}
    assert shown("reason=too_old") == {"S-1"}
    assert shown("reason=other") == {"S-2"}
    assert shown("q=s-") == {"S-1", "S-2"}
    assert shown(f"cart={desk.carts[1].public_id}") == {"T-1"}
    assert shown(f"until={(now - timedelta(days=3)).date()}") == {"S-2", "T-1"}
    assert shown("", desk.client("colleague")) == {"T-1"}
    found = rows(client.get(desk.url("orders/skipped/export/?reason=other")))
    assert [(row["Order"], row["Reason"]) for row in found] == [("S-2", "Could not be read")]
    none = client.post(desk.url("orders/skipped/load/"), follow=True).content.decode()
    assert "No order was selected" in none


def test_the_other_lists_are_files_too_within_the_own_merchants(desk: Desk) -> None:
    owner, colleague = desk.client("owner"), desk.client("colleague")
    merchants = [row["Merchant"] for row in rows(owner.get(desk.url("merchants/export/")))]
    assert sorted(merchants) == ["Northquay One", "Northquay Two"]
    assert [row["Merchant"] for row in rows(colleague.get(desk.url("merchants/export/")))] == ["Northquay Two"]
    assert [row["Cart"] for row in rows(colleague.get(desk.url("carts/export/")))] == ["Northquay Two shop"]
    alerts = rows(owner.get(desk.url("alerts/export/")))
    assert [(row["What to do"], row["Merchant"]) for row in alerts] == [("Map it.", "Northquay One")]
    assert rows(colleague.get(desk.url("alerts/export/"))) == []


def test_import_offers_the_carts_that_take_files_and_is_their_own_upload(desk: Desk) -> None:
    from datetime import date

    from carts.models import Cart
    from merchants.models import StoredFile

    client = desk.client("owner")
    assert "No cart takes files yet" in client.get(desk.url("orders/import/")).content.decode()
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.create(
            merchant=desk.merchants[0], system="csv_cart", name="Files", number=9, shop="files",
            credentials={"place": "browser"}, earliest_order_date=date(2020, 1, 1),
        )  # fmt: skip
    assert "Northquay One · Files" in client.get(desk.url("orders/import/")).content.decode()
    file = io.BytesIO(b"a,b\n1,2\n")
    file.name = "orders.csv"
    answer = client.post(desk.url("orders/import/"), {"cart": cart.public_id, "kind": "orders", "file": file})
    assert answer.headers["Location"] == desk.url(f"carts/{cart.public_id}/files/")
    with tenancy.activate(desk.account.pk):
        assert StoredFile.objects.filter(cart=cart).count() == 1
    assert client.post(desk.url("orders/import/"), {"cart": desk.carts[0].public_id}).status_code == 422
