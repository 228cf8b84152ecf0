"""Test connection: one call to another system from a page, and its answer in plain words.

Four at a time per account, 15 s in all, no transaction open, and none for a suspended account.
"""

import contextlib
import contextvars
import logging
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from accounts.models import Account
from integration_manager.ids import public_id
from integration_manager.kit.canonical import ShipMethod
from integration_manager.kit.connector import Connector
from integration_manager.kit.errors import AuthFailed, ConnectorError, NeedsHuman
from merchants.models import Merchant
from orders.connections import open_connector
from orders.journal import Journal

AT_ONCE = 4
SECONDS = 15.0

log = logging.getLogger(__name__)


class Busy(Exception):
    """Four pages of this account are calling out already."""


class TooSlow(Exception):
    """The other system has not answered when a person's patience, and the page's time, is over."""


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
SUSPENDED = Answer(False, "This account is suspended", "Nothing is called, run or sent until it is opened again.")


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


def check(
    system: type[Connector], values: Mapping[str, Any], account: Account, merchant: Merchant | None = None
) -> Answer:
    """Whether these values let us in, and into which shop. `merchant`: a cart's own."""
    if account.suspended_at:
        return SUSPENDED
    started = time.monotonic()
    journal = Journal()

    def no(title: str, text: str, said: str = "") -> Answer:
        return Answer(False, title, text, said, time.monotonic() - started)

    try:
        with slot(account):
            identity = _in_time(open_connector(system, values, account, journal, merchant), started + SECONDS)
    except Busy:
        return Answer(False, "Four tests are running already", "Wait for one to end, then test again.")
    except TooSlow:
        return no(
            f"{system.label} did not answer in time",
            f"The test was given up after {SECONDS:.0f} seconds. Look whether the address is right, then test again.",
        )
    except AuthFailed as error:
        return no(f"{system.label} refused the credentials", str(error), error.said)
    except NeedsHuman as error:
        return no("A setting has to be changed", f"{error} {error.fix}".strip(), error.said)
    except ConnectorError as error:
        return no(f"{system.label} could not be reached", str(error), error.said)
    except Exception as error:  # a mistake of ours: the person gets a number, the operator what is behind it
        number = public_id()
        log.error("report %s: testing a connection to %s failed", number, system.key, exc_info=error)
        return no("The test itself failed", f"That is our mistake and says nothing of your values. Report {number}.")
    finally:
        journal.store(None)
    return Answer(True, "It works", identity or "", "", time.monotonic() - started, identity)


def _in_time(connector: Connector, until: float) -> str | None:
    """Asks who is there, until `until` (of time.monotonic()) at the longest. Raises TooSlow.

    One test is many calls, of which a connector bounds each; so they are made in a thread that can be left
    behind. It uses no database, and ends by itself: no call of it takes longer than a page's time.
    """
    ways: list[Any] = [getattr(connector, "http", None), getattr(connector, "folder", None)]
    for way in ways:
        if hasattr(way, "timeout"):
            way.timeout = min(way.timeout, SECONDS)
        if hasattr(way, "until"):
            way.until = until
    answers: queue.SimpleQueue[tuple[str | None, BaseException | None]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            connector.check()
            answers.put((connector.identity(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=contextvars.copy_context().run, args=(ask,), daemon=True).start()
    try:
        identity, error = answers.get(timeout=max(0.0, until - time.monotonic()))
    except queue.Empty:
        raise TooSlow from None
    if error is not None:
        raise error
    return identity
