"""Test connection: one call to another system from a page, and its answer in plain words.

Four at a time per account, no transaction open. The answer's time is bounded by the connector's own.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from accounts.models import Account
from integration_manager.kit.connector import Connector
from integration_manager.kit.errors import AuthFailed, ConnectorError
from merchants.models import Merchant
from orders.connections import open_connector
from orders.journal import Journal

AT_ONCE = 4
SECONDS = 15.0


class Busy(Exception):
    """Four pages of this account are calling out already."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a test found."""

    works: bool
    title: str
    text: str = ""
    said: str = ""
    seconds: float = 0.0
    identity: str | None = None


UNTRIED = Answer(
    True, "Not tested yet", "This system is tested together with a merchant’s values, and no merchant has them yet."
)


def check_wms(system: type[Connector], values: Mapping[str, Any], account: Account) -> Answer:
    """Whether the account's values work, together with those of a merchant where the system has such."""
    needed = [name for name, field in system.fields.items() if field.level == "merchant" and field.required]
    if not needed:
        return check(system, values, account)
    for merchant in Merchant.objects.order_by("id")[:50]:
        if all(merchant.wms_values.get(name) for name in needed):
            return check(system, {**values, **merchant.wms_values}, account)
    return UNTRIED


@contextlib.contextmanager
def slot(account: Account) -> Iterator[None]:
    """One of the account's four places for calling out. Raises Busy when all are taken."""
    with connection.cursor() as cursor:
        for number in range(AT_ONCE):
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [account.pk, number])
            if cursor.fetchone()[0]:
                break
        else:
            raise Busy
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [account.pk, number])


def check(system: type[Connector], values: Mapping[str, Any], account: Account) -> Answer:
    """Whether these values let us in, and into which shop."""
    started = time.monotonic()
    journal = Journal()
    try:
        with slot(account):
            connector = open_connector(system, values, account, journal)
            _hurry(connector)
            connector.check()
            identity = connector.identity()
    except Busy:
        return Answer(False, "Four tests are running already", "Wait for one to end, then test again.")
    except AuthFailed as error:
        return Answer(
            False, f"{system.label} refused the credentials", str(error), error.said, time.monotonic() - started
        )
    except ConnectorError as error:
        return Answer(False, f"{system.label} could not be reached", str(error), error.said, time.monotonic() - started)
    finally:
        journal.store(None)
    return Answer(True, "It works", identity or "", "", time.monotonic() - started, identity)


def _hurry(connector: Connector) -> None:
    """A person waits: no call takes longer than a page may."""
    http = getattr(connector, "http", None)
    if http is not None:
        http.timeout = min(http.timeout, SECONDS)
