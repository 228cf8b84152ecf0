"""Any format both ways: what is written by one is read by it again; damage, layouts, encodings."""

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_manager.kit.csvfile import Broken, Record, Table
from integration_manager.kit.csvwriting import ErrorFile, encoded, written
from integration_manager.kit.filefields import FIELDS, of_item
from integration_manager.kit.fileformat import Column, Constant, Format, problems

HEADERS = ["Bestellung", "Name", "Datum", "Artikel", "Menge"]
FIVE = tuple(Column(header, fields) for header, fields in zip(
    HEADERS, [("cust_ref",), ("ship_last_name",), ("order_date",), ("item",), ("quantity",)], strict=True,
))  # fmt: skip
VERTICAL = Format("orders", "in", "Five", FIVE)
WIDE = replace(VERTICAL, layout="horizontal", group=(3, 4))


def read(data: bytes | str, form: Format) -> list[Record]:
    return list(Table(io.BytesIO(data.encode() if isinstance(data, str) else data), form))


def parts(data: bytes | str, form: Format) -> list[list[dict[str, str]]]:
    return [record.parts for record in read(data, form)]


# ── columns by name, by place, several fields, constants ──


def test_columns_are_found_by_their_headers_wherever_they_stand() -> None:
    ((cells,),) = parts("Menge,Neu,Artikel,Name,bestellung*\n2,x,MUG,Ada,7\n", replace(VERTICAL, columns=FIVE))
    assert cells == {"cust_ref": "7", "ship_last_name": "Ada", "item": "MUG", "quantity": "2"}


def test_columns_with_the_same_header_are_told_apart_by_their_order() -> None:
    columns = (Column("Name", ("cust_last_name",)), Column("Name", ("ship_last_name",)), *FIVE[:1], *FIVE[3:])
    ((cells,),) = parts("Bestellung,Name,Artikel,Name,Menge\n7,Bill,MUG,Ship,2\n", replace(VERTICAL, columns=columns))
    assert (cells["cust_last_name"], cells["ship_last_name"]) == ("Bill", "Ship")


def test_a_needed_column_that_is_missing_breaks_the_file_and_another_does_not() -> None:
    assert parts("Bestellung,Artikel,Menge\n7,MUG,2\n", VERTICAL)[0][0]["item"] == "MUG"
    with pytest.raises(Broken, match=r"lacks Menge\. It has: Bestellung, Artikel, Name"):
        read("Bestellung,Artikel,Name\n7,MUG,Ada\n", VERTICAL)


def test_without_a_header_columns_stand_where_they_stand() -> None:
    form = replace(VERTICAL, header=False, delimiter=";")
    assert parts("7;Ada;;MUG;2\n", form)[0][0]["quantity"] == "2"
    assert parts("Bestellung;Name;Datum;Artikel;Menge\n7;Ada;;MUG;2\n", form)[0][0]["cust_ref"] == "7"
    (record,) = read("7;Ada;;MUG;2;more\n", form)
    assert "6 cells and the format 5" in record.problem


def test_a_header_whose_columns_have_no_names() -> None:
    form = replace(VERTICAL, columns=tuple(replace(column, header="") for column in FIVE))
    assert parts("a,b,c,d,e\n7,Ada,,MUG,2\n", form)[0][0]["item"] == "MUG"


def test_one_column_feeds_several_fields_and_constants_fill_what_is_not_there() -> None:
    columns = (Column("No", ("cust_ref", "cust_po_no")), *FIVE[1:])
    constants = (Constant("ship_country", "DE"), Constant("item_extra:Colour", "red"))
    form = replace(WIDE, columns=columns, constants=constants)
    (items,) = parts("No,Name,Datum,Artikel,Menge\n7,Ada,,MUG,2,TEA,1\n", form)
    assert items == [
        {
            "ship_country": "DE", "cust_ref": "7", "cust_po_no": "7", "ship_last_name": "Ada",
            "item_extra:Colour": "red", "item": "MUG", "quantity": "2",
        },
        {"item_extra:Colour": "red", "item": "TEA", "quantity": "1"},
    ]  # fmt: skip


# ── horizontal ──


def test_a_group_repeats_to_the_right_until_the_row_ends() -> None:
    data = "Bestellung,Name,Datum,Artikel,Menge,Artikel2,Menge2\n7,Ada,,A,1,B,2,C,3,,,\n8,Bo,,A\n9,Cy,,,,B,2\n"
    assert [[(p.get("item"), p.get("quantity")) for p in one] for one in parts(data, WIDE)] == [
        [("A", "1"), ("B", "2"), ("C", "3")],
        [("A", None)],
        [("B", "2")],  # nothing is lost where the first ones are empty
    ]


def test_what_is_wrong_in_a_repeated_column_is_told_by_its_name_and_number() -> None:
    (record,) = read("Bestellung,Name,Datum,Artikel,Menge\n7,Ada,,A,1,#N/A,2\n", WIDE)
    assert record.problem == "Artikel (2) is #N/A, which is a spreadsheet's error and no value"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("Bestellung,Name,Datum,Artikel,Preis,Menge", "side by side"),
        ("Bestellung,Artikel,Menge,Name", "stands behind"),
        ("Bestellung,Name,Menge", "lacks Artikel"),
    ],
)
def test_a_group_that_is_torn_apart_breaks_the_file(header: str, why: str) -> None:
    with pytest.raises(Broken, match=why):
        read(f"{header}\n7,Ada,x,y,z,q\n", WIDE)


def test_a_row_of_thousands_of_cells_is_refused() -> None:
    (record,) = read("Bestellung,Name,Datum,Artikel,Menge\n7,Ada,," + "A,1," * 3000 + "\n", WIDE)
    assert "6004 cells" in record.problem


def test_written_as_wide_as_the_widest_order() -> None:
    form = replace(WIDE, direction="out")
    orders = [[{"cust_ref": "7", "item": "A", "quantity": "1"}, {"item": "B", "quantity": "2"}], [{"cust_ref": "8"}]]
    assert written(form, orders).decode().splitlines() == [
        "Bestellung,Name,Datum,Artikel,Menge,Artikel 2,Menge 2",
        "7,,,A,1,B,2",
        "8,,,,,,",
    ]


# ── error files ──


@pytest.mark.parametrize("form", [VERTICAL, WIDE, replace(VERTICAL, header=False), replace(WIDE, header=False)])
@pytest.mark.parametrize("quote", ['"', "'", ""])
def test_an_error_file_is_read_by_the_format_of_its_source(form: Format, quote: str) -> None:
    form = replace(form, quote=quote, encoding="cp1252", delimiter=";")
    head = "Bestellung;Name;Datum;Artikel;Menge\n" if form.header else ""
    table = Table(io.BytesIO(f"{head}7;=Zoë;;A;1{';B;2' if form.group else ''}\n".encode("cp1252")), form)
    (record,) = table
    errors = ErrorFile(table)
    errors.add(record, "Something; with 'a' \"quote\"")
    errors.stream.seek(0)
    content = errors.stream.read()
    assert "'=Zoë".encode() in content  # a person opens this
    assert [again.parts for again in read(content, form)] == [record.parts]


@pytest.mark.parametrize("quote", ['"', "'", ""])
@pytest.mark.parametrize("text", ["=1+1", '"=1+1"', "'=1+1", "''@x", '"'])
def test_nothing_in_an_error_file_runs_as_a_formula(quote: str, text: str) -> None:
    """Neither a column's name nor a cell whose quotation marks only the spreadsheet takes for such."""
    form = replace(VERTICAL, quote=quote)
    cells = [f'"{cell.replace(chr(34), chr(34) * 2)}"' if quote == '"' else cell for cell in (text, "@SUM(A1)")]
    if quote == "'":
        cells = [f"'{cell.replace(chr(39), chr(39) * 2)}'" for cell in (text, "@SUM(A1)")]
    table = Table(io.BytesIO(f"Bestellung,Name,Artikel,Menge,{cells[1]}\n7,{cells[0]},A,1,\n".encode()), form)
    (record,) = table
    assert record.cells["ship_last_name"] == text
    errors = ErrorFile(table)
    errors.add(record, "=2+2")
    errors.stream.seek(0)
    content = errors.stream.read()
    shown = [cell for line in csv.reader(io.StringIO(content.decode("utf-8-sig"))) for cell in line]  # as Excel reads
    assert not [cell for cell in shown if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert [again.parts for again in read(content, form)] == [record.parts]
    assert Table(io.BytesIO(content), form).headers == table.headers


# ── encodings ──


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_an_encoding_is_found_by_looking(encoding: str) -> None:
    data = "Bestellung,Name,Artikel,Menge\n7,Zoë Müller,A,1\n".encode(encoding)
    assert parts(data, VERTICAL)[0][0]["ship_last_name"] == "Zoë Müller"


def test_an_encoding_that_is_given_is_kept_to() -> None:
    data = "Bestellung,Name,Artikel,Menge\n7,Zo\u00c3\u00ab,A,1\n"  # what looks like UTF-8 and is meant so
    assert (
        parts(data.encode("cp1252"), replace(VERTICAL, encoding="cp1252"))[0][0]["ship_last_name"] == "Zo\u00c3\u00ab"
    )
    (record,) = read("Bestellung,Name,Artikel,Menge\n7,Zoë,A,1\n".encode("cp1252"), replace(VERTICAL, encoding="utf-8"))
    assert "not in the encoding" in record.problem
    marked = "Bestellung,Name,Artikel,Menge\n7,Zoë,A,1\n".encode("utf-8-sig")
    assert parts(marked, replace(VERTICAL, encoding="cp1252"))[0][0]["ship_last_name"] == "Zoë"  # its mark says it


def test_what_windows_cannot_write_becomes_the_nearest_letter() -> None:
    assert encoded("Dvořák €5 Šimon 東京 😀 ő", "cp1252").decode("cp1252") == "Dvorák €5 Šimon ?? ? o"
    assert encoded("é", "utf-8-sig") == b"\xef\xbb\xbf\xc3\xa9"


# ── any format, any orders ──

names = [name for name in FIELDS["orders"] if name not in ("record_no", "cust_ref", "item", "quantity")]
extras = ["order_extra:Gift tag", "order_extra:Größe", "item_extra:Colour"]
plain = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffd#"), min_size=1, max_size=20)
western = st.text(st.sampled_from("aäßé€0 -=+@'\"œ"), min_size=1, max_size=12)


def cells_for(form: Format) -> st.SearchStrategy[str]:
    """Text that the format can carry: of an encoding, and without quotes nothing that would need them."""
    text = western if form.encoding == "cp1252" else plain
    if form.quote:
        text = text | st.sampled_from(["a,b", "a;b|c\td", 'a "b"', "it's", "a\r\nb", "=1+1", "0012"])
        return text.map(lambda text: text.strip() or "x")
    return text.map(lambda text: " ".join(text.replace(form.delimiter or ",", "").split()) or "x")


@st.composite
def formats(draw: st.DrawFn) -> Format:
    """Any format that can be used for orders, both ways."""
    chosen = draw(st.lists(st.sampled_from([*names, *extras]), unique=True, max_size=8))
    head = ["cust_ref", *(name for name in chosen if not of_item("orders", name))]
    items = ["item", "quantity", *(name for name in chosen if of_item("orders", name))]
    horizontal, header = draw(st.booleans()), draw(st.booleans())
    order = draw(st.permutations(head)) + draw(st.permutations(items))
    if not horizontal:
        order = draw(st.permutations(order))
    letters = draw(st.sampled_from(["Y-m-d H:i:s", "d.m.Y", "n/j/Y", "Ymd", "D, j M Y"]))
    quote = draw(st.sampled_from(['"', "'", ""]))
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"] if quote or "," not in letters else [";", "\t", "|"]))
    return Format(
        "orders",
        "out",
        "Any",
        tuple(Column(f"C{n} {name}" if header or draw(st.booleans()) else "", (name,)) for n, name in enumerate(order)),
        delimiter=delimiter,
        quote=quote,
        encoding=draw(st.sampled_from(["", "utf-8", "utf-8-sig", "cp1252"])),
        header=header,
        layout="horizontal" if horizontal else "vertical",
        group=(len(head), len(head) + len(items) - 1) if horizontal else None,
        date_format=letters,
    )


@given(st.data())
@settings(max_examples=60)
def test_any_format_reads_what_it_wrote(data: st.DataObject) -> None:
    form = data.draw(formats())
    text = cells_for(form)
    dated = {name for name, field in FIELDS["orders"].items() if field.dated}

    def row(names: list[str]) -> dict[str, str]:
        return {name: "2026-02-27" if name in dated else data.draw(text) for name in names}

    head = [name for name in sorted(form.fields) if not of_item("orders", name)]
    items = [name for name in sorted(form.fields) if of_item("orders", name)]
    orders: list[list[dict[str, str]]] = []
    for _ in range(data.draw(st.integers(1, 3))):
        first = row(head)
        count = data.draw(st.integers(1, 3))
        orders.append([first | row(items) if not (form.group and n) else row(items) for n in range(count)])
    assert [problem for problem in problems(form) if "Ship-to" not in problem] == []
    records = read(written(form, orders), replace(form, direction="in"))
    found: list[Any] = [record.parts for record in records]
    wanted: list[Any] = orders if form.group else [[row] for order in orders for row in order]
    assert found == wanted
    assert all("rounded number" in record.problem for record in records if record.problem)
