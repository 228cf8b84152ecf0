"""Opens connectors for carts and destinations: with guard, limiter, journal and decrypted values."""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis
from django.conf import settings

from accounts.models import Account
from carts.grants import app_of
from carts.models import Cart
from carts.systems import registry as cart_systems
from integration_manager.kit.connector import CartConnector, Connector
from integration_manager.kit.egress import Guard
from integration_manager.kit.fields import revealed
from integration_manager.kit.folder import Folder, open_folder
from integration_manager.kit.folder_system import FolderSystem
from integration_manager.kit.limiter import Limiter, RedisLimiter
from integration_manager.kit.mail_out import Server
from integration_manager.kit.oauth import CLIENT_SECRET
from integration_manager.kit.transport import Http
from merchants.models import Merchant
from merchants.read_files import ReadBook
from merchants.stored_files import StoredFolder
from orders.formats import with_formats
from orders.journal import Journal
from orders.tokens import tokens_of
from wms.models import Wms
from wms.systems import registry as wms_systems


@functools.cache
def guard() -> Guard:
    """Where requests may go: public addresses, and what the operator allows."""
    return Guard(settings.IM_EGRESS_ALLOW)


@functools.cache
def limiter() -> Limiter:
    """One bucket per system and credentials, shared by all processes."""
    client = redis.Redis.from_url(settings.REDIS_CACHE_URL, socket_timeout=1, socket_connect_timeout=1)
    return RedisLimiter(client)


def cart_class(cart: Cart) -> type[Connector]:
    """The connector class of a cart."""
    return cart_systems().get(cart.system)


def wms_class(wms: Wms) -> type[Connector]:
    """The connector class of a destination."""
    return wms_systems().get(wms.system)


def open_cart(cart: Cart, account: Account, journal: Journal, *, trace: bool = False) -> Connector:
    """A cart's connector, ready to call."""
    system = cart_class(cart)
    merchant = cart.merchant if system.uses == "folder" else None  # asked for only where it is needed
    values = {**cart.options, **cart.credentials}
    return open_connector(system, values, account, journal, merchant, trace=trace, cart_id=cart.pk)


def open_wms(
    wms: Wms, merchant: Merchant | None, account: Account, journal: Journal, *, trace: bool = False
) -> Connector:
    """The destination's connector with this merchant's values, ready to call."""
    values = {**wms.options, **wms.credentials, **(merchant.wms_values if merchant else {})}
    return open_connector(wms_class(wms), values, account, journal, merchant, trace=trace)


def open_connector(
    system: type[Connector],
    values: Mapping[str, Any],
    account: Account,
    journal: Journal,
    merchant: Merchant | None,
    *,
    trace: bool = False,
    cart_id: int | None = None,
) -> Connector:
    """A connector with these values, stored or not yet. Raises AuthFailed where they cannot be used."""
    values = with_formats(system, values, merchant)
    tokens = None
    if system.oauth is not None:
        values = {**values, **app_of(system, values)}
        tokens = tokens_of(values) if system.by_consent(values) else None
        if tokens is not None:  # they are for the address that they were granted for, and for no other
            values = {**values, **tokens.address}
    if system.uses == "folder":
        ours = StoredFolder(merchant.pk if merchant else None, cart_id)
        by_hand = _plain(values.get("place")) == "browser"
        folder = ours if by_hand else _folder(system, values, account, journal, merchant)
        connector = system(values, folder=folder)
        assert isinstance(connector, FolderSystem)
        connector.uploads, connector.book = ours, ReadBook(ours.merchant_id, ours.cart_id)
        return connector
    secrets = [_plain(values.get(name)) for name, field in system.fields.items() if field.secret]
    secrets.append(_plain(values.get(CLIENT_SECRET)))
    http = Http(
        guard=guard(),
        limiter=limiter(),
        key=_bucket(system, values),
        rate=system.rate,
        journal=journal,
        timeout=system.timeout,
        secrets=[secret for secret in secrets if secret],
        tokens=tokens,
    )
    http.trace = trace
    return system(values, http=http)


def _folder(
    system: type[Connector], values: Mapping[str, Any], account: Account, journal: Journal, merchant: Merchant | None
) -> Folder:
    """The folder of the other side."""
    return open_folder(
        values,
        guard=guard(),
        local_root=_disk_root(system, account, merchant),
        mail_server=mail_server(),
        merchant=merchant.name if merchant else "",
        journal=journal,
        timeout=system.timeout,
    )


def mail_server() -> Server | None:
    """The installation's mail server, for files that leave as mails; None where it has none."""
    if not settings.EMAIL_HOST:
        return None
    return Server(
        host=settings.EMAIL_HOST,
        port=settings.EMAIL_PORT,
        sender=settings.DEFAULT_FROM_EMAIL,
        security="starttls" if settings.EMAIL_USE_TLS else "tls" if settings.EMAIL_USE_SSL else "",
        user=settings.EMAIL_HOST_USER,
        password=settings.EMAIL_HOST_PASSWORD,
    )


def _disk_root(system: type[Connector], account: Account, merchant: Merchant | None) -> Path | None:
    """What a connection may reach of this server's disk; None: nothing.

    A cart reaches its merchant's directory only, so that merchants do not read one another's files. The
    WMS reaches the account's: it serves all merchants, and only roles that see all of them set it up.
    """
    if not settings.IM_FOLDER_ROOT:
        return None
    root = Path(settings.IM_FOLDER_ROOT) / account.public_id
    if not issubclass(system, CartConnector):
        return root
    if merchant is None:
        raise ValueError("a cart's folder needs its merchant")
    return root / merchant.public_id


def _bucket(system: type[Connector], values: Mapping[str, Any]) -> str:
    """The limiter's key: the same for the same credentials, whoever uses them; it gives none away."""
    text = "|".join(
        f"{name}={_plain(values.get(name))}" for name in sorted(system.fields) if not system.fields[name].option
    )
    return f"{system.key}:{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _plain(value: Any) -> str:
    return str(revealed(value) or "")
