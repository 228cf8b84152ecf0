"""A form that somebody else has overtaken: two people edit the same, and the second is told.

The form carries a mark of what it showed. Where that is not what is stored any more, nothing is saved:
the page comes back with what was typed, says what has changed, and saves when it is sent again.
"""

import hashlib
import hmac
import json
from typing import Any

from django.conf import settings

from accounts.models import AuditEntry
from integration_manager.crypto import Secret

FIELD = "mark"


def mark(*shown: Any) -> str:
    """A mark of these values; it gives none of them away."""
    text = json.dumps(shown, default=_plain, sort_keys=True)
    return hmac.new(settings.SECRET_KEY.encode(), b"stale:" + text.encode(), hashlib.sha256).hexdigest()[:24]


def overtaken(posted: Any, now: str) -> bool:
    """Whether a form was made of something else than what is stored now."""
    return bool(posted.get(FIELD)) and posted[FIELD] != now


def last_change(target: str) -> AuditEntry | None:
    """The last entry about a target, to say who changed what."""
    found: AuditEntry | None = AuditEntry.objects.filter(target=target).exclude(changes={}).order_by("-id").first()
    return found


def _plain(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else str(value)
