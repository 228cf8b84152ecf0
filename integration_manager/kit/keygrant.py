"""Keys that a shop makes for us: a person agrees on the shop's own page, and the shop sends them to us.

A class whose credentials can be had so declares it; they can be typed in all the same:

    keys = KeyGrant(
        authorize=lambda values: f"{values['url']}/wc-auth/v1/authorize",
        fields=("consumer_key", "consumer_secret"),
    )

The shop's server posts the keys to `callback_url`, from where nobody is signed in, and only over HTTPS. So
they are believed no more than typed ones: they are tried at the address that the person gave, and nowhere
else. The person's browser comes back to `return_url` with success=1, or 0 where they said no.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from integration_manager.kit.oauth import BadCallback, Denied

LONGEST = 10_000  # bytes of what a shop sends
APP = "Integration Manager"

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """How a system hands keys over.

    authorize: the address of its consent page, from the connection's values. fields: the fields of the
    connection that it fills, each sent under its name. scope: what is asked for; anything less is refused.
    """

    authorize: Callable[[Values], str]
    fields: tuple[str, ...]
    scope: str = "read_write"


def authorization_url(grant: KeyGrant, values: Values, callback_url: str, return_url: str) -> str:
    """The consent page's address. `user_id` comes back with the keys; the addresses say already whose they are."""
    asked = {
        "app_name": APP,
        "scope": grant.scope,
        "user_id": "integration-manager",
        "return_url": return_url,
        "callback_url": callback_url,
    }
    return f"{grant.authorize(values)}?{urlencode(asked)}"


def keys_of(grant: KeyGrant, body: bytes) -> dict[str, str]:
    """The values of the connection in what a shop sent. Raises BadCallback."""
    try:
        read = json.loads(body) if len(body) <= LONGEST else {}
    except ValueError:
        read = {}
    said: dict[str, Any] = read if isinstance(read, dict) else {}
    found = {name: said.get(name) for name in grant.fields}
    if not all(isinstance(value, str) and 0 < len(value) <= 200 for value in found.values()):
        raise BadCallback("It carries no keys.")
    if said.get("key_permissions") != grant.scope:
        raise BadCallback("The keys may do less than was asked for.")
    return {name: str(value).replace("\x00", "") for name, value in found.items()}


def check_return(query: Mapping[str, str]) -> None:
    """Raises Denied where the person said no."""
    if query.get("success") != "1":
        raise Denied("Access was not granted: somebody chose to deny it.")
