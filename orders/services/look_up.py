"""Look-ups of addresses: orders that wait for one, in runs of Order Download and Order Delivery.

The orders that are held by it are the work list. Each address is asked about once, whoever else waits for it: its
row is claimed by a lease, and the answer is stored and counted in one transaction by who holds it. While the
provider cannot be asked, orders wait, and are tried again; after an hour the built-in rules decide alone.
"""

import functools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction

from accounts.periods import beginning
from alerts.raising import raise_alert, resolve
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit.canonical import Address, from_json
from integration_manager.kit.canonical import Order as Canonical
from integration_manager.kit.errors import BadAnswer, ConnectorError, Permanent
from integration_manager.kit.transport import Http
from integration_manager.kit.verifier import Answer, Verifier
from merchants.rules.address import to_ask
from merchants.rules.address_check import is_domestic
from merchants.rules.draft import ADDRESS_LOOKUP
from orders import addresses, releasing, ruling
from orders.connections import guard, limiter
from orders.models import Order, OrderDetail, Status
from orders.run import Run, Unstarted

BATCH = 200  # orders that are looked at together
WINDOW = 15.0  # seconds in which the calls of a batch are begun
WAITS = (timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=10))
KIND = "lookup_failing"
OF_ONE = (BadAnswer, Permanent)  # errors that are about one address, not about the provider

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """One address that is ours to ask about, on behalf of an order."""

    key: str
    address: Address
    order_id: int
    token: int
    failures: int
    since: datetime


def look_up(run: Run) -> None:
    """Asks about the addresses that this run's orders wait for, and lets go what has its answer."""
    if run.account.verification != addresses.ONLINE:
        return
    waiting = Order.objects.filter(merchant=run.merchant, status=Status.HELD, held_by=ADDRESS_LOOKUP)
    if run.cart is not None:
        waiting = waiting.filter(cart=run.cart)
    last = 0
    verifier = addresses.provider()
    while verifier is not None and run.keep_alive() and not run.stopping.is_set():
        group = list(waiting.filter(pk__gt=last).order_by("pk")[:BATCH])
        if not group:
            break
        last = group[-1].pk
        if not _ask(run, verifier, _claim(run, verifier, group)):
            break
    for cart in Cart.objects.filter(pk__in=waiting.order_by().values("cart").distinct()).order_by("pk"):
        with transaction.atomic():
            ruling.lock(cart.pk)
            releasing.review(run.merchant, cart, ADDRESS_LOOKUP, "Its address was looked up.", run.now, actor="")


def _claim(run: Run, verifier: type[Verifier], group: Sequence[Order]) -> list[Asked]:
    """The addresses that these orders wait for and nobody else is asking about."""
    carts = Cart.objects.filter(pk__in={order.cart_id for order in group})
    rules = ruling.load(run.merchant, carts)
    datas = dict(OrderDetail.objects.filter(order__in=group).values_list("order_id", "data"))
    wanted: dict[str, tuple[Address, int]] = {}
    for order in group:
        for where in to_ask(from_json(Canonical, datas[order.pk]), rules[order.cart_id].verify):
            wanted.setdefault(addresses.key_of(verifier, where), (where, order.pk))
    if not wanted:
        return []
    lease = WINDOW + verifier.timeout + 10
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO orders_addressanswer AS a (account_id, key, domestic, created_at, token, failures,
                                                     unasked, lease_until)
               SELECT %(account)s, g.key, g.domestic, %(now)s, 1, 0, false, now() + make_interval(secs => %(lease)s)
               FROM unnest(%(keys)s::text[], %(domestic)s::bool[]) AS g(key, domestic)
               ON CONFLICT (account_id, key) DO UPDATE SET
                   token = a.token + 1, lease_until = now() + make_interval(secs => %(lease)s),
                   unasked = false, answer = NULL, answered_at = NULL,
                   created_at = CASE WHEN a.unasked THEN %(now)s ELSE a.created_at END,
                   failures = CASE WHEN a.unasked THEN 0 ELSE a.failures END
               WHERE (a.answer IS NULL OR (a.unasked AND a.answered_at < %(old)s))
                 AND (a.lease_until IS NULL OR a.lease_until < now())
                 AND (a.retry_at IS NULL OR a.retry_at <= %(now)s)
               RETURNING key, token, failures, created_at""",
            {
                "account": tenancy.account_id(),
                "keys": list(wanted),
                "domestic": [is_domestic(where) for where, _ in wanted.values()],
                "now": run.now,
                "old": run.now - addresses.PATIENCE,
                "lease": lease,
            },
        )
        mine = cursor.fetchall()
    _come_back(run, sorted(wanted.keys() - {row[0] for row in mine}))
    return [Asked(key, *wanted[key], token, failures, since) for key, token, failures, since in mine]


def _come_back(run: Run, others: Sequence[str]) -> None:
    """Somebody else is asking about these, or they have failed and are not due yet: looks again as soon as may be."""
    if not others:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(coalesce(retry_at, %s)) FROM orders_addressanswer "
            "WHERE account_id = %s AND key = ANY(%s) AND answer IS NULL",
            [run.now + timedelta(seconds=WINDOW), tenancy.account_id(), list(others)],
        )
        run.due_at(cursor.fetchone()[0])


def _ask(run: Run, verifier: type[Verifier], mine: Sequence[Asked]) -> bool:
    """Asks about each, and records what came. False: the provider cannot be asked now."""
    if not mine:
        return True
    ask, until, works, heard = _opened(run, verifier), time.monotonic() + WINDOW, True, False
    failures: list[ConnectorError] = []
    for group in run.each(ask, mine, subject=lambda one: one.order_id, start_before=lambda one: until):
        answered = [(one, said) for one, said in group if isinstance(said, Answer)]
        unstarted = [one for one, said in group if isinstance(said, Unstarted)]
        failed = [(one, said) for one, said in group if not isinstance(said, Answer | Unstarted)]
        for _, error in failed:
            if not isinstance(error, ConnectorError):
                raise error
        _store(run, verifier, answered)
        _give_back(run, unstarted)
        _fail(run, verifier, failed)
        heard = heard or bool(answered) or any(isinstance(error, Permanent) for _, error in failed)
        works = works and all(isinstance(error, OF_ONE) for _, error in failed)
        failures += [error for _, error in failed]
    if heard and works:
        resolve(KIND, [KIND], run.now)
    elif failures:
        message = f"{verifier.label} does not answer questions about addresses."
        said = str(failures[0])
        raise_alert(KIND, KIND, message, now=run.now, fix="They are asked again by themselves.", said=said)
    return works


def _opened(run: Run, verifier: type[Verifier]) -> Any:
    """The function that asks: guarded, limited and journaled like every call of a connector."""
    values = addresses.values_of()
    secrets = [str(values[name]) for name, field in verifier.fields.items() if field.secret and values.get(name)]
    http = Http(
        guard=guard(),
        limiter=limiter(),
        key=f"verifier:{verifier.key}",
        rate=verifier.rate,
        journal=run.journal,
        timeout=verifier.timeout,
        secrets=secrets,
    )
    opened = verifier(values, http=http)
    return functools.partial(_look_up, opened)


def _look_up(verifier: Verifier, one: Asked) -> Answer:
    """One address, in a thread of the run. Whatever cannot be read or kept is a bad answer about this one alone."""
    try:
        return verifier.look_up(one.address).checked()
    except ConnectorError:
        raise
    except Exception as error:
        log.warning("an answer of %s cannot be read", verifier.key, exc_info=error)
        raise BadAnswer(f"{verifier.label} answered something that is not understood.") from None


def _store(run: Run, verifier: type[Verifier], answered: Sequence[tuple[Asked, Answer]]) -> None:
    """Keeps the answers of those that are still ours, and counts them: both or neither."""
    if not answered:
        return
    begins_on = beginning(run.account.created_at, run.account.timezone, run.now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """WITH stored AS (
                   UPDATE orders_addressanswer a
                   SET answer = g.answer, answered_at = %(now)s, lease_until = NULL, retry_at = NULL
                   FROM unnest(%(keys)s::text[], %(tokens)s::bigint[], %(answers)s::jsonb[]) AS g(key, token, answer)
                   WHERE a.account_id = %(account)s AND a.key = g.key AND a.token = g.token AND a.answer IS NULL
                   RETURNING a.domestic)
               INSERT INTO orders_lookupcount AS c (account_id, begins_on, us, international)
               SELECT %(account)s, %(begins_on)s, count(*) FILTER (WHERE domestic),
                      count(*) FILTER (WHERE NOT domestic)
               FROM stored HAVING count(*) > 0
               ON CONFLICT (account_id, begins_on) DO UPDATE SET
                   us = c.us + excluded.us, international = c.international + excluded.international""",
            {
                "account": tenancy.account_id(),
                "now": run.now,
                "begins_on": begins_on,
                "keys": [one.key for one, _ in answered],
                "tokens": [one.token for one, _ in answered],
                "answers": [orjson.dumps(said.to_json()).decode() for _, said in answered],
            },
        )
    run.counts["looked_up"] += len(answered)


def _fail(run: Run, verifier: type[Verifier], failed: Sequence[tuple[Asked, ConnectorError]]) -> None:
    """They are tried again; what is refused, or has waited for an hour, is left to the built-in rules."""
    for one, error in failed:
        refused = isinstance(error, Permanent)
        what = f"refuses to say anything about it ({error.code})" if refused else "did not answer in time"
        why = f"{verifier.label} {what}, so the built-in rules decided alone."
        nothing = orjson.dumps(Answer(False, said=why, unasked=True).to_json()).decode()
        over = refused or run.now - one.since >= addresses.PATIENCE
        retry_at = None if over else run.now + WAITS[min(one.failures, len(WAITS) - 1)]
        run.due_at(retry_at)
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE orders_addressanswer SET failures = failures + 1, retry_at = %s, lease_until = NULL,
                       unasked = %s, answer = %s::jsonb, answered_at = %s
                   WHERE account_id = %s AND key = %s AND token = %s AND answer IS NULL""",
                [
                    retry_at,
                    over,
                    nothing if over else None,
                    run.now if over else None,
                    tenancy.account_id(),
                    one.key,
                    one.token,
                ],
            )


def _give_back(run: Run, unstarted: Sequence[Asked]) -> None:
    """For the next run, which comes at once."""
    if not unstarted:
        return
    run.due_at(run.now)
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE orders_addressanswer a SET lease_until = NULL
               FROM unnest(%s::text[], %s::bigint[]) AS g(key, token)
               WHERE a.account_id = %s AND a.key = g.key AND a.token = g.token AND a.answer IS NULL""",
            [[one.key for one in unstarted], [one.token for one in unstarted], tenancy.account_id()],
        )
