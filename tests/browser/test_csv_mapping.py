"""Files in formats that nobody has seen before, mapped by a person in a browser: one comes in, one goes out."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.canonical import Shipment, to_json
from merchants.models import FileFormat, Schedule, Service
from orders import jobs
from orders.models import Order, OrderDetail
from orders.models import Shipment as ShipmentRow
from tests import desk as desks
from tests.browser.test_pages import complaints, sign_in
from tests.desk import Desk, make_order

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["complaints"]  # a fixture

# Odd headers, semicolons, Windows-1252, two products side by side, dates as dd.mm.yy, no country.
FILE = (
    "Auftrag;vom;Empfänger;Straße;PLZ;Ort;Wunsch;Artikel1;Stück1;Artikel2;Stück2\r\n"
    "K-7001;24.12.26;Jörg Müller;Am Wall 3;01067;Dresden;als Geschenk;BECHER;2;TEE;1\r\n"
    "K-7002;03.01.27;Ida Groß;Weg 9;53111;Bonn;;TEE;4;;\r\n"
).encode("cp1252")


@pytest.fixture
def desk(transactional_db: None) -> Desk:
    made = desks.build(orders=0)
    with tenancy.activate(made.account.pk):
        cart = Cart.objects.create(
            merchant=made.merchants[0],
            system="csv_cart",
            name="Kontor",
            number=2,
            shop="kontor",
            credentials={"place": "browser"},
            earliest_order_date=date(2020, 1, 1),
        )
        for service in (Service.DOWNLOAD, Service.UPLOAD_SHIPMENTS):
            Schedule.objects.create(merchant=made.merchants[0], cart=cart, service=service, every=3600)
    made.carts.append(cart)
    return made


def run(desk: Desk, service: Service) -> None:
    """The service runs, as a worker would have it."""
    with tenancy.activate(desk.account.pk):
        schedule = Schedule.objects.get(cart=desk.carts[-1], service=service)
        schedule.token += 1
        Schedule.objects.filter(pk=schedule.pk).update(token=schedule.token, lease_until=None, next_run=clock.now())
        jobs.run_schedule(schedule.pk, schedule.token)
        schedule.refresh_from_db()
        assert schedule.problem == ""


def means(page: Page, column: str, field: str) -> None:
    """The person chooses what a column means."""
    page.get_by_label(f"Meaning of column {column}").select_option(label=field)


def test_a_file_that_nobody_has_seen_before_is_mapped_and_loads(
    page: Page, live_server: Any, desk: Desk, complaints: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "kontor.csv"
    file.write_bytes(FILE)
    cart = live_server.url + desk.url(f"carts/{desk.carts[-1].public_id}/")
    sign_in(page, live_server.url)
    page.goto(cart + "edit/")
    page.get_by_role("link", name="Manage CSV formats").first.click()
    page.get_by_role("link", name="New Order File…").click()
    page.get_by_label("A CSV file, up to 1 MB").set_input_files(file)
    page.get_by_role("button", name="Upload the sample").click()

    expect(page.get_by_text("Jörg Müller").first).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Kontor Dresden")
    page.get_by_label("Dates are written").fill("d.m.y")
    page.get_by_label("Horizontal").check()
    page.get_by_label("First column of the first product").select_option(label="8 · Artikel1")
    page.get_by_label("Last column of it").select_option(label="9 · Stück1")
    for column, field in {
        "1, Auftrag": "Order number",
        "2, vom": "Order date",
        "3, Empfänger": "Ship-to last name",
        "4, Straße": "Ship-to address 1",
        "5, PLZ": "Ship-to ZIP",
        "6, Ort": "Ship-to city",
        "7, Wunsch": "Extra order field, called…",
        "8, Artikel1": "SKU",
        "9, Stück1": "Quantity",
    }.items():
        means(page, column, field)
    page.get_by_label("Text for column 7, Wunsch (1)").fill("Wunsch")
    expect(page.locator("#preview")).to_contain_text("No column holds Ship-to country")
    page.get_by_label("Field of constant 1").select_option(label="Ship-to country")
    page.get_by_label("Value of constant 1").fill("DE")

    preview = page.locator("#preview")
    expect(preview).to_contain_text("K-7001")  # without a reload
    expect(preview).to_contain_text("24 Dec 2026")
    expect(preview).to_contain_text("Am Wall 3")
    expect(preview).to_contain_text("01067, Dresden, DE")
    expect(preview).to_contain_text("Wunsch: als Geschenk")
    expect(preview.locator("article").first.locator("li")).to_have_count(2)
    expect(page.locator("#tally")).to_contain_text("Ready to be saved")
    # One column, several fields: the number is the full one, too.
    page.get_by_role("button", name="Use column 1, Auftrag for another field too").click()
    page.get_by_label("Also, for column 1, Auftrag (2)").select_option(label="Order number in full")
    page.get_by_role("button", name="Save Mapping").click()
    expect(page.get_by_text("Kontor Dresden is saved")).to_be_visible()

    page.goto(cart + "edit/")
    page.get_by_label("Format of order files").select_option(label="Kontor Dresden")
    page.locator("form.setup .savebar button.btn-primary").click()
    page.wait_for_url(cart)
    page.goto(cart + "files/")
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Upload and load").click()
    expect(page.get_by_text("is being loaded")).to_be_visible()
    run(desk, Service.DOWNLOAD)
    expect(page.get_by_role("link", name="2 orders")).to_be_visible(timeout=30_000)  # by itself
    with tenancy.activate(desk.account.pk):
        order = Order.objects.get(cust_po_no="K-7001")
        data = OrderDetail.objects.get(order=order).data
    assert (str(order.order_date), order.lines) == ("2026-12-24", 2)
    assert data["ship"]["zip"] == "01067" and data["ship"]["last_name"] == "Jörg Müller"
    assert data["extra_fields"] == {"Wunsch": "als Geschenk"}
    assert [(line["item"], float(line["quantity"])) for line in data["lines"]] == [("BECHER", 2), ("TEE", 1)]


def test_a_confirmation_file_of_a_made_up_format_goes_out_and_is_downloaded(
    page: Page, live_server: Any, desk: Desk, complaints: list[str]
) -> None:
    merchant, cart = desk.merchants[0], desk.carts[-1]
    with tenancy.activate(desk.account.pk):
        order = make_order(cart, "K-7001", status="shipped")
        parcel = Shipment("1Z7", carrier="UPS", tracking_no="1Z7", shipped_at=clock.now())
        ShipmentRow.objects.filter(order=order).update(tracking_no="1Z7", data=to_json(parcel))
    sign_in(page, live_server.url)
    page.goto(live_server.url + desk.url(f"merchants/{merchant.public_id}/formats/"))
    page.get_by_role("link", name="New Confirmation File…").click()
    page.get_by_label("Names of the columns, or how many there are").fill("Satzart; Beleg; Sendung; Tag")
    page.get_by_role("button", name="Set it up by hand").click()
    page.get_by_label("Name", exact=True).fill("Rückmeldung")
    page.get_by_label("Between the columns").select_option(label="Pipe")
    page.get_by_label("Dates are written").fill("d.m.Y")
    expect(page.locator("#date-example")).to_contain_text(f"{clock.now():%d.%m.%Y}")
    means(page, "1, Satzart", "A fixed text…")
    page.get_by_label("Text for column 1, Satzart (1)").fill("VERSAND")
    means(page, "2, Beleg", "Order number")
    means(page, "3, Sendung", "Tracking number")
    means(page, "4, Tag", "Ship date")
    expect(page.get_by_label("The beginning of the file")).to_contain_text("Satzart|Beleg|Sendung|Tag")
    expect(page.get_by_label("The beginning of the file")).to_contain_text("VERSAND|K-7001|1Z7|")
    page.get_by_role("button", name="Save Mapping").click()
    expect(page.get_by_text("Rückmeldung is saved")).to_be_visible()
    with tenancy.activate(desk.account.pk):
        cart.options = {"confirmation_format": FileFormat.objects.get().value}
        cart.save()
    run(desk, Service.UPLOAD_SHIPMENTS)
    page.goto(live_server.url + desk.url(f"carts/{cart.public_id}/files/"))
    expect(page.get_by_text("Not yet")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download confirmations-").click()
    text = Path(download.value.path()).read_bytes().decode()
    assert text.startswith("Satzart|Beleg|Sendung|Tag\r\nVERSAND|K-7001|1Z7|")
    page.reload()
    expect(page.get_by_text("by owner@northquay.example")).to_be_visible()
