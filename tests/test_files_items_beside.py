"""Several items in one row of a file in one of our own formats: Item2 and Quantity2, and what looks like them."""

import io
from dataclasses import replace
from decimal import Decimal

import pytest

from carts.systems.csv_cart import to_order
from integration_manager.kit.canonical import Order
from integration_manager.kit.csvfile import Broken, Record, Table
from integration_manager.kit.csvwriting import ErrorFile
from integration_manager.kit.fileformat import Format
from integration_manager.kit.filepresets import FULL, INVENTORY, PURCHASES, SIMPLE

ADDRESS = "Cust-ref,Ship code,last-name,address-1,city,state,zip,country"
ADA = "7,UPS,Ada,1 Main St,Boston,MA,02139,US"
STANDARD = ",".join(column.header for column in SIMPLE.columns)
WHOLE = "7,UPS,,Ada,Okafor,1 Main St,,Boston,MA,02139,US,,,"  # all before the item, as the format has them
BARE = replace(SIMPLE, header=False)


def read(text: str, form: Format = SIMPLE) -> list[Record]:
    return list(Table(io.BytesIO(text.encode()), form))


def order(text: str, form: Format = SIMPLE) -> Order:
    """The one order of a file."""
    records = read(text, form)
    assert [record.problem for record in records] == [""] * len(records)
    return to_order({"modified": "2026-01-01", "rows": [part for record in records for part in record.parts]}, {})


def items(text: str, form: Format = SIMPLE) -> list[tuple[str, Decimal]]:
    return [(line.item, line.quantity) for line in order(text, form).lines]


AB = [("A", 1), ("B", 2)]


@pytest.mark.parametrize(
    ("names", "cells"),
    [
        ("Item,Quantity,Item2,Quantity2", "A,1,B,2"),
        ("Item*,Quantity*,Item 2,Quantity 2", "A,1,B,2"),
        ("Item,Quantity,Item_2,Quantity_2", "A,1,B,2"),
        ("Item,Quantity,Item.1,Quantity.1", "A,1,B,2"),
        ("Item1,Quantity1,Item2,Quantity2", "A,1,B,2"),
        ("Item 0,Quantity 0,Item 1,Quantity 1", "B,2,A,1"),
        ("Item,Quantity,Item,Quantity", "A,1,B,2"),
        ("SKU,Qty,SKU,Qty", "A,1,B,2"),
        ("SKU,Qty,SKU (2),Qty (2)", "A,1,B,2"),
        ("Item,Item2,Quantity,Quantity2", "A,B,1,2"),
        ("Item,Quantity,Item3,Quantity3,Item2,Quantity2", "A,1,,,B,2"),
        ("Item,Quantity,Item2,Quantity2,Item3,Quantity3", "A,1,,,B,2"),
        ("Item,Quantity,Item2,Quantity2,Item3,Quantity3", ",,A,1,B,2"),
    ],
)
@pytest.mark.parametrize("header", [True, False])
def test_the_further_items_of_a_row_are_lines(names: str, cells: str, header: bool) -> None:
    form = replace(SIMPLE, header=header)  # said or not: they are named
    assert sorted(items(f"{ADDRESS},{names}\n{ADA},{cells}\n", form)) == AB
    shuffled = f"{names},{ADDRESS}\n{cells},{ADA}\n"
    assert sorted(items(shuffled, form)) == AB


def test_items_beside_and_below_each_other_are_of_one_order() -> None:
    text = f"{ADDRESS},Item,Quantity,Item2,Quantity2\n{ADA},A,1,B,2\n{ADA},C,3,,\n"
    assert items(text) == [*AB, ("C", 3)]
    assert items(f"{ADDRESS},Item,Quantity,Item2,Quantity2\n{ADA},A,1,,\n") == [("A", 1)]


@pytest.mark.parametrize(("form", "head"), [(BARE, ""), (SIMPLE, f"{STANDARD}\n")])
def test_rows_as_the_format_has_them_go_on_to_the_right(form: Format, head: str) -> None:
    assert items(f"{head}{WHOLE},A,1\n", form) == [("A", 1)]
    assert items(f"{head}{WHOLE},A,1,B,2\n", form) == AB
    assert items(f"{head}{WHOLE},A,1,,,B,2,,\n", form) == AB
    (record,) = read(f"{head}{WHOLE},A,1,B,#N/A\n", form)
    assert record.problem == "Quantity (2) is #N/A, which is a spreadsheet's error and no value"
    (record,) = read(f"{head}{WHOLE},A,1,B\n", form)
    assert record.parts[1] == {"item": "B"}, "a line without its quantity, which is refused"
    # Two commas in an address push the item out of its place.
    (record,) = read(f"{head}7,UPS,Ada, Ltd, Inc,,,1 Main St,,Boston,MA,02139,US,,,,A,1\n", form)
    what = "header" if head else "format"
    assert record.problem.startswith(f"The row has 18 cells and the {what} 16: put quotation marks")


def test_an_error_file_of_a_wide_row_is_read_again() -> None:
    table = Table(io.BytesIO(f"{WHOLE},A,1,B,2\n".encode()), BARE)
    (record,) = table
    errors = ErrorFile(table)
    errors.add(record, "Something")
    errors.stream.seek(0)
    (again,) = Table(errors.stream, BARE)
    assert (again.parts, again.problem) == (record.parts, "")


def test_a_row_longer_than_a_header_of_its_own_order_is_told_how_to_name_its_items() -> None:
    (record,) = read(f"{ADDRESS},Item,Quantity\n{ADA},A,1,B,2\n")
    assert "The row has 12 cells and the header 10" in record.problem
    assert "further items in the header: Item2, Quantity2" in record.problem


@pytest.mark.parametrize("names", ["Item,Quantity,Item2,Quantity2,Item_2", "Item,Quantity,Item,Item2", "Phone,Phone"])
def test_what_is_named_twice_breaks_the_file(names: str) -> None:
    with pytest.raises(Broken, match="names one column twice"):
        read(f"{ADDRESS},{names}\n{ADA},A,1\n")


def test_a_further_item_without_its_quantity_is_refused() -> None:
    (record,) = read(f"{ADDRESS},Item,Quantity,Item2\n{ADA},A,1,B\n")
    with pytest.raises(Exception, match="quantity"):
        to_order({"modified": "2026-01-01", "rows": record.parts}, {})
    assert items(f"{ADDRESS},Item,Quantity,Item2\n{ADA},A,1,\n") == [("A", 1)]


def test_what_is_no_item_is_kept() -> None:
    """A second telephone number is no reason to refuse an order, and none to lose what it says."""
    found = order(f"{ADDRESS},Item,Quantity,Phone,Phone 2,Address-3,Zip4\n{ADA},A,1,1,2,Back door,0042\n")
    assert (found.ship.phone, found.ship.address_3) == ("1", "Back door")
    assert found.extra_fields == {"Phone 2": "2", "Zip4": "0042"}
    found = order(f"{ADDRESS},SKU,Qty,Description,Description 2,Qty2,SKU2\n{ADA},A,1,Mug,blue,2,B\n", FULL)
    assert [(line.item, line.description, line.extra_fields) for line in found.lines] == [
        ("A", "Mug", {}), ("B", "blue", {}),
    ]  # fmt: skip
    found = order(f"{ADDRESS},SKU,Qty,Description,Description 2\n{ADA},A,1,Mug,blue\n", FULL)
    assert [(line.description, line.extra_fields) for line in found.lines] == [("Mug", {"Description 2": "blue"})]


def test_other_files() -> None:
    """A purchase order has items too; a level of stock is one, and nobody knows which of two is meant."""
    (record,) = read("PO,SKU,Qty,SKU2,Qty2\n7,A,1,B,2\n", PURCHASES)
    assert [(part["item"], part["quantity"]) for part in record.parts] == [("A", "1"), ("B", "2")]
    rows = read("SKU,Qty,Qty 2\nA,1,5\nB,2,\n", INVENTORY)
    assert [record.problem for record in rows] == [
        "Qty 2 is no column of Inventory, and looks like one that stands twice", "",
    ]  # fmt: skip
