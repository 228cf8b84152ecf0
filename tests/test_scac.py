"""SCAC Mapping: it fills itself in from confirmations, passes through, and translates what carts are told."""

from io import BytesIO
from typing import Any

import pytest

from accounts.models import AuditEntry
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants import scac
from merchants.models import CarrierCode, Service
from merchants.scac_import import save
from orders.models import Event, Shipment
from tests import desk as desks
from tests.desk import Desk, file_of
from tests.world import World, pack, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
CONFIRM, UPLOAD = Service.SHIP_CONFIRM, Service.UPLOAD_SHIPMENTS


def told(world: World) -> list[str]:
    """The carriers that the shop was told, in order."""
    shop: Any = world.shop
    return [row["carrier"] for row in shop.effects("shipment")]


def test_a_carrier_appears_with_its_confirmation_and_is_passed_through_until_it_is_mapped(calm: World) -> None:
    for number in (1, 2):
        place(calm, number)
    run(calm, DOWNLOAD, DELIVER)
    first, second = calm.orders()
    pack(calm, first)
    run(calm, CONFIRM, UPLOAD)
    (row,) = CarrierCode.objects.all()
    (parcel,) = Shipment.objects.all()
    assert (row.code, row.scac, row.by_hand) == (parcel.carrier, "", False)
    assert parcel.sent_carrier == ""

    save(calm.merchant, {row.key: (row.code, "UPSN")}, "dana@example.com")
    pack(calm, second)
    run(calm, CONFIRM, UPLOAD)
    parcel = Shipment.objects.order_by("id").last()
    assert (parcel.carrier, parcel.sent_carrier) == (row.code, "UPSN"), "the WMS's own stays on record"
    assert sorted(told(calm)) == sorted([row.code, "UPSN"])
    said = f"SCAC Mapping: the cart is told UPSN as the carrier of {parcel.tracking_no}, in place of {row.code}."
    assert list(Event.objects.filter(kind="rules", message=said).values_list("order_id", flat=True)) == [second.pk]
    assert not Event.objects.filter(order_id=first.pk, message__startswith="SCAC").exists(), "passed through"
    assert CarrierCode.objects.count() == 1


@pytest.mark.django_db
def test_a_carrier_is_the_same_in_any_case_and_spaces_and_listed_once() -> None:
    desk = desks.build(orders=0)
    with tenancy.activate(desk.account.pk):
        merchant = desk.merchants[0]
        scac.note(merchant.pk, ["UPS  Ground", "ups ground", None, "", "x" * 300, "nul\x00l"], clock.now())
        scac.note(merchant.pk, ["UPS GROUND"], clock.now())
        assert CarrierCode.objects.count() == 3
        save(merchant, {scac.carrier_key("ups ground"): ("", "UPSN")}, "x")
        assert scac.translation(merchant.pk) == {"ups ground": "UPSN"}
        assert scac.translation(desk.merchants[1].pk) == {}


@pytest.mark.django_db
def test_the_list_has_an_end() -> None:
    desk = desks.build(orders=0)
    with tenancy.activate(desk.account.pk):
        merchant = desk.merchants[0]
        CarrierCode.objects.bulk_create(CarrierCode(merchant=merchant, code=f"c{n}", key=f"c{n}") for n in range(1000))
        scac.note(merchant.pk, ["one more"], clock.now())
        assert CarrierCode.objects.count() == 1000


# ── the page ──


@pytest.fixture
def desk(db: None) -> Desk:
    desk = desks.build(orders=0)
    with tenancy.activate(desk.account.pk):
        scac.note(desk.merchants[0].pk, ["UPS-G", "=FDX"], clock.now())
    return desk


def url(desk: Desk, what: str = "", merchant: int = 0) -> str:
    return desk.url(f"merchants/{desk.merchants[merchant].public_id}/scac/{what}")


def row(desk: Desk, code: str) -> CarrierCode:
    with tenancy.activate(desk.account.pk):
        return CarrierCode.objects.get(code=code)  # type: ignore[no-any-return]


def test_mapping_adding_and_deleting_are_audited(desk: Desk) -> None:
    client, found = desk.client("owner"), row(desk, "UPS-G")
    assert "*PASSTHROUGH* - DO NOT TRANSLATE" in client.get(url(desk)).content.decode()
    name = f"c{found.pk}"
    assert client.post(url(desk), {"do": "save", name: "UPSN", f"{name}-was": ""}).status_code == 302
    assert row(desk, "UPS-G").scac == "UPSN"
    client.post(url(desk), {"do": "add", "code": "LOCAL", "scac": "Bike Boys"})
    assert row(desk, "LOCAL").scac == "Bike Boys", "carts have names of their own"
    client.post(url(desk), {"do": f"delete:{row(desk, 'LOCAL').pk}"})
    with tenancy.activate(desk.account.pk):
        changes = list(AuditEntry.objects.filter(verb="merchant.scac").order_by("pk").values_list("changes", flat=True))
        assert not CarrierCode.objects.filter(code="LOCAL").exists()
    assert changes == [
        {"UPS-G": ["*PASSTHROUGH*", "UPSN"]},
        {"LOCAL": [None, "Bike Boys"]},
        {"LOCAL": ["Bike Boys", None]},
    ]


@pytest.mark.parametrize(
    "posted",
    [
        {"do": "add", "code": " ", "scac": "UPS"},
        {"do": "add", "code": "ups-g ", "scac": "UPS"},
        {"do": "add", "code": "x", "scac": "y" * 21},
        {"do": "add", "code": "x" * 61, "scac": "y"},
        {"do": "what"},
    ],
)
def test_what_makes_no_sense_is_said_beside_the_field(desk: Desk, posted: dict[str, str]) -> None:
    answer = desk.client("owner").post(url(desk), posted)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()


def test_another_merchants_rows_stay_as_they_are(desk: Desk) -> None:
    found = row(desk, "UPS-G")
    client = desk.client("colleague")  # of the second merchant
    client.post(url(desk, merchant=1), {"do": "save", f"c{found.pk}": "UPSN", f"c{found.pk}-was": ""})
    client.post(url(desk, merchant=1), {"do": f"delete:{found.pk}"})
    assert row(desk, "UPS-G").scac == ""


def test_the_words_for_passing_through_are_taken_as_the_page_has_them(desk: Desk) -> None:
    words, client = "*PASSTHROUGH* - DO NOT TRANSLATE", desk.client("owner")
    client.post(url(desk), {"do": "add", "code": "LOCAL", "scac": words})
    assert row(desk, "LOCAL").scac == ""
    stream = BytesIO(f"Carrier,SCAC\nUPS-G,{words}\nLOCAL,{'Y' * 21}\nBIKE,{words}\n".encode())
    plan = client.post(url(desk, "import/"), {"file": stream}).context["plan"]
    assert ([change.what for change in plan.changes], plan.same) == (["BIKE"], 1)
    assert plan.problems == [(3, "The SCAC code has more than 20 characters.")]


def test_the_file_goes_out_and_in(desk: Desk) -> None:
    client = desk.client("owner")
    exported = file_of(client.get(url(desk, "csv/"))).decode()
    assert "'=FDX" in exported
    stream = BytesIO(exported.replace("'=FDX,*PASSTHROUGH*", "'=FDX,FEDEX").encode())
    stream.name = "scac.csv"
    html = client.post(url(desk, "import/"), {"file": stream}).content.decode()
    assert "1 as before" in html
    signed = html.partition('name="rows" value="')[2].partition('"')[0]
    client.post(url(desk, "import/"), {"rows": signed})
    assert (row(desk, "=FDX").scac, row(desk, "UPS-G").scac) == ("FEDEX", "")
