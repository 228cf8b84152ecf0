"""The operators' site: who gets in, that every page of every model opens, and that no secret is on one."""

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.test import Client
from django.urls import reverse

from accounts import addresses
from accounts.models import Account, AuditEntry, Invitation, Mail, Membership, SignInLink, User
from alerts import contacts, planning
from alerts.models import AlertMail, ErrorEmail
from alerts.raising import raise_alert
from carts.models import Access, Attempt, Cart, DryRun, SetupLink
from integration_manager import tenancy
from integration_manager.im.admin import run as make_operator
from integration_manager.kit import clock
from integration_manager.operators import site
from merchants.models import Adjustment, ReadFile, StockLevel
from merchants.warehouses import default_of
from orders.models import Order, OrderLine
from tests import desk as desks
from tests.desk import CANARY, PASSWORD, Desk

pytestmark = pytest.mark.django_db
HOME = f"/{settings.IM_ADMIN_PATH}"
KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # of the authenticator app that desks.with_app gives


@pytest.fixture
def desk() -> Desk:
    made = desks.build(orders=1)
    root = User.objects.create_superuser("root@operator.example", PASSWORD, name="Root")
    addresses.confirm(root)
    desks.with_app(root)
    made.users["root"] = root
    with tenancy.activate(made.account.pk):
        Invitation.objects.create(
            email="a@b.example", role="admin", invited_by="x", token_hash="CANARY-hash", expires_at=clock.now()
        )
        ErrorEmail.objects.create(address="box@b.example")
        AuditEntry.objects.create(actor="x", verb="cart.added", target="y")
        _grants(made)
    Mail.objects.create(kind="invitation", to="a@b.example", context={"url": CANARY})
    return made


def _grants(made: Desk) -> None:
    """Rows that hold what opens something: tokens of other systems, of links, of ways to a consent page."""
    now, cart = clock.now(), made.carts[0]
    of = {"merchant": cart.merchant, "system": "sandbox_oauth"}
    link = SetupLink.objects.create(**of, digest="CANARY-link", name="x", created_by="a@b.example", expires_at=now)
    Access.objects.create(**of, address={"url": CANARY}, token={"value": CANARY}, granted_by="a@b.example")
    Attempt.objects.create(
        **of, link=link, digest="CANARY-d", browser="CANARY-b", secrets={"v": CANARY}, expires_at=now
    )
    ReadFile.objects.create(merchant=cart.merchant, cart=cart, kind="orders", name="a.csv", modified_at=now)
    DryRun.objects.create(cart=cart, earliest=now.date(), started_by="a@b.example", started_at=now)
    owner = made.users["owner"]
    SignInLink.objects.create(user=owner, email=owner.email, token_hash="CANARY-hash", expires_at=now)


def of(model: type) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}"  # type: ignore[attr-defined]


def registered() -> list[tuple[type, ModelAdmin]]:  # type: ignore[type-arg]
    return sorted(site._registry.items(), key=lambda pair: pair[0]._meta.label)


@pytest.mark.parametrize("path", ["", "accounts/account/", "orders/order/", "login/", "jsi18n/", "nowhere/"])
def test_for_everybody_else_it_is_not_there(desk: Desk, path: str) -> None:
    assert desk.client("owner").get(HOME + path).status_code == 404
    nothing = Client().get("/nothing/here/")
    for stranger in (Client().get(HOME + path), Client().post(HOME + path)):
        assert (stranger.status_code, stranger.content) == (404, nothing.content), "as any address that is not there"
    User.objects.filter(pk=desk.users["owner"].pk).update(is_staff=True)
    desks.with_app(desk.users["owner"])
    assert desk.client("owner").get(HOME + path).status_code == 404, "staff only"


def test_an_operator_needs_two_steps_and_a_recent_proof(desk: Desk) -> None:
    other = User.objects.create_superuser("second@operator.example", PASSWORD)
    desk.users["second"] = other
    assert desk.client("second").get(HOME).headers["Location"] == "/security/"
    old = Client()
    old.force_login(desk.users["root"])
    assert "/security/again/" in old.get(HOME).headers["Location"]
    assert old.post(f"{HOME}accounts/user/add/", {"email": "x@y.example"}).status_code == 302
    assert not User.objects.filter(email="x@y.example").exists()
    assert desk.client("root").get(HOME).status_code == 200


def test_every_page_of_every_model_opens_and_shows_no_secret(desk: Desk) -> None:
    """As im_app, behind both walls: the whole answer is written while they are open."""
    client = desk.client("root")
    opened = 0
    for model, admin in registered():
        name = of(model)
        with tenancy.everyone("a test"):
            row = model.objects.first()  # type: ignore[attr-defined]
        pages = [reverse(f"{name}_changelist"), f"{reverse(f'{name}_changelist')}?q=a"]
        if row is not None:
            pages += [reverse(f"{name}_change", args=[row.pk]), reverse(f"{name}_history", args=[row.pk])]
        for page in pages:
            answer = client.get(page)
            assert answer.status_code == 200, page
            text = answer.content.decode()
            assert "CANARY" not in text, page
            assert KEY not in text, page
            assert "Wellington Place" not in text, "nothing of an order's customer"
            assert not re.search(r'\sstyle="|<script(?![^>]*(src=|type="application/json"))|\son\w+="', text), page
        adding = client.get(reverse(f"{name}_add")).status_code
        assert adding == (200 if getattr(admin, "when_adding", ()) else 403), name
        opened += row is not None
    assert opened > 15, "rows of most models were there to be opened"


def test_what_must_not_break_is_not_changed_here(desk: Desk) -> None:
    client = desk.client("root")
    order = desk.orders[0]
    page = reverse("admin:orders_order_change", args=[order.pk])
    assert 'name="status"' not in client.get(page).content.decode()
    assert client.post(page, {"status": "canceled"}).status_code == 403
    assert client.post(reverse("admin:orders_order_delete", args=[order.pk]), {"post": "yes"}).status_code == 403
    with tenancy.activate(desk.account.pk):
        assert Order.objects.get(pk=order.pk).status == "ready"
        owner = Membership.objects.get(user=desk.users["owner"])
    for model, pk in ((Account, desk.account.pk), (User, desk.users["owner"].pk), (Membership, owner.pk)):
        assert client.post(reverse(f"{of(model)}_delete", args=[pk]), {"post": "yes"}).status_code == 403
    mine = reverse("admin:accounts_user_change", args=[desk.users["root"].pk])
    client.post(mine, {"name": "R", "timezone": "UTC"})
    desk.users["root"].refresh_from_db()
    assert desk.users["root"].is_superuser, "nobody takes the own rights away"


def test_what_an_operator_changes_stands_in_the_accounts_log(desk: Desk) -> None:
    page = reverse("admin:accounts_account_change", args=[desk.account.pk])
    data = {"name": "Renamed", "timezone": "UTC", "suspended_at_0": "", "suspended_at_1": ""}
    assert desk.client("root").post(page, data).status_code == 302
    with tenancy.activate(desk.account.pk):
        entry = AuditEntry.objects.latest("pk")
    assert (entry.verb, entry.via, entry.actor) == ("operator.changed", "staff", "root@operator.example")
    assert entry.changes["name"] == ["Northquay", "Renamed"]
    assert "Renamed" in desk.client("owner").get(desk.url("audit/")).content.decode()


def test_managed_inventory_begins_with_what_is_left_of_the_last_count(desk: Desk) -> None:
    merchant, order = desk.merchants[0], desk.orders[0]
    with tenancy.activate(desk.account.pk):
        OrderLine.objects.update(sent_item="CANDLE-8")  # two of them
        StockLevel.objects.create(
            merchant=merchant, warehouse=default_of(merchant), sku="CANDLE-8", available=10,
            at=clock.now() - timedelta(hours=1), changed_at=clock.now(),
        )  # fmt: skip
        Order.objects.filter(pk=order.pk).update(status="at_wms", delivered_at=clock.now())
    page = reverse("admin:merchants_merchant_change", args=[merchant.pk])
    assert desk.client("root").post(page, {"managed_inventory": "on"}).status_code == 302
    with tenancy.activate(desk.account.pk):
        assert StockLevel.objects.get().available == 8
        assert Adjustment.objects.get().order_number == order.cust_po_no
    assert desk.client("root").post(page, {}).status_code == 302
    with tenancy.activate(desk.account.pk):
        assert not StockLevel.objects.exists()


def test_an_account_without_a_primary_user_gets_one(desk: Desk) -> None:
    client = desk.client("root")
    with tenancy.activate(desk.account.pk):
        Membership.objects.filter(role="primary").delete()
    client.post(
        reverse("admin:accounts_membership_add"), {"user": desk.users["stranger"].pk, "account": desk.account.pk}
    )
    with tenancy.activate(desk.account.pk):
        new = Membership.objects.get(user=desk.users["stranger"])
    assert new.role == "admin"
    act = {"action": "appoint", "_selected_action": [new.pk]}
    assert client.post(reverse("admin:accounts_membership_changelist"), act).status_code == 302
    with tenancy.activate(desk.account.pk):
        new.refresh_from_db()
    assert (new.role, new.billing) == ("primary", True)


def test_another_time_zone_is_another_hour_for_what_waits(desk: Desk, django_capture_on_commit_callbacks: Any) -> None:
    with tenancy.activate(desk.account.pk):
        Order.objects.update(status="confirmed")
        Cart.objects.update(send_not_before=clock.now().time())
        marks = set(Cart.objects.values_list("rules_mark", flat=True))
    page = reverse("admin:accounts_account_change", args=[desk.account.pk])
    data = {"name": "Northquay", "timezone": "Etc/GMT-2", "suspended_at_0": "", "suspended_at_1": ""}
    with django_capture_on_commit_callbacks(execute=True):
        assert desk.client("root").post(page, data).status_code == 302
    with tenancy.activate(desk.account.pk):
        assert not marks & set(Cart.objects.values_list("rules_mark", flat=True)), "their orders were looked at again"


def test_the_mails_that_wait_for_somebody_come_by_the_time_zone_that_an_operator_chose(
    desk: Desk, django_capture_on_commit_callbacks: Any
) -> None:
    owner = desk.users["owner"]
    with tenancy.activate(desk.account.pk):
        contacts.set_preference(owner, "daily", 8)
        raise_alert("stock_refused", "k", "About k", now=clock.now(), merchant_id=desk.merchants[0].pk)
        planning.plan(desk.account, clock.now())
    page = reverse("admin:accounts_user_change", args=[owner.pk])
    with django_capture_on_commit_callbacks(execute=True):
        desk.client("root").post(page, {"name": "Owner", "timezone": "Asia/Tokyo", "is_active": "on"})
    with tenancy.activate(desk.account.pk):
        assert AlertMail.objects.get(user=owner).slot.astimezone(ZoneInfo("Asia/Tokyo")).hour == 8


def test_a_time_zone_that_nobody_knows_would_stop_an_accounts_services(desk: Desk) -> None:
    page = reverse("admin:accounts_account_change", args=[desk.account.pk])
    data = {"name": "Northquay", "timezone": "Mars/Olympus", "suspended_at_0": "", "suspended_at_1": ""}
    answer = desk.client("root").post(page, data)
    assert answer.status_code == 200
    assert "There is no such time zone" in answer.content.decode()
    desk.account.refresh_from_db()
    assert desk.account.timezone == "UTC"


def test_a_new_user_and_one_who_is_blocked(desk: Desk) -> None:
    client = desk.client("root")
    data = {"email": "Fresh@b.example", "name": "Fresh", "timezone": "UTC"}
    assert client.post(reverse("admin:accounts_user_add"), data).status_code == 302
    fresh = User.objects.get(email="fresh@b.example")
    assert not fresh.has_usable_password()
    twice = client.post(reverse("admin:accounts_user_add"), data | {"email": "FRESH@b.example"})
    assert "already exists" in twice.content.decode()
    browser = Client()
    browser.post("/login/", {"login": desk.users["owner"].email, "password": PASSWORD})
    assert browser.get(desk.url()).status_code == 200
    page = reverse("admin:accounts_user_change", args=[desk.users["owner"].pk])
    client.post(page, {"name": "Owner", "timezone": "UTC"})  # without the tick at "active"
    assert browser.get(desk.url()).status_code == 302


def test_a_link_signs_no_operator_out(desk: Desk) -> None:
    client = desk.client("root")
    assert client.get(f"{HOME}logout/").headers["Location"] == "/logout/"
    assert client.get(HOME).status_code == 200
    client.post(f"{HOME}logout/")
    assert client.get(HOME).status_code == 404


def test_what_several_are_called_is_english(desk: Desk) -> None:
    text = desk.client("root").get(HOME).content.decode()
    assert "Audit entries" in text
    assert not re.search(r"[^aeiou]ys</a>|sss</a>|mss</a>|eds</a>", text)


def test_the_way_in_with_two_real_steps(desk: Desk) -> None:
    """By hand, as an operator does it: password, the code that the app shows, and the site is there."""
    browser = Client()
    user = desk.users["root"]
    first = browser.post("/login/", {"login": f" {user.email.upper()} ", "password": PASSWORD, "next": HOME})
    assert first.headers["Location"].startswith("/login/second/")
    assert browser.get(HOME).status_code == 404, "half of the way"
    assert browser.post(first.headers["Location"], {"code": desks.code(KEY)}).headers["Location"] == HOME
    assert "All accounts" in browser.get(HOME).content.decode()


def test_the_command_makes_an_operator_who_still_needs_two_steps(capsys: Any) -> None:
    make_operator({"email": "First@operator.example", "link": True})
    said = capsys.readouterr().out
    path = "/login/link/" + re.search(r"/login/link/(\S+)", said)[1]  # type: ignore[index]
    assert f"/{settings.IM_ADMIN_PATH}" in said
    browser = Client()
    assert browser.post(path).headers["Location"] == "/security/"
    assert Client().post(path).status_code == 410, "once"
    assert browser.get(HOME).headers["Location"] == "/security/"
    user = User.objects.get(email="first@operator.example")
    assert (user.is_superuser, user.is_staff, user.has_usable_password()) == (True, True, False)
    make_operator({"email": "first@operator.example", "link": True})
    assert User.objects.filter(is_superuser=True).count() == 1, "the same once more"


def test_the_command_makes_somebody_known_an_operator_and_leaves_the_password(capsys: Any) -> None:
    known = User.objects.create_user("known@operator.example", PASSWORD)
    make_operator({"email": "known@operator.example", "link": False})
    assert "link/" not in capsys.readouterr().out
    known.refresh_from_db()
    assert known.is_superuser
    assert known.check_password(PASSWORD)
