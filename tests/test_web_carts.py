"""The Carts tab: the gallery, setting one up, its health, and its life until it is deleted and restored."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts.models import AuditEntry
from carts.models import Cart, CartActivation
from integration_manager import runs, tenancy
from integration_manager.kit import clock
from merchants.models import Merchant, Schedule, Service
from orders.models import Run, Shipment
from tests import desk as desks
from tests.counter import PART, Counter, text
from tests.desk import Desk, make_order
from tests.statements import counted
from tests.world import World, place, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(calm: World) -> World:
    return calm


@pytest.fixture
def owner(world: World) -> Counter:
    return Counter(world)


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


# ── the gallery ──


@pytest.mark.parametrize(
    ("query", "found", "left"),
    [
        ("", {"Sandbox shop", "CSV files"}, set()),
        ("q=sandb", {"Sandbox shop"}, {"CSV files"}),
        ("kind=Files", {"CSV files"}, {"Sandbox shop"}),
        ("can=Order+Cancel+Download", {"Sandbox shop", "Shopify", "WooCommerce"}, {"CSV files"}),
        ("can=Refund+in+Cart", {"Sandbox shop"}, {"CSV files"}),
        ("category=edi", set(), {"Sandbox shop", "CSV files"}),
        ("q=no+such", set(), {"Sandbox shop", "CSV files"}),
    ],
)
def test_systems_are_found_without_a_script(desk: Desk, query: str, found: set[str], left: set[str]) -> None:
    page = desk.client("owner").get(desk.url(f"carts/new/?merchant={desk.merchants[0].public_id}&{query}"))
    labels = {system["label"] for system in page.context["systems"]}
    assert found <= labels
    assert not left & labels
    assert ("No such system" in text(page)) == (not found)


def test_the_merchant_comes_first_where_there_are_several(desk: Desk) -> None:
    page = text(desk.client("owner").get(desk.url("carts/new/")))
    assert "For which merchant?" in page
    assert "Sandbox shop" not in page
    assert "Sandbox shop" in text(desk.client("colleague").get(desk.url("carts/new/"))), "who has one need not choose"


# ── setup ──


def typed(world: World, **more: str) -> dict[str, str]:
    """What a person types to connect the world's shop."""
    values = {f"c-{name}": str(value) for name, value in world.shop.values("").items()}
    url = world.cart.credentials["url"].reveal()
    return {
        **values,
        "c-url": url,
        "name": "Oak shop",
        "order_source": "OAK-US",
        "description": "Ask Dana.",
        "earliest_order_date": "2026-01-01",
        "every_download": "300",
        "every_upload_shipments": "auto",
        "every_upload_inventory": "off",
        **more,
    }


def path(world: World, merchant: Merchant | None = None) -> str:
    return f"carts/new/sandbox_shop/?merchant={(merchant or world.merchant).public_id}"


def test_saved_with_its_services_off_it_starts_them_as_chosen_later(world: World, owner: Counter) -> None:
    Cart.objects.all().delete()
    page = owner.post(path(world), typed(world))
    cart = Cart.objects.get()
    world.cart = cart
    assert "Its services are off" in text(page)
    assert (cart.name, cart.order_source, cart.description) == ("Oak shop", "OAK-US", "Ask Dana.")
    assert (cart.shop, cart.number) == (world.shop.name, 1)
    assert not Schedule.objects.filter(cart=cart, every__gt=0).exists()
    assert not CartActivation.objects.exists()
    owner.post("cart/on/")
    on = dict(Schedule.objects.filter(cart=cart, every__gt=0).values_list("service", "every"))
    assert on["download"] == 300
    assert set(on) == {"download", "upload_shipments"}
    assert AuditEntry.objects.get(verb="cart.added").target.startswith("Oak shop")


def test_saved_and_switched_on_it_loads_at_once(world: World, owner: Counter) -> None:
    Cart.objects.all().delete()
    page = owner.post(path(world), typed(world, on="1"))
    assert "Order Download: Every 5 minutes" in text(page)
    download = Schedule.objects.get(service=Service.DOWNLOAD, cart=Cart.objects.get())
    assert download.next_run is not None
    assert download.next_run <= clock.now()
    assert CartActivation.objects.get().off_at is None


def test_a_new_carts_orders_count_from_the_accounts_own_today(world: World, owner: Counter) -> None:
    world.account.timezone = "Pacific/Kiritimati"  # where it is tomorrow for most of the day
    world.account.save()
    page = owner.get(path(world))
    there = clock.now().astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    assert f'value="{there.isoformat()}"' in page.content.decode()


def test_errors_are_counted_and_nothing_typed_is_lost(world: World, owner: Counter) -> None:
    answer = owner.post(path(world), typed(world, name="", earliest_order_date="soon", **{"c-api_key": ""}))
    page = text(answer)
    assert answer.status_code == 422
    assert "3 fields to correct" in page, "of both forms, together"
    assert 'value="OAK-US"' in page
    assert owner.post(path(world), typed(world, name="x" * 10_000)).status_code == 422
    assert Cart.objects.count() == 1


def test_one_shop_is_never_connected_twice(world: World, owner: Counter) -> None:
    answer = owner.post(path(world), typed(world))
    assert (answer.status_code, "This shop is connected already, as" in text(answer)) == (422, False)
    assert "This shop is connected already</b>, as" in text(answer)
    other = Merchant.objects.create(name="Pine", code="PINE")
    assert "connected already" in text(owner.post(path(world, other), typed(world)))
    # A merchant's own user learns that it is, and not by whom.
    theirs = Counter(world, "merchant", other)
    page = text(theirs.post(path(world, other), typed(world)))
    assert "connected already</b> in this account" in page
    assert world.cart.public_id not in page
    assert world.merchant.name not in page
    assert Cart.objects.count() == 1


def test_another_account_may_connect_the_same_shop(world: World) -> None:
    other = desks.build("Elsewhere", orders=0)
    client = other.client("owner")
    answer = client.post(other.url(path(world, other.merchants[0])), typed(world))
    assert answer.status_code == 302, "who is elsewhere is not said"


def test_a_deleted_connection_is_restored_and_not_added_again(world: World, owner: Counter) -> None:
    owner.post("cart/delete/")
    page = text(owner.post(path(world), typed(world)))
    assert "was connected before</b>, as" in page
    other = Merchant.objects.create(name="Pine", code="PINE")
    assert "is connected." in text(owner.post(path(world, other), typed(world)))
    assert "connected by another cart meanwhile" in text(owner.post("cart/restore/"))
    world.cart.refresh_from_db()
    assert world.cart.archived_at is not None


def test_settings_of_another_shop_are_not_saved(world: World, owner: Counter) -> None:
    from tests.world import fake

    shop = fake("sandbox_shop", "elm")
    with shop.serve() as url:
        answer = owner.post("cart/edit/", typed(world, **{"c-url": url, "c-api_key": shop.credential}))
    assert "These values lead into another shop" in text(answer)
    world.cart.refresh_from_db()
    assert "elm" not in world.cart.credentials["url"].reveal()


def test_a_page_that_somebody_overtook_says_so_and_loses_nothing(world: World, owner: Counter) -> None:
    mark = owner.get("cart/edit/").context["mark"]
    same = typed(world, **{"c-api_key": "", "mark": mark})
    owner.post("cart/edit/", {**same, "name": "Theirs"})
    answer = owner.post("cart/edit/", {**same, "name": "Mine"})
    page = text(answer)
    assert answer.status_code == 422
    assert "Nothing of yours is lost" in page
    assert 'value="Mine"' in page
    world.cart.refresh_from_db()
    assert world.cart.name == "Theirs"
    owner.post("cart/edit/", {**same, "name": "Mine", "mark": answer.context["mark"]})
    world.cart.refresh_from_db()
    assert world.cart.name == "Mine"


def test_a_test_within_the_page_answers_in_plain_words(world: World, owner: Counter) -> None:
    assert "It works" in text(owner.post("cart/test/", headers=PART))
    wrong = typed(world, test="1", **{"c-api_key": "wrong"})
    assert "refused the credentials" in text(owner.post(path(world), wrong, headers=PART))


# ── off and on, deleted and restored ──


def test_disabled_it_keeps_how_often_it_ran_and_frees_its_licence(world: World, owner: Counter) -> None:
    owner.post("cart/on/", {"every_download": "900", "every_upload_shipments": "3600"})
    owner.post("cart/off/")
    assert "disabled already" in text(owner.post("cart/off/"))
    assert not Schedule.objects.filter(cart=world.cart, every__gt=0).exists()
    assert CartActivation.objects.get().off_at is not None
    assert "This cart is off" in text(owner.get("cart/"))
    owner.post("cart/on/")
    on = dict(Schedule.objects.filter(cart=world.cart, every__gt=0).values_list("service", "every"))
    assert on == {"download": 900, "upload_shipments": 3600}
    assert CartActivation.objects.filter(off_at__isnull=True).count() == 1
    assert AuditEntry.objects.filter(verb="cart.disabled").count() == 1


def test_deleting_says_what_it_means_in_numbers(desk: Desk) -> None:
    client, cart = desk.client("owner"), desk.carts[0]
    with tenancy.activate(desk.account.pk):
        for number, status in enumerate(("ready", "error", "held", "at_wms", "shipped", "confirmed", "canceled")):
            make_order(cart, f"D{number}", status=status)
    page = text(client.get(desk.url(f"carts/{cart.public_id}/delete/")))
    assert "<b>3 orders</b> are not at the WMS yet" in page
    assert "<b>1 order</b> is at the WMS" in page
    assert "<b>1 parcel</b> waits" in page
    with tenancy.activate(desk.account.pk):
        assert Cart.objects.get(pk=cart.pk).archived_at is None, "looking deletes nothing"


def test_deleted_it_is_kept_and_comes_back_switched_off(world: World, owner: Counter) -> None:
    place(world, 1)
    run(world, Service.DOWNLOAD)
    owner.post("cart/on/")
    page = text(owner.post("cart/delete/"))
    assert "Deleted carts" in page
    assert "deleted already" in text(owner.post("cart/delete/"))
    for gone in ("cart/edit/", "cart/going-live/"):
        assert owner.get(gone).status_code == 404
    for refused in ("cart/on/", "cart/repull/", "cart/services/", "cart/run/download/", "cart/dry-run/"):
        assert owner.post(refused).status_code == 404
    assert not Schedule.objects.filter(cart=world.cart, every__gt=0).exists()
    assert "This cart was deleted" in text(owner.get("cart/"))
    assert world.cart.name in text(owner.get("carts/?deleted"))
    assert world.only().cart_id == world.cart.pk
    owner.post("cart/restore/")
    assert "This cart is off" in text(owner.get("cart/"))
    assert [e.verb for e in AuditEntry.objects.filter(verb__in=("cart.deleted", "cart.restored")).order_by("id")] == [
        "cart.deleted",
        "cart.restored",
    ]


# ── health ──


def runs_of(cart: Cart, **fields: Any) -> None:
    schedule, _ = Schedule.objects.get_or_create(
        cart=cart, merchant=cart.merchant, service=Service.DOWNLOAD, defaults={"every": 300}
    )
    Run.objects.create(
        merchant_id=cart.merchant_id,
        cart_id=cart.pk,
        schedule_id=schedule.pk,
        service="download",
        **{"started_at": clock.now(), "seconds": 1, "outcome": "ok", "calls": 4, "waited": 1.0, **fields},
    )


def test_failures_by_class_and_how_long_answers_take(world: World, owner: Counter) -> None:
    for code, times in (("auth_failed", 2), ("unreachable", 1), ("http_418", 1)):
        for _ in range(times):
            runs_of(world.cart, outcome="failed", code=code, problem="No.")
    runs_of(world.cart)
    owner.get("profile/")  # writes into the session that somebody is here: once in ten minutes
    with counted() as sent:
        page = text(owner.get("cart/"))
    assert len(sent) <= 12, "\n".join(sent)
    found = [(one.label, one.number) for one in owner.get("cart/").context["failures"]]
    assert found[0] == ("Credentials refused", 2)
    assert set(found[1:]) == {("Not reached", 1), ("Refused", 1)}
    assert "an answer took 0.25 s on average" in page


def test_a_run_that_fails_is_noted_with_its_class(world: World, owner: Counter) -> None:
    world.cart.credentials = {**world.cart.credentials, "api_key": "wrong"}
    world.cart.save()
    run(world, Service.DOWNLOAD)
    failed = Run.objects.get()
    assert (failed.outcome, failed.code, failed.calls) == ("failed", "auth_failed", 1)
    assert failed.waited > 0
    assert "Credentials refused" in text(owner.get("cart/"))


def test_older_runs_are_on_the_next_page(world: World, owner: Counter) -> None:
    for number in range(runs.SHOWN + 3):
        runs_of(world.cart, calls=number)
    first = owner.get("cart/runs/")
    assert len(first.context["runs"]) == runs.SHOWN
    second = owner.get(f"cart/runs/?until={first.context['older']}")
    assert [one.calls for one in second.context["runs"]] == [2, 1, 0]
    assert second.context["older"] == ""
    for wrong in ("1", "x:y:z"):
        assert len(owner.get(f"cart/runs/?until={wrong}").context["runs"]) == runs.SHOWN


def test_staff_and_merchant_users_see_what_is_theirs(desk: Desk) -> None:
    page = text(desk.client("colleague").get(desk.url(f"carts/{desk.carts[1].public_id}/")))
    assert "Delete…" in page
    from accounts.models import User

    desk.users["staff"] = User.objects.create_user("staff@operator.example", "x" * 12, is_staff=True)
    desks.with_app(desk.users["staff"])
    staff = desk.client("staff")
    staff.post(f"/staff/open/{desk.account.public_id}/")
    page = text(staff.get(desk.url(f"carts/{desk.carts[1].public_id}/")))
    assert "Delete…" not in page
    for act in ("off", "on", "delete", "restore", "repull", "earliest", "dry-run", "handled", "preview"):
        assert staff.post(desk.url(f"carts/{desk.carts[1].public_id}/{act}/")).status_code == 403, act


def test_parcels_that_wait_are_those_that_no_cart_was_told_of(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "P1", status="shipped")
        Shipment.objects.update(voided_at=clock.now())
    assert "parcel" not in text(desk.client("owner").get(desk.url(f"carts/{desk.carts[0].public_id}/delete/")))
