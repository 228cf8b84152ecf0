"""The rules of carts that are single values as one file: what it says, what a changed one does, and what is refused."""

import csv
import io
from collections.abc import Iterable
from datetime import time
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry
from alerts.models import Alert
from carts.models import Cart
from carts.views import rule_files
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants import catalog
from merchants.models import Warehouse
from merchants.rules import ship_method
from orders import filters, ruling
from orders.models import Order
from tests import desk as desks
from tests.desk import Desk, file_of, make_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    """The first cart holds what nothing maps; an order waits for that."""
    desk = desks.build(orders=0)
    with tenancy.activate(desk.account.pk):
        Cart.objects.filter(pk=desk.carts[0].pk).update(reject_unmapped=True)
        Alert.objects.filter(pk=desk.alert.pk).update(kind=ship_method.CODE)
        make_order(
            desk.carts[0], "ONE-1", status="error", error_code=ship_method.CODE, cause=desk.alert.key,
            ship_code="Ground",
        )  # fmt: skip
        Warehouse.objects.create(merchant=desk.merchants[0], name="Leeds, East")
    return desk


def rules(desk: Desk, who: str = "owner") -> list[dict[str, str]]:
    text = file_of(desk.client(who).get(desk.url("carts/rules/export/"))).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def send(client: Client, desk: Desk, rows: list[dict[str, str]]) -> str:
    """The preview of a file of these rows."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    file = io.BytesIO(stream.getvalue().encode())
    file.name = "rules.csv"
    page: str = client.post(desk.url("carts/rules/import/"), {"file": file}).content.decode()
    return page


def confirm(client: Client, desk: Desk, page: str) -> Any:
    signed = page.split('name="rows" value="')[1].split('"')[0]
    return client.post(desk.url("carts/rules/import/"), {"rows": signed}, follow=True)


def cart(desk: Desk, index: int = 0) -> Cart:
    with tenancy.activate(desk.account.pk):
        found: Cart = Cart.objects.select_related("stock_warehouse").get(pk=desk.carts[index].pk)
        return found


def test_what_is_exported_changes_nothing_and_what_is_changed_in_it_does(desk: Desk) -> None:
    client = desk.client("owner")
    found = rules(desk)
    assert [row["Cart"] for row in found] == ["Northquay Two shop", "Northquay One shop"]
    assert found[1]["Reject Unmapped Shipping Codes"] == "Yes"
    assert found[1]["Personal Data Kept, in days"].isdecimal()
    assert "Nothing: the list says all of it already." in send(client, desk, found)

    found[1] |= {
        "Reject Unmapped Shipping Codes": "no",
        "Delivery Delay, in minutes": "90",
        "Delay Begins": "placed",
        "Not Before": "06:30",
        "Working Days Only": "Yes",
        "Verify Addresses": "Shipping & Billing",
        "Which Countries": "US only",
        "Hold Back orders with Address Error": "yes",
        "Translate Item Code": "Master SKU",
        "Sync Inventory With Warehouse": "Leeds, East",
        "Minimum Inventory Level": "5",
        "Buffer": "2",
        "Percentage": "50",
        "Item Filter Type": "Blacklist",
        "Item Filter Level": "Filter Order",
        "Ships To": "deny",
        "Orders To Other Countries": "hold",
    }
    found[0]["Buffer"] = ""  # stays as it is
    page = send(client, desk, found)
    assert "1 change, 1 as before" in page
    assert "Delivery Delay, in minutes: 90; Delay Begins: When the order is placed in the shop" in page
    assert cart(desk).delay_minutes == 0, "nothing is changed before it is confirmed"
    done = confirm(client, desk, page).content.decode()
    assert "The rules of 1 cart are changed. 1 order goes to the WMS within a minute or two." in done

    now = cart(desk)
    assert (now.reject_unmapped, now.delay_minutes, now.delay_since, now.send_not_before) == (
        False, 90, "placed", time(6, 30)
    )  # fmt: skip
    assert (now.verify_addresses, now.verify_countries, now.hold_address_errors) == ("both", "us", True)
    assert (now.stock_minimum, now.stock_buffer, now.stock_percent, now.translate_items) == (5, 2, 50, "*")
    assert now.stock_warehouse.name == "Leeds, East"
    assert (now.item_filter, now.filter_whole_order, now.country_rule["kind"], now.country_rule["then"]) == (
        "blacklist", True, "deny", "hold"
    )  # fmt: skip
    assert (now.send_working_days, now.credentials["api_key"].reveal()) == (True, desks.CANARY)
    with tenancy.activate(desk.account.pk):
        assert Order.objects.get(cust_po_no="ONE-1").status == "ready"
        entries = {entry.verb: entry.changes for entry in AuditEntry.objects.all()}
    assert entries["cart.changed"]["stock_buffer"] == [0, 2]
    assert {"cart.item_filter", "cart.country_rules"} <= entries.keys()
    again = send(client, desk, rules(desk))
    assert "Nothing: the list says all of it already." in again, "the export says it in words that the import reads"


def test_one_wrong_row_and_nothing_is_imported(desk: Desk) -> None:
    client = desk.client("owner")
    ids = [one.public_id for one in desk.carts]
    names = ["Id", "Merchant", "Cart", "Buffer", "Percentage", "Push Inventory Using Alias", "Working Days Only",
             "Ships To", "Personal Data Kept, in days", "Not Before"]  # fmt: skip

    def row(**cells: str) -> dict[str, str]:
        given = {name.replace("_", " "): text for name, text in cells.items()}
        return dict.fromkeys(names, "") | given

    page = send(
        client,
        desk,
        [
            row(Id=ids[0], Buffer="3"),
            row(Merchant="ONE", Cart="northquay one SHOP", Buffer="4"),
            row(Id=ids[1], Percentage="101"),
            row(Id="nobodys"),
            row(Buffer="1"),
        ],
    )
    for line, why in (
        (3, "It is the same cart as in line 2."),
        (4, "Percentage: Ensure this value is less than or equal to 100."),
        (5, "There is no cart nobodys."),
        (6, "It names no cart: write its Id, or its Merchant and Cart."),
    ):
        assert f'<span class="bad">Line {line}</span>: {why}' in page
    assert 'name="rows"' not in page, "there is nothing to confirm"
    for cells, why in (
        ({"Buffer": "-1"}, "Buffer: Ensure this value is greater than or equal to 0."),
        ({"Push Inventory Using Alias": "UPC"}, "Push Inventory Using Alias: “UPC” is none of “No, by the SKU”."),
        ({"Working Days Only": "maybe"}, "Working Days Only: “maybe” is neither Yes nor No."),
        ({"Ships To": "Only the countries listed"}, "Ships To: List the countries first"),
        ({"Personal Data Kept, in days": "1"}, "the operator of this installation sets it"),
        ({"Not Before": "25:00"}, "Not Before: Enter a valid time."),
    ):
        assert why in send(client, desk, [row(Id=ids[0]) | cells]), cells
    assert cart(desk).stock_buffer == 0


def test_what_is_different_by_now_stops_all_of_it_and_each_sees_the_own_carts(desk: Desk) -> None:
    client = desk.client("owner")
    found = rules(desk)
    for row in found:
        row["Buffer"] = "7"
    page = send(client, desk, found)
    with tenancy.activate(desk.account.pk):
        Cart.objects.filter(pk=desk.carts[1].pk).update(archived_at=desk.alert.first_seen)
    stopped = confirm(client, desk, page)
    assert stopped.status_code == 422
    assert "something is different by now" in stopped.content.decode()
    assert cart(desk).stock_buffer == 0

    colleague = desk.client("colleague")  # of the second merchant
    assert f"There is no cart {desk.carts[0].public_id}." in send(colleague, desk, found[1:])


def test_a_change_since_the_preview_is_not_overwritten(desk: Desk) -> None:
    client = desk.client("owner")
    found = rules(desk)
    found[1] |= {"Buffer": "7"}

    def meanwhile(**changed: object) -> None:
        with tenancy.activate(desk.account.pk):
            Cart.objects.filter(pk=desk.carts[0].pk).update(**changed)

    page = send(client, desk, found)
    meanwhile(stock_minimum=9)  # the file has 0, which the preview did not show as a change
    assert "The rules of 1 cart are changed." in confirm(client, desk, page).content.decode()
    assert (cart(desk).stock_buffer, cart(desk).stock_minimum) == (7, 9)

    found[1] |= {"Buffer": "8", "Minimum Inventory Level": ""}
    page = send(client, desk, found)
    meanwhile(stock_buffer=3)
    stopped = confirm(client, desk, page)
    assert stopped.status_code == 422
    assert "somebody else has changed some of it since this preview was made" in stopped.content.decode()
    assert cart(desk).stock_buffer == 3
    page = send(client, desk, found)
    meanwhile(stock_buffer=8)
    assert confirm(client, desk, page).status_code == 422, "there is nothing left of what it showed"


@pytest.mark.parametrize("changed", [{"stock_buffer": 3}, {"archived_at": clock.now()}], ids=["changed", "deleted"])
def test_what_was_changed_while_it_waited_for_the_lock_is_seen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, changed: dict[str, object]
) -> None:
    client, keep = desk.client("owner"), ruling.keep
    page = send(client, desk, [{"Id": desk.carts[0].public_id, "Buffer": "4"}])

    def waited(ids: Iterable[int]) -> None:
        keep(ids)
        Cart.objects.filter(pk=desk.carts[0].pk).update(**changed)

    monkeypatch.setattr(ruling, "keep", waited)
    assert confirm(client, desk, page).status_code == 422
    assert cart(desk).stock_buffer != 4


def test_what_cannot_be_done_any_more_is_a_warning(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = desk.client("owner")
    page = send(client, desk, [{"Id": desk.carts[0].public_id, "Buffer": "4", "Item Filter Type": "Blacklist"}])

    def full(*args: object, **named: object) -> None:
        raise filters.Refused("The list is full.")

    monkeypatch.setattr(filters, "change_items", full)
    done = confirm(client, desk, page)
    assert [(one.level_tag, str(one)) for one in done.context["messages"]] == [
        ("warning", "Nothing was changed. The list is full.")
    ]
    assert cart(desk).stock_buffer == 0, "all of it or nothing"


def test_a_row_says_which_cart_and_which_warehouse_it_means(desk: Desk) -> None:
    client, first = desk.client("owner"), desk.carts[0]
    with tenancy.activate(desk.account.pk):
        for name in ("Main", "MAIN"):
            Warehouse.objects.create(merchant=desk.merchants[0], name=name)
    row = {"Id": first.public_id, "Merchant": "", "Cart": "", "Sync Inventory With Warehouse": "MAIN"}
    for other in ({"Merchant": "Northquay Two"}, {"Cart": "Northquay Two shop"}):
        assert "its row names another cart." in send(client, desk, [row | other]), other
    assert "“main” may be “" in send(client, desk, [row | {"Sync Inventory With Warehouse": "main"}])
    for name in ("MAIN", "Main"):
        confirm(client, desk, send(client, desk, [row | {"Sync Inventory With Warehouse": name}]))
        assert cart(desk).stock_warehouse.name == name


def test_a_file_has_so_many_carts_that_locking_them_is_short(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = desk.client("owner")
    said = send(client, desk, [{"Id": "x", "Buffer": "1"}] * 201)
    assert "More than 200 of its rows are wrong. Line 2: There is no cart x." in said
    monkeypatch.setattr(rule_files, "MOST_CHANGED", 1)
    locked: list[list[int]] = []
    keep = ruling.keep
    monkeypatch.setattr(ruling, "keep", lambda ids: keep(locked.append([*ids]) or locked[-1]))
    same, other = ({"Id": one.public_id, "Buffer": str(one.stock_buffer)} for one in desk.carts)
    done = confirm(client, desk, send(client, desk, [same, other | {"Buffer": "7"}]))
    assert "The rules of 1 cart are changed." in done.content.decode(), "a whole export counts what it changes"
    assert locked == [[desk.carts[1].pk]], "what stays as it is is not locked"
    many = [one | {"Buffer": "8"} for one in (same, other)]
    page = send(client, desk, many)
    assert "Import 1 change<" in page and "What stands from line 3 on is not looked at" in page
    assert "If the file has more, choose it again" in confirm(client, desk, page).content.decode()
    assert [cart(desk, n).stock_buffer for n in (0, 1)] == [8, 7]
    page = send(client, desk, many)
    assert "Import 1 change<" in page and "not looked at" not in page
    confirm(client, desk, page)
    assert [cart(desk, n).stock_buffer for n in (0, 1)] == [8, 8]
    monkeypatch.setattr(rule_files, "MOST_CHANGED", 200)
    asked: list[int] = []
    kinds = catalog.kinds
    monkeypatch.setattr(catalog, "kinds", lambda merchant: asked.append(merchant) or kinds(merchant))
    with tenancy.activate(desk.account.pk):
        Cart.objects.filter(pk=desk.carts[1].pk).update(merchant=desk.merchants[0], number=2)
    page = send(client, desk, [{"Id": one.public_id, "Buffer": "1"} for one in desk.carts])
    assert "Import 2 changes" in page
    assert asked == [desk.merchants[0].pk], "what a merchant's carts have in common is asked for once"


def test_deleted_carts_are_not_in_the_file(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        Cart.objects.filter(pk=desk.carts[1].pk).update(archived_at=desk.alert.first_seen)
    for address in ("carts/rules/export/", "carts/rules/export/?deleted"):
        said = file_of(desk.client("owner").get(desk.url(address))).decode()
        assert desk.carts[0].public_id in said and desk.carts[1].public_id not in said, address
