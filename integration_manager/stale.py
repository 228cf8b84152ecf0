"""A form that somebody else has overtaken: two people edit the same, and the second is told.

The form carries a mark of what it showed. Where that is not what is stored any more, nothing is saved:
the page comes back with what was typed, says what has changed, and saves when it is sent again.

A list that grows by itself would always be overtaken: there each field carries what it showed, beside it
(`in_list`), and only those that a person has touched are saved.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from django.conf import settings

from accounts.models import AuditEntry
from integration_manager.crypto import Secret

FIELD = "mark"
WAS = "-was"  # behind a field's name: what it showed


class Overtaken(Exception):
    """Somebody else has changed a field of a list; the text says so, in plain words."""


def mark(*shown: Any) -> str:
    """A mark of these values; it gives none of them away."""
    text = json.dumps(shown, default=_plain, sort_keys=True)
    return hmac.new(settings.SECRET_KEY.encode(), b"stale:" + text.encode(), hashlib.sha256).hexdigest()[:24]


def overtaken(posted: Any, now: str) -> bool:
    """Whether a form was made of something else than what is stored now."""
    return bool(posted.get(FIELD)) and posted[FIELD] != now


def said(posted: Any, now: str, target: str = "", verb: str = "") -> dict[str, Any]:
    """What the page says (templates/parts/stale.html) where somebody else has saved meanwhile; empty: go on.

    `target`, `verb`: of the entry that tells who it was and what they changed; "" where none tells just that.
    """
    if not overtaken(posted, now):
        return {}
    return {"overtaken": True, "last_change": last_change(target, verb) if target else None}


def in_list(posted: Any, name: str, stored: str, read: Callable[[str], str], words: str = "empty") -> str | None:
    """What a person has made of one field of a list. None: nothing, it is as it was shown.

    `read`: as what was typed is stored. `words`: what stands for "". Raises Overtaken where it would replace
    what somebody else has stored meanwhile.
    """
    if name not in posted:
        return None
    wanted, was = read(posted[name]), read(posted.get(f"{name}{WAS}", stored))
    if wanted == was:
        return None
    if stored not in (was, wanted):
        raise Overtaken(is_now(stored or words))
    return wanted


def as_shown(posted: Any, name: str, stored: str, read: Callable[[str], str], words: str = "empty") -> None:
    """Before a row of a list is deleted. Raises Overtaken where it is another one than was shown."""
    if read(posted.get(f"{name}{WAS}", stored)) != stored:
        raise Overtaken(is_now(stored or words))


def last_change(target: str, verb: str = "") -> AuditEntry | None:
    """The last entry about a target, to say who changed what."""
    rows = AuditEntry.objects.filter(target=target, **({"verb": verb} if verb else {})).exclude(changes={})
    found: AuditEntry | None = rows.order_by("-id").first()
    return found


def is_now(stored: str) -> str:
    """What stands beside a field that somebody else has changed, with what is stored."""
    return f"Somebody else has changed it meanwhile: it is {stored} now. Send it again to replace that."


def _plain(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else str(value)
