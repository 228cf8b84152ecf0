"""An order's content is replaced before it is sent, by its source or by a person, and the rules see it anew."""

from datetime import datetime
from typing import Any

from integration_manager.kit.canonical import Order, from_json
from merchants.rules import HOLDS, Hold
from orders import causes as because
from orders import ruling
from orders.changes import record_change
from orders.inserting import insert_lines, list_codes, placing, search_keys
from orders.intake import Incoming, Intake
from orders.models import Order as OrderRow
from orders.models import OrderDetail, OrderLine, Status
from orders.out_of_stock import HELD_BY as LACK

SOURCE = "source"  # holds an order that its source does not want shipped, as it stands there
# Errors that another content does not cure: a person has to say what is so at the WMS.
ASKED = ("outcome_unknown", "reference_taken")  # of these also whether the WMS has it at all
DECIDED_BY_PEOPLE = (*ASKED, "canceled_at_wms")


def rewrite(
    intake: Intake,
    row: OrderRow,
    detail: OrderDetail,
    data: dict[str, Any],
    now: datetime,
    *,
    kind: str,
    actor: str,
    message: str,
    raw: Any = None,
    **fields: Any,
) -> Incoming:
    """Replaces the content of an order that the caller has locked, tells its timeline, and gives it judged.

    `raw`: the source's own form, where it is newer. `fields`: further columns of the order.
    """
    order = from_json(Order, data)
    judged = Incoming(row.cart_key, raw, order)
    right = detail.right_for(data)
    intake.judge(judged, row.created_at, anyway=row.anyway, address_right=right)
    assert judged.outcome is not None
    record_change(row.pk, detail.data, data, now, kind=kind, actor=actor, message=message)
    keys = {name: values[0] for name, values in search_keys([data]).items()}
    if raw is not None:
        keys["raw"] = raw
    OrderDetail.objects.filter(pk=detail.pk).update(data=data, address_right=right, newer=None, **keys)
    OrderLine.objects.filter(order_id=row.pk).delete()
    insert_lines({row.pk: judged.outcome}, known=True)
    list_codes(intake, [judged], now)
    if judged.outcome.story != detail.applied:
        ruling.tell({row.pk: judged.outcome}, now, store=True)
    OrderRow.objects.filter(pk=row.pk).update(
        order_date=order.order_date,
        updated_at=now,
        ship_code=(order.ship_code or "")[:100],
        ship_country=(order.ship.country or "")[:3],
        location=(order.location or "")[:100],
        grand_total=order.grand_total,
        currency=(order.currency_code or "")[:3],
        lines=len(order.lines),
        qty_total=sum(line.quantity for line in order.lines),
        **fields,
    )
    return judged


def place(
    intake: Intake, row: OrderRow, judged: Incoming, status: Status, now: datetime, *, message: str, actor: str = ""
) -> None:
    """Where the order stands now that the rules have seen its new content.

    `message`: why it goes on, if it does; `actor`: the person who changed it, "" its source.
    """
    where, problem = placing(judged, now), judged.problem
    asked = status is Status.ERROR and row.error_code in DECIDED_BY_PEOPLE
    if status is Status.SENDING or (asked and (actor or where.status != Status.READY)):
        return  # nothing takes the place of what a person is asked
    if status is Status.READY:  # failed before, perhaps: what is new is tried at once, unless a rule says when
        waiting = OrderRow.objects.filter(pk=row.pk, status=status)
        waiting.update(retry_at=where.retry_at, failures=0, first_failed_at=None, error_code="", error_message="")
    holders = (LACK, *HOLDS) if actor else (LACK, SOURCE, *HOLDS)  # what the source holds it lets go itself
    held = status is Status.HELD and row.held_by in holders
    if held and row.held_by == LACK:  # what is new is tried at once, and not in the night
        OrderRow.objects.filter(pk=row.pk).update(retry_at=where.retry_at)
    if problem is not None:
        cause = because.of_problem(intake.merchant.pk, problem, intake.cart.pk)
        if held or status in (Status.RECEIVED, Status.READY, Status.GAVE_UP):
            because.to_error([row.pk], status, problem, cause, now)
            because.settle([row.cause], now)
        elif status is Status.ERROR and row.cause != cause.key:
            because.instead(row, problem, cause, now)
    elif where.status == Status.HELD:
        if held:
            because.hold_instead({row.pk: Hold(where.held_by, where.why)}, now)
        elif status is not Status.HELD:
            because.hold([row.pk], status, where.held_by, where.why, now)
    elif held or status in (Status.RECEIVED, Status.ERROR, Status.GAVE_UP):
        because.free([row.pk], status, message, now, actor=actor, retry_at=where.retry_at)
