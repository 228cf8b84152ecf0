"""Every address with somebody's row in it, asked for by everybody: who gets in is the table below.

Foreign rows are not there (404): never a 403, which would say that they are, and never an error.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import unquote

import pytest
from django.conf import settings
from django.test import Client
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from accounts.models import Invitation, Membership, User
from accounts.roles import PERMISSIONS
from alerts.models import Channel
from carts import setup_links
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.filepresets import SIMPLE
from integration_manager.mapping.state import Mapping
from merchants import catalog, kits
from merchants.models import FileFormat, FormatDraft, Kit, Merchant, Product, Warehouse
from merchants.rules.kits import Component
from merchants.stored_files import StoredFolder
from orders import managed
from orders.models import BulkAction, Order, PurchaseOrder, SavedView
from tests import desk as desks
from tests.desk import Desk

pytestmark = pytest.mark.django_db

PEOPLE = ("owner", "admin", "colleague", "other_merchant", "stranger", "anonymous")
IN, NO, GONE, LOGIN = "in", "no", "gone", "login"  # the page; 403; 404; to the login page

# What each person gets of a row of merchant One: `colleague` is a merchant user of One, `other_merchant` of Two.
OF_A_MERCHANT = dict(zip(PEOPLE, (IN, IN, IN, GONE, GONE, LOGIN), strict=True))
FOR_ALL_MEMBERS = dict(zip(PEOPLE, (IN, IN, IN, IN, GONE, LOGIN), strict=True))
FOR_WHO_SEES_ALL = dict(zip(PEOPLE, (IN, IN, GONE, GONE, GONE, LOGIN), strict=True))
OF_ONE_PERSON = dict(zip(PEOPLE, (IN, GONE, GONE, GONE, GONE, LOGIN), strict=True))  # the owner's
OF_A_MERCHANT_FOR_ADMINS = dict(zip(PEOPLE, (IN, IN, NO, GONE, GONE, LOGIN), strict=True))
FOR_ADMINS = dict(zip(PEOPLE, (IN, IN, NO, NO, GONE, LOGIN), strict=True))
NOT_BY_FILES = dict(zip(PEOPLE, (GONE, GONE, NO, NO, GONE, LOGIN), strict=True))  # the sandbox; CSV: test_web_files

# name of the route → who gets in. A route that is not listed fails, so that each is thought about.
MATRIX: dict[str, dict[str, str]] = {
    "dashboard": FOR_ALL_MEMBERS,
    "profile": FOR_ALL_MEMBERS,
    "account_security": FOR_ADMINS,
    "account_addresses": FOR_ADMINS,
    "account_lookups_csv": FOR_ADMINS,
    "merchant_countries": OF_A_MERCHANT,
    "merchant_countries_csv": OF_A_MERCHANT,
    "merchant_countries_import": OF_A_MERCHANT,
    "cart_countries": OF_A_MERCHANT,
    "cart_countries_csv": OF_A_MERCHANT,
    "cart_countries_import": OF_A_MERCHANT,
    "users": FOR_ALL_MEMBERS,  # of whom who sees whom: tests/test_users.py
    "users_csv": FOR_ALL_MEMBERS,
    "user_permissions": FOR_ALL_MEMBERS,
    "user_new": FOR_ADMINS,
    "user": FOR_ADMINS,
    "user_act": FOR_ADMINS,
    "invitation_act": FOR_ADMINS,
    "audit": FOR_ADMINS,
    "audit_csv": FOR_ADMINS,
    "merchants": FOR_ALL_MEMBERS,
    "merchants_csv": FOR_ALL_MEMBERS,
    "merchant_new": FOR_ADMINS,
    "merchant": OF_A_MERCHANT,
    "merchant_edit": OF_A_MERCHANT,
    "merchant_scac": OF_A_MERCHANT,
    "merchant_scac_csv": OF_A_MERCHANT,
    "merchant_scac_import": OF_A_MERCHANT,
    "merchant_test": OF_A_MERCHANT,
    "merchant_services": OF_A_MERCHANT,
    "merchant_runs_csv": OF_A_MERCHANT,
    "merchant_contacts": OF_A_MERCHANT,
    "merchant_contacts_csv": OF_A_MERCHANT,
    "merchant_archive": OF_A_MERCHANT_FOR_ADMINS,
    "merchant_restore": OF_A_MERCHANT_FOR_ADMINS,
    "merchant_delete": OF_A_MERCHANT_FOR_ADMINS,
    "merchant_service": OF_A_MERCHANT,
    "kits": OF_A_MERCHANT,
    "kit_new": OF_A_MERCHANT,
    "kits_csv": OF_A_MERCHANT,
    "kits_import": OF_A_MERCHANT,
    "kit": OF_A_MERCHANT,
    "products": OF_A_MERCHANT,
    "product_new": OF_A_MERCHANT,
    "products_import": OF_A_MERCHANT,
    "products_csv": OF_A_MERCHANT,
    "product": OF_A_MERCHANT,
    "product_act": OF_A_MERCHANT,
    "product_adjust": OF_A_MERCHANT,
    "warehouses": OF_A_MERCHANT,
    "warehouses_csv": OF_A_MERCHANT,
    "warehouse_new": OF_A_MERCHANT,
    "warehouses_map": OF_A_MERCHANT,
    "warehouse": OF_A_MERCHANT,
    "warehouse_csv": OF_A_MERCHANT,
    "warehouse_edit": OF_A_MERCHANT,
    "warehouse_act": OF_A_MERCHANT,
    "adjustments": OF_A_MERCHANT,
    "adjustments_csv": OF_A_MERCHANT,
    "cart_product_sync": OF_A_MERCHANT,
    "cart_product_sync_csv": OF_A_MERCHANT,
    "cart_listings_again": OF_A_MERCHANT,
    "cart_products": OF_A_MERCHANT,
    "cart_products_csv": OF_A_MERCHANT,
    "cart_products_again": OF_A_MERCHANT,
    "cart_product_import": OF_A_MERCHANT,
    "purchases": FOR_ALL_MEMBERS,
    "purchases_csv": FOR_ALL_MEMBERS,
    "purchase": OF_A_MERCHANT,
    "purchase_act": OF_A_MERCHANT,
    "purchase_timeline": OF_A_MERCHANT,
    "purchase_timeline_csv": OF_A_MERCHANT,
    "ship_methods": FOR_ALL_MEMBERS,
    "ship_methods_csv": FOR_ALL_MEMBERS,
    "ship_map": OF_A_MERCHANT,
    "ship_map_csv": OF_A_MERCHANT,
    "ship_map_import": OF_A_MERCHANT,
    "carts": FOR_ALL_MEMBERS,
    "carts_csv": FOR_ALL_MEMBERS,
    "cart_rules_csv": FOR_ALL_MEMBERS,
    "cart_rules_import": FOR_ALL_MEMBERS,  # whose carts it changes: tests/test_cart_rules.py
    "cart_gallery": FOR_ALL_MEMBERS,
    "cart_new": OF_A_MERCHANT,  # that of the query
    "cart": OF_A_MERCHANT,
    "cart_edit": OF_A_MERCHANT,
    "cart_test": OF_A_MERCHANT,
    "cart_services": OF_A_MERCHANT,
    "cart_preview": OF_A_MERCHANT,
    "cart_golive": OF_A_MERCHANT,
    "cart_earliest": OF_A_MERCHANT,
    "cart_dry_run": OF_A_MERCHANT,
    "cart_dry_run_csv": OF_A_MERCHANT,
    "cart_test_orders": OF_A_MERCHANT,
    "cart_dry_stop": OF_A_MERCHANT,
    "cart_handled": OF_A_MERCHANT,
    "cart_on": OF_A_MERCHANT,
    "cart_off": OF_A_MERCHANT,
    "cart_repull": OF_A_MERCHANT,
    "cart_purchases_pull": OF_A_MERCHANT,
    "cart_delete": OF_A_MERCHANT,
    "cart_restore": OF_A_MERCHANT,
    "cart_runs": OF_A_MERCHANT,
    "cart_runs_csv": OF_A_MERCHANT,
    "item_filters": OF_A_MERCHANT,
    "item_filters_csv": OF_A_MERCHANT,
    "item_filters_import": OF_A_MERCHANT,
    "hold_rules": OF_A_MERCHANT,
    "hold_rules_csv": OF_A_MERCHANT,
    "hold_rules_import": OF_A_MERCHANT,
    "order_filters": OF_A_MERCHANT,
    "order_filters_csv": OF_A_MERCHANT,
    "order_filters_import": OF_A_MERCHANT,
    "why_not": FOR_ALL_MEMBERS,
    "cart_service": OF_A_MERCHANT,
    "cart_webhooks": OF_A_MERCHANT,
    "cart_webhooks_csv": OF_A_MERCHANT,
    "cart_cancel_upload": OF_A_MERCHANT,
    "share_new": OF_A_MERCHANT,  # that of the query
    "share": OF_A_MERCHANT,
    "share_revoke": OF_A_MERCHANT,
    "wms": FOR_ALL_MEMBERS,
    "wms_choose": FOR_ADMINS,
    "wms_test": FOR_ADMINS,
    "wms_contacts": FOR_ADMINS,
    "wms_contacts_csv": FOR_WHO_SEES_ALL,
    "wms_lacking_csv": FOR_ALL_MEMBERS,
    "wms_ship_methods": FOR_ALL_MEMBERS,  # to look at; changing them takes wms.edit (tests/test_wms_pages.py)
    "wms_ship_methods_csv": FOR_ALL_MEMBERS,
    "wms_ship_methods_import": FOR_ADMINS,
    "wms_edit": FOR_ADMINS,
    "orders": FOR_ALL_MEMBERS,
    "skipped": FOR_ALL_MEMBERS,
    "skipped_load": FOR_ALL_MEMBERS,
    "skipped_csv": FOR_ALL_MEMBERS,
    "orders_bulk": FOR_ALL_MEMBERS,
    "bulks_csv": FOR_ALL_MEMBERS,
    "bulk": FOR_WHO_SEES_ALL,  # and for who asked for it (tests/test_web_bulk.py)
    "bulk_csv": FOR_WHO_SEES_ALL,
    "orders_export": FOR_ALL_MEMBERS,
    "orders_import": FOR_ALL_MEMBERS,
    "order_views": FOR_ALL_MEMBERS,
    "order_views_csv": FOR_ALL_MEMBERS,
    "order_view_act": OF_ONE_PERSON,
    "order_columns": FOR_ALL_MEMBERS,
    "order_filter": FOR_ALL_MEMBERS,
    "order": OF_A_MERCHANT,
    "order_act": OF_A_MERCHANT,
    "order_refund": OF_A_MERCHANT,
    "order_refund_decide": OF_A_MERCHANT,
    "order_cancel_at_wms": OF_A_MERCHANT,
    "order_exchanges": OF_A_MERCHANT,
    "order_timeline": OF_A_MERCHANT,
    "order_timeline_csv": OF_A_MERCHANT,
    "order_edit": OF_A_MERCHANT,
    "order_give_back": OF_A_MERCHANT,
    "order_note": OF_A_MERCHANT,
    "alerts": FOR_ALL_MEMBERS,
    "alerts_csv": FOR_ALL_MEMBERS,
    "alerts_dismiss": FOR_ALL_MEMBERS,
    "channels": FOR_ALL_MEMBERS,
    "channels_csv": FOR_ALL_MEMBERS,
    "alerts_watch": FOR_ADMINS,
    "channel_new": FOR_ALL_MEMBERS,
    "channel": OF_A_MERCHANT,
    "channel_act": OF_A_MERCHANT,
    "alert": OF_A_MERCHANT,
    "alert_reopen": OF_A_MERCHANT,
    "alert_file": OF_A_MERCHANT,
    "merchant_formats": OF_A_MERCHANT,
    "merchant_formats_csv": OF_A_MERCHANT,
    "merchant_format_new": OF_A_MERCHANT,
    "merchant_format_draft": OF_A_MERCHANT,
    "merchant_format_act": OF_A_MERCHANT,
    "wms_formats": FOR_ADMINS,
    "wms_formats_csv": FOR_ADMINS,
    "wms_format_new": FOR_ADMINS,
    "wms_format_draft": FOR_ADMINS,
    "wms_format_act": FOR_ADMINS,
    "cart_files": OF_A_MERCHANT,
    "cart_files_csv": OF_A_MERCHANT,
    "cart_files_upload": OF_A_MERCHANT,
    "cart_file": OF_A_MERCHANT,
    "cart_file_act": OF_A_MERCHANT,
    "wms_files": NOT_BY_FILES,
    "wms_files_csv": NOT_BY_FILES,
    "wms_files_upload": NOT_BY_FILES,
    "wms_file": NOT_BY_FILES,
    "wms_file_act": NOT_BY_FILES,
}
# Addresses outside any account, and what sees to them.
OUTSIDE = {
    "alerts_stop",  # by a signed link in a mail (tests/test_alert_mails.py)
    "healthz", "readyz", "metrics", "webhook", "oauth_callback", "oauth_keys", "setup_link", "home", "theme",
    "styleguide",
    # Operators (tests/test_staff.py).
    "staff", "staff_csv", "staff_alerts", "staff_alerts_csv", "staff_open", "staff_leave",
    # Before somebody is signed in.
    "account_login", "account_inactive", "account_logout", "account_signup", "account_link", "account_link_sent",
    "account_link_open", "account_email_verification_sent", "account_confirm_email", "account_reset_password",
    "account_reset_password_done", "account_reset_password_from_key", "account_reset_password_from_key_done",
    "mfa_login_webauthn", "mfa_authenticate", "invitation",
    # Of the person that is signed in, and of nobody else (tests/test_sign_in_pages.py).
    "mfa_index", "end_session", "account_email", "account_change_password", "account_set_password",
    "account_reauthenticate", "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "mfa_activate_totp",
    "mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_list_webauthn",
    "mfa_add_webauthn", "mfa_edit_webauthn", "mfa_remove_webauthn",
    # The demo's mails, on its machine.
    "outbox", "outbox_mail",
}  # fmt: skip
OPERATORS = settings.IM_ADMIN_PATH  # Django's admin: tests/test_operators.py
MACHINES = {"healthz", "readyz", "metrics"}
# What stands in an address besides ids.
ROWS = {
    "order",
    "merchant",
    "cart",
    "alert",
    "format",
    "draft",
    "file",
    "member",
    "offer",
    "link",
    "bulk",
    "view",
    "product",
    "purchase",
    "kit",
    "warehouse",
    "channel",
}
FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
QUERIES = {"cart_new": "?merchant=", "share_new": "?merchant="}  # a row that stands behind the question mark


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from routes(entry, prefix + str(entry.pattern))
        else:
            yield prefix + str(entry.pattern), entry


@cache
def pages() -> dict[str, tuple[str, set[str]]]:
    """name → (route, the names in it) of every page below an account."""
    return {
        entry.name or route: (route, set(entry.pattern.converters) - {"account"})
        for route, entry in routes()
        if ":account>" in route and route.startswith("a/")
    }


def with_rows() -> list[str]:
    return [name for name, (_, names) in pages().items() if names & ROWS or name in QUERIES]


@pytest.fixture(scope="module")
def desk(kept: None) -> Desk:
    """An account with two merchants, one person of each kind and a row of each; each test finds it like this."""
    desk = desks.build(orders=1)
    with tenancy.activate(desk.account.pk):
        for who, role, merchant in (("admin", "admin", None), ("one", "merchant", desk.merchants[0])):
            desk.users[who] = User.objects.create_user(f"{who}@northquay.example", desks.PASSWORD, name=who)
            Membership.objects.create(user=desk.users[who], role=role, merchant=merchant)
    desk.users["other_merchant"], desk.users["colleague"] = desk.users["colleague"], desk.users["one"]
    desk.settle(*(who for who in PEOPLE if who != "anonymous"))
    return with_rows_of_each_kind(desk)


@pytest.fixture(scope="module")
def elsewhere(kept: None) -> Desk:
    """Another account, with the same kinds of rows."""
    return with_rows_of_each_kind(desks.build("Elsewhere", orders=1))


@pytest.fixture
def browsers(desk: Desk) -> dict[str, Client]:
    """A browser of each person, in which they have just signed in."""
    return {who: Client() if who == "anonymous" else desk.client(who) for who in PEOPLE}


@pytest.fixture(scope="module")
def addresses(desk: Desk) -> dict[str, str]:
    """The address of each page, with the first merchant's rows."""
    return {name: address(desk, name) for name in pages()}


@pytest.fixture(scope="module")
def foreign(desk: Desk, elsewhere: Desk) -> dict[str, tuple[str, str]]:
    """The same with the other account's rows: below ours, and where they are at home."""
    return {name: (address(desk, name, rows=elsewhere), address(elsewhere, name)) for name in with_rows()}


@pytest.fixture(scope="module")
def known(desk: Desk) -> list[str]:
    """The public ids that stand in those addresses."""
    rows = [row.public_id for row in (desk.merchants[0], desk.carts[0], desk.orders[0], desk.alert)]
    single = {"channel": channel_of(desk), "purchase": purchase_of(desk)}
    made = (by_files(desk), users_of(desk), lists_of(desk), single)
    return rows + [one for group in made for one in group.values()]


def with_rows_of_each_kind(desk: Desk) -> Desk:
    """Has them made now, outside of any test."""
    for make in (by_files, users_of, lists_of, channel_of, stock_of, purchase_of):
        make(desk)
    return desk


def by_files(desk: Desk) -> dict[str, str]:
    """What the first merchant has of files, made when it is first asked for: name → public id."""
    if not hasattr(desk, "by_files"):
        with tenancy.activate(desk.account.pk):
            merchant = desk.merchants[0]
            cart = Cart.objects.create(
                merchant=merchant, system="csv_cart", name="Files", number=9, shop="files",
                credentials={"place": "browser"}, earliest_order_date=date(2020, 1, 1),
            )  # fmt: skip
            spec = SIMPLE.to_dict() | {"key": ""}
            kinds = {"kind": "orders", "direction": "in"}
            mine = FileFormat.objects.create(merchant=merchant, name="Mine", spec=spec, **kinds)
            ours = FileFormat.objects.create(name="Ours", spec=spec, **kinds)
            state = Mapping.of_names("orders", "in", ["a", "b"]).to_json()
            drafts = [FormatDraft.objects.create(merchant=whose, spec=state) for whose in (merchant, None)]
            file = StoredFolder(merchant.pk, cart.pk).keep("uploads/orders/read/a.csv", b"a,b\n", title="a.csv", by="x")
        made = {"cart": cart, "format": mine, "wms_format": ours, "draft": drafts[0], "wms_draft": drafts[1]}
        desk.by_files = {name: row.public_id for name, row in made.items()} | {"file": file.public_id}  # type: ignore[attr-defined]
    return desk.by_files  # type: ignore[attr-defined, no-any-return]


def users_of(desk: Desk) -> dict[str, str]:
    """A merchant user of the second merchant, and an invitation: name → public id."""
    with tenancy.activate(desk.account.pk):
        member = Membership.objects.get(merchant=desk.merchants[1])
        offer, _ = Invitation.objects.get_or_create(
            email="guest@guests.example",
            defaults={"role": "admin", "invited_by": "x", "token_hash": desk.account.public_id, "expires_at": FUTURE},
        )
    return {"member": member.public_id, "offer": offer.public_id}


def lists_of(desk: Desk) -> dict[str, str]:
    """What the owner did to many orders, and how the owner sees them: name → public id."""
    with tenancy.activate(desk.account.pk):
        bulk, _ = BulkAction.objects.get_or_create(
            key="k", defaults={"action": "resend", "user": desk.users["owner"], "actor": "x", "state": "done"}
        )
        view, _ = SavedView.objects.get_or_create(user=desk.users["owner"], name="Mine")
    return {"bulk": bulk.public_id, "view": view.public_id}


def channel_of(desk: Desk) -> str:
    """Where the first merchant's alerts are posted: its public id."""
    with tenancy.activate(desk.account.pk):
        values = {"kind": "slack", "topics": ["person"], "created_at": FUTURE}
        found, _ = Channel.objects.get_or_create(name="Dock", merchant=desk.merchants[0], defaults=values)
    return found.public_id


def setup_link_of(desk: Desk) -> str:
    """A link for the first merchant's cart that still works: its public id."""
    with tenancy.activate(desk.account.pk):
        cart = desk.carts[0]
        by = desk.users["owner"].email
        made = setup_links.create(
            desk.account, cart.merchant, cart, cart.system, "Shop", cart.name, "", by, clock.now()
        )
    return made[0].public_id


def stock_of(desk: Desk) -> dict[str, str]:
    """A product of the first merchant, kept here, with a level and another code; a warehouse: name → public id."""
    with tenancy.activate(desk.account.pk):
        merchant = desk.merchants[0]
        Merchant.objects.filter(pk=merchant.pk).update(managed_inventory=True)
        warehouse = Warehouse.objects.get(merchant=merchant, is_default=True)
        product, new = Product.objects.get_or_create(
            merchant=merchant,
            sku="CANDLE-8",
            defaults={"sku_key": "candle-8", "name": f"Candle of {desk.account.name}"},
        )
        if new:
            why = f"https://counts.example/{'0123456789' * 12}"  # as people paste one
            managed.adjust(merchant, [(warehouse, product.sku, Decimal(9), why)], "x@x.example", clock.now())
            catalog.add_alias(product, "UPC", "0123")
            kits.store(merchant, {"CANDLE-SET": (Component("CANDLE-8", 3),)}, clock.now())
        kit = Kit.objects.get(merchant=merchant)
    return {"product": product.public_id, "warehouse": warehouse.public_id, "kit": kit.public_id}


def purchase_of(desk: Desk) -> str:
    """A purchase order of the first merchant's cart: its public id."""
    with tenancy.activate(desk.account.pk):
        cart = desk.carts[0]
        line = {"line_id": "1", "item": "CANDLE-8", "quantity": "48", "description": "Candle", "cost": "1.20"}
        row, _ = PurchaseOrder.objects.get_or_create(
            merchant=cart.merchant, source=cart.source, key="PO-1",
            defaults={
                "cart": cart, "number": "PO-1", "search": "po-1", "ref": "PO-1", "supplier": f"{desk.account.name} Wax",
                "state": "expected",
                "data": {"key": "PO-1", "number": "PO-1", "status": "open", "lines": [line]},
            },
        )  # fmt: skip
    return str(row.public_id)


def address(desk: Desk, name: str, rows: Desk | None = None) -> str:
    """The route's address in `desk`'s account, with the ids of the first merchant's rows (of `rows`)."""
    route, of = pages()[name][0], rows or desk
    values: dict[str, str] = {
        "account": desk.account.public_id,
        "merchant": of.merchants[0].public_id,
        "cart": of.carts[0].public_id,
        "order": of.orders[0].public_id,
        "alert": of.alert.public_id,
        "service": "download" if "/carts/" in route else "deliver",
        "system": "sandbox_shop" if "/carts/" in route else "sandbox_wms",
        "action": "resend",
        "act": "on",
        "key": "k1",
        "decision": "made",
        "answer": "arrived",
        "what": "run",
        "part": "ship",
    }
    if "/users/" in route:
        values |= users_of(of) | {"what": "resend" if "invitations" in route else "deactivate"}
    if "/orders/bulk/" in route or "/orders/views/" in route:
        values |= lists_of(of)
    if "/alerts/channels/" in route:
        values |= {"channel": channel_of(of), "kind": "slack"}
    if "/orders/purchases/" in route:
        values |= {"purchase": purchase_of(of), "action": "send_again"}
    if "<id:link>" in route:
        values["link"] = setup_link_of(of)
    if any(f"/{part}/" in route for part in ("products", "kits", "warehouses", "adjustments")):
        values |= stock_of(of) | {"what": "alias" if "/products/" in route else "enable", "kind": "aliases"}
    if "/files/" in route or "/formats/" in route:
        wms, ids = "/wms/" in route, by_files(of)
        values |= {
            "cart": ids["cart"],
            "of": values["merchant"],
            "kind": "orders",
            "format": ids["wms_format" if wms else "format"],
            "draft": ids["wms_draft" if wms else "draft"],
            "file": ids["file"],
            "what": "edit" if "/formats/" in route else "again",
        }
    for key, value in values.items():
        for kind in ("id", "slug", "str"):
            route = route.replace(f"<{kind}:{key}>", value)
    assert "<" not in route, f"the sweep does not know what stands in {route}"
    query = QUERIES.get(name, "")
    return f"/{route}{query}{of.merchants[0].public_id if query else ''}"


def outcome(answer: Any) -> str:
    if answer.status_code == 302 and answer.headers["Location"].startswith("/login/"):
        return LOGIN
    return {403: NO, 404: GONE}.get(answer.status_code, IN if answer.status_code < 500 else "an error")


def test_every_route_is_in_the_table_and_nothing_else_is() -> None:
    assert set(pages()) == set(MATRIX)
    outside = {entry.name for route, entry in routes() if not route.startswith(("a/", OPERATORS))}
    assert outside <= OUTSIDE, f"not decided: {outside - OUTSIDE}"


def test_every_view_declares_who_may_open_it() -> None:
    for route, entry in routes():
        if entry.name in MACHINES:
            continue
        declared = getattr(entry.callback, "permission", None)
        known = set(PERMISSIONS) if route.startswith("a/") else {"anyone", "signed_in", "staff"}
        assert declared in known, f"{route} declares {declared!r}"


def test_all_that_a_row_is_named_by_in_an_address_is_random() -> None:
    for route, entry in routes():
        for name, converter in entry.pattern.converters.items():
            if name in ROWS | {"account"}:
                assert type(converter).__name__ == "PublicId", f"{route}: {name} can be counted or guessed"


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", MATRIX)
def test_everybody_gets_what_the_table_says(
    addresses: dict[str, str], browsers: dict[str, Client], name: str, who: str
) -> None:
    expected, browser, url = MATRIX[name][who], browsers[who], addresses[name]
    for answer in (browser.get(url), browser.post(url)):
        found = outcome(answer)
        if answer.status_code == 405 and expected in (NO, GONE):
            continue  # a verb that the page does not have tells nothing of the row
        assert found == expected, f"{answer.wsgi_request.method} {url}: {answer.status_code}"


@pytest.mark.parametrize("name", with_rows())
def test_rows_of_another_account_are_not_there_not_even_for_its_owner(
    foreign: dict[str, tuple[str, str]], browsers: dict[str, Client], name: str
) -> None:
    url, at_home = foreign[name]
    for who in ("owner", "admin", "colleague"):
        for answer in (browsers[who].get(url), browsers[who].post(url)):
            refused = (404, 405, 403) if MATRIX[name][who] == NO else (404, 405)  # 403: the role, whatever the row
            assert answer.status_code in refused, f"{who}: {answer.status_code}"
            assert "Elsewhere" not in answer.content.decode()
    assert browsers["owner"].get(at_home).status_code == 404, "nor under its own address"


NOBODYS = ("aaaaaaaaaaaa", "1", "0", "null")
NO_IDS = ("-1", "x" * 300, "..", "%00", "a'b")


def leads_somewhere(url: str) -> bool:
    """Whether there is a route for it: else no view is asked, whatever stands in it."""
    try:
        resolve(unquote(url.partition("?")[0]))
    except Resolver404:
        return False
    return True


@pytest.mark.parametrize("wrong", NO_IDS)
def test_an_address_without_a_route_is_not_there(desk: Desk, browsers: dict[str, Client], wrong: str) -> None:
    for asked in (desk.url(f"orders/{wrong}/"), desk.url(f"carts/{wrong}/edit/")):
        assert not leads_somewhere(asked)
        for who, status in (("owner", 404), ("stranger", 404), ("anonymous", 302)):
            assert browsers[who].get(asked).status_code == status, who


@pytest.mark.parametrize("name", with_rows())
def test_an_id_that_nobody_has_is_not_there(
    addresses: dict[str, str], known: list[str], browsers: dict[str, Client], name: str
) -> None:
    browser, url = browsers["owner"], addresses[name]
    for wrong in (*NOBODYS, *NO_IDS):
        asked = url
        for public_id in known:
            asked = asked.replace(public_id, wrong)
        assert asked != url
        assert leads_somewhere(asked) or wrong in NO_IDS
        if leads_somewhere(asked):
            assert browser.get(asked).status_code in (404, 405), asked


@pytest.mark.parametrize("name", MATRIX)
def test_what_no_database_can_keep_is_no_error_of_ours(
    addresses: dict[str, str], browsers: dict[str, Client], name: str
) -> None:
    browser, url = browsers["owner"], addresses[name].partition("?")[0]
    strange = "nul \x00 half \ud83d"
    names = (
        "q",
        "name",
        "merchant",
        "after",
        "before",
        "until",
        "state",
        "status",
        "sort",
        "id",
        "reference",
        "wms_key",
    )
    asked = "&".join(f"{key}=a%00b" for key in names)
    assert browser.get(f"{url}?{asked}").status_code < 500
    asked = "&".join(f"{key}=%F0%9F%FF" for key in names)
    assert browser.get(f"{url}?{asked}").status_code < 500
    assert browser.post(url, dict.fromkeys(names, strange.encode("utf-8", "replace").decode())).status_code < 500


def test_a_refused_request_changes_nothing(desk: Desk, addresses: dict[str, str], browsers: dict[str, Client]) -> None:
    """The sweep above posts to every address as everybody: here what that must leave as it is."""

    def state() -> Any:
        with tenancy.activate(desk.account.pk):
            fields = ("status", "retry_at", "held_by", "token", "updated_at")
            return [list(Order.objects.order_by("id").values_list(*fields)), list(Merchant.objects.values_list("name"))]

    before = state()
    for who in ("other_merchant", "stranger", "anonymous"):
        for name in with_rows():
            browsers[who].post(addresses[name], {"name": "taken over", "every_deliver": "off"})
    assert state() == before
