"""Webhooks in: whose they are, whether they are genuine, and that they wake the cart's Order Download.

They carry nothing into the product. What has changed is read by the download, so a webhook that comes
twice, late or is replayed does no harm. The kit's side of it is in `kit/webhooks.py`.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.db import connection, transaction

from carts import grants
from carts.models import Cart, Webhook, WebhookDelivery
from carts.systems import registry
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.connector import CartConnector, Rate
from integration_manager.kit.errors import storable
from integration_manager.kit.limiter import Limiter, RedisLimiter
from integration_manager.kit.webhooks import SECRET, SHOP, BadSignature, Hook
from merchants import schedules
from merchants.models import Service

log = logging.getLogger(__name__)

MOST_BYTES = 1_000_000
KEPT = 100  # of a cart's deliveries; all of them are forgotten after a week
RATE = Rate(per_second=10, burst=100)  # of one address
WRONG = 20  # wrong signatures in a row, of which a person hears


class Outcome(StrEnum):
    """What became of a webhook."""

    WOKEN = "woken"
    PING = "ping"
    REFUSED = "refused"  # it is not the shop's
    TOO_MANY = "too_many"
    UNKNOWN = "unknown"  # nobody takes webhooks there


def create(cart: Cart) -> Webhook:
    """The cart's address and secret, made now where there were none."""
    token = secrets.token_urlsafe(16)  # 128 bits
    found, _ = Webhook.objects.get_or_create(
        cart=cart,
        defaults={"digest": _digest(token), "secrets": {"token": token, "secret": secrets.token_urlsafe(32)}},
    )
    return found


def address(webhook: Webhook) -> str:
    """Where the shop sends its webhooks."""
    return f"{settings.IM_BASE_URL.rstrip('/')}/hooks/{webhook.secrets['token'].reveal()}/"


def find(token: str) -> tuple[int, int] | None:
    """(account, webhook) of an address; None where there is none. Looked up before a tenant is known."""
    if not 16 <= len(token) <= 40:
        return None
    with tenancy.everyone("webhook"):
        rows = Webhook.objects.filter(digest=_digest(token), cart__archived_at__isnull=True)
        found: tuple[int, int] | None = rows.values_list("account_id", "id").first()
        return found


def receive(webhook_id: int, headers: Mapping[str, str], body: bytes) -> tuple[Webhook | None, Outcome]:
    """Takes in one webhook of the active account. `headers`: names in lower case; `body`: raw."""
    webhook = Webhook.objects.select_related("cart").filter(pk=webhook_id).first()
    system = registry().systems.get(webhook.cart.system) if webhook is not None else None
    if webhook is None or system is None or not system.overrides("webhook"):
        return None, Outcome.UNKNOWN
    assert issubclass(system, CartConnector)
    if _limiter().take(webhook.digest[:24], RATE, time.time()) > 0:
        return webhook, Outcome.TOO_MANY
    now = clock.now()
    try:
        hook = system.webhook(_values(webhook), headers, body)
    except BadSignature:  # counted, and a person hears of it
        webhook.refused = _refused(webhook)
        _keep(webhook, Hook(""), now, verified=False)
        return webhook, Outcome.REFUSED
    except Exception:  # a mistake in the connector's reading, which a stranger may have found
        log.exception("the webhook of cart %s could not be read", webhook.cart_id)
        return webhook, Outcome.REFUSED
    if hook.ping:
        # It may be unsigned, so it proves nothing and starts nothing.
        _keep(webhook, Hook("ping"), now, verified=False)
        return webhook, Outcome.PING
    with transaction.atomic():  # of two tries at the same moment the second waits here, and finds the first
        Webhook.objects.filter(pk=webhook.pk).update(received_at=now, refused=0)
        before = WebhookDelivery.objects.filter(
            cart_id=webhook.cart_id, verified=True, delivery_id=storable(hook.delivery_id, 100)
        )
        if hook.once and hook.delivery_id and before.exists():
            return webhook, Outcome.WOKEN
        _keep(webhook, hook, now, verified=True)
        # Together with it: of one that is stored, and did not wake, the shop's next try would be passed over.
        schedules.wake(Service.DOWNLOAD, now, cart_ids=[webhook.cart_id], timed=True)
    return webhook, Outcome.WOKEN


def _refused(webhook: Webhook) -> int:
    """Counts a wrong signature; gives how many came in a row. Of several at once each gets a number of its own."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE carts_webhook SET refused = refused + 1 WHERE id = %s RETURNING refused", [webhook.pk])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _values(webhook: Webhook) -> dict[str, str]:
    cart, secret = webhook.cart, webhook.secrets["secret"]
    values: dict[str, Any] = {**cart.options, **cart.credentials, SECRET: secret, SHOP: cart.shop}
    values |= grants.app_of(registry().get(cart.system), values)
    return {name: str(value.reveal() if hasattr(value, "reveal") else value or "") for name, value in values.items()}


def _keep(webhook: Webhook, hook: Hook, now: Any, *, verified: bool) -> None:
    """Enters it in the log, of which the oldest goes."""
    mine = WebhookDelivery.objects.filter(cart_id=webhook.cart_id)
    WebhookDelivery.objects.create(
        cart_id=webhook.cart_id,
        topic=storable(hook.topic, 80),
        delivery_id=storable(hook.delivery_id, 100),
        received_at=now,
        verified=verified,
    )
    old = mine.order_by("-id").values_list("id", flat=True)[KEPT : KEPT + 1]
    for last in old:
        mine.filter(id__lte=last).delete()


@cache
def _limiter() -> Limiter:
    client = redis.Redis.from_url(settings.REDIS_CACHE_URL, socket_timeout=0.5, socket_connect_timeout=0.5)
    return RedisLimiter(client, prefix="hooks:")
