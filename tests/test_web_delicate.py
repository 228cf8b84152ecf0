"""Credentials are set by who has just shown who they are; what is archived or deleted stays off, whoever hurries."""

import threading
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Invitation
from carts.models import Cart, SetupLink
from carts.views.adding import add
from integration_manager import tenancy, trying
from merchants.models import Merchant, Schedule
from tests import desk as desks
from tests.desk import PASSWORD, Desk

pytestmark = pytest.mark.django_db
NEW = {
    "name": "Second shop",
    "order_source": "",
    "description": "",
    "earliest_order_date": "2026-01-01",
    "c-url": "http://127.0.0.1:9/second",
    "c-api_key": "its key",
}


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """All systems let everyone in; what `asked` holds is called meanwhile."""
    meanwhile: list[Any] = []

    def check(*args: Any, **kwargs: Any) -> trying.Answer:
        for do in meanwhile:
            do()
        return trying.Answer(True, "It works", seconds=0.1)

    monkeypatch.setattr(trying, "check", check)
    return meanwhile


def long_ago(desk: Desk) -> Client:
    """The owner's browser, in which nobody has shown a password for long."""
    client = Client()
    client.force_login(desk.users["owner"])
    return client


def new(desk: Desk) -> str:
    return desk.url(f"carts/new/sandbox_shop/?merchant={desk.merchants[0].public_id}")


def edit(desk: Desk) -> str:
    return desk.url(f"carts/{desk.carts[0].public_id}/edit/")


def number_of(desk: Desk, model: type) -> int:
    with tenancy.activate(desk.account.pk):
        return int(model.objects.count())  # type: ignore[attr-defined]


# ── a recent proof ──


def test_a_new_cart_waits_for_the_password_and_is_stored_after_it(desk: Desk, asked: list[Any]) -> None:
    client = long_ago(desk)
    before = number_of(desk, Cart)
    answer = client.post(new(desk), NEW)
    assert "/security/again/" in answer.headers["Location"]
    assert number_of(desk, Cart) == before
    where = answer.headers["Location"]
    answer = client.post(where, {"password": PASSWORD}, follow=True)
    assert "Second shop" in answer.content.decode(), "what was typed has gone on by itself"
    assert number_of(desk, Cart) == before + 1


def test_a_carts_key_asks_and_its_name_does_not(desk: Desk, asked: list[Any]) -> None:
    client = long_ago(desk)
    same = NEW | {"c-url": "http://127.0.0.1:9/shop", "c-api_key": ""}
    assert client.post(edit(desk), same | {"name": "Renamed"}).headers["Location"].startswith(desk.url("carts/"))
    assert "/security/again/" in client.post(edit(desk), same | {"c-api_key": "other"}).headers["Location"]
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.get(pk=desk.carts[0].pk)
    assert (cart.name, cart.credentials["api_key"].reveal()) == ("Renamed", desks.CANARY)


def test_who_makes_a_setup_link_or_a_merchants_user_is_asked(desk: Desk) -> None:
    client = long_ago(desk)
    link = client.post(desk.url(f"carts/{desk.carts[0].public_id}/share/"), {"email": ""})
    assert "/security/again/" in link.headers["Location"]
    form = {"name": "Alder", "code": "AF", "setup_user": "on", "email": "ann@alder.example"}
    assert "/security/again/" in client.post(desk.url("merchants/new/"), form).headers["Location"]
    assert (number_of(desk, SetupLink), number_of(desk, Invitation), number_of(desk, Merchant)) == (0, 0, 2)


def test_a_user_of_the_account_is_not_invited_as_a_merchants_user(desk: Desk) -> None:
    form = {"name": "Alder", "code": "AF", "setup_user": "on", "email": desk.users["colleague"].email.upper()}
    answer = desk.client("owner").post(desk.url("merchants/new/"), form)
    assert answer.status_code == 422
    assert "is a user of this account already" in answer.content.decode()
    assert number_of(desk, Merchant) == 2, "one thing with the merchant"


# ── archived and deleted ──


def archive(desk: Desk) -> None:
    answer = desk.client("owner").post(desk.url(f"merchants/{desk.merchants[0].public_id}/archive/"))
    assert answer.status_code == 302


def on(desk: Desk) -> bool:
    with tenancy.activate(desk.account.pk):
        return bool(Schedule.objects.filter(merchant=desk.merchants[0], every__gt=0).exists())


def test_nothing_of_an_archived_merchant_is_switched_on(desk: Desk, asked: list[Any]) -> None:
    client, cart = desk.client("owner"), desk.carts[0].public_id
    archive(desk)
    same = NEW | {"c-url": "http://127.0.0.1:9/shop", "c-api_key": "", "every_download": "300", "on": "1"}
    for path, form in ((f"carts/{cart}/on/", {}), (f"carts/{cart}/services/", same), (f"carts/{cart}/edit/", same)):
        answer = client.post(desk.url(path), form, follow=True)
        assert "is archived: nothing of it runs" in answer.content.decode(), path
        assert not on(desk), path


def test_nothing_is_connected_for_an_archived_merchant(desk: Desk, asked: list[Any]) -> None:
    archive(desk)
    client, merchant = desk.client("owner"), desk.merchants[0].public_id
    before = number_of(desk, Cart)
    for path in (new(desk), desk.url(f"carts/share/sandbox_shop/?merchant={merchant}")):
        for answer in (client.get(path), client.post(path, NEW)):
            assert answer.headers["Location"] == desk.url(f"merchants/{merchant}/")
    assert (number_of(desk, Cart), number_of(desk, SetupLink)) == (before, 0)


def test_a_cart_that_is_deleted_while_its_shop_is_asked_stays_deleted(desk: Desk, asked: list[Any]) -> None:
    asked.append(lambda: desk.client("owner").post(desk.url(f"carts/{desk.carts[0].public_id}/delete/")))
    answer = desk.client("owner").post(edit(desk), NEW | {"c-url": "http://127.0.0.1:9/shop", "on": "1"})
    assert answer.status_code == 422
    with tenancy.activate(desk.account.pk):
        cart = Cart.objects.get(pk=desk.carts[0].pk)
        assert cart.archived_at is not None
        assert not Schedule.objects.filter(cart=cart, every__gt=0).exists()


def test_a_key_that_is_changed_while_the_shop_is_asked_is_not_undone(desk: Desk, asked: list[Any]) -> None:
    def meanwhile() -> None:
        with tenancy.activate(desk.account.pk):
            cart = Cart.objects.get(pk=desk.carts[0].pk)
            cart.credentials = {**cart.credentials, "api_key": "of a colleague"}
            cart.save(update_fields=["credentials"])

    asked.append(meanwhile)
    answer = desk.client("owner").post(edit(desk), NEW | {"c-url": "http://127.0.0.1:9/shop"})
    assert answer.status_code == 422
    with tenancy.activate(desk.account.pk):
        assert Cart.objects.get(pk=desk.carts[0].pk).credentials["api_key"].reveal() == "of a colleague"


def test_a_zero_byte_in_a_draft_of_consent_is_nobodys(desk: Desk, settings: Any) -> None:
    settings.IM_OAUTH = {"sandbox_oauth": ("app", "secret")}
    path = desk.url(f"carts/new/sandbox_oauth/?merchant={desk.merchants[0].public_id}")
    assert desk.client("owner").post(path, NEW | {"grant_id": "a\x00b"}).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_two_shops_that_are_connected_at_once_are_both_connected(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one waits for its number, and is not told that its shop is taken."""
    inside, second_done, save = threading.Event(), threading.Event(), Cart.save
    said: list[Any] = []

    def slowly(cart: Cart, *args: Any, **kwargs: Any) -> None:
        if cart.shop == "first":
            inside.set()
            second_done.wait(1)  # which it is only where nothing keeps it
        save(cart, *args, **kwargs)

    def connect(shop: str) -> None:
        try:
            with tenancy.activate(desk.account.pk):
                merchant = Merchant.objects.get(pk=desk.merchants[0].pk)
                day = date(2026, 1, 1)
                cart = Cart(merchant=merchant, system="sandbox_shop", name=shop, shop=shop, earliest_order_date=day)
                said.append(add(cart))
        finally:
            connection.close()

    monkeypatch.setattr(Cart, "save", slowly)
    first = threading.Thread(target=connect, args=("first",))
    first.start()
    assert inside.wait(20)
    second = threading.Thread(target=connect, args=("second",))
    second.start()
    second.join(0.5)
    if not second.is_alive():
        second_done.set()
    first.join(20)
    second.join(20)
    assert said == [None, None]
    with tenancy.activate(desk.account.pk):
        numbers = Cart.objects.filter(merchant=desk.merchants[0]).order_by("number").values_list("number", flat=True)
        assert list(numbers) == [1, 2, 3]
