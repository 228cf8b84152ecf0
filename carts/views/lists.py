"""What a cart's pages list, as files: its runs, its products for the WMS, a dry run, its webhooks, ship methods."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart, DryOrder, DryRun, WebhookDelivery
from carts.views import golive, products, ship_methods
from carts.views.lookup import cart_or_404, live_cart_or_404
from integration_manager import runs, spreadsheet
from integration_manager.spreadsheet import moment
from merchants.models import Schedule
from orders.models import CartProduct

PRODUCTS = ["SKU", "Name", "Id in the cart", "State", "Key at the WMS", "Was there already", "Sent (UTC)", "Why"]
DRY = ["Order", "What would become of it", "Why", "To", "Items", "Placed"]
DELIVERIES = ["Received (UTC)", "Topic", "Signature", "Delivery"]
METHODS = ["Cart", "Merchant", "Waiting orders", "Codes", "Mapped", "Reject Unmapped"]


@require("carts.view")
@require_GET
def cart_runs_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """All runs of the cart's services."""
    found = cart_or_404(cart)
    schedules = list(Schedule.objects.filter(cart=found))
    return spreadsheet.streamed(request, f"runs {found.name}", runs.HEAD, lambda: runs.cells(schedules))


@require("carts.view")
@require_GET
def cart_products_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The products of one state, or those of it that are searched for."""
    found = products.cart_or_404(cart)
    rows, _, state, _ = products.asked(request, found)
    return spreadsheet.streamed(request, f"products {found.name} {state}", PRODUCTS, lambda: _products(rows))


@require("carts.edit")
@require_GET
def cart_dry_run_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """What the last dry run found, of one verdict."""
    found = live_cart_or_404(cart)
    last, shown = DryRun.objects.filter(cart=found).order_by("-pk").values("pk")[:1], golive.verdict_of(request)
    rows = DryOrder.objects.filter(dry_run__in=last, verdict=shown).defer("raw")
    return spreadsheet.streamed(request, f"dry-run {found.name} {shown}", DRY, lambda: _dry(rows))


@require("carts.view")
@require_GET
def cart_webhooks_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The webhooks that came of late."""
    found = live_cart_or_404(cart)
    rows = WebhookDelivery.objects.filter(cart=found)
    return spreadsheet.streamed(request, f"webhooks {found.name}", DELIVERIES, lambda: _deliveries(rows))


@require("carts.view")
@require_GET
def ship_methods_csv(request: AccountRequest) -> HttpResponseBase:
    """Every cart with what of its codes is mapped; those of one merchant, or those that are searched for."""
    rows = ship_methods.with_codes(ship_methods.asked(request)[1])
    return spreadsheet.streamed(request, "ship-methods", METHODS, lambda: _methods(rows))


def _products(rows: QuerySet[CartProduct]) -> Iterator[list[object]]:
    for part in spreadsheet.parts(rows, "key"):
        for one in part:
            about = [one.sku, one.data.get("name") or "", one.key, one.get_state_display(), one.wms_key]
            yield [*about, "yes" if one.found else "", moment(one.sent_at), one.error_message]


def _dry(rows: QuerySet[DryOrder]) -> Iterator[list[object]]:
    for one in spreadsheet.newest_first(rows):
        yield [one.number, one.get_verdict_display(), one.message, one.country, one.lines, one.order_date or ""]


def _deliveries(rows: QuerySet[WebhookDelivery]) -> Iterator[list[object]]:
    for one in spreadsheet.newest_first(rows):
        yield [moment(one.received_at), one.topic, "right" if one.verified else "refused", one.delivery_id]


def _methods(rows: QuerySet[Cart]) -> Iterator[list[object]]:
    for part in spreadsheet.parts(rows, "-pk"):
        for one in ship_methods.waiting(part):
            numbers = [one.waits, one.codes, one.mapped]
            yield [one.name, one.merchant.name, *numbers, "Enabled" if one.reject_unmapped else "Disabled"]
