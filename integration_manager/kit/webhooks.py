"""What a shop tells us by itself: its signature is verified, and it says which order has changed.

A webhook carries nothing into the product. It wakes the cart's Order Download, which asks the shop as
always; so a hook that comes twice, late, out of turn or is replayed does no harm, and one that never
comes is made up for by the next regular run.

A cart class takes part by two methods of `kit.connector.CartConnector`: `webhook` (verify and read)
and, where the shop's interface can, `subscribe` with `unsubscribe`.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from integration_manager.kit import clock

SECRET = "webhook_secret"  # noqa: S105 (a name): where `webhook` finds the secret among its values
SHOP = "webhook_shop"  # the same for the shop's own id (see `Connector.identity`)
TOLERANCE = timedelta(minutes=5)  # between the time a shop signs and ours, either way


class BadSignature(Exception):
    """It does not come from the shop, or has been changed on its way; the message says which check failed."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook, verified. `delivery_id` may repeat and is for the log alone, unless the shop says otherwise.

    `ping`: the shop tries the address; nothing has changed (and a shop may leave its ping unsigned).
    `order_key`: the order it is about, as `key_of` would give it, where the hook says so.
    `once`: its `delivery_id` is that of no other, whenever the shop tries it again: the second is passed over.
    """

    topic: str
    delivery_id: str = ""
    ping: bool = False
    order_key: str | None = None
    once: bool = False


def verify_hmac(
    secret: str,
    body: bytes,
    signature: str | None,
    *,
    digest: str = "sha256",
    encoding: Literal["base64", "hex"] = "base64",
) -> None:
    """The usual signature: an HMAC over the raw body, compared in constant time. Raises BadSignature."""
    if not secret:
        raise BadSignature("There is no secret to verify it with.")
    try:
        given = (signature or "").strip().encode("ascii")
        raw = base64.b64decode(given, validate=True) if encoding == "base64" else bytes.fromhex(given.decode())
    except (ValueError, binascii.Error):
        raw = b""
    if not hmac.compare_digest(raw, hmac.new(secret.encode(), body, getattr(hashlib, digest)).digest()):
        raise BadSignature("The signature does not fit." if signature else "It is not signed.")


def verify_time(signed_at: datetime) -> None:
    """For shops that sign a time: it is not older, nor farther ahead, than 5 minutes. Raises BadSignature."""
    if abs(clock.now() - signed_at) > TOLERANCE:
        raise BadSignature("It was signed more than 5 minutes ago, or the shop's clock is wrong.")
