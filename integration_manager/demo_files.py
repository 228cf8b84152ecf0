"""The demo's merchant without a shop: orders come as CSV files in the farm's own format, uploaded by hand."""

from datetime import date, timedelta
from typing import Any

NAME, CODE, CUSTOMER = "Fern Farm Boxes", "FERN", "C4"
FORMAT: dict[str, Any] = {
    "kind": "orders",
    "direction": "in",
    "label": "Farm shop export",
    "delimiter": ";",
    "columns": [
        {"header": "Box no.", "fields": ["cust_ref", "cust_po_no"]},
        {"header": "Ordered on", "fields": ["order_date"], "date_format": "d.m.Y"},
        {"header": "For", "fields": ["ship_last_name"]},
        {"header": "Street", "fields": ["ship_address_1"]},
        {"header": "Town", "fields": ["ship_city"]},
        {"header": "State", "fields": ["ship_state"]},
        {"header": "ZIP", "fields": ["ship_zip"]},
        {"header": "Door code", "fields": ["order_extra:Door code"]},
        {"header": "Article", "fields": ["item"]},
        {"header": "How many", "fields": ["quantity"]},
        {"header": "Packed as", "fields": []},
    ],
    "constants": [{"field": "ship_country", "value": "US"}, {"field": "ship_code", "value": "GROUND"}],
}
BUYERS = (
    ("Ana Ruiz", "14 Alder Way", "Salem", "OR", "97301", "4471"),
    ("Ben Okafor", "802 Canal St", "Portland", "OR", "97205", ""),
    ("Chloé Martin", "7 Harbor Rd", "Astoria", "OR", "97103", "B-12"),
    ("Dmitri Volkov", "55 Juniper Ave", "Boise", "ID", "83702", ""),
    ("Ella Grant", "3 Mill Pond Ln", "Concord", "MA", "01742", "0093"),
    ("Femi Ade", "210 Oak Park Blvd", "Reno", "NV", "89501", ""),
)
ARTICLES = ("BOX-SMALL", "BOX-LARGE", "JAM-PLUM", "HONEY-LIME")


def week(monday: date) -> bytes:
    """A week's file: six boxes, some with a second article. One row lacks its quantity, as it happens."""
    rows = [";".join(column["header"] for column in FORMAT["columns"])]
    for number, (name, street, town, state, zip_code, door) in enumerate(BUYERS, 1):
        day = (monday + timedelta(days=number % 5)).strftime("%d.%m.%Y")
        head = [f"{monday:%y%m%d}-{number}", day, name, street, town, state, zip_code, door]
        rows.append(";".join([*head, ARTICLES[number % 2], "1", "crate"]))
        if number % 2:
            how_many = "" if number == 5 else "2"
            rows.append(";".join([*head, ARTICLES[2 + number % 2], how_many, "jar"]))
    return "\r\n".join([*rows, ""]).encode()


def orders_by_file(merchant: Any, today: date) -> Any:
    """A cart by hand for `merchant`, its format, and the file of this week, which waits to be loaded."""
    from carts.models import Cart
    from integration_manager.ids import public_id
    from integration_manager.kit.folder_system import upload_places
    from merchants.models import FileFormat
    from merchants.stored_files import StoredFolder

    form = FileFormat.objects.create(
        merchant=merchant, kind="orders", direction="in", name=FORMAT["label"], spec=FORMAT
    )
    key = public_id()
    cart = Cart.objects.create(
        public_id=key,
        merchant=merchant,
        system="csv_cart",
        name=f"{NAME}, files by hand",
        order_source=NAME,
        number=1,
        shop=key,
        credentials={"place": "browser"},
        options={"format": form.value, "quiet": 0},
        earliest_order_date=today - timedelta(days=30),
    )
    monday = today - timedelta(days=today.weekday())
    name = f"boxes-{monday:%Y-%m-%d}.csv"
    StoredFolder(merchant.pk, cart.pk).keep(
        f"{upload_places('orders')[0]}/{name}", week(monday), title=name, by="the farm"
    )
    return cart
