"""The short lists as files for people: merchants, carts, alerts. Orders: orders/exporting.py."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from alerts import kinds
from alerts.models import Alert
from alerts.views.tab import TABS
from carts.models import Cart
from carts.views.lookup import label_of
from integration_manager import spreadsheet
from integration_manager.context import chosen_merchant
from integration_manager.converters import looks_like_one
from merchants.models import Merchant

MERCHANTS = ["Merchant", "Code", "Archived (UTC)"]
CARTS = ["Cart", "System", "Merchant", "Description", "Order source", "Earliest Order Date", "Deleted (UTC)"]
ALERTS = ["Kind", "What is wrong", "What to do", "The system's own words", "Merchant", "Cart", "Times",
          "First seen (UTC)", "Last seen (UTC)", "Resolved (UTC)", "Dismissed (UTC)"]  # fmt: skip


@require("merchants.view")
@require_GET
def merchants_csv(request: AccountRequest) -> StreamingHttpResponse:
    """All merchants, also those that are archived."""
    rows = Merchant.objects.all()

    def cells() -> Iterator[list[object]]:
        for merchant in spreadsheet.newest_first(rows):
            yield [merchant.name, merchant.code, _at(merchant.archived_at)]

    return spreadsheet.streamed(request, "merchants", MERCHANTS, cells)


@require("carts.view")
@require_GET
def carts_csv(request: AccountRequest) -> StreamingHttpResponse:
    """All carts, or those of one merchant, also those that are deleted."""
    rows = _of_the_merchant(request, Cart.objects.select_related("merchant"))

    def cells() -> Iterator[list[object]]:
        for cart in spreadsheet.newest_first(rows):
            about = [cart.name, label_of(cart), cart.merchant.name, cart.description, cart.order_source]
            yield [*about, cart.earliest_order_date, _at(cart.archived_at)]

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
            times = [_at(moment) for moment in seen]
            yield [kinds.of(alert.kind).title, alert.message, alert.fix, alert.said, *whose, alert.count, *times]

    return spreadsheet.streamed(request, "alerts", ALERTS, cells)


def _of_the_merchant(request: AccountRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those of the merchant that the address names."""
    merchant = chosen_merchant(request)()
    return rows if merchant is None else rows.filter(merchant=merchant)


def _at(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""
