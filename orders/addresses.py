"""Where address verification and Country Rules meet what is stored: settings, and the answers of look-ups."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from django.conf import settings
from django.db import connection

from accounts.models import Account
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.canonical import Address
from integration_manager.kit.verifier import Answer, Verifier
from merchants.models import Merchant
from merchants.rules.countries import REFUSE, Countries
from merchants.rules.verify import Verify
from merchants.verifiers import registry

ASKED = ("address_1", "address_2", "address_3", "city", "state", "zip", "country")
# So long an address waits for its look-up; then the built-in rules decide alone, and later orders ask again.
PATIENCE = timedelta(hours=1)
ONLINE, OFF = Account.Verification.ONLINE, Account.Verification.OFF


def provider() -> type[Verifier] | None:
    """The verifier that the operator has set up; None: there is none."""
    found = registry().systems.get(settings.IM_ADDRESS_VERIFIER)
    return found if found is not None and issubclass(found, Verifier) else None


@dataclass(frozen=True, slots=True)
class Common:
    """What all carts of a merchant have in common."""

    verification: str
    country_rule: Mapping[str, Any]


def common(merchant: Merchant) -> Common:
    """As it stands now: a run goes on for a while, and has the merchant from its beginning."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.verification, m.country_rule::text FROM merchants_merchant m
               JOIN accounts_account a ON a.id = m.account_id WHERE m.account_id = %s AND m.id = %s""",
            [tenancy.account_id(), merchant.pk],
        )
        verification, rule = cursor.fetchone()
    return Common(verification, {} if rule == "{}" else orjson.loads(rule))


def countries(merchant: Merchant, cart: Cart, known: Common) -> tuple[Countries, ...]:
    """The Country Rules that an order of this cart goes by."""
    rules = ((known.country_rule, merchant.name), (cart.country_rule, cart.name))
    return tuple(countries_of(rule, whose) for rule, whose in rules if rule.get("kind"))


def countries_of(rule: Mapping[str, Any], whose: str) -> Countries:
    """Country Rules as they are kept."""
    return Countries(rule.get("kind", ""), frozenset(rule.get("codes", ())), rule.get("then", REFUSE), whose)


def verify_of(cart: Cart, known: Common) -> Verify:
    """How this cart's addresses are verified."""
    if not cart.verify_addresses or known.verification == OFF:
        return Verify()
    verifier = provider() if known.verification == ONLINE else None
    return Verify(
        cart.verify_addresses,
        cart.verify_countries,
        cart.hold_address_errors,
        answer=Book(verifier) if verifier is not None else None,
        provider=verifier.label if verifier is not None else "",
    )


def key_of(verifier: type[Verifier], where: Address) -> str:
    """What an answer is found by: the same for the same address, in any case of its letters."""
    parts = [verifier.key, *((getattr(where, name) or "").casefold() for name in ASKED)]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


class Book:
    """The answers of one verifier, read as they are asked for. What nobody has answered yet is read again."""

    def __init__(self, verifier: type[Verifier]) -> None:
        self._verifier, self._serves = verifier, verifier(values_of()).serves
        self._known: dict[str, Answer] = {}

    def __call__(self, where: Address) -> Answer | None:
        """What was said of an address; None: nobody has answered yet."""
        if not self._serves(where.country or ""):
            return Answer(False, unasked=True)
        key = key_of(self._verifier, where)
        if key not in self._known:
            self.know([key])
        return self._known.get(key)

    def know(self, keys: Sequence[str]) -> None:
        """Reads answers that will be asked for: one statement for all of them."""
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT key, answer::text FROM orders_addressanswer
                   WHERE account_id = %s AND key = ANY(%s) AND answer IS NOT NULL
                     AND NOT (unasked AND answered_at < %s)""",
                [tenancy.account_id(), list(keys), clock.now() - PATIENCE],
            )
            self._known |= {key: Answer.from_json(orjson.loads(said)) for key, said in cursor.fetchall()}


def values_of() -> dict[str, Any]:
    """The operator's values of the verifier's fields."""
    return dict(settings.IM_ADDRESS_VERIFIER_VALUES)
