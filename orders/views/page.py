"""The page of one order, and what was said about it to the other systems."""

from decimal import Decimal
from typing import Any

from django.db.models import JSONField, Q
from django.db.models.expressions import RawSQL
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from alerts import kinds, links
from alerts.kinds import Fix
from alerts.models import Alert
from merchants.models import Schedule
from orders import (
    abilities,
    actions,
    addresses_shown,
    cancelling,
    charges,
    comparing,
    editing,
    refunding,
    tracking_links,
)
from orders.journey import Journey
from orders.models import Exchange, Order, OrderDetail, OrderLine, Shipment, Status
from orders.next_step import Around, next_of
from orders.rewriting import DECIDED_BY_PEOPLE
from orders.states import UNSENT
from orders.templatetags.order_state import quantity
from orders.views import order_or_404
from orders.views.timeline import entries
from wms.models import Wms

MOST_ALERTS = 10
MOST_EXCHANGES = 30
MOST_REVISIONS = 10
# Written out: the ORM takes longer to put these together than PostgreSQL for the whole page.
_REVISIONS = """(SELECT coalesce(jsonb_agg(found ORDER BY found.revision), '[]') FROM (
    SELECT same.public_id, same.revision, same.wms_ref FROM orders_order this JOIN orders_order same
        ON same.account_id = this.account_id AND same.merchant_id = this.merchant_id AND same.source = this.source
        AND same.cart_key = this.cart_key AND same.id <> this.id
    WHERE this.account_id = orders_orderdetail.account_id AND this.id = orders_orderdetail.order_id
    ORDER BY same.revision LIMIT %s) found)"""
_SOURCE = """CASE WHEN orders_order.edited_fields <> '[]' OR EXISTS (
        SELECT FROM alerts_alert alert WHERE alert.account_id = orders_orderdetail.account_id
            AND alert.order_id = orders_orderdetail.order_id
            AND alert.kind = 'changed_after_sending' AND alert.resolved_at IS NULL)
    THEN orders_orderdetail.raw END"""
_WMS = """(SELECT jsonb_build_object('pk', wms.id, 'system', wms.system)
    FROM wms_wms wms WHERE wms.account_id = orders_orderdetail.account_id AND wms.archived_at IS NULL LIMIT 1)"""
_PARTS = """(SELECT coalesce(jsonb_agg(
        jsonb_build_object('item', part.item, 'quantity', part.quantity, 'qty_shipped', part.qty_shipped)
        ORDER BY part.number), '[]')
    FROM orders_linepart part WHERE part.account_id = orders_orderline.account_id
        AND part.order_id = orders_orderline.order_id AND part.position = orders_orderline.position)"""


@require("orders.view")
@require_GET
def order(request: AccountRequest, order: str) -> HttpResponse:
    """One order: where it stands, what comes next, what is in it, what happened."""
    detail, wms, revisions = _detail_or_404(request, order)
    found, data = detail.order, detail.data or {}
    shipments, timeline = _shipments(found), entries(found)
    events = timeline.items
    effects = refunding.effects_of(found, events)
    alerts = _alerts(found)
    able = abilities.of(found, wms)
    around = Around(
        schedules=_schedules(found),
        shipments=shipments,
        effects=effects,
        events=events,
        wms_id=able.wms_id,
        has_wms=able.wms_id is not None,
        takes_tracking=able.takes_tracking,
        gives_tracking=able.gives_tracking,
    )
    lines = _lines(detail)
    allowed = actions.allowed(found) if "orders.act" in request.permissions else []
    if not cancelling.why_not(found):
        allowed.append("cancel_there")
    context = {
        "order": found,
        "journey": Journey(found, shipments),
        "allowed": allowed,
        "waits": actions.waits(found),
        "can_edit": not editing.why_not(found),
        "edit_at": _edit_at(found),
        "changed_after": comparing.changed_after(detail, alerts),
        "edited": comparing.edited(detail),
        "taken": comparing.taken(detail),
        "revisions": revisions,
        "shipped_words": f"{quantity(found.qty_shipped)} of {quantity(found.qty_total)}",
        "still_to_ship": _still_to_ship(found, lines),
        "next": next_of(found, around),
        "problem": _problem(request, found, alerts),
        "data": data,
        "applied": detail.applied,
        "sent_as": addresses_shown.sent_as(detail.applied),
        "suggested": addresses_shown.suggested(detail.applied),
        "charges": charges.of_order(data, source=found.cart.name, edited=found.edited_fields),
        "lines": lines,
        "left_out": sum(line["row"].filtered for line in lines),
        "line_fields": any(line["source"].get("extra_fields") for line in lines),
        "shipments": shipments,
        "events": events,
        "earlier": timeline.older,
        "effects": effects,
        "able": able,
    }
    if request.headers.get("HX-Target") == "live":
        return render(request, "orders/live.html", context)
    return render(request, "orders/order.html", context)


def _problem(request: AccountRequest, order: Order, alerts: list[Any]) -> Any:
    """The alert of what holds the order, with the button to a fix that is not on this page."""
    found = next((alert for alert in alerts if alert.key == order.cause), None)
    if found is not None and kinds.of(found.kind).fix is Fix.SHIP_METHODS and "carts.edit" in request.permissions:
        found.merchant, found.cart = order.merchant, order.cart
        found.fix_url, found.button = links.fix(request.account, found), kinds.of(found.kind).button
    return found


@require("orders.view")
@require_GET
def exchanges(request: AccountRequest, order: str) -> HttpResponse:
    """What was said to the cart and the WMS about an order. That it was read is on record."""
    found = order_or_404(order)
    rows = Exchange.objects.filter(order_id=found.pk).order_by("-id")[:MOST_EXCHANGES]
    audit.record(request.user, "exchanges.read", f"order {found.cust_po_no}")
    context = {"order": found, "exchanges": rows}
    inside = request.headers.get("HX-Target") == "exchanges"
    return render(request, "orders/exchanges_list.html" if inside else "orders/exchanges.html", context)


def _detail_or_404(request: AccountRequest, public_id: str) -> tuple[OrderDetail, Wms | None, list[dict[str, Any]]]:
    """An order's content with the order, its merchant and cart; the account's WMS; other revisions. By one query.

    What the frame shows of alerts comes with it. The source's own form is only read where the page compares with it.
    """
    details = OrderDetail.objects.select_related("order__merchant", "order__cart").defer("raw", "newer")
    details = details.annotate(
        active_alerts=Alert.active_number(),
        wms=RawSQL(_WMS, [], JSONField()),  # noqa: S611 (a constant of this file)
        source=RawSQL(_SOURCE, [], JSONField()),  # noqa: S611 (a constant of this file)
        revisions=RawSQL(_REVISIONS, [MOST_REVISIONS], JSONField()),  # noqa: S611 (a constant of this file)
    )
    found: Any = details.filter(order__in=Order.objects.filter(public_id=public_id)).first()
    if found is None:
        raise Http404
    request.active_alerts = found.active_alerts
    found.raw = found.source
    found.order.cart.merchant = found.order.merchant
    return found, Wms(**found.wms) if found.wms else None, found.revisions


def _edit_at(order: Order) -> str:
    """The section of the edit page in which an error is corrected; "" where no edit helps."""
    stopped = order.status in (Status.ERROR, Status.GAVE_UP) and order.error_code not in DECIDED_BY_PEOPLE
    return _EDIT_AT.get(order.error_code, "ship-h") if stopped and not editing.why_not(order) else ""


_EDIT_AT = {
    "sku_missing": "items-h",
    "item_unknown": "items-h",
    "item_code_unknown": "items-h",
    "kit_not_whole": "items-h",
    "nothing_to_ship": "items-h",
    "ship_method_unknown": "how-h",
    "ship_method_unmapped": "how-h",
}


def _schedules(order: Order) -> list[Schedule]:
    """Those that move it on. What stands still for a cause, no schedule moves."""
    if order.cause or order.status in (Status.CANCELED, Status.CONFIRMED):
        return []
    return list(Schedule.objects.filter(Q(cart=order.cart_id) | Q(cart=None), merchant=order.merchant_id))


def _alerts(order: Order) -> list[Alert]:
    """The open alerts of its cause and of itself."""
    mine = Q(order_id=order.pk) | (Q(key=order.cause) if order.cause else Q(pk=None))
    return list(Alert.objects.filter(mine, resolved_at__isnull=True).order_by("-pk")[:MOST_ALERTS])


def _shipments(order: Order) -> list[Shipment]:
    if order.status in UNSENT and not order.qty_shipped:
        return []  # one that the WMS reports moves the order
    found = list(Shipment.objects.filter(order=order).order_by("id"))
    for shipment in found:
        given = shipment.data.get("tracking_url")
        shipment.link = tracking_links.link(shipment.carrier, shipment.tracking_no, given)
    return found


def _lines(detail: OrderDetail) -> list[dict[str, Any]]:
    """The stored lines with what the source said of each, what is sent for it, and which rule left it out."""
    source = {line.get("line_id"): line for line in (detail.data or {}).get("lines", [])}
    found = []
    rows = OrderLine.objects.filter(order=detail.order_id)
    rows = rows.annotate(parts=RawSQL(_PARTS, [], JSONField()))  # noqa: S611 (a constant of this file)
    for row in rows.order_by("position"):
        said = source.get(row.line_id, {})
        why = next((one["why"] for one in detail.applied if row.item in one["why"]), "") if row.filtered else ""
        other = row.sent_item if row.sent_item != row.item and not row.filtered else ""
        found.append(
            {
                "row": row,
                "source": said,
                "charges": charges.of_line(said),
                "sent_as": other,
                "why": why,
                "parts": _by_item(row.parts),
            }
        )
    return found


def _by_item(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The components of a kit: some may be sent in two lines, of which each bears another price."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        one = found.setdefault(part["item"], {"item": part["item"], "quantity": Decimal(0), "qty_shipped": Decimal(0)})
        one["quantity"] += Decimal(str(part["quantity"]))
        one["qty_shipped"] += Decimal(str(part["qty_shipped"]))
    return list(found.values())


def _still_to_ship(order: Order, lines: list[dict[str, Any]]) -> str:
    """What the WMS has of it besides the parcels, where it has shipped a part: "2 × VASE-L"."""
    if order.status != Status.AT_WMS or not order.qty_shipped:
        return ""
    left = []
    for line in lines:
        row = line["row"]
        if line["parts"]:
            left += [(part["item"], part["quantity"] - part["qty_shipped"]) for part in line["parts"]]
        elif not row.filtered:
            left.append((row.sent_item or row.item, row.quantity - row.qty_shipped))
    return ", ".join(f"{quantity(number)} × {item}" for item, number in left if number > 0)
