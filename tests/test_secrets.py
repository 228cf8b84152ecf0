# ruff: noqa: S608 (names of our own tables)
"""Secrets at rest: encrypted, bound to their account and table, re-encrypted under a new key."""

import base64
import json
import os
import pickle
from datetime import date
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Model

from carts.models import Cart
from integration_manager import crypto, tenancy
from integration_manager.crypto import EncryptedJSON, Secret, decrypt, encrypt
from integration_manager.im import rotate_keys
from merchants.models import Merchant
from tests.rows import Rows
from wms.models import Wms

pytestmark = pytest.mark.django_db
VALUE = "s3cret-of-the-shop"
CREDENTIALS = {"url": "https://shop.example", "api_key": VALUE, "port": 22, "verify": True, "note": "naïve 🗝"}


def key(name: str) -> str:
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


@pytest.fixture
def rows(settings: Any) -> Rows:
    settings.IM_KEYS = key("2025")
    return Rows("Ours")


@pytest.fixture
def cart(rows: Rows) -> Cart:
    with tenancy.activate(rows.account.pk):
        cart = Cart.objects.get()
        cart.credentials = CREDENTIALS
        cart.save()
        return Cart.objects.get()


def stored(model: type[Model], column: str = "credentials") -> list[str]:
    with tenancy.everyone("a test"), connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {model._meta.db_table} ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


# ── the field ──


def test_what_goes_in_comes_out_and_the_table_shows_nothing_of_it(cart: Cart) -> None:
    (text,) = stored(Cart)
    assert text.startswith("2025:")
    assert VALUE not in text
    assert "shop.example" not in text
    assert {name: getattr(v, "reveal", lambda v=v: v)() for name, v in cart.credentials.items()} == CREDENTIALS


def test_every_save_has_a_nonce_of_its_own(cart: Cart) -> None:
    (before,) = stored(Cart)
    with tenancy.activate(cart.account_id):
        cart.save()
    assert stored(Cart) != [before]


def test_nothing_is_stored_where_there_is_nothing_to_keep(rows: Rows) -> None:
    with tenancy.activate(rows.account.pk):
        Merchant.objects.create(name="Bare", code="BARE")
        assert Merchant.objects.get(code="BARE").wms_values == {}
    assert stored(Merchant, "wms_values")[-1] == ""


def test_reading_and_saving_again_changes_no_value(cart: Cart) -> None:
    with tenancy.activate(cart.account_id):
        cart.name = "renamed"
        cart.save()  # with what was read in it
        Cart.objects.defer("credentials").get().save(update_fields=["name"])
        again = Cart.objects.defer("credentials").get()
        assert again.credentials["api_key"] == Secret(VALUE)


def test_a_secret_does_not_print_whatever_is_done_to_it(cart: Cart) -> None:
    secret = cart.credentials["api_key"]
    for shown in (repr(secret), str(secret), f"{secret}", "%s" % secret, repr(cart.credentials), repr(vars(cart))):  # noqa: UP031
        assert VALUE not in shown
    with pytest.raises(TypeError):
        json.dumps(cart.credentials)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def test_it_is_not_written_past_the_encryption(cart: Cart) -> None:
    with tenancy.activate(cart.account_id), pytest.raises(TypeError, match="written by save"), transaction.atomic():
        Cart.objects.update(credentials={"api_key": VALUE})
    with tenancy.activate(cart.account_id), pytest.raises(TypeError, match="written by save"):
        Cart.objects.filter(credentials={"api_key": VALUE}).exists()


# ── what a ciphertext is bound to ──


def put(model: type[Model], pk: int, text: str, column: str = "credentials") -> None:
    with tenancy.everyone("a test"), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {model._meta.db_table} SET {column} = %s WHERE id = %s", [text, pk])


def test_copied_to_another_account_it_does_not_open(cart: Cart) -> None:
    theirs = Rows("Theirs")
    put(Cart, theirs.made[Cart].pk, stored(Cart)[0])
    with tenancy.activate(theirs.account.pk), pytest.raises(ValueError, match="does not belong to this row"):
        Cart.objects.get().credentials  # noqa: B018


def test_copied_to_another_table_it_does_not_open(cart: Cart, rows: Rows) -> None:
    put(Wms, rows.made[Wms].pk, stored(Cart)[0])
    with tenancy.activate(rows.account.pk), pytest.raises(ValueError, match="does not belong to this row"):
        Wms.objects.get().credentials  # noqa: B018


def test_changed_by_one_bit_it_does_not_open(cart: Cart) -> None:
    name, _, text = stored(Cart)[0].partition(":")
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    put(Cart, cart.pk, f"{name}:{base64.b64encode(data).decode()}")
    with tenancy.activate(cart.account_id), pytest.raises(ValueError, match="was changed"):
        Cart.objects.get().credentials  # noqa: B018


def test_an_error_of_decryption_tells_nothing_of_the_content(cart: Cart, settings: Any) -> None:
    settings.IM_KEYS = key("2026")
    with tenancy.activate(cart.account_id), pytest.raises(ValueError, match=r"'2025', which is not in IM_KEYS"):
        Cart.objects.get().credentials  # noqa: B018


@pytest.mark.parametrize("ring", ["", "name", "name:", "name:c2hvcnQ=", ":" + "A" * 43 + "="])
def test_a_wrong_key_ring_is_refused_in_words(ring: str, settings: Any) -> None:
    settings.IM_KEYS = ring
    with pytest.raises(Exception, match="id:base64"):
        crypto.key_ring()


# ── rotation ──


def test_rotation_encrypts_everything_under_the_first_key(cart: Cart, rows: Rows, settings: Any) -> None:
    theirs = Rows("Theirs")
    with tenancy.activate(theirs.account.pk):
        wms = Wms.objects.get()
        wms.credentials = {"api_key": "of the others"}
        wms.save()
        merchant = Merchant.objects.get()
        merchant.wms_values = {"customer": "C1"}
        merchant.save()
    settings.IM_KEYS = f"{key('2026')},{settings.IM_KEYS}"
    call_command("rotate_keys")
    settings.IM_KEYS = settings.IM_KEYS.split(",")[0]  # the old key can go now
    with tenancy.activate(rows.account.pk):
        assert Cart.objects.get().credentials["api_key"] == Secret(VALUE)
    with tenancy.activate(theirs.account.pk):
        assert Wms.objects.get().credentials["api_key"] == Secret("of the others")
        assert Merchant.objects.get().wms_values["customer"] == Secret("C1")


def test_every_table_with_secrets_is_rotated() -> None:
    names = {f"{field.model._meta.label}.{field.name}" for field in rotate_keys.secret_fields()}
    assert names >= {
        "accounts.Mail.context",
        "carts.Cart.credentials",
        "merchants.Merchant.wms_values",
        "wms.Wms.credentials",
    }
    assert all(isinstance(field, EncryptedJSON) for field in rotate_keys.secret_fields())


def test_rotation_goes_on_where_it_was_stopped(cart: Cart, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotate_keys, "BATCH", 2)
    with tenancy.activate(cart.account_id):
        for n in range(2, 7):
            Cart.objects.create(
                merchant=cart.merchant, system="x", name=f"{n}", number=n, shop=f"{n}", credentials=CREDENTIALS,
                earliest_order_date=date(2026, 1, 1),
            )  # fmt: skip
    settings.IM_KEYS = f"{key('2026')},{settings.IM_KEYS}"
    done: list[str] = []

    def stopped_after_three(text: str, bound_to: str) -> str:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(text)
        return encrypt(text, bound_to)

    with monkeypatch.context() as patch:
        patch.setattr(rotate_keys, "encrypt", stopped_after_three)
        with pytest.raises(KeyboardInterrupt):
            rotate_keys.run({})
    rotated = [text for text in stored(Cart) if text.startswith("2026:")]
    assert len(rotated) == 3
    call_command("rotate_keys")
    now = stored(Cart)
    assert all(text.startswith("2026:") for text in now)
    assert set(rotated) <= set(now), "what was done is not done again"


def test_what_a_person_saves_meanwhile_is_kept(cart: Cart, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.IM_KEYS = f"{key('2026')},{settings.IM_KEYS}"
    bound_to = f"carts_cart:{cart.account_id}"

    def saved_meanwhile(text: str, bound: str) -> str:
        put(Cart, cart.pk, encrypt('{"api_key": "corrected"}', bound_to))
        return encrypt(text, bound)

    monkeypatch.setattr(rotate_keys, "encrypt", saved_meanwhile)
    rotate_keys.run({})
    assert json.loads(decrypt(stored(Cart)[0], bound_to)) == {"api_key": "corrected"}


def test_rotation_without_the_old_key_says_so_and_loses_nothing(cart: Cart, settings: Any) -> None:
    before, ring = stored(Cart), settings.IM_KEYS
    settings.IM_KEYS = key("2026")
    with pytest.raises(CommandError, match="'2025', which is not in IM_KEYS"):
        call_command("rotate_keys")
    assert stored(Cart) == before
    settings.IM_KEYS = ring
