"""Every form of every page, sent as nobody meant it: twice, endless, from an old page, with somebody else's rows.

The forms are read out of the pages themselves (tests/every_page.py), so a new one is among them by itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from accounts.models import Account, Membership
from carts.models import Cart
from integration_manager import tenancy
from merchants.models import Merchant
from orders.models import Order
from tests import desk as desks
from tests import every_page
from tests import test_idor as routes
from tests.desk import Desk
from tests.forms_of import Form, forms_of
from wms.models import Wms

pytestmark = pytest.mark.django_db
CLEAR = (200, 302, 400, 403, 404, 409, 422, 429)  # an answer for a person; never an error of ours


@pytest.fixture(scope="module")
def pages(kept: None) -> every_page.Pages:
    """The filled account, made once: what a test does to it is undone."""
    return every_page.build()


@pytest.fixture(scope="module")
def forms(pages: every_page.Pages) -> list[Form]:
    """Every form once, by where it goes and what it sends."""
    found: dict[tuple[str, ...], Form] = {}
    client = pages.desk.client("owner")
    for address in pages.signed_in.values():
        for form in forms_of(client.get(address).content.decode(), address):
            found.setdefault((form.action, *sorted(form.data)), form)
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


def send(pages: every_page.Pages, form: Form, data: dict[str, list[str]] | None = None) -> HttpResponse:
    client = pages.desk.client("owner")
    client.raise_request_exception = False
    answer: Any = client.post(form.action, form.data if data is None else data)
    return answer


def rows(account: Account) -> dict[str, int]:
    with tenancy.activate(account.pk):
        return {model.__name__: model.objects.count() for model in (Merchant, Cart, Wms, Order, Membership)}


def test_sent_twice_it_is_done_once(pages: every_page.Pages, forms: list[Form]) -> None:
    wrong = []
    for form in forms:
        with undone():
            before = rows(pages.desk.account)
            answers = [send(pages, form).status_code for _ in range(2)]
            after = rows(pages.desk.account)
        if not set(answers) <= set(CLEAR):
            wrong.append(f"{form.action} {sorted(form.data)}: {answers}")
        wrong += [f"{form.action}: {after[name] - n} {name}" for name, n in before.items() if after[name] - n > 1]
    assert wrong == []


def test_ten_thousand_characters_in_a_field_get_a_clear_answer(pages: every_page.Pages, forms: list[Form]) -> None:
    wrong, endless = [], "ä1 " * 3334
    for form in forms:
        for name in form.typed:
            with undone():
                answer = send(pages, form, form.data | {name: [endless]})
            if answer.status_code not in CLEAR:
                wrong.append(f"{form.action}, {name}: {answer.status_code}")
    assert wrong == []


def test_somebody_elses_rows_are_not_there_and_nothing_of_them_is_told(
    pages: every_page.Pages, forms: list[Form]
) -> None:
    other = desks.build("Elsewhere", orders=4)
    ours, theirs = _ids(pages.desk), _ids(other)
    swap = dict(zip(ours, theirs, strict=True))
    before = _state(other)
    wrong = []
    for form in forms:
        data = {name: [_swapped(value, swap) for value in values] for name, values in form.data.items()}
        if data == form.data:
            continue
        with undone():
            answer = send(pages, form, data)
            touched = _state(other) != before
        if answer.status_code not in CLEAR or touched:
            wrong.append(f"{form.action}: {answer.status_code}{', and theirs has changed' if touched else ''}")
        if "Elsewhere" in answer.content.decode():
            wrong.append(f"{form.action} tells of theirs")
    assert wrong == []


def test_from_a_page_that_somebody_has_overtaken_nothing_is_saved_unseen(
    pages: every_page.Pages, forms: list[Form]
) -> None:
    marked = [form for form in forms if "mark" in form.data and not {"test", "grant"} & form.data.keys()]
    assert marked
    for form in marked:
        with undone():
            if "invalid-feedback" in send(pages, form).content.decode():
                continue  # it lacks something, whoever was quicker
        with undone():
            answer = send(pages, form, form.data | {"mark": ["of another day"]})
        assert answer.status_code in (200, 422), form.action
        assert "meanwhile" in answer.content.decode(), form.action


def test_from_an_ended_session_every_form_leads_to_the_sign_in(forms: list[Form]) -> None:
    wrong = []
    for form in forms:
        if not form.action.startswith("/a/"):
            continue
        answer: Any = Client().post(form.action, form.data)
        if answer.status_code != 302 or not answer.headers["Location"].startswith("/login/?next=/a/"):
            wrong.append(f"{form.action}: {answer.status_code}")
    assert wrong == []


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


def _ids(desk: Desk) -> list[str]:
    found = [*desk.merchants, *desk.carts, *desk.orders[:8], desk.alert]
    return [row.public_id for row in found]


def _swapped(value: str, swap: dict[str, str]) -> str:
    for ours, theirs in swap.items():
        value = value.replace(ours, theirs)
    return value


def _state(desk: Desk) -> list[Any]:
    with tenancy.activate(desk.account.pk):
        fields = ("public_id", "status", "held_by", "updated_at")
        return [
            list(Order.objects.order_by("pk").values_list(*fields)),
            list(Merchant.objects.order_by("pk").values_list("name", "archived_at")),
            list(Cart.objects.order_by("pk").values_list("name", "archived_at", "merchant_id")),
        ]
