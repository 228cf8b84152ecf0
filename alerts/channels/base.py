"""What every kind of channel is: a name, a hint for the form, and how it says an alert. The rest is here."""

import functools
import json
from datetime import datetime
from typing import Any

from django.conf import settings

from integration_manager.kit.egress import Guard
from integration_manager.kit.transport import Http

SECONDS = 10.0
MOST_ANSWERED = 64 * 1024  # bytes


class Kind:
    """A kind of channel. `event`: see alerts/posting.py, `event_of`."""

    key = ""
    label = ""
    signs = False  # whether it has a secret of its own
    help = ""  # where its address comes from
    example = ""

    def body(self, event: dict[str, Any]) -> dict[str, Any]:
        """What is posted, as JSON."""
        raise NotImplementedError

    def headers(self, key: str, at: datetime, body: bytes, secret: str) -> dict[str, str]:
        """What goes with it."""
        return {}

    def send(self, url: str, secret: str, key: str, event: dict[str, Any], at: datetime) -> None:
        """Posts one event. Raises the errors of `kit.errors`."""
        body = json.dumps(self.body(event), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", **self.headers(key, at, body, secret)}
        with Http(
            guard=guard(),
            limiter=None,
            journal=None,
            timeout=SECONDS,
            connect_timeout=SECONDS / 2,
            max_body=MOST_ANSWERED,
            secrets=[url, *([secret] if secret else [])],
        ) as http:
            http.post(url, data=body, headers=headers, safe=True)


@functools.cache
def guard() -> Guard:
    """Where posts may go: public addresses, and what the operator allows."""
    return Guard(settings.IM_EGRESS_ALLOW)
