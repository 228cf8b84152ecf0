"""A signed webhook to a program of the customer's, as standardwebhooks.com describes it."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Any

from alerts.channels.base import Kind

PREFIX = "whsec_"


class Webhook(Kind):
    """The event as JSON; `webhook-id` is the same in every try, so that a repetition is known as one."""

    key, label, signs = "webhook", "Webhook", True
    help = "An address of your own program. Each request is signed with the secret below."
    example = "https://erp.example.com/hooks/alerts"

    def body(self, event: dict[str, Any]) -> dict[str, Any]:
        return event

    def headers(self, key: str, at: datetime, body: bytes, secret: str) -> dict[str, str]:
        when = str(int(at.timestamp()))
        return {"webhook-id": key, "webhook-timestamp": when, "webhook-signature": signature(secret, key, when, body)}


def new_secret() -> str:
    """32 random bytes, as the other side's library wants them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, key: str, when: str, body: bytes) -> str:
    """HMAC-SHA256 of id, time and body."""
    signed = b".".join((key.encode(), when.encode(), body))
    mark = hmac.new(base64.b64decode(secret.removeprefix(PREFIX)), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mark).decode()
