"""What people do from the pages: orders, services, carts and the WMS."""

from typing import Any

import pytest

from accounts.models import AuditEntry
from carts.models import Cart, CartActivation
from integration_manager import tenancy
from merchants import frequencies
from merchants.models import Merchant, Schedule, Service
from merchants.schedules import AUTOMATIC
from orders.models import Event, Order
from tests import desk as desks
from tests.desk import CANARY, Desk, make_order, signed_in
from wms.models import Wms

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


def act(desk: Desk, order: Order, action: str, **data: str) -> str:
    answer = desk.client("owner").post(desk.url(f"orders/{order.public_id}/do/{action}/"), data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_sending_is_canceled_and_taken_up_again(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "AF-1")
    text = act(desk, order, "cancel_sending")
    assert "will not be sent" in text
    assert "Send after all" in text
    text = act(desk, order, "undo_cancel")
    assert "sent after all" in text
    with tenancy.activate(desk.account.pk):
        assert Order.objects.get().status == "ready"
        assert set(Event.objects.exclude(actor="").values_list("actor", flat=True)) == {"Owner"}


def test_an_unknown_outcome_is_decided_by_a_person(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        fields = {"status": "error", "error_code": "outcome_unknown", "error_message": "No answer", "cause": "k"}
        first, second = make_order(desk.carts[0], "AF-1", **fields), make_order(desk.carts[0], "AF-2", **fields)
    page = desk.client("owner").get(desk.url(f"orders/{first.public_id}/")).content.decode()
    assert "It did not, send it" in page
    assert "Resend to WMS" not in page
    act(desk, first, "it_arrived", wms_key="7730418")
    act(desk, second, "it_did_not")
    with tenancy.activate(desk.account.pk):
        first.refresh_from_db()
        second.refresh_from_db()
    assert (first.status, first.wms_key) == ("at_wms", "7730418")
    assert second.status == "received" or second.status == "ready"


def test_what_cannot_be_done_now_is_said(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "AF-1", status="sending")
    assert "being sent right now" in act(desk, order, "cancel_sending")
    answer = desk.client("owner").post(desk.url(f"orders/{order.public_id}/do/explode/"))
    assert answer.status_code == 404


def test_services_are_set_run_paused_and_resumed(desk: Desk) -> None:
    client, cart = desk.client("owner"), desk.carts[0]
    url = desk.url(f"carts/{cart.public_id}/")
    client.post(
        url + "services/", {"every_download": "900", "every_upload_shipments": "auto", "every_upload_inventory": "off"}
    )
    with tenancy.activate(desk.account.pk):
        by_service = {s.service: s for s in Schedule.objects.filter(cart=cart)}
        assert (by_service["download"].every, by_service["download"].automatic) == (900, False)
        assert by_service["upload_shipments"].automatic
        assert by_service["upload_inventory"].every == 0
        assert CartActivation.objects.get(cart=cart).off_at is None
        assert AuditEntry.objects.filter(verb="service.changed").count() == 3
    client.post(url + "pause/download/")
    with tenancy.activate(desk.account.pk):
        assert Schedule.objects.get(cart=cart, service="download").paused == "person"
    client.post(url + "run/download/")
    with tenancy.activate(desk.account.pk):
        found = Schedule.objects.get(cart=cart, service="download")
        assert found.paused == ""
        assert found.woken_at is not None
    client.post(url + "services/", dict.fromkeys(["every_download", "every_upload_shipments"], "off"))
    with tenancy.activate(desk.account.pk):
        assert CartActivation.objects.get(cart=cart).off_at is not None


def test_frequencies_offer_what_the_service_has() -> None:
    for service in Service:
        offered = frequencies.options(service)
        values = [value for value, label in offered if isinstance(label, str)]
        assert ("auto" in values) == (service in AUTOMATIC)
        hours = next(label for value, label in offered if value == "Once a day")
        for value in [*values, *(value for value, _ in hours)]:
            settings = frequencies.settings_of(value, service)
            assert frequencies.value_of(Schedule(**settings)) == value
    for wrong in ("1", "auto", "86400-24", "x", "-5", ""):
        with pytest.raises(ValueError):
            frequencies.settings_of(wrong, Service.DOWNLOAD)
    assert "300" not in dict(frequencies.options(Service.INVENTORY))  # type: ignore[arg-type]


def test_a_merchant_is_added_and_gets_its_values_for_the_wms(desk: Desk) -> None:
    client = desk.client("owner")
    assert "Another merchant" in client.post(desk.url("merchants/new/"), {"name": "X", "code": "one"}).content.decode()
    answer = client.post(desk.url("merchants/new/"), {"name": "Third", "code": "tre", "later": "1"}, follow=True)
    assert "Third is added" in answer.content.decode()
    with tenancy.activate(desk.account.pk):
        merchant = Merchant.objects.get(code="TRE")
    edit = desk.url(f"merchants/{merchant.public_id}/edit/")
    refused = client.post(desk.url(f"merchants/{merchant.public_id}/services/"), {"every_deliver": "auto"}, follow=True)
    assert "First fill in" in refused.content.decode()
    client.post(edit, {"name": "Third", "c-customer": "cust-3"})
    client.post(desk.url(f"merchants/{merchant.public_id}/services/"), {"every_deliver": "auto"})
    with tenancy.activate(desk.account.pk):
        merchant.refresh_from_db()
        assert merchant.wms_values["customer"].reveal() == "cust-3"
        assert Schedule.objects.get(merchant=merchant, service="deliver").automatic


@pytest.fixture
def client(world: Any) -> Any:
    """The owner of a world whose shop and warehouse really answer."""

    from accounts.models import Membership, User

    user = User.objects.create_user("owner@world.example", "x" * 12)
    Membership.objects.create(user=user, role="primary")
    client = signed_in(user)
    client.base = f"/a/{world.account.public_id}/"  # type: ignore[attr-defined]
    return client


def outside(client: Any, method: str, path: str, data: dict[str, str] | None = None, **kwargs: Any) -> Any:
    """A request like one from a browser: with no tenant active around it."""
    mark = tenancy._scope.set(None)
    try:
        return getattr(client, method)(client.base + path, data or {}, **kwargs)
    finally:
        tenancy._scope.reset(mark)


def test_the_connection_is_tested_in_plain_words(world: Any, client: Any) -> None:
    part = {"headers": {"HX-Request": "true"}}
    assert "It works" in outside(client, "post", f"carts/{world.cart.public_id}/test/", **part).content.decode()
    for path in ("wms/test/", f"merchants/{world.merchant.public_id}/test/"):
        assert "Test WMS Connection successful" in outside(client, "post", path, **part).content.decode()
    with tenancy.activate(world.account.pk):
        world.cart.credentials = {**world.cart.credentials, "api_key": CANARY}
        world.cart.save()
    text = outside(client, "post", f"carts/{world.cart.public_id}/test/", **part).content.decode()
    assert "refused the credentials" in text
    assert CANARY not in text


def test_a_shop_is_connected_once_and_its_secret_is_kept_when_left_empty(world: Any, client: Any) -> None:
    values = {"c-url": world.cart.credentials["url"].reveal(), "c-api_key": world.cart.credentials["api_key"].reveal()}
    form = {"name": "Again", "order_source": "X", "earliest_order_date": "2026-01-01", **values}
    path = f"carts/new/sandbox_shop/?merchant={world.merchant.public_id}"
    with tenancy.activate(world.account.pk):
        from integration_manager.trying import check
        from orders.connections import cart_class

        answer = check(cart_class(world.cart), dict(world.cart.credentials), world.account)
        Cart.objects.filter(pk=world.cart.pk).update(shop=answer.identity or world.cart.public_id)
    if answer.identity:
        assert "connected already" in outside(client, "post", path, form).content.decode()
    edit = f"carts/{world.cart.public_id}/edit/"
    saved = outside(client, "post", edit, {**form, "c-api_key": ""}, follow=True)
    assert "Saved." in saved.content.decode()
    with tenancy.activate(world.account.pk):
        kept = Cart.objects.get(pk=world.cart.pk)
        assert (kept.name, kept.credentials["api_key"].reveal()) == ("Again", values["c-api_key"])
    wrong = outside(client, "post", edit, {**form, "c-api_key": "wrong"})
    assert "refused the credentials" in wrong.content.decode()
    assert 'value="wrong"' not in wrong.content.decode()


def test_the_wms_is_set_up_and_not_changed_under_orders(world: Any, client: Any) -> None:
    values = {f"c-{name}": secret.reveal() for name, secret in world.wms.credentials.items()}
    with tenancy.activate(world.account.pk):
        Wms.objects.all().delete()
    assert "Select WMS" in outside(client, "get", "wms/", follow=True).content.decode()
    answer = outside(client, "post", "wms/setup/sandbox_wms/", values, follow=True)
    assert "is connected" in answer.content.decode()
    with tenancy.activate(world.account.pk):
        assert Wms.objects.get().system == "sandbox_wms"
        entry = AuditEntry.objects.get(verb="wms.changed")
        assert entry.changes["api_key"] == [None, "•••"]
        assert entry.changes["url"] == [None, values["c-url"]]
