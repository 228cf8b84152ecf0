"""Whether a password is in a list of stolen ones: asked without telling the password (k-anonymity).

The first five of forty hex digits of its SHA-1 leave, about 800 candidates come back, and the comparison
is made here. An option of the operator (IM_BREACH_CHECK); it fails open: without an answer nobody is
kept out.
"""

import functools
import hashlib
import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import ConnectorError
from integration_manager.kit.transport import Http

log = logging.getLogger(__name__)
SECONDS = 3.0


def is_breached(password: str) -> bool:
    """True if it is known to be stolen. False also where nobody could say, or the check is off."""
    if not settings.IM_BREACH_CHECK:
        return False
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    try:
        with Http(
            base_url=settings.IM_BREACH_URL,
            guard=_guard(),
            limiter=None,
            journal=None,
            timeout=SECONDS,
            connect_timeout=SECONDS,
            max_body=1024 * 1024,
        ) as http:
            http.headers = {"Add-Padding": "true"}  # so that the length of the answer tells nothing
            answer = http.get(f"/range/{digest[:5]}").text
    except (ConnectorError, ValueError) as error:
        log.warning("no answer on stolen passwords: %s", type(error).__name__)
        return False
    found = dict(line.strip().split(":", 1) for line in answer.splitlines() if ":" in line)
    return found.get(digest[5:], "0").strip() not in ("", "0")  # 0: padding


class NotBreached:
    """Password validator: refuses a new password that is known to be stolen."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises ValidationError."""
        if is_breached(password):
            raise ValidationError("This password is in a list of stolen passwords. Choose another one.")

    def get_help_text(self) -> str:
        """For people."""
        return "It must not be in a list of stolen passwords."


@functools.cache
def _guard() -> Guard:
    return Guard(settings.IM_EGRESS_ALLOW)
