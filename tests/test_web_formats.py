"""The mapping screens by real requests: a new format from a sample, what is wrong with it, saving, and mistakes."""

import re
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEntry
from integration_manager import tenancy
from integration_manager.kit.csvfile import Table
from integration_manager.kit.fileformat import Format
from integration_manager.mapping.state import Mapping
from merchants.models import FileFormat, FormatDraft
from tests import desk as desks
from tests.desk import Desk

pytestmark = pytest.mark.django_db

SAMPLE = (
    "Bestellnr;Datum;Name;Straße;Ort;PLZ;Land;Art1;Menge1;Art2;Menge2\r\n"
    "A-1;24.12.26;Jörg Müller;Am Wall 3;Köln;50667;DE;BECHER;2;TEE;1\r\n"
    "A-2;27.12.26;Ida Groß;Weg 9;Bonn;53111;DE;TEE;4;;\r\n"
).encode("cp1252")
FIELDS = ["cust_ref", "order_date", "ship_last_name", "ship_address_1", "ship_city", "ship_zip", "ship_country", "item"]
FIELDS += ["quantity", "", ""]


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=1)


@pytest.fixture
def owner(desk: Desk) -> Client:
    return desk.client("owner")


def base(desk: Desk, merchant: int = 0) -> str:
    return desk.url(f"merchants/{desk.merchants[merchant].public_id}/formats/")


def begin(client: Client, address: str, data: bytes = SAMPLE, kind: str = "orders") -> Any:
    file = SimpleUploadedFile("nachts_export.csv", data, "text/csv")
    return client.post(f"{address}new/{kind}/", {"from": "sample", "sample": file})


def filled(**more: Any) -> dict[str, Any]:
    """What a browser sends once every column of the sample is chosen."""
    form: dict[str, Any] = {
        "name": "Nightly", "delimiter": "", "quote": '"', "encoding": "", "header": "1", "date_format": "d.m.y",
        "layout": "horizontal", "group_first": "7", "group_last": "8", "do": "save",
    }  # fmt: skip
    for index, field in enumerate(FIELDS):
        form[f"choice_{index}"], form[f"text_{index}"] = [field], [""]
    form["choice_0"], form["text_0"] = ["cust_ref", "cust_po_no"], ["", ""]
    return form | more


def made(desk: Desk, **fields: Any) -> FileFormat:
    with tenancy.activate(desk.account.pk):
        found: FileFormat = FileFormat.objects.get(**fields)
        return found


def count(desk: Desk, model: Any) -> int:
    with tenancy.activate(desk.account.pk):
        return int(model.objects.count())


def test_a_sample_is_mapped_previewed_and_saved(desk: Desk, owner: Client) -> None:
    screen = begin(owner, base(desk)).headers["Location"]
    page = owner.get(screen).content.decode()
    assert "Jörg Müller" in page, "Windows-1252 is found by looking"
    assert "No column holds Order number" in page
    part = owner.post(screen, filled(do="preview"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "A-1" in part and "24 Dec 2026" in part and "BECHER" in part and "Köln" in part
    assert re.search(r"4 ×</span> <span class=\"mono\">TEE", part)
    assert "Ready to be saved" in part
    assert owner.post(screen, filled()).headers["Location"] == base(desk)
    spec = made(desk, name="Nightly").spec
    assert spec["columns"][0]["fields"] == ["cust_ref", "cust_po_no"]
    assert (spec["group"], len(spec["columns"]), spec["date_format"]) == ([7, 8], 9, "d.m.y")
    assert count(desk, FormatDraft) == 0, "the sample goes with the draft"
    with tenancy.activate(desk.account.pk):
        assert AuditEntry.objects.get(verb="format.saved").target.startswith("Nightly")


def test_a_file_without_a_header_is_mapped_by_where_its_columns_stand(desk: Desk, owner: Client) -> None:
    rows = SAMPLE.split(b"\r\n", 1)[1]
    screen = begin(owner, base(desk), rows).headers["Location"]
    names = dict(zip((f"header_{n}" for n in range(9)), rows.decode("cp1252").split(";"), strict=False))
    owner.post(screen, filled(do="preview", **names))  # mapped first, and only then said to have no header
    form = filled(do="preview", **names)
    del form["header"]
    part = owner.post(screen, form, headers={"HX-Request": "true"}).content.decode()
    assert "A-1" in part and "A-2" in part, "the first row is an order like the others"
    assert "Ready to be saved" in part
    page = owner.get(screen).content.decode()
    assert 'name="header_0" value=""' in page and "Jörg Müller" in page, "without a name, with its values"
    owner.post(screen, {name: value for name, value in form.items() if not name.startswith("header_")} | {"do": "save"})
    spec = made(desk, name="Nightly").spec
    assert (spec["header"], [column["header"] for column in spec["columns"]]) == (False, [""] * 9)
    found = list(Table(BytesIO(rows), Format.from_dict(spec)))
    assert [one.cells["cust_ref"] for one in found] == ["A-1", "A-2"]
    assert found[1].cells["item"] == "TEE"


def test_the_sample_is_encrypted_and_only_its_beginning_is_kept(desk: Desk, owner: Client) -> None:
    long = SAMPLE + b"A-3;28.12.26;Kim;Weg 1;Bonn;53111;DE;TEE;1;;\r\n" * 10_000
    screen = begin(owner, base(desk), long).headers["Location"]
    from django.db import connection

    with connection.cursor() as cursor, tenancy.activate(desk.account.pk):
        cursor.execute("SELECT sample, spec::text FROM merchants_formatdraft")
        stored, spec = cursor.fetchone()
    assert "Ida Groß" not in stored + spec and "Am Wall 3" not in stored + spec  # no letters of a code have blanks
    assert len(stored) < 120_000
    assert "Jörg" in owner.get(screen).content.decode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"x" * 1_100_000, "larger than 1 MB"),
        (b"x" * 2_200_000, "larger than 1 MB"),
        (b"PK\x03\x04" + b"\0" * 100, "Excel"),
        (b"%PDF-1.7 what", "PDF"),
        (b"MZ\x90\0\x03\0\0\0" + b"\0\x01" * 500, "no text"),
        (";".join(f"c{n}" for n in range(300)).encode(), "more than 200 columns"),
    ],
    ids=["empty", "large", "larger", "excel", "pdf", "program", "wide"],
)
def test_what_cannot_be_a_sample_is_refused_in_words(desk: Desk, owner: Client, data: bytes, said: str) -> None:
    answer = begin(owner, base(desk), data)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert count(desk, FormatDraft) == 0


@pytest.mark.parametrize("form", [{}, {"from": "sample"}, {"from": "names"}, {"from": "preset", "preset": "nonsense"}])
def test_a_beginning_without_anything_is_refused(desk: Desk, owner: Client, form: dict[str, str]) -> None:
    assert owner.post(f"{base(desk)}new/orders/", form).status_code == 422


@pytest.mark.parametrize(
    "text",
    ["9999999", "0", "201", "a," * 300, "n" * 10_000, "\0"],
    ids=["millions", "none", "one too many", "many", "long", "NUL"],
)
def test_column_names_that_cannot_be_are_refused(desk: Desk, owner: Client, text: str) -> None:
    assert owner.post(f"{base(desk)}new/orders/", {"from": "names", "names": text}).status_code == 422


def test_every_preset_of_ours_can_be_copied_and_shown(desk: Desk, owner: Client) -> None:
    for kind, keys in {"orders": ("simple", "ciodirect", "full"), "confirmations": ("confirmation",)}.items():
        for address in (base(desk), desk.url("wms/formats/")):
            for key in keys:
                answer = owner.post(f"{address}new/{kind}/", {"from": "preset", "preset": key})
                page = owner.get(answer.headers["Location"]).content.decode()
                assert "things to settle" not in page and "thing to settle" not in page, (key, address)


def test_a_file_that_goes_out_is_shown_as_it_would_be_written(desk: Desk, owner: Client) -> None:
    new = f"{base(desk)}new/confirmations/"
    screen = owner.post(new, {"from": "names", "names": "Ref; Sendung; Am; Art"}).headers["Location"]
    form = {
        "name": "Zurück", "delimiter": ";", "quote": "", "encoding": "cp1252", "header": "1", "date_format": "d.m.Y",
        "layout": "vertical", "do": "preview", "header_0": "Ref", "header_1": "Sendung", "header_2": "Am",
        "header_3": "Art", "choice_0": "cust_po_no", "text_0": "", "choice_1": "tracking_no", "text_1": "",
        "choice_2": "date", "text_2": "", "choice_3": "constant:", "text_3": "PAKET",
    }  # fmt: skip
    part = owner.post(screen, form, headers={"HX-Request": "true"}).content.decode()
    assert "No column holds Order number" in part
    part = owner.post(screen, form | {"choice_0": "cust_ref"}, headers={"HX-Request": "true"}).content.decode()
    assert "Ref;Sendung;Am;Art\n" in part
    assert re.search(r"10423;1Z9X84200391744061;20\.11\.2026;PAKET", part) or "ONE-100;" in part


def test_columns_of_a_file_without_a_sample_are_added_moved_and_removed(desk: Desk, owner: Client) -> None:
    screen = owner.post(f"{base(desk)}new/inventory/", {"from": "names", "names": "SKU, Menge"}).headers["Location"]

    def do(what: str, **more: str) -> list[str]:
        form = {"name": "x", "header": "1", "header_0": "SKU", "header_1": "Menge", "do": what, **more}
        for index in range(3):
            form.setdefault(f"choice_{index}", "")
        assert owner.post(screen, form).status_code == 302
        with tenancy.activate(desk.account.pk):
            return [column[0] for column in FormatDraft.objects.get().spec["columns"]]

    assert do("add") == ["SKU", "Menge", ""]
    assert do("up:2", header_2="Ort") == ["SKU", "Ort", "Menge"]
    assert do("remove:0", header_1="Ort", header_2="Menge") == ["Ort", "Menge"]
    assert do("remove:99", header_0="Ort", header_1="Menge") == ["Ort", "Menge"]


def test_what_was_typed_outlives_the_session(desk: Desk, owner: Client) -> None:
    screen = begin(owner, base(desk)).headers["Location"]
    owner.post(screen, filled(do="preview"), headers={"HX-Request": "true"})
    again = desk.client("owner")
    page = again.get(screen).content.decode()
    assert 'value="Nightly"' in page and "Köln" in page
    assert re.search(r'name="choice_0"[^>]*>.*?value="cust_ref" selected', page, re.S)


def test_a_preview_that_is_overtaken_by_saving_is_no_error(
    desk: Desk, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = begin(owner, base(desk)).headers["Location"]
    typed = Mapping.update

    def saved_meanwhile(mapping: Mapping, post: Any) -> None:
        typed(mapping, post)
        FormatDraft.objects.all().delete()

    monkeypatch.setattr(Mapping, "update", saved_meanwhile)
    assert owner.post(screen, filled(do="preview"), headers={"HX-Request": "true"}).status_code == 204
    assert owner.post(screen, filled()).status_code == 404


def test_two_tabs_do_not_mix(desk: Desk, owner: Client) -> None:
    one, two = (begin(owner, base(desk)).headers["Location"] for _ in range(2))
    owner.post(one, filled(name="One", do="preview"))
    owner.post(two, filled(name="Two", do="preview"))
    assert 'value="One"' in owner.get(one).content.decode()
    assert 'value="Two"' in owner.get(two).content.decode()


def test_another_encoding_or_delimiter_reads_the_sample_again(desk: Desk, owner: Client) -> None:
    screen = begin(owner, base(desk)).headers["Location"]
    part = owner.post(screen, filled(delimiter=",", do="preview"), headers={"HX-Request": "true"}).content.decode()
    assert 'id="columns"' in part and "hx-swap-oob" in part
    assert len(re.findall(r'id="column-\d+"', part)) == 1
    part = owner.post(screen, filled(delimiter=";", do="preview"), headers={"HX-Request": "true"}).content.decode()
    assert len(re.findall(r'id="column-\d+"', part)) == 11


# ── saving ──


def saved(desk: Desk, client: Client, name: str = "Nightly", merchant: int = 0) -> FileFormat:
    screen = begin(client, base(desk, merchant)).headers["Location"]
    assert client.post(screen, filled(name=name)).status_code == 302
    return made(desk, name=name, merchant=desk.merchants[merchant])


def test_one_that_cannot_be_used_is_not_saved_and_says_why_beside_the_column(desk: Desk, owner: Client) -> None:
    screen = begin(owner, base(desk)).headers["Location"]
    answer = owner.post(screen, filled(choice_3=["item"]))
    page = answer.content.decode()
    assert answer.status_code == 422
    beside = re.search(r'id="problem-3">(.*?)</div>', page, re.S)
    assert beside and "SKU" in beside[1]
    assert count(desk, FileFormat) == 0


@pytest.mark.parametrize(
    "more",
    [
        {"name": ""},
        {"name": "n" * 10_000},
        {"date_format": "%Y-%m-%d"},
        {"date_format": "Y" * 10_000},
        {"choice_1": ["no_such_field"]},
        {"choice_1": ["order_extra:"], "text_1": ["x" * 10_000]},
        {"choice_1": ["order_extra:"], "text_1": [""]},
        {"header_1": "h" * 10_000},
        {"date_1": "Q" * 10_000},
        {"constant_field": ["ship_country"], "constant_value": ["DE" * 5_000]},
        {"constant_field": ["../etc"], "constant_value": ["x"]},
        {"group_first": "99", "group_last": "1"},
        {"group_first": "-1", "group_last": "one"},
        {"choice_1": ["order_date", "\0x"], "text_1": ["\0", ""]},
    ],
    ids=[
        "no name",
        "long name",
        "percent",
        "long dates",
        "no field",
        "long extra",
        "nameless extra",
        "long header",
        "long column dates",
        "long constant",
        "no constant",
        "group beyond",
        "group of words",
        "NUL",
    ],
)
def test_bad_input_is_told_and_never_saved(desk: Desk, owner: Client, more: dict[str, Any]) -> None:
    screen = begin(owner, base(desk)).headers["Location"]
    if "header_1" in more:
        more = {**more, "choice_1": ["order_date"], "text_1": [""]}
    answer = owner.post(screen, filled(**more))
    page = answer.content.decode()
    assert answer.status_code == 422, page
    assert "invalid-feedback" in page
    assert owner.get(screen).status_code == 200, "the screen can still be opened"
    assert count(desk, FileFormat) == 0


def test_strange_buttons_do_nothing(desk: Desk, owner: Client) -> None:
    screen = begin(owner, base(desk)).headers["Location"]
    for do in ("remove:", "up:0", "up:x", "also:1000000", "nonsense", "remove:-1"):
        assert owner.post(screen, filled(do=do)).status_code == 302
    assert owner.post(screen, {"do": "preview"}).status_code == 302
    assert "Jörg" in owner.get(screen).content.decode()


def test_a_name_is_given_once(desk: Desk, owner: Client) -> None:
    saved(desk, owner)
    screen = begin(owner, base(desk)).headers["Location"]
    answer = owner.post(screen, filled())
    assert answer.status_code == 422
    assert "already" in answer.content.decode()
    assert saved(desk, owner, merchant=1).name == "Nightly", "another merchant's is another"


def edit(client: Client, address: str, found: FileFormat, what: str = "edit") -> str:
    answer = client.post(f"{address}{found.public_id}/{what}/")
    return str(answer.headers["Location"])


def test_a_stale_edit_asks_before_it_overwrites(desk: Desk, owner: Client) -> None:
    found = saved(desk, owner)
    mine, theirs = edit(owner, base(desk), found), edit(owner, base(desk), found)
    assert owner.post(theirs, filled(name="Theirs")).status_code == 302
    answer = owner.post(mine, filled(name="Mine"))
    assert (answer.status_code, "changed by somebody else" in answer.content.decode()) == (409, True)
    assert made(desk).name == "Theirs"
    assert owner.post(mine, filled(name="Mine", overwrite="1")).status_code == 302
    assert (made(desk).name, made(desk).public_id) == ("Mine", found.public_id)


def test_a_copy_is_another_format(desk: Desk, owner: Client) -> None:
    found = saved(desk, owner)
    screen = edit(owner, base(desk), found, "copy")
    page = owner.get(screen).content.decode()
    assert "Nightly, copy" in page
    assert owner.post(screen, filled(name="Weekly")).status_code == 302
    assert count(desk, FileFormat) == 2


def test_one_in_use_is_not_deleted_and_warns_when_edited(desk: Desk, owner: Client) -> None:
    found = saved(desk, owner)
    with tenancy.activate(desk.account.pk):
        cart = desk.carts[0]
        cart.options = {"format": found.value}
        cart.save()
    answer = owner.post(f"{base(desk)}{found.public_id}/delete/", follow=True)
    assert f"in use by {cart.name}" in answer.content.decode()
    assert f"In use by {cart.name}" in owner.get(edit(owner, base(desk), found)).content.decode()
    with tenancy.activate(desk.account.pk):
        cart.options = {}
        cart.save()
    owner.post(f"{base(desk)}{found.public_id}/delete/")
    assert count(desk, FileFormat) == 0


# ── whose they are ──


def test_nobody_reaches_anothers(desk: Desk, owner: Client) -> None:
    found = saved(desk, owner)
    screen = edit(owner, base(desk), found)
    theirs = desks.build("Southgate", orders=1)
    for who in ("owner", "colleague"):
        client = theirs.client(who)
        assert client.get(screen).status_code == 404
        foreign = screen.replace(base(desk), base(theirs, 1))
        assert client.get(foreign).status_code == 404
        assert client.post(f"{base(theirs, 1)}{found.public_id}/delete/").status_code == 404
    colleague = desk.client("colleague")  # of merchant Two
    assert colleague.get(base(desk, 0)).status_code == 404
    assert colleague.get(base(desk, 1)).status_code == 200
    assert colleague.post(f"{base(desk, 1)}{found.public_id}/delete/").status_code == 404
    assert colleague.get(screen.replace(base(desk, 0), base(desk, 1))).status_code == 404
    assert colleague.get(desk.url("wms/formats/")).status_code == 403
    assert owner.post(desk.url(f"wms/formats/{found.public_id}/delete/")).status_code == 404
    assert count(desk, FileFormat) == 1
