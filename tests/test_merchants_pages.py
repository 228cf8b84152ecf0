"""Merchants and WMS Setup as people use them: forms posted twice, stale, too long; contacts; what a change means."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, AuditEntry, Invitation, Mail, Membership
from alerts import contacts
from alerts.models import Alert
from integration_manager import tenancy, trying
from integration_manager.crypto import Secret
from integration_manager.kit import clock
from integration_manager.kit.canonical import ShipMethod
from integration_manager.kit.connector import Field
from merchants.models import Merchant, Schedule
from orders.models import Order
from tests import desk as desks
from tests.desk import CANARY, Desk, make_order
from tests.statements import counted
from wms import ship_methods
from wms.models import Wms, WmsShipMethod
from wms.systems.sandbox_wms import SandboxWms

pytestmark = pytest.mark.django_db
CSV = {"c-place": "disk", "c-port": "22", "c-after": "archive", "c-quiet": "60"}
SANDBOX = {"c-url": "http://127.0.0.1:9/wms", "c-api_key": ""}


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


@pytest.fixture(autouse=True)
def works(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """All systems let everyone in; the values that they were called with."""
    seen: list[dict[str, Any]] = []

    def check(system: Any, values: Any, account: Any, merchant: Any = None) -> trying.Answer:
        seen.append(dict(values))
        return trying.Answer(True, "It works", seconds=0.1)

    monkeypatch.setattr(trying, "check", check)
    monkeypatch.setattr(trying, "ship_methods", lambda *a: (trying.Answer(True, "It works"), METHODS))
    return seen


METHODS = [ShipMethod("GROUND", "Ground", "UPS"), ShipMethod("AIR", "By air", "UPS")]


def page(desk: Desk, path: str, who: str = "owner") -> str:
    answer = desk.client(who).get(desk.url(path), follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def marked(desk: Desk, path: str) -> str:
    """The mark of a form as it is shown now."""
    return page(desk, path).split('name="mark" value="')[1].split('"')[0]


# --- merchants ---


def test_a_merchant_comes_with_services_values_and_its_user(desk: Desk) -> None:
    form = {
        "name": "Alder",
        "code": "af",
        "c-customer": "C-9",
        "setup_user": "on",
        "email": "Ann@Alder.example",
        "every_deliver": "auto",
        "every_ship_confirm": "3600",
        "every_inventory": "3600",
        "on": "1",
    }
    client = desk.client("owner")
    text = client.post(desk.url("merchants/new/"), form, follow=True).content.decode()
    assert "Alder is added and its services are on" in text
    assert "2 ship codes loaded" in text, "before a merchant had its values the WMS could not be asked"
    again = client.post(desk.url("merchants/new/"), form, follow=True).content.decode()
    assert "It was added already" in again
    with tenancy.activate(desk.account.pk):
        merchant = Merchant.objects.get(code="AF")
        on = {s.service: (s.every, s.automatic) for s in Schedule.objects.filter(merchant=merchant)}
        assert on["deliver"][1]
        assert (on["ship_confirm"], on["inventory"]) == ((3600, False), (3600, False))
        invited = Invitation.objects.get()
        assert (invited.email, invited.role, invited.merchant) == ("ann@alder.example", "merchant", merchant)
    assert Mail.objects.filter(kind="invitation", to="ann@alder.example").count() == 1


def test_without_values_it_is_added_with_services_off(desk: Desk) -> None:
    client, form = desk.client("owner"), {"name": "Later", "code": "LA", "every_deliver": "auto"}
    answer = client.post(desk.url("merchants/new/"), {**form, "on": "1"})
    assert answer.status_code == 422  # what is to run needs the WMS's values
    assert client.post(desk.url("merchants/new/"), {**form, "later": "1"}).status_code == 302
    with tenancy.activate(desk.account.pk):
        assert not Schedule.objects.filter(merchant__code="LA", every__gt=0).exists()


def test_two_merchants_that_the_wms_would_mix_up_are_told_apart(desk: Desk) -> None:
    client, form = desk.client("owner"), {"name": "Twin", "code": "TW", "c-customer": " one ", "later": "1"}
    answer = client.post(desk.url("merchants/new/"), form)
    assert answer.status_code == 422
    assert "would take this merchant for Northquay One" in answer.content.decode()
    agreed = {**form, "shared": desk.merchants[0].public_id}
    assert client.post(desk.url("merchants/new/"), agreed).status_code == 302


def test_the_second_of_two_editors_is_told_and_loses_nothing(desk: Desk) -> None:
    path = f"merchants/{desk.merchants[0].public_id}/edit/"
    mark = marked(desk, path)
    first, second = desk.client("owner"), desk.client("owner")
    assert first.post(desk.url(path), {"name": "First", "c-customer": "ONE", "mark": mark}).status_code == 302
    answer = second.post(desk.url(path), {"name": "Second", "c-customer": "ONE", "mark": mark})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "has saved this meanwhile" in text
    assert "First" in text
    assert 'value="Second"' in text
    now = text.split('name="mark" value="')[1].split('"')[0]
    assert second.post(desk.url(path), {"name": "Second", "c-customer": "ONE", "mark": now}).status_code == 302


@pytest.mark.parametrize("path", ["merchants/new/", "merchants/{0}/edit/", "merchants/{0}/contacts/", "wms/contacts/"])
def test_ten_thousand_characters_are_an_answer(desk: Desk, path: str) -> None:
    long = "x" * 10_000
    form = dict.fromkeys(("name", "code", "email", "setup_user", "c-customer", "emails", "mark", "shared"), long)
    answer = desk.client("owner").post(desk.url(path.format(desk.merchants[0].public_id)), form)
    assert answer.status_code == 422
    assert "xxxx" in answer.content.decode() or "field" in answer.content.decode()


def test_five_hundred_merchants_are_a_page_of_fifty_in_few_queries(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        Merchant.objects.bulk_create([Merchant(name=f"Seller {n:03}", code=f"S{n:03}") for n in range(500)])
        make_order(desk.carts[0], "E1", status="error")
        make_order(desk.carts[0], "W1")
    client = desk.client("owner")
    client.get(desk.url("merchants/"))  # the first request of a session also notes where it comes from
    with counted() as sent:
        text = client.get(desk.url("merchants/")).content.decode()
    assert len(sent) <= 12, "\n".join(sent)
    assert "1–50 of 502" in text
    found = client.get(desk.url("merchants/?q=seller+499")).content.decode()
    assert "Seller 499" in found
    assert "Seller 498" not in found
    assert "Seller 450" in client.get(desk.url("merchants/?page=10")).content.decode()


def test_a_merchant_account_has_its_one_merchants_page(desk: Desk) -> None:
    Account.objects.filter(pk=desk.account.pk).update(kind="merchant")
    with tenancy.activate(desk.account.pk):
        Order.objects.all().delete()
        desk.carts[1].delete()
        Membership.objects.filter(merchant=desk.merchants[1]).delete()
        desk.merchants[1].delete()
    for path in ("merchants/", "merchants/new/"):
        answer = desk.client("owner").get(desk.url(path))
        assert answer.headers["Location"] == desk.url(f"merchants/{desk.merchants[0].public_id}/")
    assert desk.url("merchants/new/") not in page(desk, "merchants/")


def test_archiving_stops_it_and_restoring_brings_it_back_switched_off(desk: Desk) -> None:
    one = desk.merchants[0]
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "A1", status="at_wms")
    text = page(desk, f"merchants/{one.public_id}/archive/")
    assert "Nobody asks for their tracking any more" in text
    client = desk.client("owner")
    client.post(desk.url(f"merchants/{one.public_id}/archive/"))
    with tenancy.activate(desk.account.pk):
        assert not Schedule.objects.filter(merchant=one, every__gt=0).exists()
    refused = client.post(desk.url(f"merchants/{one.public_id}/services/"), {"every_deliver": "auto"}, follow=True)
    assert "Restore it first" in refused.content.decode()
    assert "Northquay One" not in page(desk, "merchants/")
    assert "Northquay One" in page(desk, "merchants/?archived=1")
    client.post(desk.url(f"merchants/{one.public_id}/restore/"))
    assert "Northquay One" in page(desk, "merchants/")


def test_only_one_that_never_had_anything_is_deleted(desk: Desk) -> None:
    client = desk.client("owner")
    kept = client.post(desk.url(f"merchants/{desk.merchants[0].public_id}/delete/"), follow=True)
    assert "Archive it instead" in kept.content.decode()
    with tenancy.activate(desk.account.pk):
        empty = Merchant.objects.create(name="Empty", code="EMP")
    client.post(desk.url(f"merchants/{empty.public_id}/delete/"))
    with tenancy.activate(desk.account.pk):
        assert not Merchant.objects.filter(code="EMP").exists()
        assert Merchant.objects.filter(code="ONE").exists()


# --- error contacts ---


def test_users_are_told_by_default_and_moved_between_the_lists(desk: Desk) -> None:
    two, colleague = desk.merchants[1], desk.users["colleague"]
    path = f"merchants/{two.public_id}/contacts/"
    with tenancy.activate(desk.account.pk):
        users, _ = contacts.to_alert(two)
        assert {user.email for user in users} == {"owner@northquay.example", "colleague@northquay.example"}
    client = desk.client("owner")
    for _ in range(2):  # twice is as once
        client.post(desk.url(path), {"move": "quiet", "alerted": str(colleague.pk)})
    with tenancy.activate(desk.account.pk):
        users, _ = contacts.to_alert(two)
        assert [user.email for user in users] == ["owner@northquay.example"]
        assert AuditEntry.objects.filter(verb="contacts.changed").count() == 1
    client.post(desk.url("wms/contacts/"), {"move": "quiet", "alerted": str(desk.users["owner"].pk)})
    client.post(desk.url(path), {"move": "alert", "quiet": [str(colleague.pk), "x", "9" * 30]})
    with tenancy.activate(desk.account.pk):
        users, _ = contacts.to_alert(two)
        assert [user.email for user in users] == ["colleague@northquay.example"]


def test_a_merchant_user_sees_and_moves_nobody_of_the_warehouse(desk: Desk) -> None:
    two, owner = desk.merchants[1], desk.users["owner"]
    text = page(desk, f"merchants/{two.public_id}/", "colleague")
    assert owner.email not in text
    client = desk.client("colleague")
    client.post(desk.url(f"merchants/{two.public_id}/contacts/"), {"move": "alert", "quiet": str(owner.pk)})
    client.post(desk.url(f"merchants/{two.public_id}/contacts/"), {"move": "quiet", "alerted": str(owner.pk)})
    with tenancy.activate(desk.account.pk):
        users, _ = contacts.to_alert(two)
    assert owner.email in {user.email for user in users}


def test_additional_emails_are_checked_one_by_one(desk: Desk) -> None:
    path, client = desk.url("wms/contacts/"), desk.client("owner")
    answer = client.post(path, {"emails": "dock@a.example, nonsense"})
    assert answer.status_code == 422
    assert "“nonsense” is no e-mail address" in answer.content.decode()
    client.post(path, {"emails": "Dock@a.example, dock@A.example,\noffice@a.example"})
    with tenancy.activate(desk.account.pk):
        assert contacts.emails(None) == ["dock@a.example", "office@a.example"]
    client.post(path, {"emails": ""})
    with tenancy.activate(desk.account.pk):
        assert contacts.emails(None) == []


# --- WMS Setup ---


def test_changing_the_wms_says_what_it_means_and_keeps_the_old_settings(desk: Desk, works: list[Any]) -> None:
    with tenancy.activate(desk.account.pk):
        old = Wms.objects.get()
        make_order(desk.carts[0], "N1")
        make_order(desk.carts[0], "A1", status="at_wms", wms_id=old.pk)
        make_order(desk.carts[0], "A2", status="error", error_code="outcome_unknown", starts=1, wms_id=old.pk)
    client, path = desk.client("owner"), desk.url("wms/setup/csv_wms/")
    text = client.get(path).content.decode()
    assert "Change WMS to" in text
    assert 'name="shown" value="2"' in text
    answer = client.post(path, {**CSV, "shown": "1", "new_orders": "hold"})
    assert answer.status_code == 422
    assert "Nothing is saved yet" in answer.content.decode()
    done = client.post(path, {**CSV, "shown": "2", "new_orders": "hold"}, follow=True).content.decode()
    assert "1 order is at the WMS of before" in done
    with tenancy.activate(desk.account.pk):
        assert Wms.current().system == "csv_wms"  # type: ignore[union-attr]
        assert dict(Order.objects.values_list("cust_po_no", "status"))["N1"] == "held"
        merchant = Merchant.objects.get(code="ONE")
        assert merchant.wms_values == {}
        assert CANARY not in str(AuditEntry.objects.values_list("changes", flat=True))
        assert AuditEntry.objects.filter(verb="wms.replaced").count() == 1
    assert all("customer" not in values for values in works)  # what was entered for one system goes to no other
    # And back: the key need not be typed again, and merchants have their values.
    back = client.post(desk.url("wms/setup/sandbox_wms/"), {**SANDBOX, "shown": "9"}, follow=True).content.decode()
    assert "is connected" in back or "Saved" in back
    with tenancy.activate(desk.account.pk):
        again = Wms.current()
        assert again is not None
        assert (again.pk, again.credentials["api_key"].reveal()) == (old.pk, CANARY)
        assert Merchant.objects.get(code="ONE").wms_values["customer"].reveal() == "ONE"


def test_two_who_edit_the_wms_do_not_overwrite_each_other(desk: Desk) -> None:
    path = "wms/setup/sandbox_wms/"
    mark, client = marked(desk, path), desk.client("owner")
    assert client.post(desk.url(path), {**SANDBOX, "c-api_key": "new", "mark": mark}).status_code == 302
    answer = client.post(desk.url(path), {**SANDBOX, "c-api_key": "other", "mark": mark})
    assert answer.status_code == 422
    assert "has saved this meanwhile" in answer.content.decode()
    with tenancy.activate(desk.account.pk):
        assert Wms.objects.get().credentials["api_key"].reveal() == "new"


def test_merchants_secrets_do_not_go_to_a_new_address(
    desk: Desk, works: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = Field("Token", secret=True, level="merchant")
    token.__set_name__(SandboxWms, "token")
    monkeypatch.setattr(SandboxWms, "fields", {**SandboxWms.fields, "token": token})
    with tenancy.activate(desk.account.pk):
        one = desk.merchants[0]
        one.wms_values = {"customer": "ONE", "token": CANARY}
        one.save()
    typed = {"c-url": "https://moved.example/", "c-api_key": "again"}
    text = desk.client("owner").post(desk.url("wms/setup/sandbox_wms/"), typed, follow=True).content.decode()
    assert "has to be entered again" in text
    assert "Merchants that need values" in text
    assert all(values.get("token") != Secret(CANARY) for values in works)
    with tenancy.activate(desk.account.pk):
        stored = Merchant.objects.get(pk=one.pk).wms_values
        assert stored == {"customer": Secret("ONE")}
        assert "Northquay One" in Alert.objects.get(kind="wms_values_missing", resolved_at=None).message
    edit = desk.url(f"merchants/{one.public_id}/edit/")
    assert desk.client("owner").post(edit, {"name": one.name, "c-customer": "ONE", "c-token": "new"}).status_code == 302
    with tenancy.activate(desk.account.pk):
        assert "Northquay One" not in Alert.objects.get(kind="wms_values_missing").message


def test_ship_codes_are_loaded_added_and_deleted(desk: Desk) -> None:
    path, client = desk.url("wms/ship-methods/"), desk.client("owner")
    client.post(path, {"do": "add", "code": "PICKUP", "description": "At the door", "carrier": ""})
    assert client.post(path, {"do": "add", "code": "PICKUP"}).status_code == 422
    client.post(path, {"do": "load"})
    client.post(path, {"do": "load"})
    with tenancy.activate(desk.account.pk):
        found = {m.code: (m.source, m.active) for m in WmsShipMethod.objects.all()}
        assert found == {"GROUND": ("wms", True), "AIR": ("wms", True), "PICKUP": ("person", True)}
        ship_methods.keep(Wms.objects.get(), METHODS[:1])  # it lists one no longer; orders may be mapped to it
        assert not WmsShipMethod.objects.get(code="AIR").active
    assert desk.client("colleague").post(path, {"do": "delete", "code": "GROUND"}).status_code == 403
    client.post(path, {"do": "delete", "code": "GROUND"})
    with tenancy.activate(desk.account.pk):
        assert not WmsShipMethod.objects.filter(code="GROUND").exists()
    assert "Delete" not in page(desk, "wms/ship-methods/", "colleague")


def test_what_was_chosen_is_shown_in_words(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        Wms.objects.update(system="extensiv", options={"parcels": "labelled"})
    assert "Each package as soon as it has a tracking number" in page(desk, "wms/")


def test_a_merchant_user_sees_the_wms_and_changes_nothing(desk: Desk) -> None:
    text = page(desk, "wms/", "colleague")
    for word in ("Change WMS", "Edit Setup", "Test WMS Connection", "Users to Alert", "Northquay One", CANARY):
        assert word not in text
    assert "What it supports" in text


def test_credentials_are_stored_by_who_has_just_shown_who_they_are(desk: Desk) -> None:
    client = Client()
    client.force_login(desk.users["owner"])  # long ago
    answer = client.post(desk.url("wms/setup/sandbox_wms/"), {**SANDBOX, "c-api_key": "new"})
    assert answer.status_code == 302
    assert "/security/again" in answer.headers["Location"]
    with tenancy.activate(desk.account.pk):
        assert Wms.objects.get().credentials["api_key"].reveal() == CANARY


# --- invitations ---


def invited(desk: Desk, email: str = "new@seller.example") -> str:
    """A merchant user of One is invited; gives the link's path."""
    from accounts import invitations, people

    with tenancy.activate(desk.account.pk):
        place = people.Place("merchant", [desk.merchants[0]])
        invitations.invite(desk.account, email, place, by=desk.users["owner"])
    url = Mail.objects.filter(kind="invitation").latest("id").context["url"].reveal()
    return "/invitation/" + url.split("/invitation/")[1]


def test_who_is_new_chooses_a_password_and_is_in(desk: Desk) -> None:
    path, client = invited(desk), Client()
    for _ in range(2):  # opening it, as scanners do, uses nothing up
        assert "Join Northquay" in client.get(path).content.decode()
    weak = client.post(path, {"name": "New", "password": "short"})
    assert weak.status_code == 422
    answer = client.post(path, {"name": "New", "password": "a long and rare phrase"})
    assert answer.headers["Location"] == desk.url()
    assert client.get(desk.url("merchants/"), follow=True).status_code == 200
    with tenancy.activate(desk.account.pk):
        place = Membership.objects.get(user__email="new@seller.example")
        assert (place.role, place.merchant) == ("merchant", desk.merchants[0])
        users, _ = contacts.to_alert(desk.merchants[0])
        assert "new@seller.example" in {user.email for user in users}
    assert Client().get(path).status_code == 410


def test_who_is_signed_in_joins_and_keeps_what_they_were(desk: Desk) -> None:
    path = invited(desk, desk.users["stranger"].email)
    assert desk.client("stranger").post(path).headers["Location"] == desk.url()
    with tenancy.activate(desk.account.pk):
        assert Membership.objects.get(user=desk.users["stranger"]).role == "merchant"
    path = invited(desk, desk.users["owner"].email)
    desk.client("owner").post(path)
    with tenancy.activate(desk.account.pk):
        assert Membership.objects.get(user=desk.users["owner"]).role == "primary"


def test_an_invitation_ends(desk: Desk) -> None:
    path = invited(desk)
    with clock.frozen(clock.now() + timedelta(days=8)):
        assert Client().get(path).status_code == 410
    with clock.frozen(clock.now() + timedelta(minutes=2)):  # pressed twice in a minute it would be the same one
        newer = invited(desk)
    assert Client().get(path).status_code == 410
    assert Client().get(newer).status_code == 200
    assert Client().get("/invitation/nothing/").status_code == 410
