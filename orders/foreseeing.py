"""What would become of an order, by the same functions that decide it: for previews, dry runs and questions."""

from dataclasses import dataclass
from datetime import datetime

from carts.models import DryOrder
from orders.intake import Incoming, Intake
from orders.reading import HANDLED, Unreadable, left_out
from orders.storing import Known, known_of

V = DryOrder.Verdict


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would happen to an order at the next Order Download, and why. `known`: the order's id, if we have it."""

    verdict: DryOrder.Verdict
    message: str = ""
    fix: str = ""
    known: int | None = None


def foresee(intake: Intake, found: list[Incoming | Unreadable], now: datetime) -> list[Forecast]:
    """A forecast for each, as if it were loaded now; by one query."""
    known, over = known_of(intake, [one.key for one in found])
    return [_of(intake, one, known, over, now) for one in found]


def _of(
    intake: Intake, one: Incoming | Unreadable, known: dict[str, Known], over: dict[str, str], now: datetime
) -> Forecast:
    if isinstance(one, Unreadable):
        return Forecast(V.SKIP, f"It could not be read and has no number: {one.why}.")
    if one.key in known:
        return Forecast(V.KNOWN, "It is loaded already.", known=known[one.key][0])
    why = left_out(intake, one, now, over=over.get(one.key, ""))
    if why is not None:
        verdict = V.HANDLED if why.reason == HANDLED else V.SKIP if why.listed else V.LEAVE
        return Forecast(verdict, why.message)
    problem = one.problem
    if problem is not None:
        return Forecast(V.ERROR, problem.message, problem.fix)
    hold = one.outcome.hold if one.outcome else None
    waits = hold is not None and hold.until is None  # else it goes by itself when its time has come
    return Forecast(V.HOLD if waits else V.SEND, hold.why if hold else "")
