"""What was knowingly not loaded, and loading it anyway."""

import contextlib
from typing import Any

from django.contrib import messages
from django.core import signing
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import trying
from integration_manager.context import chosen_merchant
from integration_manager.kit import clock
from orders import loading, search
from orders.actions import NotNow
from orders.connections import cart_class
from orders.models import SkippedOrder
from orders.views.tabs import tabs


@require("orders.view")
@require_GET
def skipped(request: AccountRequest) -> HttpResponse:
    """What was knowingly not loaded, with the reason."""
    rows = SkippedOrder.objects.select_related("merchant", "cart").order_by("-pk")
    merchant = chosen_merchant(request)()
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    if request.GET.get("until"):
        # These rows have no public id; signed, so that nobody tries numbers.
        with contextlib.suppress(signing.BadSignature):
            rows = rows.filter(pk__lt=int(signing.loads(request.GET["until"], salt="skipped")))
    found = list(rows[: search.PAGE + 1])
    more = len(found) > search.PAGE
    filters = search.Filters(merchant=merchant.public_id if merchant else "")
    for row in found:
        row.can_load = row.reason in loading.CAN
        row.mark = signing.dumps(row.pk, salt=loading.SALT)
    context = {
        "skipped": found[: search.PAGE],
        "older": signing.dumps(found[search.PAGE - 1].pk, salt="skipped") if more else "",
        "tabs": tabs(request, filters, "skipped"),
    }
    return render(request, "orders/skipped.html", context)


@require("orders.act")
@require_POST
def skipped_load(request: AccountRequest) -> HttpResponseBase:
    """Loads one, as its cart has it now where that can be asked, else as it was read."""
    row = _row(request.POST.get("row", ""))
    if row is None or row.reason not in loading.CAN:
        messages.error(request, "It is not skipped any more. Look for it among the orders.")
        return redirect("skipped", request.account.public_id)
    raw, trouble = _now(request, row)
    if trouble:
        messages.error(request, trouble)
        return redirect("skipped", request.account.public_id)
    try:
        order = loading.load_anyway(row, raw, request.account, request.user.email, clock.now())
    except NotNow as reason:
        messages.error(request, str(reason))
        return redirect("skipped", request.account.public_id)
    audit.record(request.user, "order.loaded_anyway", f"{row.cart.name}: {order.cust_po_no}")
    messages.success(request, "The order is loaded, and goes its way like the others.")
    return redirect("order", request.account.public_id, order.public_id)


def _row(mark: str) -> SkippedOrder | None:
    try:
        pk = signing.loads(mark, salt=loading.SALT)
    except signing.BadSignature:
        return None
    found: SkippedOrder | None = SkippedOrder.objects.select_related("merchant", "cart__merchant").filter(pk=pk).first()
    return found


def _now(request: AccountRequest, row: SkippedOrder) -> tuple[Any, str]:
    """The order as its source has it, and what stands against that."""
    cart = row.cart
    system = cart_class(cart)
    if not system.overrides("order"):
        return row.raw, "" if row.raw is not None else "What the shop gave is kept for 60 days, which are over."
    answer, found = trying.answer_of(
        system,
        {**cart.options, **cart.credentials},
        request.account,
        cart.merchant,
        lambda connector: (connector.order(row.key) or connector.order(row.number or row.key),),
        trace=True,
    )
    if found is None:
        return None, f"{answer.title}. {answer.text}"
    return found[0], "" if found[0] is not None else f"{cart.name} does not have this order any more."
