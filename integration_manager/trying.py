"""Test connection: one call to another system from a page, and its answer in plain words.

Four at a time per account, 15 s in all, no transaction open, and none for a suspended account or an archived
merchant.
"""

import contextlib
import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

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
T = TypeVar("T")


class Busy(Exception):
    """Four pages of this account are calling out already."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a question ended with in its thread, instead of an answer."""

    error: BaseException


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


WMS_WORKS = "Test WMS Connection successful"
UNTRIED = Answer(
    True, "Not tested yet", "This system is tested together with a merchant’s values, and no merchant has them yet."
)
SUSPENDED = Answer(False, "This account is suspended", "Nothing is called, run or sent until it is opened again.")


def archived(merchant: Merchant) -> Answer:
    """What is answered in place of a call for a merchant of whom nothing runs."""
    return Answer(False, f"{merchant.name} is archived", "Nothing of it runs, so nothing is called. Restore it first.")


def in_words(answer: Answer) -> Answer:
    """The answer of a test of the WMS, in the words that its users know."""
    return replace(answer, title=WMS_WORKS) if answer.works and answer is not UNTRIED else answer


def check_wms(
    system: type[Connector], values: Mapping[str, Any], account: Account, *, known: bool, moved: bool = False
) -> Answer:
    """Whether the account's values work, together with those of a merchant where the system has such.

    `known`: it is the account's WMS, so that what merchants entered is meant for it; `moved`: at another
    address than the stored one, so that their secrets are not.
    """
    of_merchant = _of_a_merchant(system, secrets=not moved) if known else {} if not _needed(system) else None
    return UNTRIED if of_merchant is None else check(system, {**values, **of_merchant}, account)


def ship_methods(
    system: type[Connector], values: Mapping[str, Any], account: Account
) -> tuple[Answer, list[ShipMethod]]:
    """What the account's WMS lists of shipping methods, and how the question went."""
    of_merchant = _of_a_merchant(system)
    if of_merchant is None:
        return UNTRIED, []
    answer, found = answer_of(
        system, {**values, **of_merchant}, account, None, lambda connector: connector.ship_methods()
    )
    return answer, found or []


def _needed(system: type[Connector]) -> list[str]:
    return [name for name, field in system.fields.items() if field.level == "merchant" and field.required]


def _of_a_merchant(system: type[Connector], *, secrets: bool = True) -> Mapping[str, Any] | None:
    """A merchant's values, where the system needs such; None where no merchant has them."""
    needed = _needed(system)
    if not needed:
        return {}
    for merchant in Merchant.objects.filter(archived_at__isnull=True).order_by("id")[:50]:
        values = {n: v for n, v in merchant.wms_values.items() if n in system.fields}
        if not secrets:
            values = {n: v for n, v in values.items() if not system.fields[n].secret}
        if all(values.get(name) for name in needed):
            return values
    return None


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

    def who_is_there(connector: Connector) -> str | None:
        connector.check()
        return connector.identity()

    answer, identity = answer_of(system, values, account, merchant, who_is_there)
    return replace(answer, text=identity or "", identity=identity) if answer.works else answer


def answer_of(
    system: type[Connector],
    values: Mapping[str, Any],
    account: Account,
    merchant: Merchant | None,
    question: Callable[[Any], T],
    *,
    trace: bool = False,
) -> tuple[Answer, T | None]:
    """Opens a connector with these values and asks it something: how that went, and what it said.

    The question is asked in a thread: it touches no database. `trace`: all that is said is kept.
    """
    if account.suspended_at:
        return SUSPENDED, None
    if merchant is not None and merchant.archived_at:
        return archived(merchant), None
    started = time.monotonic()
    journal = Journal()

    def no(title: str, text: str, said: str = "") -> tuple[Answer, None]:
        return Answer(False, title, text, said, time.monotonic() - started), None

    try:
        with slot(account):
            found = _in_time(
                open_connector(system, values, account, journal, merchant, trace=trace), started + SECONDS, question
            )
    except Busy:
        return Answer(False, "Four tests are running already", "Wait for one to end, then test again."), None
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
    return Answer(True, "It works", seconds=time.monotonic() - started), found


def _in_time(connector: Connector, until: float, question: Callable[[Any], T]) -> T:
    """Asks the question, until `until` (of time.monotonic()) at the longest. Raises TooSlow.

    One test is many calls, of which a connector bounds each; so they are made in a thread that can be left
    behind. It uses no database, and ends by itself: no call of it takes longer than a page's time.
    """
    ways: list[Any] = [getattr(connector, "http", None), getattr(connector, "folder", None)]
    for way in ways:
        if hasattr(way, "timeout"):
            way.timeout = min(way.timeout, SECONDS)
        if hasattr(way, "until"):
            way.until = until
    answers: queue.SimpleQueue[T | _Failed] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(question(connector))
        except BaseException as error:
            answers.put(_Failed(error))

    threading.Thread(target=contextvars.copy_context().run, args=(ask,), daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, until - time.monotonic()))
    except queue.Empty:
        raise TooSlow from None
    if isinstance(answer, _Failed):
        raise answer.error
    return answer
