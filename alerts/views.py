"""Alerts: what is wrong, one entry per cause, with the way to its fix."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.models import Account
from accounts.requests import AccountRequest
from accounts.roles import require
from alerts.kinds import BY_ITSELF
from alerts.models import Alert
from integration_manager.chips import address
from integration_manager.context import chosen_merchant
from integration_manager.converters import looks_like_one
from integration_manager.kit import clock
from merchants.models import Merchant, StoredFile
from merchants.read_files import ReadBook
from orders import actions, file_actions, files_read
from orders.alerted import with_orders
from orders.models import Order
from orders.next_step import in_words
from orders.search import Filters, filtered, keyset, with_details
from orders.services import posting

TABS = {
    "": ("Active", Q(resolved_at__isnull=True, dismissed_at__isnull=True)),
    "resolved": ("Resolved", Q(resolved_at__isnull=False)),
    "dismissed": ("Dismissed", Q(resolved_at__isnull=True, dismissed_at__isnull=False)),
}
PAGE = 50
MOST_ORDERS = 10
MOST_SELECTED = 200


@require("alerts.view")
@require_GET
def alerts(request: AccountRequest) -> HttpResponse:
    """The alerts of one tab, those that hold orders first."""
    state = request.GET.get("state", "")
    if state not in TABS:
        raise Http404
    rows = with_orders(Alert.objects.filter(TABS[state][1]).select_related("merchant", "cart"))
    merchant = chosen_merchant(request)()
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    page = keyset(rows, "last_seen", after, before, PAGE, lambda alert: alert.public_id)
    context = {
        "page": page,
        "state": state,
        "by_itself": BY_ITSELF,
        "groups": _groups(page.items, _active_of_kinds(merchant) if not state else {}),
        "tabs": [
            {"label": label, "url": address(request, state=key) if key else address(request, "state"), "key": key}
            for key, (label, _) in TABS.items()
        ],
    }
    inside = request.headers.get("HX-Target") == "rows"
    return render(request, "alerts/rows.html" if inside else "alerts/list.html", context)


@require("alerts.view")
@require_GET
def alert(request: AccountRequest, alert: str) -> HttpResponse:
    """One alert: our explanation, the system's own words, and the orders that wait for it."""
    found = Alert.objects.select_related("merchant", "cart").filter(public_id=alert).first()
    if found is None:
        raise Http404
    held: QuerySet[Order] = with_details(filtered(Filters(cause=found.key)))
    orders: list[Any] = list(held.order_by("-created_at")[: MOST_ORDERS + 1])
    one = Order.objects.filter(pk=found.order_id).first() if found.order_id and not orders else None
    for order in orders:
        order.next_words = in_words(order)
    context = {"alert": found, "orders": orders[:MOST_ORDERS], "more": len(orders) > MOST_ORDERS, "one": one}
    if found.kind == posting.KIND and found.active:
        context["file"] = file_actions.waiting(found.key)
    if found.kind == files_read.KIND and ("carts.edit" if found.cart else "wms.edit") in request.permissions:
        context["same_files"] = _same_files(request.account, found)
    return render(request, "alerts/alert.html", context)


@require("alerts.act")
@require_POST
def alerts_dismiss(request: AccountRequest) -> HttpResponseBase:
    """Dismisses the alerts that were selected, or all of one kind."""
    kind, merchant = request.POST.get("kind", "")[:40], request.POST.get("merchant", "")
    rows = Alert.objects.filter(TABS[""][1])
    if kind:
        rows = rows.filter(kind=kind)
        if looks_like_one(merchant):  # the list showed this one's only
            rows = rows.filter(merchant__public_id=merchant)
    else:
        rows = rows.filter(public_id__in=request.POST.getlist("alert")[:MOST_SELECTED])
    number = rows.update(dismissed_at=clock.now())
    if number:
        audit.record(request.user, "alerts.dismissed", f"{number} alert{'' if number == 1 else 's'}")
        messages.success(
            request,
            f"{number} alert{'' if number == 1 else 's'} dismissed. The orders stay as they are; "
            f"you find {'it' if number == 1 else 'them'} again under Dismissed.",
        )
    else:
        messages.info(request, "No alert was selected.")
    return redirect("alerts", request.account.public_id)


@require("alerts.act")
@require_POST
def alert_reopen(request: AccountRequest, alert: str) -> HttpResponseBase:
    """Opens a dismissed alert again."""
    found = Alert.objects.filter(public_id=alert).first()
    if found is None:
        raise Http404
    if found.resolved_at is None and found.dismissed_at is not None:
        Alert.objects.filter(pk=found.pk).update(dismissed_at=None)
        audit.record(request.user, "alert.reopened", found.message[:100])
        messages.success(request, "The alert is active again.")
    return redirect("alert", request.account.public_id, found.public_id)


@require("orders.act")
@require_POST
def alert_file(request: AccountRequest, alert: str, answer: str) -> HttpResponseBase:
    """A person says whether the file arrived of which nobody knew."""
    found = Alert.objects.filter(public_id=alert).first()
    if found is None or answer not in ("arrived", "did-not"):
        raise Http404
    file = file_actions.waiting(found.key)
    try:
        if file is None:
            raise actions.NotNow("No file waits for this decision any more.")
        (file_actions.arrived if answer == "arrived" else file_actions.did_not)(file, str(request.user))
    except actions.NotNow as reason:
        messages.error(request, str(reason))
    else:
        audit.record(request.user, f"file.{answer.replace('-', '_')}", file.name)
        done = "Noted: it arrived." if answer == "arrived" else "It is sent again within a minute or two."
        messages.success(request, done)
    return redirect("alert", request.account.public_id, found.public_id)


def _same_files(account: Account, alert: Alert) -> list[StoredFile]:
    """The files that an alert says were not loaded, with the address that loads one of them."""
    merchant, cart = alert.merchant, alert.cart
    if merchant is None:
        return []
    page, of = ("cart_file_act", cart.public_id) if cart else ("wms_file_act", merchant.public_id)
    files: Any = ReadBook(merchant.pk, cart.pk if cart else None).held().order_by("-modified_at")[:MOST_ORDERS]
    for file in files:
        file.again_url = reverse(page, args=[account.public_id, of, file.public_id, "again"])
    return list(files)


def _active_of_kinds(merchant: Merchant | None) -> dict[str, int]:
    """How many alerts of each kind are active."""
    rows = Alert.objects.filter(TABS[""][1])
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    return dict(rows.order_by().values_list("kind").annotate(Count("pk")))


def _groups(found: list[Any], of_kind: dict[str, int]) -> list[dict[str, Any]]:
    """Those that hold orders, then those of connections and the rest.

    The first of each kind gets `like`: how many there are of it, to be dismissed together.
    """
    for alert in found:
        alert.like = of_kind.pop(alert.kind, 0)
    held = [alert for alert in found if alert.holds]
    alone = [alert for alert in found if alert.kind in BY_ITSELF]
    other = [alert for alert in found if alert not in held and alert not in alone]
    groups = [
        {"id": "held", "title": "Orders are held", "text": "Nothing is retried until someone acts.", "alerts": held},
        {"id": "other", "title": "Connections and the rest", "text": "", "alerts": other},
        {"id": "alone", "title": "Tried again by itself", "text": "Ends by itself; nothing to do.", "alerts": alone},
    ]
    return [group for group in groups if group["alerts"]]
