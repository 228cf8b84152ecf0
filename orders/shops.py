"""Asks shops for skipped orders, one after the other: for a task that has many to load."""

from collections import Counter
from typing import Any, Self

from accounts.models import Account
from carts.models import Cart
from integration_manager.kit.errors import AuthFailed, ConnectorError, OutcomeUnknown, RateLimited, Transient
from orders import loading
from orders.connections import cart_class, open_cart
from orders.journal import Journal
from orders.models import SkippedOrder

SECONDS = 15.0  # of one call
TRIES = 3  # failures in a row, after which a shop is asked no more
AWAY = (Transient, AuthFailed, OutcomeUnknown)  # say something of the shop; other errors of the one order alone


class Shops:
    """The shops that one task asks. To be closed, which keeps what was said where that failed."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._journal = Journal()
        self._open: dict[int, Any] = {}
        self._failures: Counter[int] = Counter()
        self._problems: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connector in self._open.values():
            for way in (getattr(connector, "http", None), getattr(connector, "folder", None)):
                if way is not None:
                    way.close()
        self._journal.store(None)

    def order(self, skipped: SkippedOrder) -> tuple[Any, str]:
        """The order as its shop has it now, where that can be asked, else as it was read; and what stands against it.

        Raises RateLimited where the shop asks us to wait.
        """
        cart = skipped.cart
        if not cart_class(cart).overrides("order"):
            return skipped.raw, ""
        if self._failures[cart.pk] >= TRIES:
            return None, self._problems[cart.pk]
        try:
            raw = loading.ask(self._connector(cart), skipped)
        except RateLimited:
            raise
        except AWAY as error:
            self._failures[cart.pk] += 1
            self._problems[cart.pk] = f"{cart.name} could not be asked: {error}"
            return None, self._problems[cart.pk]
        except ConnectorError as error:
            raw, trouble = None, f"{cart.name} does not give this order: {error}"
        else:
            trouble = "" if raw is not None else loading.gone(skipped)
        self._failures[cart.pk] = 0
        return raw, trouble

    def _connector(self, cart: Cart) -> Any:
        found = self._open.get(cart.pk)
        if found is None:
            found = self._open[cart.pk] = open_cart(cart, self._account, self._journal)
            for way in (getattr(found, "http", None), getattr(found, "folder", None)):
                if way is not None and hasattr(way, "timeout"):
                    way.timeout = min(way.timeout, SECONDS)
        return found
