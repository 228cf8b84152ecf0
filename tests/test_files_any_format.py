"""Formats that a person mapped, through the real services: orders, confirmations and inventory, in and out."""

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Account
from alerts.models import Alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock, file_pages
from merchants import schedules
from merchants.models import FileFormat, Merchant, Schedule, Service, StockLevel
from orders import files_read, jobs
from orders import run as orders_run
from orders.models import Order, OrderDetail, OutFile, Shipment, Status
from orders.services import download
from tests.dying import dying
from wms.models import Wms

KINDS = ("orders", "confirmations", "inventory", "archive", "errors")

# As a program of 1998 writes them: no header, semicolons, Windows-1252, an item in three columns to the right.
OLD_SHOP: dict[str, Any] = {
    "kind": "orders",
    "direction": "in",
    "label": "Old shop",
    "delimiter": ";",
    "encoding": "cp1252",
    "header": False,
    "layout": "horizontal",
    "group": [6, 8],
    "columns": [
        {"fields": ["cust_ref", "cust_po_no"]},
        {"fields": ["order_date"], "date_format": "d.m.Y"},
        {"fields": ["ship_last_name", "cust_last_name"]},
        {"fields": ["ship_address_1"]},
        {"fields": ["ship_city"]},
        {"fields": ["order_extra:Gift tag"]},
        {"fields": ["item"]},
        {"fields": ["quantity"]},
        {"fields": ["item_extra:Colour"]},
    ],
    "constants": [{"field": "ship_country", "value": "DE"}, {"field": "ship_code", "value": "PAKET"}],
}
HALL: dict[str, Any] = {
    "kind": "orders",
    "direction": "out",
    "label": "Hall",
    "delimiter": "|",
    "encoding": "utf-8-sig",
    "layout": "horizontal",
    "group": [5, 7],
    "columns": [
        {"header": "Type", "constant": "ORD"},
        {"header": "Ref", "fields": ["cust_ref"]},
        {"header": "Day", "fields": ["order_date"], "date_format": "D, d M y"},
        {"header": "Name", "fields": ["ship_company", "ship_last_name"]},
        {"header": "Tag", "fields": ["order_extra:Gift tag"]},
        {"header": "Item1", "fields": ["item"]},
        {"header": "Qty1", "fields": ["quantity"]},
        {"header": "Colour1", "fields": ["item_extra:Colour"]},
    ],
}
HALL_CONFIRMS: dict[str, Any] = {
    "kind": "confirmations",
    "direction": "in",
    "label": "Hall confirms",
    "quote": "'",
    "columns": [
        {"header": "Auftrag", "fields": ["cust_ref"]},
        {"header": "Sendung", "fields": ["tracking_no"]},
        {"header": "Am", "fields": ["date"], "date_format": "Ymd"},
    ],
    "constants": [{"field": "carrier", "value": "DHL"}],
}
SHOP_CONFIRMS: dict[str, Any] = {
    "kind": "confirmations",
    "direction": "out",
    "label": "Shop confirms",
    "delimiter": "\t",
    "columns": [
        {"header": "Order", "fields": ["cust_po_no", "cust_ref"]},
        {"header": "Sent", "fields": ["date"], "date_format": r"l, jS \o\f F Y"},
        {"header": "Tracking", "fields": ["tracking_no"]},
        {"header": "", "fields": ["cust_ref"]},
    ],
}
SHOP_CONFIRMS["columns"][0]["fields"] = ["cust_po_no"]
SHOP_STOCK: dict[str, Any] = {
    "kind": "inventory",
    "direction": "out",
    "label": "Shop stock",
    "header": False,
    "columns": [{"fields": ["sku"]}, {"constant": "PCS"}, {"fields": ["available"]}],
}
HALL_STOCK: dict[str, Any] = {
    "kind": "inventory",
    "direction": "in",
    "label": "Hall stock",
    "header": False,
    "columns": [{}, {"fields": ["sku"]}, {"fields": ["available"]}],
}


class House:
    """An account whose cart and WMS are folders on this machine's disk, with formats that a person mapped."""

    def __init__(self, root: Path) -> None:
        self.account = Account.objects.create(name="Any", timezone="UTC")
        with tenancy.activate(self.account.pk):
            self.merchant = Merchant.objects.create(name="Teehaus", code="TEE")
            self.root = root / self.account.public_id
            self.shop = self.root / self.merchant.public_id / "shop"
            for folder in (self.shop, self.root / "hall"):
                for kind in KINDS:
                    (folder / kind).mkdir(parents=True)
            formats = {"order_format": HALL, "confirmation_format": HALL_CONFIRMS, "inventory_format": HALL_STOCK}
            self.wms = Wms.objects.create(
                system="csv_wms",
                credentials={"place": "disk", "directory": "hall"},
                options={"quiet": 0, **{name: self.made(spec).value for name, spec in formats.items()}},
            )
            self.merchant.wms_values = {"client_dir": "."}
            self.merchant.save()
            formats = {"format": OLD_SHOP, "confirmation_format": SHOP_CONFIRMS, "inventory_format": SHOP_STOCK}
            self.cart = Cart.objects.create(
                merchant=self.merchant,
                system="csv_cart",
                name="Old shop",
                number=1,
                shop="old",
                credentials={"place": "disk", "directory": "shop"},
                options={"quiet": 0, **{name: self.made(spec, own=True).value for name, spec in formats.items()}},
                earliest_order_date=date(2020, 1, 1),
            )

    def made(self, spec: dict[str, Any], *, own: bool = False) -> FileFormat:
        """A format as the mapping screen stores it."""
        found: FileFormat = FileFormat.objects.create(
            merchant=self.merchant if own else None,
            kind=spec["kind"],
            direction=spec["direction"],
            name=spec["label"],
            spec=spec,
        )
        return found

    def run(self, service: Service) -> Schedule:
        """One run of a service; gives its schedule."""
        cart = self.cart if service in (Service.DOWNLOAD, Service.UPLOAD_SHIPMENTS, Service.UPLOAD_INVENTORY) else None
        schedule, _ = Schedule.objects.get_or_create(
            merchant=self.merchant, cart=cart, service=service, defaults={"every": 3600, "next_run": clock.now()}
        )
        schedule.token += 1
        Schedule.objects.filter(pk=schedule.pk).update(token=schedule.token, lease_until=None)
        jobs.run_schedule(schedule.pk, schedule.token)
        schedule.refresh_from_db()
        assert "mistake" not in schedule.problem
        return schedule

    def only(self, folder: Path) -> bytes:
        """The one file in a folder."""
        (path,) = [path for path in folder.iterdir() if path.is_file()]
        return path.read_bytes()


@pytest.fixture
def house(transactional_db: None, tmp_path: Path, settings: Any) -> Iterator[House]:
    """The account, its tenant active."""
    settings.IM_FOLDER_ROOT = str(tmp_path)
    made = House(tmp_path)
    with tenancy.activate(made.account.pk):
        yield made


ORDERS = (
    "A-1;27.02.2026;Müller;Hauptstr. 1;Köln;red ribbon;MUG;2;blue;TEA;1;green;;;\r\n"
    "A-2;28.02.2026;Weiß;Am Markt 3;Jena;;MUG;1;;;;\r\n"
    "A-3;31.02.2026;Nie;Irgendwo 1;Ulm;;MUG;1;\r\n"
)


def test_formats_that_nobody_has_seen_before_through_the_whole_life(house: House) -> None:
    (house.shop / "orders/monday.txt").write_bytes(ORDERS.encode("cp1252"))
    house.run(Service.DOWNLOAD)
    first = Order.objects.order_by("cart_key")[0]
    data = OrderDetail.objects.get(order_id=first.pk).data
    assert (first.cust_po_no, str(first.order_date), first.ship_country) == ("A-1", "2026-02-27", "DE")
    assert data["extra_fields"] == {"Gift tag": "red ribbon"}
    assert [line.get("extra_fields") for line in data["lines"]] == [{"Colour": "blue"}, {"Colour": "green"}]
    assert (data["bill"]["last_name"], data["ship"]["city"]) == ("Müller", "Köln")
    refused = house.only(house.shop / "errors").decode("utf-8-sig")
    assert "'31.02.2026' is not a date written like 21.11.2026" in refused
    (house.shop / "orders/corrected.csv").write_text(refused.replace("31.02.2026", "28.02.2026"), "utf-8-sig")
    house.run(Service.DOWNLOAD)
    assert Order.objects.count() == 3

    house.run(Service.DELIVER)
    refs = dict(Order.objects.values_list("cart_key", "wms_ref"))
    assert house.only(house.root / "hall/orders").decode("utf-8-sig") == (
        "Type|Ref|Day|Name|Tag|Item1|Qty1|Colour1|Item2|Qty2|Colour2\r\n"
        f"ORD|{refs['A-1']}|Fri, 27 Feb 26|Müller|red ribbon|MUG|2|blue|TEA|1|green\r\n"
        f"ORD|{refs['A-2']}|Sat, 28 Feb 26|Weiß||MUG|1||||\r\n"
        f"ORD|{refs['A-3']}|Sat, 28 Feb 26|Nie||MUG|1||||\r\n"
    )
    (house.root / "hall/confirmations/c.csv").write_text(f"Am,Auftrag,Sendung\n20260301,'{refs['A-1']}',0042\n")
    house.run(Service.SHIP_CONFIRM)
    assert Shipment.objects.get().data["carrier"] == "DHL"
    house.run(Service.UPLOAD_SHIPMENTS)
    sent = house.only(house.shop / "confirmations").decode()
    assert sent == f"Order\tSent\tTracking\t\r\nA-1\tSunday, 1st of March 2026\t0042\t{first.cust_ref}\r\n"

    (house.root / "hall/inventory/s.csv").write_text("x,MUG,12\nx,TEA,7\n")
    house.run(Service.INVENTORY)
    assert StockLevel.objects.count() == 2
    house.run(Service.UPLOAD_INVENTORY)
    assert house.only(house.shop / "inventory").decode().splitlines() == ["MUG,PCS,12", "TEA,PCS,7"]


def test_a_format_that_is_gone_stops_its_service_and_loses_nothing(house: House) -> None:
    (house.shop / "orders/monday.txt").write_bytes(ORDERS.encode("cp1252"))
    spec = FileFormat.objects.get(name="Old shop")
    FileFormat.objects.filter(pk=spec.pk).update(direction="out")  # as good as gone
    schedule = house.run(Service.DOWNLOAD)
    assert "The file format that is chosen here is not there any more" in schedule.problem
    alert = Alert.objects.get(kind="service_failing")
    assert "Choose another format on the setup page" in alert.fix
    assert [path.name for path in (house.shop / "orders").iterdir()] == ["monday.txt"]
    spec.save()
    assert house.run(Service.DOWNLOAD).problem == ""
    assert Order.objects.filter(status=Status.READY).count() == 2
    alert.refresh_from_db()
    assert alert.resolved_at is not None

    FileFormat.objects.filter(name="Hall").delete()
    assert "not there any more" in house.run(Service.DELIVER).problem
    assert set(Order.objects.values_list("status", "starts")) == {(Status.READY, 0)}  # none was taken for a file
    assert not OutFile.objects.exists()
    house.wms.options["order_format"] = house.made(HALL).value
    house.wms.save()
    assert house.run(Service.DELIVER).problem == ""
    assert Order.objects.filter(status=Status.AT_WMS).count() == 2


def test_another_merchants_format_is_not_there(house: House) -> None:
    other = Merchant.objects.create(name="Other", code="OTH")
    FileFormat.objects.filter(name="Old shop").update(merchant=other)
    assert "not there any more" in house.run(Service.DOWNLOAD).problem


def test_a_planned_file_keeps_its_content_when_the_format_changes(house: House) -> None:
    (house.shop / "orders/monday.txt").write_bytes(ORDERS.encode("cp1252"))
    house.run(Service.DOWNLOAD)
    with dying(point="after_put"):
        house.run(Service.DELIVER)
    planned = bytes(OutFile.objects.get().content)
    FileFormat.objects.filter(name="Hall").update(spec={**HALL, "delimiter": ";"})
    past = "2020-01-01T00:00:00Z"
    OutFile.objects.update(lease_until=past)
    Order.objects.filter(lease_until__isnull=False).update(lease_until=past)
    house.run(Service.DELIVER)
    assert house.only(house.root / "hall/orders") == planned


def lay_long(house: House, **rows: str) -> None:
    """Lays a file of 900 orders there: five pages of 200 at most. `rows`: some that are others, as N_0001="…"."""
    usual = {f"N_{number:04}": f"N-{number:04};27.02.2026;Ada;Hauptstr. 1;Köln;;MUG;1;" for number in range(900)}
    text = "".join(f"{row}\r\n" for row in (usual | rows).values())
    (house.shop / "orders/big.csv").write_bytes(text.encode("cp1252"))


def slow_pages(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[str]]:
    """Every page takes 30 of the run's 50 seconds. What fills up: their orders, and what is said of each."""
    passed = 0.0
    pages: list[int] = []
    said: list[str] = []
    store = download.store_page

    def slowly(intake: Any, page: Any, *rest: Any) -> bool:
        nonlocal passed
        passed += 30
        pages.append(len(page))
        said.append(Schedule.objects.get(service=Service.DOWNLOAD).result.get(schedules.DOING, ""))
        return store(intake, page, *rest)

    monkeypatch.setattr(file_pages, "CHUNK_ROWS", 200)
    monkeypatch.setattr(download, "store_page", slowly)
    monkeypatch.setattr(orders_run.time, "monotonic", lambda real=time.monotonic: real() + passed)
    return pages, said


def test_a_file_that_takes_several_runs_gets_on_with_each_and_its_page_says_how_far(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, said = slow_pages(monkeypatch)
    lay_long(house)
    stored = []
    for _ in range(3):
        house.run(Service.DOWNLOAD)
        stored.append(Order.objects.count())
    assert stored == [400, 800, 900]
    assert said[0] == "big.csv: 200 rows stored, 22 %"
    assert pages == [200, 200, 200, 200, 100], "no run reads again what one before it has stored"
    assert [path.name for path in (house.shop / "orders").iterdir()] == []
    assert schedules.DOING not in Schedule.objects.get(service=Service.DOWNLOAD).result
    assert files_read.BEGUN not in Schedule.objects.get(service=Service.DOWNLOAD).state


def test_rows_refused_in_any_run_are_in_the_error_file_of_the_last(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, _ = slow_pages(monkeypatch)
    bad = {f"N_{number:04}": f"N-{number:04};27.02.2026;Ada;Hauptstr. 1;Köln;;MUG;none;" for number in (450, 850)}
    lay_long(house, **bad)
    for _ in range(3):
        house.run(Service.DOWNLOAD)
    assert Order.objects.count() == 898
    assert sum(pages) > 898, "from the first refused row on, each run looks again"
    (told,) = (path for path in (house.shop / "errors").iterdir() if path.name.endswith(".errors.csv"))
    assert [number for number in ("N-0450", "N-0850") if number in told.read_text(encoding="utf-8-sig")] == [
        "N-0450",
        "N-0850",
    ]


def test_a_file_is_read_from_its_start_where_it_is_to_be_read_otherwise(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, _ = slow_pages(monkeypatch)
    lay_long(house)
    house.run(Service.DOWNLOAD)
    assert pages == [200, 200]
    form = FileFormat.objects.get(name="Old shop")
    FileFormat.objects.filter(pk=form.pk).update(spec={**form.spec, "label": "Another one"})
    house.run(Service.DOWNLOAD)
    assert pages[2:4] == [200, 200], "the same two"
    assert Order.objects.count() == 800
