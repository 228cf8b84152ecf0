"""Who may open what: every page declares it, and nobody sees another tenant's or merchant's rows."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.roles import PERMISSIONS, ROLES, require
from integration_manager import tenancy
from tests import desk as desks
from tests.desk import Desk, make_order

pytestmark = pytest.mark.django_db
IDS = {"order", "merchant", "cart", "alert"}
FOREIGN = {"healthz", "readyz", "metrics"}  # for machines


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=1)


def patterns(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry, prefix + str(entry.pattern))
        else:
            yield prefix + str(entry.pattern), entry


def account_pages() -> list[tuple[str, str, dict[str, Any]]]:
    """(name, route, arguments it takes) of every page below an account."""
    return [
        (pattern.name or "", route, pattern.pattern.converters)
        for route, pattern in patterns()
        if route.startswith("a/<id:account>/")
    ]


def test_every_page_declares_who_may_open_it() -> None:
    for route, pattern in patterns():
        if pattern.name in FOREIGN or route.startswith("v1/"):
            continue
        declared = getattr(pattern.callback, "permission", None)
        known = set(PERMISSIONS) if route.startswith("a/") else {"anyone", "signed_in", "staff"}
        assert declared in known, f"{route} declares {declared!r}"


def test_an_unknown_permission_is_refused_when_it_is_declared() -> None:
    with pytest.raises(ValueError, match=r"orders\.explode"):
        require("orders.explode")


def test_roles_name_known_permissions_only() -> None:
    for permissions in ROLES.values():
        assert permissions <= set(PERMISSIONS)


def fill(desk: Desk, route: str, owner: int) -> str:
    """A route with the ids of one merchant's rows."""
    with tenancy.activate(desk.account.pk):
        order = desk.orders[owner]
    values = {
        "account": desk.account.public_id,
        "merchant": desk.merchants[owner].public_id,
        "cart": desk.carts[owner].public_id,
        "order": order.public_id,
        "alert": desk.alert.public_id,
        "system": "sandbox_shop" if route.startswith("a/<id:account>/carts") else "sandbox_wms",
        "what": "run",
        "of": desk.merchants[owner].public_id,
        "kind": "orders",
        # Theirs: test_web_formats, test_web_files, test_users.
        **dict.fromkeys(("format", "draft", "file", "member", "offer", "link", "bulk", "view"), "aaaaaaaaaaaa"),
        # test_web_stock, test_kits, test_web_purchases
        **dict.fromkeys(("product", "warehouse", "kit", "purchase"), "aaaaaaaaaaaa"),
        "channel": "aaaaaaaaaaaa",  # test_alert_channels
        "action": "resend",
        "part": "ship",
        "act": "on",
        "key": "k1",
        "decision": "made",
        "answer": "arrived",
        "service": "download" if "/carts/" in route else "deliver",
    }
    for name, value in values.items():
        route = re.sub(rf"<\w+:{name}>", value, route)
    assert "<" not in route, f"the sweep does not know an argument of {route}"
    return "/" + route


def test_strangers_find_nothing_and_who_is_not_signed_in_gets_the_login_page(desk: Desk) -> None:
    stranger = desk.client("stranger")
    for name, route, _ in account_pages():
        address = fill(desk, route, 0)
        assert stranger.get(address).status_code == 404, name
        assert stranger.post(address).status_code == 404, name
        anonymous = Client().get(address)
        assert anonymous.status_code == 302, name
        assert anonymous.headers["Location"].startswith("/login/?next=/a/"), name


def test_a_merchant_user_finds_nothing_of_another_merchant(desk: Desk) -> None:
    client = desk.client("colleague")
    for name, route, converters in account_pages():
        address = fill(desk, route, 0)
        for answer in (client.get(address), client.post(address)):
            assert answer.status_code in (200, 302, 403, 404, 405, 422), f"{name}: {answer.status_code}"
            text = b"".join(answer).decode()  # of a streamed one too
            assert "Northquay One" not in text, name
            assert "ONE-100" not in text, name
            if set(converters) & IDS and answer.status_code != 405:
                assert answer.status_code == 404, name


def test_ids_of_another_account_are_not_there(desk: Desk) -> None:
    other = desks.build("Elsewhere", orders=1)
    client = desk.client("owner")
    for name, route, converters in account_pages():
        if set(converters) & IDS:
            address = fill(other, route, 0).replace(other.account.public_id, desk.account.public_id)
            assert {client.get(address).status_code, client.post(address).status_code} <= {404, 405}, name


def test_a_merchant_user_sees_the_own_merchant_and_may_not_change_the_wms(desk: Desk) -> None:
    client = desk.client("colleague")
    assert "TWO-100" in client.get(desk.url("orders/")).content.decode()
    assert "ONE-100" not in client.get(desk.url("orders/?q=ONE")).content.decode()
    assert client.get(desk.url("wms/")).status_code == 200
    assert client.get(desk.url("wms/setup/sandbox_wms/")).status_code == 403
    assert client.get(desk.url("merchants/new/")).status_code == 403
    assert "New Merchant" not in client.get(desk.url("merchants/")).content.decode()


def test_staff_open_an_account_on_record_and_change_nothing(desk: Desk) -> None:
    from accounts.models import AuditEntry, User

    desk.users["staff"] = User.objects.create_user("staff@operator.example", "x" * 12, is_staff=True)
    client = desk.client("staff")
    assert client.get(desk.url()).status_code == 404
    asked = client.post(f"/staff/open/{desk.account.public_id}/")
    assert asked.headers["Location"] == "/security/", "operators need two steps"
    assert client.get(desk.url()).status_code == 404
    desks.with_app(desk.users["staff"])
    assert client.post(f"/staff/open/{desk.account.public_id}/").headers["Location"] == desk.url()
    assert "as staff: read only" in client.get(desk.url()).content.decode()
    assert client.post(desk.url("alerts/dismiss/")).status_code == 403
    with tenancy.activate(desk.account.pk):
        assert AuditEntry.objects.get(verb="account.opened").actor == "staff@operator.example"
    assert desk.client("stranger").post(f"/staff/open/{desk.account.public_id}/").status_code == 404


def test_reading_the_exchanges_is_on_record(desk: Desk) -> None:
    from accounts.models import AuditEntry

    client = desk.client("owner")
    assert client.get(desk.url(f"orders/{desk.orders[0].public_id}/exchanges/")).status_code == 200
    with tenancy.activate(desk.account.pk):
        assert AuditEntry.objects.get(verb="exchanges.read").target == "order ONE-100"


def test_a_poll_after_the_session_ended_reloads_the_page(desk: Desk) -> None:
    answer = Client().get(desk.url("orders/"), headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (204, "true")


def test_the_start_page_leads_to_the_only_account(desk: Desk) -> None:
    assert desk.client("owner").get("/").headers["Location"] == desk.url()
    assert Client().get("/").headers["Location"] == "/login/?next=/"
    assert "No account yet" in desk.client("stranger").get("/").content.decode()


def test_make_order_is_in_the_scope_of_its_merchant(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[1], "TWO-777")
    assert "TWO-777" in desk.client("colleague").get(desk.url("orders/?q=two-77")).content.decode()
