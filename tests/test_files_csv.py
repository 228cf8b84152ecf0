"""CSV as a format: encodings, delimiters, damage, limits; what we write we read back."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carts.systems.csv_cart import CsvCart, to_order
from integration_manager.kit import csvcells, csvfile
from integration_manager.kit.canonical import (
    Address,
    Line,
    Order,
    Prepared,
    PreparedLine,
    Shipment,
    ShipmentLine,
    SourceState,
    Stock,
)
from integration_manager.kit.csvfile import Broken, Record, Table
from integration_manager.kit.csvgroups import Groups
from integration_manager.kit.csvorders import short
from integration_manager.kit.csvwriting import safe, written
from integration_manager.kit.filefields import FIELDS
from integration_manager.kit.fileformat import Format
from integration_manager.kit.filepresets import CONFIRMATION, FULL, INVENTORY, PRESETS, SIMPLE
from wms.systems.csv_wms import CsvWms, to_shipment, to_stock

HEAD = "Cust-ref,Ship code,last-name,address-1,city,state,zip,country,Item,Quantity"


def row(number: str = "1001", name: str = "Doe", item: str = "A", quantity: str = "1") -> str:
    return f"{number},UPS,{name},1 Main St,Boston,MA,02139,US,{item},{quantity}"


def read(data: bytes | str, form: Format = SIMPLE, *, header: bool = True) -> list[Record]:
    raw = data.encode() if isinstance(data, str) else data
    return list(Table(io.BytesIO(raw), replace(form, header=header)))


def file(*rows: str, head: str = HEAD, end: str = "\r\n") -> str:
    return "".join(line + end for line in (head, *rows))


NAME = "Zoë Müller"


@pytest.mark.parametrize(
    "data",
    [
        file(row(name=NAME)).encode("utf-8"),
        file(row(name=NAME)).encode("utf-8-sig"),
        file(row(name=NAME)).encode("cp1252"),
        file(row(name=NAME)).encode("utf-16"),
        file(row(name=NAME), end="\n").encode(),
        file(row(name=NAME), end="\r").encode(),
        file(row(name=NAME)).rstrip().encode(),
        file(row(name=NAME)).replace(",", ";").encode(),
        file(row(name=NAME)).replace(",", "\t").encode(),
        file(row(name=NAME)).replace(",", "|").encode(),
        ("sep=;\r\n" + file(row(name=NAME)).replace(",", ";")).encode(),
        ("\r\n\r\n" + file("", row(name=NAME), ",,,,,,,,,", "")).encode(),
        file(row(name=NAME), head=HEAD.upper().replace("-", "_")).encode(),
        file(row(name=f'"{NAME}"'), head=HEAD.replace("Quantity", "Quantity*")).encode(),
    ],
)
def test_the_same_table_however_it_is_written(data: bytes) -> None:
    (record,) = read(data)
    assert record.problem == "" and record.cells["ship_last_name"] == NAME
    assert record.cells["cust_ref"] == "1001" and record.cells["quantity"] == "1"


def test_lines_in_two_encodings() -> None:
    data = file().encode() + (row(name=NAME) + "\r\n").encode() + (row("2", NAME) + "\r\n").encode("cp1252")
    assert [record.cells["ship_last_name"] for record in read(data)] == [NAME, NAME]


def test_quoted_delimiters_quotes_and_line_ends() -> None:
    name = 'O"Neil, 2nd\r\nfloor'
    first, second = read(file(row(name='"' + name.replace('"', '""') + '"'), row("1002")))
    assert first.cells["ship_last_name"] == name and first.line == 2
    assert second.line == 4


def test_an_inch_sign_in_plain_text_is_text() -> None:
    assert read(file(row(item='12" pipe'), row("2")))[0].cells["item"] == '12" pipe'


def test_without_a_header_columns_stand_as_in_the_preset() -> None:
    line = "1001,UPS,ACME,,,1 Main St,,Boston,MA,02139,US,,,,A,2"
    (record,) = read(line, header=False)
    assert (record.line, record.cells["item"], record.cells["quantity"]) == (1, "A", "2")
    (record,) = read(file(row()), header=False)  # there is one all the same
    assert record.cells["cust_ref"] == "1001"


def test_columns_by_other_names_and_unknown_ones() -> None:
    head = HEAD.replace("Cust-ref", "Order Number").replace("Item", "SKU").replace("zip", "Postal Code") + ",Colour"
    (record,) = read(file(row() + ",red", head=head))
    assert (record.cells["cust_ref"], record.cells["item"], record.cells["ship_zip"]) == ("1001", "A", "02139")
    assert record.row[-1] == "red" and "red" not in record.cells.values()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"PK\x03\x04rest", "Excel"),
        (b"\xd0\xcf\x11\xe0rest", "Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8brest", "compressed"),
        (b"a\0b\0c\0d\0", "no text"),
        (b"hello\nworld\n", "lacks Cust-ref"),
        (file(head=HEAD + ",Quantity").encode(), "twice"),
        (file(head=HEAD.replace("city,", "")).encode(), "lacks city"),
        (b'"never closed', "unbalanced"),
        (b"x" * 1_000_000, "longer than any line"),
        (file(*['a,"b'] * 60).encode(), "many rows"),
        (file(head=HEAD + "," + ",".join(f"c{n}" for n in range(600))).encode(), "columns"),
    ],
)
def test_what_is_no_table_is_broken_and_says_why(data: bytes, why: str) -> None:
    with pytest.raises(Broken, match=why):
        read(data)


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\xef\xbb\xbf", file().encode()])
def test_an_empty_file_has_no_rows(data: bytes) -> None:
    assert read(data) == []


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (row("1.23E+12"), "rounded number"),
        (row(item="1,23E+12"), "cells and the header"),
        (row(item='"1,23E+12"'), "rounded number"),
        (row(item="#N/A"), "spreadsheet's error"),
        (row(item="########"), "spreadsheet's error"),
        (row(name="x" * 9000), "8,000 are the limit"),
        (row(name="x" * 300_000), "cannot be read"),
        (row(name="x" * 3_000_000), "cannot be read"),
        (row(name="a\0b"), "NUL"),
        (row(name="a\ufffdb"), "neither UTF-8"),
        (row(name="Doe, Jane"), "quotation marks around"),
        (row(name='"Doe'), "cannot be read"),
        (row(name='"Doe" Jane'), "cannot be read"),
    ],
)
def test_a_bad_row_is_told_and_the_others_are_read(bad: str, why: str) -> None:
    records = read(file(row("1"), bad, row("3"), row("4")))
    assert [record.line for record in records] == [2, 3, 4, 5]
    assert why in records[1].problem
    assert [record.problem for record in records if record.line != 3] == ["", "", ""]


def test_undefined_bytes_of_cp1252() -> None:
    (record,) = read(file(row(name="XXX")).encode().replace(b"XXX", b"a\x81b"))
    assert "neither UTF-8" in record.problem


def test_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvfile, "MAX_ROWS", 2)
    with pytest.raises(Broken, match="Split it"):
        read(file(row("1"), row("2"), row("3")))


# ── rows of one order ──


def grouped(*rows: str) -> list[tuple[str, list[int], list[str]]]:
    table = Table(io.BytesIO(file(*rows).encode()), SIMPLE)
    with Groups(table, ("cust_ref",), "order number") as groups:
        list(groups.fill())
        return [(g.key, [r.line for r in g.records], [r.problem for r in g.records if r.problem]) for g in groups]


def test_rows_of_an_order_stand_anywhere() -> None:
    assert grouped(row("1"), row("2"), row("1"), row("3"), row("2")) == [
        ("1", [2, 4], []),
        ("2", [3, 6], []),
        ("3", [5], []),
    ]


def test_a_row_without_a_number_spoils_the_order_before_it() -> None:
    (first, second) = grouped(row("1"), row(""), row("2"))
    assert first[1] == [2, 3] and first[2] == ["The row has no order number"]
    assert second == ("2", [4], [])


def test_an_unreadable_row_spoils_its_order() -> None:
    found = grouped(row("1"), row("2"), row("1", name='"Doe'))
    assert [(key, lines, bool(why)) for key, lines, why in found] == [("1", [2, 4], True), ("2", [3], False)]


def test_totals_are_left_out() -> None:
    assert [key for key, *_ in grouped(row("1"), "Total,,,,,,,,,17", ",,,,,,,,Total:,17")] == ["1"]


@pytest.mark.parametrize("item", ["TOTAL", "Sum", "Subtotal"])
def test_a_line_of_an_order_is_no_total_whatever_its_item_is_called(item: str) -> None:
    """Of a mapped file with three columns, or of the later rows of an order, nothing else tells them apart."""
    short = f"1,,,,,,,,{item},2"
    assert grouped(row("1"), short, f"2,,,,,,,,{item},1")[0][1] == [2, 3]
    assert [key for key, *_ in grouped(row("1"), short, f"2,,,,,,,,{item},1")] == ["1", "2"]


def test_a_byte_order_mark_in_the_middle_is_no_part_of_an_order_number() -> None:
    """Files put together by a program keep the mark that each began with."""
    data = file(row("1")).encode("utf-8-sig") + f"{row('2')}\r\n".encode("utf-8-sig")
    assert [record.cells["cust_ref"] for record in read(data)] == ["1", "2"]


@pytest.mark.parametrize(("name", "kept"), [("Doe", 2000), ("x" * 7900, 1010)])
def test_endless_orders_end(name: str, kept: int) -> None:
    table = Table(io.BytesIO(file(*[row(name=name)] * 2005).encode()), SIMPLE)
    with Groups(table, ("cust_ref",), "order number") as groups:
        list(groups.fill())
        (only,) = groups
    assert len(only.records) <= kept and only.overflow == 2005 - len(only.records)


# ── cells ──


@pytest.mark.parametrize(
    ("text", "order", "wanted"),
    [
        ("11/21/26", "mdy", date(2026, 11, 21)),
        ("1/2/2026", "mdy", date(2026, 1, 2)),
        ("1/2/2026", "dmy", date(2026, 2, 1)),
        ("21.11.26", "dmy", date(2026, 11, 21)),
        ("2026-02-28", "mdy", date(2026, 2, 28)),
        ("2/29/28", "mdy", date(2028, 2, 29)),
    ],
)
def test_days(text: str, order: str, wanted: date) -> None:
    assert csvcells.day(text, order) == wanted


def test_moments() -> None:
    assert csvcells.moment("11/21/26 3:05 PM") == datetime(2026, 11, 21, 15, 5, tzinfo=UTC)
    assert csvcells.moment("2026-11-21 15:05:06") == datetime(2026, 11, 21, 15, 5, 6, tzinfo=UTC)
    assert csvcells.moment("2026-11-21T15:05:06+02:00") == datetime(2026, 11, 21, 13, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "21/11/26", "2/30/26", "tomorrow", "2026-13-01", "0001-01-01T00:00+14:00"])
def test_no_dates(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date"):
        csvcells.moment(text)


@pytest.mark.parametrize("text", ["", "x", "1,5", "1e3", "NaN", "-1", "0", "１", "9" * 20, "1.2.3", "Infinity"])
def test_no_quantities(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        csvcells.quantity(text)


def test_countries() -> None:
    for text in ("US", "us", "USA", "U.S.A.", "United States", "united states of america"):
        assert csvcells.country(text) == "US"
    assert csvcells.country("DEU") == "DE"
    for text in ("", "XX", "Atlantis", "12"):
        with pytest.raises(ValueError, match="is no country"):
            csvcells.country(text)


# ── orders ──


def order_of(*rows: str, head: str = HEAD, **options: Any) -> Order:
    records = read(file(*rows, head=head))
    raw = {"file": "x.csv", "modified": "2026-03-01T00:00:00+00:00", "rows": [r.cells for r in records]}
    return to_order(raw, options)


def test_a_zip_that_lost_its_zeros_is_repaired_and_said() -> None:
    order = order_of(row().replace("02139", "2139"))
    assert order.ship.zip == "02139" and order.extra_fields == {"ZIP in the file": "2139"}
    assert order_of(row().replace("02139", "501")).ship.zip == "00501"
    assert order_of(row().replace("02139", "2139-1234")).ship.zip == "02139-1234"
    german = order_of(row().replace("02139,US", "1067,DE"))
    assert german.ship.zip == "1067" and german.extra_fields == {}


def test_the_rows_of_an_order_have_to_agree() -> None:
    order = order_of(row(item="A"), "1001,,,,,,,,B,2")
    assert [(line.item, line.quantity) for line in order.lines] == [("A", 1), ("B", 2)]
    with pytest.raises(Exception, match="'Salem' here, and 'Boston' in a row before") as caught:
        order_of(row(), row().replace("Boston", "Salem"))
    assert getattr(caught.value, "row", None) == 1


@pytest.mark.parametrize("lacking", ["Main St", "Boston", "MA", "02139", "US", "Doe", "A,1", "1001"])
def test_what_an_order_cannot_be_without(lacking: str) -> None:
    text = row().replace("1 Main St", "Main St").replace(lacking, "," if lacking == "A,1" else "")
    with pytest.raises(Exception, match=r"missing|is no country|needed"):
        order_of(text)


def test_abroad_needs_no_state() -> None:
    order = order_of("1,DHL,Müller,Hauptstr. 1,Köln,,50667,DEU,A,1")
    assert (order.ship.country, order.ship.state) == ("DE", None)


def test_long_order_numbers_get_a_short_reference() -> None:
    number = "WEB-2026-000000123456"
    order = order_of(row(number))
    assert (order.cart_key, order.cust_po_no) == (number, number)
    assert order.cust_ref == short(number) and len(order.cust_ref) == 16
    assert short(number + "7") != short(number)


# ── what we write we read back ──

# Cells are trimmed when read, files are text for machines: no NUL, no half of a character.
texts = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffd#"), min_size=1, max_size=40)
cells = (texts | st.sampled_from(["=1+1", "+49 30", "-5", "@x", 'a"b', "a,b", "a\r\nb", "a\nb", "0012", "'x"])).map(
    lambda text: text.strip() or "x"
)
numbers = st.decimals(min_value=1, max_value=999_999, places=2, allow_nan=False)
delimiters = st.sampled_from([",", ";", "\t", "|"])


@given(st.data())
def test_any_file_reads_as_it_was_written(data: st.DataObject) -> None:
    preset = data.draw(st.sampled_from(list(PRESETS.values())))
    fields = [name for name in preset.fields if name != "record_no" and not FIELDS[preset.kind][name].dated]
    rows = data.draw(st.lists(st.dictionaries(st.sampled_from(sorted(fields)), cells, min_size=1), max_size=5))
    form = replace(preset, delimiter=data.draw(delimiters))
    records = read(written(form, [[row] for row in rows]), preset)
    faulty = {record.line for record in records if "rounded number" in record.problem}
    assert [{k: v for k, v in record.cells.items() if k != "record_no"} for record in records] == rows
    assert all(not record.problem for record in records if record.line not in faulty)


@given(st.lists(st.builds(ShipmentLine, item=cells, quantity=numbers), max_size=4), cells, cells)
def test_confirmations_read_as_they_were_written(lines: list[ShipmentLine], ref: str, tracking: str) -> None:
    shipped = datetime(2026, 3, 1, 12, tzinfo=UTC)
    shipment = Shipment(
        "k", carrier="UPS", method="GROUND", tracking_no=tracking, shipped_at=shipped, lines=tuple(lines)
    )
    order = {"cust_ref": ref, "cust_po_no": ref, "cart_key": "x"}
    _, data = CsvCart.render("confirmations", [(order, shipment)], "1", {})
    again = to_shipment([record.cells for record in read(data, CONFIRMATION)], shipped, {})
    assert (again.ref, again.tracking_no, again.shipped_at) == (ref, tracking, shipped)
    assert [(x.item, x.quantity) for x in again.lines] == [(x.item, x.quantity) for x in lines]
    assert again.key == tracking


@given(cells, numbers, st.none() | numbers, st.sampled_from(["", "EAST"]))
def test_levels_read_as_they_were_written(sku: str, available: Decimal, on_hand: Decimal | None, place: str) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    stock = Stock(sku, available, on_hand, place, at)
    _, data = CsvCart.render("inventory", [stock], "1", {"delimiter": "semicolon"})
    assert [to_stock([record.cells], at, {}) for record in read(data, INVENTORY)] == [stock]


@given(
    cells, cells, cells, st.lists(st.tuples(cells, numbers), min_size=1, max_size=4), st.sampled_from([FULL, SIMPLE])
)
def test_orders_for_a_wms_read_as_they_were_written(
    name: str, street: str, city: str, lines: list[tuple[str, Decimal]], preset: Format
) -> None:
    ship = Address(last_name=name, address_1=street, city=city, zip="50667", country="DE", phone="+49 221")
    order = Order(
        cart_key="1", cust_ref="1", cust_po_no="PO 1", order_date=date(2026, 3, 1), source_state=SourceState.ELIGIBLE,
        lines=tuple(Line(str(n), item, quantity) for n, (item, quantity) in enumerate(lines)), ship=ship,
    )  # fmt: skip
    sent = tuple(PreparedLine(line.line_id, line.item, line.quantity) for line in order.lines)
    prepared = Prepared("R1", order, sent, "DHL", "PAKET", "ACME")
    title, data = CsvWms.render("orders", [prepared], "7", {"order_format": preset.key})
    assert title == "orders-7.csv"
    again = to_order({"modified": "2026-01-01", "rows": [r.cells for r in read(data, preset)]}, {})
    assert (again.cart_key, again.ship, again.order_date, again.ship_code) == ("R1", ship, order.order_date, "PAKET")
    assert [(line.item, line.quantity) for line in again.lines] == lines


def test_formulas_stay_in_files_for_machines_and_not_in_those_for_people() -> None:
    assert b"=1+1" in written(INVENTORY, [[{"sku": "=1+1", "available": "1"}]])
    assert [safe(text) for text in ("=1", "+1", "-1", "@x", "\tx", "x", "")] == [
        "'=1",
        "'+1",
        "'-1",
        "'@x",
        "'\tx",
        "x",
        "",
    ]


def test_parcels() -> None:
    def parcel(*rows: dict[str, str]) -> Shipment:
        return to_shipment([{"cust_ref": "R1", **row} for row in rows], datetime(2026, 3, 1, tzinfo=UTC), {})

    whole = parcel({"tracking_no": "1Z"})
    assert (whole.lines, whole.key) == ((), "1Z")
    letter = parcel({"item": "A", "quantity": "1"})
    assert letter.tracking_no is None and letter.key == parcel({"item": "A", "quantity": "1"}).key
    assert letter.key != parcel({"item": "A", "quantity": "2"}).key
    assert [x.item for x in parcel({"item": "A", "quantity": "1"}, {"item": "B", "quantity": "0"}).lines] == ["A"]
    for rows, why in (
        ([{"item": "A"}], "missing"),
        ([{"quantity": "1"}], "no item"),
        ([{"item": "A", "quantity": "0"}], "nothing was shipped"),
        ([{"item": "A", "quantity": "1"}, {}], "others have none"),
        ([{"item": "A", "quantity": "-1"}], "above zero"),
        ([{"date": "someday"}], "not a date"),
    ):
        with pytest.raises(Exception, match=why):
            parcel(*rows)


def test_levels_that_contradict_each_other_are_refused() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [{"sku": "A", "available": "5"}, {"sku": "A", "available": "5"}]
    assert to_stock(rows, at, {}) == Stock("A", Decimal(5), at=at)
    with pytest.raises(Exception, match="7 here, and 5 in a row before"):
        to_stock([*rows, {"sku": "A", "available": "7"}], at, {})
    assert to_stock([{"sku": "A", "available": "-3"}], at, {}).available == -3
