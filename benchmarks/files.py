"""P8: one file of 100,000 rows, two to an order, in a format that a person mapped: read, mapped and stored."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.test import override_settings

from accounts.models import Account
from benchmarks import memory
from benchmarks.goals import Result
from benchmarks.ground import Ground
from benchmarks.simulator import Simulator
from benchmarks.tenant import LONG_AGO, Measured, Tenant
from carts.models import Cart
from integration_manager import tenancy
from merchants.models import FileFormat, Merchant, Schedule, Service
from orders.models import Order

ROWS, TOGETHER = 100_000, 2  # rows of the file, and of an order
WARM = 2_000  # rows of the file before it, so that what every process needs once is not counted
FORMAT: dict[str, Any] = {
    "kind": "orders",
    "direction": "in",
    "label": "Bench",
    "delimiter": ";",
    "encoding": "cp1252",
    "columns": [
        {"header": "Number", "fields": ["cust_ref", "cust_po_no"]},
        {"header": "Day", "fields": ["order_date"], "date_format": "d.m.Y"},
        {"header": "Name", "fields": ["ship_last_name"]},
        {"header": "Company", "fields": ["ship_company", "cust_company"]},
        {"header": "Street", "fields": ["ship_address_1"]},
        {"header": "City", "fields": ["ship_city"]},
        {"header": "State", "fields": ["ship_state"]},
        {"header": "ZIP", "fields": ["ship_zip"]},
        {"header": "Method", "fields": ["ship_code"]},
        {"header": "Tag", "fields": ["order_extra:Gift tag"]},
        {"header": "SKU", "fields": ["item"]},
        {"header": "Qty", "fields": ["quantity"]},
        {"header": "Price", "fields": ["price"]},
        {"header": "Colour", "fields": ["item_extra:Colour"]},
        {"header": "Passed over", "fields": []},
    ],
    "constants": [{"field": "ship_country", "value": "US"}],
}
HEAD = ";".join(str(column["header"]) for column in FORMAT["columns"])


class Files(Tenant):
    """A tenant whose cart is a folder on this machine's disk."""

    def __init__(self, root: Path) -> None:
        self.account = Account.objects.create(name="Files", timezone="UTC")
        with tenancy.activate(self.account.pk):
            self.merchant = Merchant.objects.create(name="Files", code="FIL")
            form = FileFormat.objects.create(
                merchant=self.merchant, kind="orders", direction="in", name="Bench", spec=FORMAT
            )
            self.cart = Cart.objects.create(
                merchant=self.merchant,
                system="csv_cart",
                name="Files",
                number=1,
                shop="files",
                credentials={"place": "disk"},
                options={"quiet": 0, "format": form.value},
                earliest_order_date=LONG_AGO.date(),
            )
            Schedule.objects.create(merchant=self.merchant, cart=self.cart, service=Service.DOWNLOAD, every=3600)
        self.orders = root / self.account.public_id / self.merchant.public_id / "orders"
        self.orders.mkdir(parents=True)

    def load(self, name: str, rows: int) -> Measured:
        """Lays a file there and has it loaded."""
        path = self.orders / f"{name}.csv"
        with path.open("w", encoding="cp1252") as file:
            file.write(HEAD + "\n")
            file.writelines(_row(name, number) for number in range(rows))
        os.utime(path, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
        return self.run(Service.DOWNLOAD)


def _row(name: str, number: int) -> str:
    order = number // TOGETHER
    return (
        f"{name}-{order:06};27.02.2026;Müller {order % 977};Mill & Co;{order % 90} Mill Lane;Portland;OR;97201;GROUND;"
        f"blue;SKU-{number % 5000};{number % 7 + 1};12.50;red;whatever\n"
    )


def measure(ground: Ground, simulator: Simulator) -> list[Result]:
    """One round: a file of this size takes long enough to be no matter of luck."""
    with TemporaryDirectory() as root, override_settings(IM_FOLDER_ROOT=root):
        files = Files(Path(root))
        files.load("warm", WARM)
        ground.settle()
        before = memory.settled()
        spent = files.load("big", ROWS)
        grown = memory.peak() - before
        with tenancy.activate(files.account.pk):
            count = Order.objects.count()
        assert count == (ROWS + WARM) // TOGETHER, f"{count} orders"
    print(
        f"  {ROWS:,} rows in {spent.seconds:.1f} s, {spent.cpu / ROWS * 1e6:.0f} µs of processor a row,"
        f" {spent.statements / ROWS:.3f} statements a row, {grown:.0f} MB more",
        flush=True,
    )
    return [
        Result(
            "P8",
            f"rows/s, one file of {ROWS:,}",
            f"{ROWS / spent.seconds:.0f}/s",
            "",
            ROWS / spent.seconds,
            3000,
            5000,
            "/s",
        ),
        Result("P8", "MB more at its peak", f"{grown:.0f}", "", grown, 80, 40, " MB", False),
    ]
