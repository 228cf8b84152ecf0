"""Cancel or refund in the cart: choose, see the sum, confirm."""

import secrets
from typing import Any

from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager.kit.canonical import Refund, from_json, to_json
from orders import abilities, refunding
from orders.actions import NotNow
from orders.models import Order, OrderDetail, Status
from orders.refund_forms import RefundForm
from orders.refunds import Left, NotPossible, in_words
from orders.views import order_or_404
from wms.models import Wms

SALT = "refund"
AGE = 3600  # seconds for which a sum that was shown can be confirmed


@require("orders.act")
@require_http_methods(["GET", "POST"])
def order_refund(request: AccountRequest, order: str) -> HttpResponseBase:
    """The form; posted, the sum with a button to confirm it; confirmed, it is asked for, once."""
    found = order_or_404(order)
    if not any(refunding.can(found)):
        raise Http404
    if "confirm" in request.POST:
        return _confirmed(request, found, request.POST["confirm"])
    left, context = None, _context(found)
    if not context["why_not"]:
        try:
            left = _left(found) if context["pays"] else None
        except NotPossible as error:
            context["no_refund"] = str(error)
    if left is not None and left.total <= 0:
        context["no_refund"], left = "Everything that was paid has been refunded already.", None
    if left is None:
        # Nothing to choose: it can be canceled, or not even that.
        context["sealed"] = _seal(found, None) if context["cancels"] and not context["why_not"] else ""
        return render(request, "orders/refund.html", context)
    form = RefundForm(left, request.POST or None)
    refund = form.refund(_key(found)) if request.method == "POST" else None
    context |= {"form": form, "left": left}
    if refund is not None:
        context |= {"refund": refund, "words": in_words(refund), "sealed": _seal(found, refund)}
    status = 422 if request.method == "POST" and refund is None else 200
    return render(request, "orders/refund.html", context, status=status)


@require("orders.act")
@require_POST
def order_refund_decide(request: AccountRequest, order: str, key: str, decision: str) -> HttpResponseBase:
    """A person says what became of a refund that nobody had an answer to."""
    found = order_or_404(order)
    decisions = {"made": refunding.was_made, "not-made": refunding.was_not_made}
    if decision not in decisions:
        raise Http404
    try:
        decisions[decision](found, key, str(request.user))
    except NotNow as reason:
        messages.error(request, str(reason))
    else:
        done = {"made": "Noted: the refund was made.", "not-made": "The refund is asked for again."}
        messages.success(request, done[decision])
    return _back(request, found)


def _confirmed(request: AccountRequest, order: Order, sealed: str) -> HttpResponse:
    """What was shown is what is done: the sum comes back sealed, with the key that makes it happen once."""
    try:
        said = signing.loads(sealed, salt=SALT, max_age=AGE)
    except signing.BadSignature:
        messages.error(request, "That was shown too long ago. Choose again, and confirm within an hour.")
        return redirect("order_refund", request.account.public_id, order.public_id)
    if said["order"] != order.public_id:
        raise Http404
    refund = from_json(Refund, said["refund"]) if said["refund"] else None
    try:
        fresh = refunding.ask(order, refund, str(request.user))
    except (NotNow, NotPossible) as reason:
        messages.error(request, str(reason))
        return redirect("order_refund", request.account.public_id, order.public_id)
    what = "It is canceled here, and the cart is told" if refund is None else "The refund is asked for in the cart"
    said_so = f"{what} within a minute or two." if fresh else "That was asked for already; it happens once."
    messages.success(request, said_so)
    return _back(request, order)


def _context(order: Order) -> dict[str, Any]:
    cancels, pays = refunding.can(order)
    asks = order.status == Status.AT_WMS and abilities.of(order, Wms.current()).cancels_at_wms
    by_hand = "" if asks or order.status != Status.AT_WMS else " by hand"
    return {
        "order": order,
        "cancels": cancels,
        "pays": pays,
        "why_not": refunding.why_not(order, by_hand),
        "asks_wms": asks,
        "shipped": order.status in (Status.SHIPPED, Status.CONFIRMED),
        "waits_for": refunding.waits_for(order),
    }


def _left(order: Order) -> Left:
    data = OrderDetail.objects.filter(order=order).values_list("data", flat=True).first()
    return refunding.left_of(order, data or {})


def _key(order: Order) -> str:
    return f"{order.public_id}-{secrets.token_hex(6)}"


def _seal(order: Order, refund: Refund | None) -> str:
    return signing.dumps({"order": order.public_id, "refund": to_json(refund) if refund else None}, salt=SALT)


def _back(request: AccountRequest, order: Order) -> HttpResponse:
    return redirect("order", request.account.public_id, order.public_id)
