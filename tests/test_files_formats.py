"""File formats as data: read from JSON, complained about in plain words, guessed from headers."""

import copy
from typing import Any

import pytest

from integration_manager.kit.filefields import FIELDS, fields_of, guess
from integration_manager.kit.fileformat import Format, problems
from integration_manager.kit.filepresets import FULL, PRESETS, presets_of

GOOD: dict[str, Any] = {
    "kind": "orders",
    "direction": "in",
    "label": "Warehouse of 1998",
    "delimiter": ";",
    "quote": '"',
    "encoding": "cp1252",
    "header": True,
    "layout": "horizontal",
    "group": [6, 8],
    "columns": [
        {"header": "Bestellung", "fields": ["cust_ref", "cust_po_no"]},
        {"header": "Name", "fields": ["ship_last_name"]},
        {"header": "Straße", "fields": ["ship_address_1"]},
        {"header": "Ort", "fields": ["ship_city"]},
        {"header": "Datum", "fields": ["order_date"], "date_format": "d.m.Y"},
        {"header": "Geschenk", "fields": ["order_extra:Gift tag"]},
        {"header": "Artikel", "fields": ["item"]},
        {"header": "Menge", "fields": ["quantity"]},
        {"header": "Farbe", "fields": ["item_extra:Colour"]},
    ],
    "constants": [{"field": "ship_country", "value": "DE"}],
    "date_format": "",
}


def changed(**values: Any) -> dict[str, Any]:
    """GOOD with other values; a column's by its number: `column_7={"fields": []}`."""
    data = copy.deepcopy(GOOD)
    for name, value in values.items():
        if name.startswith("column_"):
            data["columns"][int(name[7:])].update(value)
        else:
            data[name] = value
    return data


def test_a_format_survives_json() -> None:
    form = Format.from_dict(GOOD)
    assert problems(form) == []
    assert Format.from_dict(form.to_dict()) == form
    assert form.columns[0].fields == ("cust_ref", "cust_po_no") and form.group == (6, 8)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.key)
def test_our_own_formats_are_formats(preset: Format) -> None:
    assert Format.from_dict(preset.to_dict()) == preset
    assert problems(preset) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "has to be an object"),
        (changed(kind="people"), "kind cannot be 'people'"),
        (changed(delimiter="x"), "delimiter cannot be"),
        (changed(header="yes"), "true or false"),
        (changed(group=[7, 6]), "repeated group"),
        (changed(group=[True, 8]), "repeated group"),
        (changed(group=[6, 9]), "repeated group"),
        (changed(column_7={"fields": ["quality"]}), "Column 8 (Menge): 'quality' is no field of orders"),
        (changed(column_7={"fields": [["item"]]}), "Column 8 (Menge): a field is named by text"),
        (changed(column_7={"fields": "item"}), "Column 8 (Menge): fields has to be a list"),
        (changed(column_5={"fields": ["order_extra:"]}), "Column 6 (Geschenk): an extra field needs a name"),
        (changed(column_5={"fields": ["order_extra:" + "x" * 101]}), "Column 6 (Geschenk): an extra field needs"),
        (changed(columns=[{}] * 501), "500 are the limit"),
        (changed(columns=[[]]), "Column 1 has to be an object"),
        (changed(date_format="\x00"), "cannot be written"),
        (changed(constants=[{"field": "x", "value": ""}]), "'x' is no field"),
        (changed(kind="inventory", columns=[{"fields": ["item_extra:Colour"]}]), "only orders have extra fields"),
    ],
)
def test_what_is_no_format_is_refused(data: Any, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        Format.from_dict(data)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (changed(column_7={"fields": []}), "No column holds Quantity"),
        (changed(constants=[]), "No column holds Ship-to country"),
        (changed(column_1={"fields": []}), "a name to ship to"),
        (changed(column_5={"fields": ["item"]}), "SKU is fed by column 6 (Geschenk) and by column 7 (Artikel)"),
        (changed(column_5={"fields": ["tax"]}), "column 6 (Geschenk) is outside of the repeated group"),
        (changed(column_8={"fields": ["carrier"]}), "column 9 (Farbe) is in the repeated group"),
        (changed(column_8={"fields": ["ship_country"]}), "also comes from column 9 (Farbe)"),
        (changed(column_8={"constant": "x"}), "a fixed text is for files that go out"),
        (changed(column_8={"date_format": "Y"}), "Column 9 (Farbe) has a date format and holds no date"),
        (changed(column_4={"date_format": "%d.%m"}), "Column 5 (Datum), date format: '%d.%m' is not in PHP's letters"),
        (changed(column_4={"date_format": "dQY"}), "Q is none of PHP's date letters"),
        (changed(date_format="Y\\"), "The date format: a \\ stands before"),
        (changed(column_5={"fields": ["merchant_code"]}), "only for files that go out"),
        (changed(constants=[{"field": "ship_country", "value": ""}]), "an empty constant value"),
        (changed(direction="out"), "Give a column a fixed text"),
        (changed(group=None), "which columns are repeated"),
        (changed(layout="vertical"), "no repeated group"),
        (changed(group=[6, 7]), "Farbe) is outside"),
        (changed(columns=[], group=None), "There are no columns"),
        ({**changed(), "columns": [*GOOD["columns"], {"fields": ["carrier"]}]}, "has to be the last columns"),
        (
            {"kind": "inventory", "direction": "in", "layout": "horizontal", "columns": [{"fields": ["sku"]}]},
            "one SKU in a row",
        ),
    ],
)
def test_what_cannot_be_used_yet_is_said(data: Any, said: str) -> None:
    found = problems(Format.from_dict(data))
    assert any(said in problem for problem in found), found


def test_headers_are_recognised_by_what_people_call_them() -> None:
    headers = ["Order No.", "Shipping Name", "Ship-to Address 1", "Shipping ZIP", "SKU", "Qty", "Qty", "Colour", ""]
    assert guess(headers, "orders") == [
        ["cust_ref", "cust_po_no"],
        ["ship_last_name"],
        ["ship_address_1"],
        ["ship_zip"],
        ["item"],
        ["quantity"],
        [],
        [],
        [],
    ]
    assert guess(["PO number", "Order"], "orders") == [["cust_po_no"], ["cust_ref"]]
    assert guess(["Tracking #", "Order ID", "merchant code"], "confirmations") == [["tracking_no"], ["cust_ref"], []]
    assert guess(["sku", "On hand", "Stock"], "inventory") == [["sku"], ["on_hand"], ["available"]]


def test_every_preset_is_recognised_by_its_own_headers() -> None:
    for preset in PRESETS.values():
        headers = [column.header for column in preset.columns]
        read, written = guess(headers, preset.kind, "in"), guess(headers, preset.kind, "out")
        for column, *found in zip(preset.columns, read, written, strict=True):
            if column.fields:
                assert any(found), f"{preset.key}: {column.header}"


def test_the_fields_to_choose_from() -> None:
    names = [field.name for field in fields_of("orders", "in")]
    assert "merchant_code" not in names and "merchant_code" in [f.name for f in fields_of("orders", "out")]
    assert all(field.label for fields in FIELDS.values() for field in fields.values())
    assert {field.name for field in fields_of("orders", "out")} - {"record_no"} == FULL.fields
    assert [preset.key for preset in presets_of("orders")] == ["simple", "ciodirect", "full"]
