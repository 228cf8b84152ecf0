"""Every form of every page, sent as nobody meant it: twice, endless, from an old page, with somebody else's rows.

The forms are read out of the pages themselves (tests/every_page.py), so a new one is among them by itself.
"""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve

from accounts.models import User
from carts.models import CartShipMethod, ItemFilter
from integration_manager import tenancy
from merchants.models import CarrierCode
from tests import desk as desks
from tests import desk_lists, every_page, listed, table_rows
from tests import test_idor as routes
from tests.desk import CANARY, Desk, file_of
from tests.forms_of import Form, forms_of, searches_of

pytestmark = pytest.mark.django_db
CLEAR = (200, 302, 400, 403, 404, 409, 422, 429)  # an answer for a person; never an error of ours
ENDLESS = "ä1 " * 3334
# What a person would type into an empty field, by its name: else most forms would only be refused.
TYPED = {
    "sku": "NEW-1", "parts": "2 CANDLE-8", "name": "Something new", "email": "new@guests.example",
    "emails": "dock@guests.example", "code": "NEW", "scac": "UPSN", "text": "Express", "countries": "FR",
    "items": "GIFT-WRAP", "value": "4711", "quantity": "2", "reason": "counted", "note": "Call first.",
    "rule": "Large", "values": "VIP", "number": "ONE-100", "description": "By air", "skus": "CANDLE-8",
    "c-customer": "NEW", "url": "https://hooks.slack.com/services/T0/B0/x", "address_1": "1 Pier", "names": "a\nb",
}  # fmt: skip
TICKED = ("m", "alert")  # rows of a list that are chosen by a box
# What is written of everything that is done, however often: entries, the timeline, calls out.
LOGS = ("AuditEntry", "Event", "Exchange")
CHOSEN = {"field": "tag", "kind": "UPC", "code_method": "GRND", "text_method": "GRND"}


@pytest.fixture(scope="module")
def pages(kept: None) -> every_page.Pages:
    """The filled account, made once: what a test does to it is undone."""
    found = every_page.build(desk_lists.fill)
    found.desk.settle("owner")
    cart = found.desk.carts[0].public_id
    found.below_account |= {
        "a filter to change": found.desk.url(f"carts/{cart}/order-filters/?change=tag"),
        "a cart that is off": found.desk.url(f"carts/{found.desk.carts[1].public_id}/going-live/"),
        "a condition to change": found.desk.url(f"carts/{cart}/hold-rules/?change=tag/Large orders"),
    }
    return found


@pytest.fixture(scope="module")
def elsewhere(kept: None) -> Desk:
    """Another account, with rows of the same kinds."""
    other = desks.build("Elsewhere", orders=4)
    every_page.fill(other)
    routes.with_rows_of_each_kind(other)
    desk_lists.fill(other)
    routes.setup_link_of(other)
    return other


@pytest.fixture(scope="module")
def read(pages: every_page.Pages) -> dict[str, str]:
    """Every page that the owner sees: address → HTML."""
    seen = pages.seen()
    return {address: seen[name].content.decode() for name, address in pages.signed_in.items()}


@pytest.fixture(scope="module")
def forms(read: dict[str, str]) -> list[Form]:
    """Every form once, by where it goes and what it sends."""
    found: dict[tuple[str, ...], Form] = {}
    for address, html in read.items():
        for form in forms_of(html, address):
            button = str(form.data.get("do", ""))
            found.setdefault((form.action, button, *sorted(form.data)), form)
    assert len(found) > 60, "the pages have more forms than that"
    return list(found.values())


@contextmanager
def undone() -> Iterator[None]:
    """What happens here is undone, so that each form meets the same account."""
    mark = transaction.savepoint()  # not a transaction of its own: the tenant may not change within one
    try:
        yield
    finally:
        transaction.savepoint_rollback(mark)


def send(pages: every_page.Pages, form: Form, data: dict[str, list[str]], *, follow: bool = False) -> HttpResponse:
    client = pages.desk.client("owner")
    client.raise_request_exception = False
    answer: Any = client.post(form.action, data, follow=follow)
    return answer


def filled(form: Form) -> dict[str, list[str]]:
    """As a person would send it."""
    typed = {
        name: [TYPED[name]] for name, (first, *_) in form.data.items() if name in TYPED and not first.strip()
    }  # fmt: skip
    chosen = {
        name: [CHOSEN[name]]
        for name, (first, *_) in form.data.items()
        if name in CHOSEN and not first and CHOSEN[name] in form.options.get(name, [CHOSEN[name]])
    }
    ticked = {name: form.options[name][:1] for name in TICKED if name in form.options and name not in form.data}
    return form.data | typed | chosen | ticked


def named(form: Form) -> str:
    """A form by its route and, where that takes several, by what is done."""
    found = resolve(form.action.partition("?")[0].partition("#")[0])
    what = [found.kwargs[name] for name in ("what", "act", "action", "answer") if name in found.kwargs]
    what += [value.partition(":")[0] for name in ("do", "move", "act", "from") for value in form.data.get(name, ())]
    what += ["new"] if form.data.get("was") == [""] else []
    return ":".join([str(found.url_name), *what])


# ── sent twice ──


# Sent twice they do it twice, and why that is meant.
TWICE = {
    "share": "each is a link of its own, listed below the form, with a button that revokes it",
    "share_new": "the same",
    **dict.fromkeys(
        [
            f"{whose}_format_{what}"
            for whose in ("merchant", "wms")
            for what in ("act:edit", "act:copy", "new:names", "new:preset")
        ],
        "each begins a draft, which is nothing before it is saved, and is swept",
    ),
}


def test_sent_twice_it_is_done_once(pages: every_page.Pages, forms: list[Form]) -> None:
    wrong, meant = [], set()
    for form in forms:
        data = filled(form)
        with undone():
            answers = [send(pages, form, data).status_code]
            once = table_rows.added()
            answers.append(send(pages, form, data).status_code)
            twice = table_rows.added()
        more = {name: n - once[name] for name, n in twice.items() if n > once[name] and name not in LOGS}
        if not set(answers) <= set(CLEAR):
            wrong.append(f"{named(form)} {sorted(form.data)}: {answers}")
        if more and named(form) in TWICE:
            meant.add(named(form))
        elif more:
            wrong.append(f"{named(form)} {data}: the second adds {more}")
    assert wrong == []
    assert meant == TWICE.keys(), "these do it once"


# ── endless ──


def test_ten_thousand_characters_in_a_field_get_a_clear_answer(pages: every_page.Pages, forms: list[Form]) -> None:
    wrong, seen = [], set()
    for form in forms:
        for name in form.typed:
            key = (form.action, *form.data.get("do", ()), name)
            if key in seen or "test" in form.data:
                continue  # the same form by another button
            seen.add(key)
            with undone():
                answer = send(pages, form, filled(form) | {name: [ENDLESS]})
            if answer.status_code not in CLEAR:
                wrong.append(f"{form.action}, {name}: {answer.status_code}")
    assert wrong == []


def test_ten_thousand_characters_in_a_search_or_a_filter(pages: every_page.Pages, read: dict[str, str]) -> None:
    asked = {
        (form.action.partition("?")[0].partition("#")[0], name)
        for address, html in read.items()
        for form in searches_of(html, address)
        for name in form.data
    }
    assert len(asked) > 15
    client, wrong = pages.desk.client("owner"), []
    client.raise_request_exception = False
    for address, name in sorted(asked):
        status = client.get(address, {name: ENDLESS}).status_code
        if status not in CLEAR:
            wrong.append(f"{address}, {name}: {status}")
    assert wrong == []


# ── somebody else's rows ──


# Where rows have no public id, the model whose number a name or a value ends with.
NUMBERED = {
    "merchant_scac": CarrierCode, "ship_map": CartShipMethod, "item_filters": ItemFilter,
    "merchant_contacts": User, "wms_contacts": User,
}  # fmt: skip


def test_somebody_elses_rows_are_not_there_and_nothing_of_them_is_told(
    pages: every_page.Pages, forms: list[Form], elsewhere: Desk
) -> None:
    ours, theirs = _ids(pages.desk), _ids(elsewhere)
    swap = {
        one: theirs[kind][0] for one, kind in ((one, kind) for kind in ours for one in ours[kind]) if kind in theirs
    }
    before, wrong, seen = table_rows.state(elsewhere.account), [], set()
    for form in forms:
        whole = filled(form)
        numbers = _numbers(form, pages.desk, elsewhere)
        data = {_swapped(name, swap, numbers): [_swapped(v, swap, numbers) for v in vs] for name, vs in whole.items()}
        if data == whole:
            continue
        seen |= {kind for kind, rows in ours.items() for row in rows if row in str(whole)}
        seen |= {model.__name__ for route, model in NUMBERED.items() if named(form).startswith(route)}
        with undone():
            answer = send(pages, form, data)
            touched = table_rows.state(elsewhere.account) != before
        if answer.status_code not in CLEAR or touched:
            wrong.append(f"{named(form)}: {answer.status_code}{', and theirs has changed' if touched else ''}")
        if "Elsewhere" in answer.content.decode():
            wrong.append(f"{named(form)} tells of theirs")
    assert wrong == []
    assert seen >= {
        "Merchant", "Cart", "Warehouse", "ProductAlias", "CarrierCode", "CartShipMethod", "ItemFilter", "User",
        "CartProduct", "Alert",
    }  # fmt: skip


def _ids(desk: Desk) -> dict[str, list[str]]:
    """The public ids of every row of an account, by model."""
    found = {}
    with tenancy.activate(desk.account.pk):
        for model in table_rows.of_tenant():
            if any(field.name == "public_id" for field in model._meta.get_fields()):
                found[model.__name__] = list(model.objects.order_by("pk").values_list("public_id", flat=True))
    return {name: ids for name, ids in found.items() if ids}


def _numbers(form: Form, ours: Desk, theirs: Desk) -> dict[str, str]:
    """Our number → theirs, of the rows that this form numbers."""
    model: Any = NUMBERED.get(named(form).partition(":")[0])
    if model is None:
        return {}
    found = []
    for desk in (ours, theirs):
        with tenancy.activate(desk.account.pk):
            rows = (
                model.objects.filter(pk__in=[user.pk for user in desk.users.values()])
                if model is User
                else model.objects
            )
            found.append([str(pk) for pk in rows.order_by("pk").values_list("pk", flat=True)])
    assert len(found[0]) == len(found[1])
    return dict(zip(*found, strict=True))


def _swapped(text: str, swap: dict[str, str], numbers: dict[str, str]) -> str:
    for ours, theirs in swap.items():
        text = text.replace(ours, theirs)
    return re.sub(r"\d+", lambda found: numbers.get(found[0], found[0]), text) if numbers else text


# ── from an old page ──


# Forms that carry no mark of what they showed, by why nothing of a colleague's is lost by them.
UNMARKED = {
    "it adds something": {
        "cart_countries:add", "cart_files_upload", "cart_new", "cart_repull", "cart_test_orders", "channel_new",
        "hold_rules:save:new", "item_filters:add", "kit_new:save", "merchant_countries:add", "merchant_new",
        "merchant_scac:add", "order_filters:save:new", "order_note", "orders_import", "product_act:alias",
        "product_new", "share", "share_new", "ship_map:add", "ship_map:pattern", "skipped_load",
        "user_new", "warehouse_new", "wms_ship_methods:add",
    },
    "it takes up a file, and first says what that would change": {
        "cart_countries_import", "cart_rules_import", "hold_rules_import", "item_filters_import", "kits_import",
        "merchant_countries_import", "merchant_scac_import", "order_filters_import", "products_import",
        "ship_map_import", "wms_ship_methods_import",
    },
    "it does the one thing that stands on its button": {
        "alerts_dismiss", "cart_delete", "cart_file_act:again", "cart_listings_again", "cart_off",
        "cart_product_import",
        "cart_products_again", "cart_webhooks:on", "channel_act:delete", "channel_act:off", "invitation_act:resend",
        "invitation_act:withdraw", "item_filters:remove", "merchant_archive", "merchant_contacts:alert",
        "order_act:cancel_sending", "order_act:resend", "order_act:resend_tracking", "order_act:undo_cancel",
        "product_act:unalias", "purchase_act:it_arrived", "purchase_act:it_did_not", "share_revoke",
        "ship_map:delete", "ship_map:up", "user_act:deactivate", "warehouse_act:disable", "wms_contacts:alert",
        "wms_ship_methods:delete", "wms_ship_methods:load", "cart_service:pause", "cart_service:run",
        "merchant_service:pause", "merchant_service:run",
    },
    "it writes what was counted, whatever was written before; the log of adjustments has both": {"product_adjust"},
    "it asks or tries only": {
        "cart_dry_run", "cart_preview", "cart_test", "channel_act:test", "merchant_test", "why_not", "wms_test",
    },
    "it is the person's own": {
        "account_change_password", "account_email", "account_logout", "account_reauthenticate", "mfa_activate_totp",
        "order_columns", "order_view_act:first", "order_views", "profile", "theme",
    },
    "it is a draft, whose saving says what has changed (tests/test_web_formats.py)": {
        f"{whose}_format_{what}"
        for whose in ("merchant", "wms")
        for what in (
            "act:copy", "act:delete", "act:edit", "draft:add", "draft:also", "draft:preview", "draft:remove",
            "draft:save", "draft:up", "new:names", "new:preset", "new:sample",
        )
    },
    "it carries all that it began with (tests/test_order_edit.py)": {"order_edit"},
    "what was refunded meanwhile stops it (orders/refunding.py)": {"order_refund"},
}  # fmt: skip


def test_from_a_page_that_somebody_has_overtaken_nothing_is_saved_unseen(
    pages: every_page.Pages, forms: list[Form]
) -> None:
    listed = {name for names in UNMARKED.values() for name in names}
    wrong, known = [], set()
    for form in forms:
        name, data = named(form), filled(form)
        late = _late(form, data)
        if name in listed and (late is None or name.endswith((":run", ":pause"))):
            known.add(name)
        elif late is None:
            wrong.append(f"{name} has no mark: {sorted(data)}")
        elif not {"test", "grant"} & data.keys():
            with undone():
                answer = send(pages, form, late, follow=True)
            if answer.status_code in (200, 422) and "meanwhile" in answer.content.decode():
                continue
            with undone():
                if "invalid-feedback" not in send(pages, form, data).content.decode():  # else it lacks something
                    wrong.append(f"{name}: {answer.status_code}")
    assert wrong == []
    assert known == listed, "these are no forms any more, or have a mark now"


def _late(form: Form, data: dict[str, list[str]]) -> dict[str, list[str]] | None:
    """The same from a page that showed something else. None: it does not say what it showed."""
    if "mark" in data:
        return data | {"mark": ["of another day"]}
    data, shown = dict(data), [name for name in data if name.endswith("-was")]
    if not shown:
        return None
    chosen = {
        name.removesuffix("-was"): [
            next(one for one in form.options[name.removesuffix("-was")] if one not in data[name])
        ]
        for name in shown
    }
    return data | chosen | {name: ["OTHER"] for name in shown}


# ── from an ended session, and with nothing in it ──


def test_from_an_ended_session_every_form_leads_to_the_sign_in(forms: list[Form]) -> None:
    wrong = []
    for form in forms:
        if not form.action.startswith("/a/"):
            continue
        answer: Any = Client().post(form.action, form.data)
        if answer.status_code != 302 or not answer.headers["Location"].startswith("/login/?next=/a/"):
            wrong.append(f"{form.action}: {answer.status_code}")
    assert wrong == []


def test_every_list_is_a_file_too_which_is_sent_while_it_is_read(pages: every_page.Pages, read: dict[str, str]) -> None:
    without, files = set(), dict[str, str]()
    for name, address in pages.signed_in.items():
        found = listed.exports(read[address])
        files |= dict.fromkeys(found, name)
        if listed.shows_a_list(read[address]) and not found:
            without.add(name)
    assert without == listed.NO_FILE.keys(), "say in tests/listed.py why a list has no file"
    client = pages.desk.client("owner")
    for address, name in files.items():
        answer = client.get(address)
        assert answer.headers["Content-Type"].startswith("text/csv"), f"{name}: {address}"
        assert answer.streaming, f"{name}: {address} is made before it is sent"
        text = file_of(answer).decode("utf-8-sig")
        assert CANARY not in text, address
        head = next(csv.reader(io.StringIO(text)))
        assert all(head), f"{address}: {head}"
        assert len(head) == len(set(head)), f"{address}: {head}"


def test_every_route_that_takes_a_post_answers_one_without_anything(pages: every_page.Pages) -> None:
    wrong = []
    for name in routes.pages():
        with undone():
            client = pages.desk.client("owner")
            client.raise_request_exception = False
            status = client.post(routes.address(pages.desk, name)).status_code
        if status not in (*CLEAR, 405):
            wrong.append(f"{name}: {status}")
    assert wrong == []
