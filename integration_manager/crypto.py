"""Secrets at rest: AES-256-GCM with a key ring, bound to the table and the account they stand in.

`EncryptedJSON` keeps a dictionary. In Python its text values are wrapped in `Secret`, whose repr never
shows them; `reveal()` does.
"""

import base64
import json
import os
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


class Secret:
    """A value that does not print. Equal to another secret of the same value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "•••"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")


def key_ring() -> dict[str, bytes]:
    """The keys by id, from the setting IM_KEYS ("id:base64,id:base64"); the first one encrypts."""
    ring = {}
    for part in settings.IM_KEYS.split(","):
        name, _, encoded = part.strip().partition(":")
        key = base64.b64decode(encoded)
        if not name or len(key) != 32:
            raise ImproperlyConfigured("IM_KEYS: each key is id:base64 of 32 random bytes")
        ring[name] = key
    return ring


def encrypt(text: str, bound_to: str) -> str:
    """`text` as "key id:base64(nonce + ciphertext)", readable only with the same `bound_to`."""
    name, key = next(iter(key_ring().items()))
    nonce = os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), bound_to.encode())
    return f"{name}:{base64.b64encode(nonce + sealed).decode()}"


def decrypt(stored: str, bound_to: str) -> str:
    """The inverse of `encrypt`. Raises ValueError when the key is gone or the row is not its own."""
    name, _, encoded = stored.partition(":")
    key = key_ring().get(name)
    if key is None:
        raise ValueError(f"encrypted with the key {name!r}, which is not in IM_KEYS")
    data = base64.b64decode(encoded)
    try:
        return AESGCM(key).decrypt(data[:12], data[12:], bound_to.encode()).decode()
    except InvalidTag:
        raise ValueError("the stored secret does not belong to this row, or was changed") from None


def _wrap(value: Any) -> Any:
    return Secret(value) if isinstance(value, str) else value


def _unwrap(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else value


class _Attribute:
    """Decrypts on first use: the account, part of the key, is known only on the instance."""

    def __init__(self, field: "EncryptedJSON") -> None:
        self.field = field

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        value = instance.__dict__.get(self.field.attname)
        if value is None and self.field.attname not in instance.__dict__:
            instance.refresh_from_db(fields=[self.field.attname])
            value = instance.__dict__[self.field.attname]
        if isinstance(value, str):
            plain = json.loads(decrypt(value, self.field.bound_to(instance))) if value else {}
            value = {name: _wrap(item) for name, item in plain.items()}
            instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        if isinstance(value, dict):
            value = {name: _wrap(item) for name, item in value.items()}
        instance.__dict__[self.field.attname] = value


if TYPE_CHECKING:
    _Text = models.Field[Any, Any]  # what is read and written is a dictionary, not a text
else:
    _Text = models.TextField


class EncryptedJSON(_Text):
    """A flat dictionary of JSON values, encrypted: bound to the table and, where it has one, the account."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", dict)
        kwargs.setdefault("blank", True)
        super().__init__(*args, **kwargs)

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, name, _Attribute(self))

    def bound_to(self, instance: Any) -> str:
        """The associated data: this table, this account."""
        if not hasattr(instance, "account_id"):
            return str(instance._meta.db_table)
        if instance.account_id is None:
            raise ValueError("a secret needs its account before it is stored")
        return f"{instance._meta.db_table}:{instance.account_id}"

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        value = getattr(model_instance, self.attname) or {}
        plain = {name: _unwrap(item) for name, item in value.items()}
        return encrypt(json.dumps(plain), self.bound_to(model_instance)) if plain else ""

    def get_prep_value(self, value: Any) -> Any:
        if value == {}:
            return ""  # nothing to encrypt: the default of a column that a migration adds
        if isinstance(value, dict):
            raise TypeError("encrypted values are written by save(), not by update() or a filter")
        return value

    def value_to_string(self, obj: Any) -> str:
        return str(self.pre_save(obj, False))
