"""Claimed orders that a rule, or their source, does not let go: in error with their cause, or on hold. None is sent."""

from collections.abc import Iterable, Sequence

from django.db import transaction

from merchants.rules import Hold, Problem
from merchants.rules.draft import ADDRESS_LOOKUP
from orders import causes, following, ruling
from orders.models import Status
from orders.rewriting import SOURCE
from orders.run import Run
from orders.services.preparing import Item
from orders.states import release


def stop(run: Run, stopped: Iterable[tuple[Item, Problem]], waiting: Iterable[tuple[Item, Hold]]) -> None:
    """Ends these claims, those of one cause together.

    Only by the rules of this very moment: an order that an older map stopped would miss the release that the
    newer one brought. So where they have changed meanwhile, the order goes back into the line.
    """
    problems: dict[tuple[int, str], list[tuple[Item, Problem]]] = {}
    for item, problem in stopped:
        key = causes.of_problem(run.merchant.pk, problem).key
        problems.setdefault((item.claimed.cart_id, key), []).append((item, problem))
    for (cart_id, _), group in problems.items():
        with transaction.atomic():
            if _still(run, cart_id, [item for item, _ in group]):
                _to_error(run, cart_id, [item for item, _ in group], group[0][1])
    for item, hold in waiting:
        with transaction.atomic():
            if _still(run, item.claimed.cart_id, [item]):
                release([item.claimed])
                hold_back(run, item, hold)


def hold_back(run: Run, item: Item, hold: Hold) -> None:
    """Keeps a ready order here. Call it with the rules kept as they are."""
    if hold.by == SOURCE:
        following.take_newer(run.merchant, item.id, run.now)
    else:
        causes.hold([item.id], Status.READY, hold.by, hold.why, run.now)
    if hold.by == ADDRESS_LOOKUP:  # this run's are done
        run.due_at(run.now)
    run.counts["held"] += 1


def _still(run: Run, cart_id: int, items: Sequence[Item]) -> bool:
    """Whether the rules are those that decided it."""
    if ruling.lock(cart_id) == run.rules[cart_id].mark:
        return True
    release([item.claimed for item in items])
    return False


def _to_error(run: Run, cart_id: int, items: Sequence[Item], problem: Problem) -> None:
    cause = causes.of_problem(run.merchant.pk, problem, cart_id)
    tokens = [item.claimed.token for item in items]
    causes.to_error([item.id for item in items], Status.SENDING, problem, cause, run.now, tokens=tokens)
    run.counts["in_error"] += len(items)
