"""The short lists as files for people: merchants, carts, alerts. Orders: orders/exporting.py."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from alerts import kinds
from alerts.models import Alert
from alerts.views.tab import TABS
from carts.views import listing as carts
from integration_manager import spreadsheet
from integration_manager.context import chosen_merchant
from integration_manager.converters import looks_like_one
from integration_manager.spreadsheet import moment, parts
from merchants.views import listing as merchants

MERCHANTS = ["Merchant", "Code", "Health", "Carts", "Waiting orders", "Need a person", "Last inventory run (UTC)",
             "Archived (UTC)"]  # fmt: skip
CARTS = ["Cart", "System", "Merchant", "State", "Last run (UTC)", "Description", "Order source", "Earliest Order Date",
         "Deleted (UTC)"]  # fmt: skip
ALERTS = ["Kind", "What is wrong", "What to do", "The system's own words", "Merchant", "Cart", "Times",
          "First seen (UTC)", "Last seen (UTC)", "Resolved (UTC)", "Dismissed (UTC)"]  # fmt: skip


@require("merchants.view")
@require_GET
def merchants_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The merchants of one tab with how each fares."""
    rows = merchants.listed(merchants.asked(request)[2])

    def cells() -> Iterator[list[object]]:
        for one in chain.from_iterable(map(merchants.filled, parts(rows, "-pk"))):
            fares = [one.health.word, one.cart_count, one.waiting, one.for_person]
            yield [one.name, one.code, *fares, moment(one.stock_at), moment(one.archived_at)]

    return spreadsheet.streamed(request, "merchants", MERCHANTS, cells)


@require("carts.view")
@require_GET
def carts_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The carts, or those of one merchant, of one tab with how each fares."""
    rows = carts.asked(request)

    def cells() -> Iterator[list[object]]:
        for one in chain.from_iterable(map(carts.faring, parts(rows, "-pk"))):
            about = [one.name, one.label, one.merchant.name, one.health.word, moment(one.ran_at)]
            yield [*about, one.description, one.order_source, one.earliest_order_date, moment(one.archived_at)]

    return spreadsheet.streamed(request, "carts", CARTS, cells)


@require("alerts.view")
@require_GET
def alerts_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The alerts of one tab, with its filters."""
    state, kind, cart = (request.GET.get(name, "") for name in ("state", "kind", "cart"))
    rows = Alert.objects.filter(TABS.get(state, TABS[""])[1]).select_related("merchant", "cart")
    if kind:
        rows = rows.filter(kind=kind.replace("\x00", "")[:40])
    if looks_like_one(cart):
        rows = rows.filter(cart__public_id=cart)
    rows = _of_the_merchant(request, rows)

    def cells() -> Iterator[list[object]]:
        for alert in spreadsheet.newest_first(rows):
            whose = [alert.merchant.name if alert.merchant else "", alert.cart.name if alert.cart else ""]
            seen = (alert.first_seen, alert.last_seen, alert.resolved_at, alert.dismissed_at)
            times = [moment(at) for at in seen]
            yield [kinds.of(alert.kind).title, alert.message, alert.fix, alert.said, *whose, alert.count, *times]

    return spreadsheet.streamed(request, "alerts", ALERTS, cells)


def _of_the_merchant(request: AccountRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those of the merchant that the address names."""
    merchant = chosen_merchant(request)()
    return rows if merchant is None else rows.filter(merchant=merchant)
