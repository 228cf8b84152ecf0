"""Granting access: the way to a system's consent page and back, and what is kept of it.

Some give tokens (OAuth), some make keys and send them here before the person is back (kit/keygrant.py).
An `Attempt` is one way there and back: its random state comes back with the answer and finds it; it is
good once, for 10 minutes, and in the browser that set out alone. What was granted is an `Access`.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from accounts.models import User
from carts.models import Access, Attempt, Cart, SetupLink
from integration_manager import tenancy
from integration_manager.kit import keygrant, oauth
from integration_manager.kit.connector import Connector
from merchants.models import Merchant

LIVES = timedelta(minutes=10)
BROWSER = "grants_of"  # in the session: what tells this browser from others

_VALUE, _KEY = "value:", "key:"


def redirect_uri() -> str:
    """Where systems lead people back to; operators register it with their apps."""
    return settings.IM_BASE_URL.rstrip("/") + reverse("oauth_callback")


def gives_keys(system: type[Connector]) -> bool:
    """Whether people can have this system make keys for us: it sends them over HTTPS alone."""
    return system.keys is not None and redirect_uri().startswith("https://")


def may_grant(system: type[Connector]) -> bool:
    """Whether people can grant access on this system's own page: it knows us by the operator's app, or by theirs."""
    return system.oauth is not None and (system.oauth.when is None or system.key in settings.IM_OAUTH)


def shown_when(system: type[Connector]) -> tuple[str, str] | None:
    """(the form's choice, its values) with which access is granted, where it can be got into otherwise too."""
    when = system.oauth.when if system.oauth else None
    return (f"c-{when[0]}", " ".join(when[1])) if when else None


def app_of(system: type[Connector], values: Mapping[str, Any]) -> dict[str, Any]:
    """By which id and secret an OAuth system knows us: the connection's own, else the operator's."""
    own = oauth.CLIENT_ID in system.fields and system.applies(oauth.CLIENT_ID, values)
    if (own and values.get(oauth.CLIENT_ID)) or not system.by_consent(values):
        return {}
    client, secret = settings.IM_OAUTH.get(system.key, ("", ""))
    return {oauth.CLIENT_ID: client, oauth.CLIENT_SECRET: secret}


def credentials(cart: Cart, system: type[Connector], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a cart gets in by from now on: what was `given`, and of what it had the fields of the way chosen now."""
    values = {**cart.options, **cart.credentials, **given}
    kept = {**cart.credentials, **given}
    if not system.by_consent(values):
        kept.pop(oauth.ACCESS, None)
    return {name: one for name, one in kept.items() if name not in system.fields or system.applies(name, values)}


def begin(
    system: type[Connector],
    values: Mapping[str, Any],
    *,
    merchant: Merchant,
    cart: Cart | None,
    link: SetupLink | None,
    user: User | None,
    browser: str,
    now: datetime,
) -> str:
    """Sets out: the address of the consent page. `values`: the connection's, with the app's."""
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    given = system.keys.fields if system.keys else ()
    names = [name for name, field in system.fields.items() if not field.option and name not in given]
    # What plays no part is not the connection's: the operator's app may have the name of a field.
    mine = [name for name in names if values.get(name) and system.applies(name, values)]
    address = {f"{_VALUE}{name}": oauth.plain(values, name) for name in mine}
    Attempt.objects.create(
        digest=digest(state),
        browser=digest(browser),
        user=user,
        link=link,
        merchant=merchant,
        cart=cart,
        system=system.key,
        secrets={"verifier": verifier, **address},
        created_at=now,
        expires_at=now + LIVES,
    )
    if system.keys is not None:
        to = settings.IM_BASE_URL.rstrip("/") + reverse("oauth_keys", args=[state])
        back = f"{redirect_uri()}?{urlencode({'state': state})}"
        return keygrant.authorization_url(system.keys, values, to, back)
    assert system.oauth is not None
    return oauth.authorization_url(system.oauth, values, state, redirect_uri(), verifier)


def find(state: str) -> tuple[int, int] | None:
    """(account, attempt) of a state; None where it is nobody's. Looked up before a tenant is known."""
    if not 20 <= len(state) <= 100:
        return None
    with tenancy.everyone("the way back from a consent page"):
        found: tuple[int, int] | None = (
            Attempt.objects.filter(digest=digest(state)).values_list("account_id", "id").first()
        )
        return found


def take(attempt_id: int, browser: str, now: datetime) -> Attempt | None:
    """The attempt, used up by this; None where it was used, is too old, or is another browser's."""
    attempt = Attempt.objects.select_related("merchant", "cart", "link").filter(pk=attempt_id).first()
    if attempt is None or not browser or not hmac.compare_digest(attempt.browser, digest(browser)):
        return None
    mine = Attempt.objects.filter(pk=attempt.pk, used_at=None, expires_at__gt=now)
    return attempt if mine.update(used_at=now) else None


def take_keys(attempt_id: int, keys: Mapping[str, str], now: datetime) -> bool:
    """Keeps the keys that a system sent, until the person comes back. False where none are waited for (any more)."""
    with transaction.atomic():
        mine = Attempt.objects.select_for_update().filter(pk=attempt_id, used_at=None, expires_at__gt=now).first()
        if mine is None or keys_of(mine):
            return False
        mine.secrets = {**mine.secrets, **{f"{_KEY}{name}": value for name, value in keys.items()}}
        mine.save(update_fields=["secrets"])
    return True


def keys_of(attempt: Attempt) -> dict[str, Any]:
    """The keys that came for it; {} before they have."""
    kept = attempt.secrets.items()
    return {name.removeprefix(_KEY): value for name, value in kept if name.startswith(_KEY)}


def address_of(attempt: Attempt) -> dict[str, Any]:
    """The values of the connection that it set out with."""
    kept = attempt.secrets.items()
    return {name.removeprefix(_VALUE): value for name, value in kept if name.startswith(_VALUE)}


def verifier_of(attempt: Attempt) -> str:
    """The secret of PKCE."""
    return oauth.plain(attempt.secrets, "verifier")


def keep(
    attempt: Attempt, token: Mapping[str, Any], shop: str | None, by: str, now: datetime, cart: Cart | None
) -> Access:
    """Keeps what was granted: for the cart, whose tokens it replaces, or for a setup that goes on.

    Keys stand beside the address, as the values of the connection that they are.
    """
    with transaction.atomic():
        access = Access.objects.filter(cart=cart).first() if cart is not None else None
        access = access or Access(merchant=attempt.merchant, cart=cart, system=attempt.system)
        access.address, access.token = {**address_of(attempt), **keys_of(attempt)}, dict(token)
        access.shop, access.granted_by, access.created_at = (shop or "")[:200], by[:254], now
        access.held_until = None
        access.save()
    return access


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
