"""Cancellations in Shopify, which carries them out in the background: asked for once, then looked at until decided.

The documents are Cancel, CancelJob and State.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from integration_manager.kit import clock
from integration_manager.kit.connector import Pending
from integration_manager.kit.errors import NeedsHuman, Permanent
from integration_manager.kit.reading import Reader, pick

if TYPE_CHECKING:
    from integration_manager.kit.shopify import Admin

SOON, RARELY = timedelta(seconds=30), timedelta(minutes=15)  # between two looks, at first and later
# A refusal may be no more than that an earlier request, whose answer was lost, is being carried out. After this
# time it would have been.
BELIEVED = timedelta(minutes=3)
PATIENCE = timedelta(hours=6)
FINAL = ("NOT_FOUND", "NO_REFUND_PERMISSION")  # refusals that no request under way can be the reason of
NO_WORDS = (
    "It gives no reason. It does not cancel an order with a pending payment, with an open return, or of which a part "
    "is fulfilled."
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A cancellation that was asked for. `job`: Shopify's id of it; `why`: what it said against it instead."""

    order: str
    began: str
    job: str = ""
    why: str = ""


def begin(admin: "Admin", order_id: str, how: Mapping[str, Any]) -> Pending | None:
    """Cancels an order. None: it is canceled. Raises Permanent where it will not be."""
    state = admin.state(order_id)
    if state.text("cancelledAt"):
        return None
    if state.text("displayFulfillmentStatus") == "FULFILLED":
        raise Permanent("The order has been fulfilled in Shopify already.", code="already_shipped")
    answer, wrong = admin.graph.reasons("Cancel", "orderCancel", "orderCancelUserErrors", safe=True, id=order_id, **how)
    asked = _Asked(order_id, clock.now().isoformat())
    if wrong:
        refusal = _refusal(wrong)
        if any(row.get("code") in FINAL for row in wrong):
            raise refusal
        return _next(admin, replace(asked, why=str(refusal)))
    job = Reader(pick(answer, "data.orderCancel", dict)).part("jobResult")
    return _next(admin, replace(asked, job=job.text("id") or ""))


def look(admin: "Admin", handle: str) -> Pending | None:
    """What has become of it. None: it is canceled. Raises Permanent with Shopify's reason, NeedsHuman after hours."""
    return _next(admin, _Asked(**json.loads(handle)))


def _next(admin: "Admin", asked: _Asked) -> Pending | None:
    if admin.state(asked.order).text("cancelledAt"):
        return None
    job = Reader(pick(admin.ask("CancelJob", id=asked.job), "data", dict)).part("node") if asked.job else Reader({})
    if job.text("status") == "SUCCEEDED":
        return None
    if job.text("status") == "FAILED":
        raise _refusal([row.raw for row in job.parts("errors")])
    age = clock.now() - datetime.fromisoformat(asked.began)
    if asked.why and age >= BELIEVED:
        raise Permanent(asked.why, said=asked.why)
    if age >= PATIENCE:
        words = (
            f"Shopify has been canceling the order for {PATIENCE // timedelta(hours=1)} hours, and has not finished."
        )
        raise NeedsHuman(
            words, code="unfinished", fix="Look at the order in Shopify, and cancel it there if it stands."
        )
    return Pending(json.dumps(asdict(asked)), clock.now() + max(SOON, min(age / 2, RARELY)))


def _refusal(wrong: Sequence[Mapping[str, Any]]) -> Permanent:
    said = " ".join(str(row["message"]).strip() for row in wrong if row.get("message"))
    code = str(wrong[0].get("code") or "refused").lower() if wrong else "refused"
    return Permanent(said or NO_WORDS, code=code, said=said)
