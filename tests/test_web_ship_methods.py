"""The pages of Ship Methods: mapping, adding ahead, patterns, the rest, and both lists as CSV files."""

from io import BytesIO
from typing import Any

import pytest
from django.test import Client

from carts.models import Cart, CartShipMethod
from integration_manager import tenancy
from merchants.rules import ship_method
from merchants.rules.methods import cause_of, code_key
from orders import causes
from orders.models import Order, Status
from tests import desk as desks
from tests.desk import Desk, file_of
from tests.statements import counted
from wms.models import Wms, WmsShipMethod

pytestmark = pytest.mark.django_db
LIST = ("UPSG", "UPS2", "USPS")


@pytest.fixture
def desk() -> Desk:
    """An account whose first cart has three codes, with two orders that wait for the first of them."""
    desk = desks.build(orders=3)
    with tenancy.activate(desk.account.pk):
        wms = Wms.current()
        WmsShipMethod.objects.bulk_create([WmsShipMethod(wms=wms, code=code, carrier="X") for code in LIST])
        cart = desk.carts[0]
        Cart.objects.filter(pk=cart.pk).update(reject_unmapped=True)
        for code, wms_code in (("Drone", ""), ("Ground", "UPSG"), ("Old way", "GONE")):
            CartShipMethod.objects.create(cart=cart, code=code, key=code_key(code), wms_code=wms_code)
        hold(desk, "Drone", 2)
    return desk


def hold(desk: Desk, code: str, number: int) -> None:
    """Stops orders of the first cart for want of a mapping, as the rule does."""
    from integration_manager.kit import clock
    from merchants.rules import Problem

    cart = desk.carts[0]
    cause = cause_of(cart.public_id, code_key(code))
    message = f"Ship method “{code}” is not mapped."
    problem = Problem(ship_method.CODE, "ship_code", message, "Map it.", cause, of_cart=True)
    ids = list(Order.objects.filter(cart=cart, status=Status.READY).values_list("pk", flat=True)[:number])
    Order.objects.filter(pk__in=ids).update(ship_code=code)
    found = causes.of_problem(cart.merchant_id, problem, cart.pk)
    assert len(causes.to_error(ids, Status.READY, problem, found, clock.now())) == number


def url(desk: Desk, what: str = "") -> str:
    return desk.url(f"ship-methods/{desk.carts[0].public_id}/{what}")


def rows(desk: Desk) -> dict[str, str]:
    with tenancy.activate(desk.account.pk):
        return dict(CartShipMethod.objects.filter(cart=desk.carts[0]).values_list("code", "wms_code"))


def field(desk: Desk, code: str) -> str:
    with tenancy.activate(desk.account.pk):
        return f"m{CartShipMethod.objects.get(cart=desk.carts[0], code=code).pk}"


def said(client: Client, answer: Any) -> str:
    return client.get(answer.headers["Location"]).content.decode()


def file(text: str) -> BytesIO:
    stream = BytesIO(text.encode())
    stream.name = "map.csv"
    return stream


def test_the_tab_lists_carts_with_what_waits(desk: Desk) -> None:
    page = desk.client("owner").get(desk.url("ship-methods/"))
    html = page.content.decode()
    assert "2 orders" in html
    assert html.index("Northquay One shop") < html.index("Northquay Two shop")
    assert 'aria-current="page"' in html


def test_mapping_releases_and_says_how_many(desk: Desk) -> None:
    client, name = desk.client("owner"), field(desk, "Drone")
    page = client.get(url(desk)).content.decode()
    assert "2 orders wait" in page
    assert page.index("Drone") < page.index("Ground")
    answer = client.post(url(desk), {"do": "save", name: "UPS2", f"{name}-was": ""})
    assert "1 change saved. 2 orders go to the WMS" in said(client, answer)
    assert rows(desk)["Drone"] == "UPS2"
    with tenancy.activate(desk.account.pk):
        assert not Order.objects.exclude(status=Status.READY).exists()


def test_two_people_do_not_overwrite_each_other(desk: Desk) -> None:
    client, name = desk.client("owner"), field(desk, "Ground")
    client.post(url(desk), {"do": "save", name: "UPS2", f"{name}-was": "UPSG"})
    answer = client.post(url(desk), {"do": "save", name: "USPS", f"{name}-was": "UPSG"})
    assert answer.status_code == 422
    assert "Somebody else has changed it" in answer.content.decode()
    assert rows(desk)["Ground"] == "UPS2"


def test_what_the_wms_does_not_list_cannot_be_chosen_and_what_it_dropped_is_shown(desk: Desk) -> None:
    client, name = desk.client("owner"), field(desk, "Drone")
    assert "The WMS no longer lists it" in client.get(url(desk)).content.decode()
    answer = client.post(url(desk), {"do": "save", name: "NOPE", f"{name}-was": ""})
    assert answer.status_code == 422
    assert "has no NOPE" in answer.content.decode()
    assert rows(desk)["Drone"] == ""


@pytest.mark.parametrize(
    ("posted", "code", "wms_code"),
    [
        ({"do": "add", "code": "Ahead", "code_method": "UPSG"}, "Ahead", "UPSG"),
        ({"do": "add", "code": "Ahead", "code_method": ""}, "Ahead", ""),
        ({"do": "pattern", "match": "contains", "text": "ahe", "text_method": "UPSG"}, "ahe", "UPSG"),
        ({"do": "rest", "rest": "default", "rest_method": "UPS2"}, "", "UPS2"),
    ],
)
def test_what_is_added_is_there(desk: Desk, posted: dict[str, str], code: str, wms_code: str) -> None:
    assert desk.client("owner").post(url(desk), posted).status_code == 302
    assert rows(desk)[code] == wms_code


@pytest.mark.parametrize(
    "posted",
    [
        {"do": "add", "code": " ", "code_method": ""},
        {"do": "add", "code": " dRONE", "code_method": "UPSG"},
        {"do": "add", "code": "x" * 101, "code_method": "UPSG"},
        {"do": "pattern", "match": "starts", "text": "  ", "text_method": "UPSG"},
        {"do": "pattern", "match": "starts", "text": "a", "text_method": ""},
        {"do": "rest", "rest": "default", "rest_method": ""},
        {"do": "rest", "rest": "what"},
        {"do": "nothing"},
    ],
)
def test_what_makes_no_sense_changes_nothing(desk: Desk, posted: dict[str, str]) -> None:
    before = rows(desk)
    assert desk.client("owner").post(url(desk), posted).status_code == 422
    assert rows(desk) == before


def test_patterns_are_moved_up_and_deleted(desk: Desk) -> None:
    client = desk.client("owner")
    for text in ("one", "two"):
        client.post(url(desk), {"do": "pattern", "match": "starts", "text": text, "text_method": "UPSG"})
    client.post(url(desk), {"do": f"up:{field(desk, 'two')[1:]}"})
    with tenancy.activate(desk.account.pk):
        found = CartShipMethod.objects.filter(match="starts").order_by("position")
        assert [row.code for row in found] == ["two", "one"]
    client.post(url(desk), {"do": f"delete:{field(desk, 'two')[1:]}"})
    assert "two" not in rows(desk)


def test_switching_reject_off_lets_everything_pass(desk: Desk) -> None:
    client = desk.client("owner")
    assert "2 orders go" in said(client, client.post(url(desk), {"do": "rest", "rest": "pass"}))
    with tenancy.activate(desk.account.pk):
        assert not Cart.objects.get(pk=desk.carts[0].pk).reject_unmapped


def test_another_carts_rows_are_not_touched(desk: Desk) -> None:
    other = desk.url(f"ship-methods/{desk.carts[1].public_id}/")
    client, name = desk.client("colleague"), field(desk, "Drone")
    client.post(other, {"do": "save", name: "UPS2", f"{name}-was": ""})
    client.post(other, {"do": f"delete:{name[1:]}"})
    assert rows(desk)["Drone"] == ""


def test_what_is_exported_can_be_imported_again_and_changes_nothing(desk: Desk) -> None:
    client = desk.client("owner")
    client.post(url(desk), {"do": "pattern", "match": "starts", "text": "=cmd", "text_method": "UPSG"})
    client.post(url(desk), {"do": "rest", "rest": "default", "rest_method": "UPS2"})
    exported = file_of(client.get(url(desk, "csv/"))).decode()
    assert "'=cmd" in exported
    html = client.post(url(desk, "import/"), {"file": file(exported)}).content.decode()
    assert "The list says all of it already" in html.replace("the list", "The list")
    assert "5 as before" in html


def patterns(desk: Desk) -> list[str]:
    with tenancy.activate(desk.account.pk):
        rows = CartShipMethod.objects.filter(cart=desk.carts[0], match__in=("starts", "contains"))
        return list(rows.order_by("position").values_list("code", flat=True))


@pytest.mark.parametrize(
    ("stored", "written", "expected"),
    [
        ("A B C", "C A B", "C A B"),
        ("A B C", "C A", "C B A"),
        ("A B", "N B A M", "N B A M"),
        ("A B", "N B", "A N B"),
        ("A B", "A B N", "A B N"),
        ("", "B A", "B A"),
    ],
)
def test_the_patterns_of_a_file_are_in_its_order_since_the_first_that_fits_wins(
    desk: Desk, stored: str, written: str, expected: str
) -> None:
    client = desk.client("owner")
    for code in stored.split():
        client.post(url(desk), {"do": "pattern", "match": "starts", "text": code, "text_method": "UPSG"})
    rows = "".join(f"{code},UPSG,Starts with\n" for code in written.split())
    text = f"Code,WMS ship method,Match\nGround,UPSG,Is\n{rows}"
    html = client.post(url(desk, "import/"), {"file": file(text)}).content.decode()
    assert ("order of patterns" in html) is (expected[: len(stored)] != stored)
    client.post(url(desk, "import/"), {"rows": html.partition('name="rows" value="')[2].partition('"')[0]})
    assert patterns(desk) == expected.split()
    exported = file_of(client.get(url(desk, "csv/"))).decode()
    assert "says all of it already" in client.post(url(desk, "import/"), {"file": file(exported)}).content.decode()


def test_an_import_shows_what_it_would_do_and_then_does_it(desk: Desk) -> None:
    client = desk.client("owner")
    text = (
        "WMS ship method;Code from the cart;Match\n"
        "UPS2; drone ;\nUPSG;Ground;Is\nNEW;Kite;\nUPSG;;Starts with\nUPSG;x;Perhaps\nUPS2;free;starts with\n"
    )
    html = client.post(url(desk, "import/"), {"file": file(text)}).content.decode()
    assert "Import 3 changes, leave out 2 rows" in html
    assert "Line 5" in html
    assert "Line 6" in html
    assert "The WMS&#x27;s list has no NEW" in html
    assert rows(desk)["Drone"] == "", "nothing is stored yet"
    signed = html.partition('name="rows" value="')[2].partition('"')[0]
    answer = client.post(url(desk, "import/"), {"rows": signed})
    assert "3 changes saved. 2 orders go" in said(client, answer)
    assert rows(desk) == {"Drone": "UPS2", "Ground": "UPSG", "Old way": "GONE", "Kite": "NEW", "free": "UPS2"}


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "PK\x03\x04", 'Code,WMS ship method\n"x\n'])
def test_what_is_no_such_list_is_refused_in_words(desk: Desk, text: str) -> None:
    answer = desk.client("owner").post(url(desk, "import/"), {"file": file(text)})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()


def test_a_preview_of_somebody_else_or_of_another_cart_is_worth_nothing(desk: Desk) -> None:
    client = desk.client("owner")
    html = client.post(url(desk, "import/"), {"file": file("Code,WMS ship method\nDrone,UPS2\n")}).content.decode()
    signed = html.partition('name="rows" value="')[2].partition('"')[0]
    other = desk.url(f"ship-methods/{desk.carts[1].public_id}/import/")
    for who, where in (("colleague", other), ("owner", other)):
        assert desk.client(who).post(where, {"rows": signed}).status_code == 422
    assert client.post(url(desk, "import/"), {"rows": signed[:-3]}).status_code == 422


def test_the_wms_list_goes_out_and_in(desk: Desk) -> None:
    client, base = desk.client("owner"), desk.url("wms/ship-methods/")
    exported = file_of(client.get(f"{base}csv/")).decode()
    assert "UPSG" in exported
    text = "Ship code,Description,Carrier\nUPSG,UPS Ground,UPS\nNEW,=1+1,\n,,\n"
    html = client.post(f"{base}import/", {"file": file(text)}).content.decode()
    signed = html.partition('name="rows" value="')[2].partition('"')[0]
    assert "Import 2 changes" in html
    assert "2 ship codes imported" in said(client, client.post(f"{base}import/", {"rows": signed}))
    with tenancy.activate(desk.account.pk):
        assert WmsShipMethod.objects.get(code="UPSG").carrier == "UPS"
    assert "'=1+1" in file_of(client.get(f"{base}csv/")).decode()


def test_5000_codes_and_a_long_wms_list_cost_no_more_queries(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        cart, wms = desk.carts[0], Wms.current()
        CartShipMethod.objects.bulk_create(
            [CartShipMethod(cart=cart, code=f"C {n}", key=f"c {n}", wms_code="UPSG") for n in range(4990)]
        )
        WmsShipMethod.objects.bulk_create([WmsShipMethod(wms=wms, code=f"W{n}") for n in range(2000)])
    client = desk.client("owner")
    client.get(url(desk))  # the first request of a session writes that it is there
    with counted() as sent:
        html = client.get(url(desk)).content.decode()
    assert len(sent) <= 12, "\n".join(sent)
    assert "datalist" in html
    with counted() as sent:
        client.get(desk.url("ship-methods/"))
    assert len(sent) <= 12, "\n".join(sent)
