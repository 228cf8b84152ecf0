"""Canceling at the WMS what it has: what will happen, and asking for it."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.requests import AccountRequest
from accounts.roles import require
from orders import abilities, cancelling
from orders.actions import NotNow
from orders.views import order_or_404
from wms.models import Wms


@require("orders.act")
@require_http_methods(["GET", "POST"])
def order_cancel_at_wms(request: AccountRequest, order: str) -> HttpResponseBase:
    """Says what happens; posted, the WMS is asked, or a person's word is taken where it cannot be."""
    found = order_or_404(order)
    able = abilities.of(found, Wms.current())
    again = (request.POST if request.method == "POST" else request.GET).get("again") == "1"
    if request.method != "POST":
        context = {
            "order": found,
            "able": able,
            "again": again,
            "why_not": cancelling.why_not(found),
            "by_hand": cancelling.by_hand(found, able),
            "waiting": cancelling.waiting(found),
        }
        return render(request, "orders/cancel.html", context)
    actor = str(request.user)
    try:
        if "by_hand" in request.POST:
            cancelling.is_canceled(found, able, actor)
            done = "Noted: it is canceled at the WMS."
        else:
            cancelling.ask(found, able, actor, again=again)
            then = " Once it has agreed, the order is sent again." if again else " It may be too late there."
            done = f"{able.wms_label} is asked to cancel it, within a minute or two.{then}"
    except NotNow as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, done)
    return redirect("order", request.account.public_id, found.public_id)
