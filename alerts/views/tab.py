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
from alerts import kinds
from alerts.models import Alert
from alerts.presenting import groups, present
from integration_manager.chips import address, chips
from integration_manager.context import chosen_merchant
from integration_manager.converters import looks_like_one
from integration_manager.kit import clock
from merchants.models import StoredFile
from merchants.read_files import ReadBook
from orders import actions, file_actions, files_read, search
from orders.alerted import with_orders
from orders.models import Order
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
    """The alerts of one tab, by who acts; those that hold orders first. Filters stand in the address."""
    state, kind, cart = (request.GET.get(name, "") for name in ("state", "kind", "cart"))
    if state not in TABS:
        raise Http404
    merchant = chosen_merchant(request)()
    listed = Alert.objects.filter(TABS[state][1])
    if merchant is not None:
        listed = listed.filter(merchant=merchant)
    of_cart = cart if looks_like_one(cart) else ""
    choices = _choices(listed, of_cart)
    if kind:
        listed = listed.filter(kind=kind.replace("\x00", "")[:40])
    if of_cart:
        listed = listed.filter(cart__public_id=of_cart)
    rows = with_orders(listed.select_related("merchant", "cart"))
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    page = search.keyset(rows, "last_seen", after, before, PAGE, lambda alert: alert.public_id)
    found = present(request.account, page.items, request.permissions)
    _like(found, {} if state else choices["numbers"])
    given = [("kind", "Kind", kinds.of(kind).title if kind else ""), ("cart", "Cart", choices["carts"].get(cart, ""))]
    context = {
        "page": page,
        "state": state,
        "groups": groups(found, active=not state),
        "filters": {"kind": kind, "cart": cart},
        "kinds": choices["kinds"],
        "carts": choices["carts"].items(),
        "chips": chips(request, given),
        "clear_url": address(request, "kind", "cart"),
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
    rows = with_orders(Alert.objects.select_related("merchant", "cart").filter(public_id=alert))
    found = rows.first()
    if found is None:
        raise Http404
    present(request.account, [found], request.permissions)
    held = search.page(search.filtered(search.Filters(cause=found.key)), "loaded", size=MOST_ORDERS)
    orders = held.items
    one = Order.objects.filter(pk=found.order_id).first() if found.order_id and not orders else None
    context = {"alert": found, "orders": orders, "more": bool(held.older), "one": one}
    if found.kind == posting.KIND and found.active:
        context["file"] = file_actions.waiting(found.key)
    if found.kind == files_read.KIND and ("carts.edit" if found.cart else "wms.edit") in request.permissions:
        context["same_files"] = _same_files(request.account, found)
    return render(request, "alerts/alert.html", context)


@require("alerts.act")
@require_POST
def alerts_dismiss(request: AccountRequest) -> HttpResponseBase:
    """Dismisses the alerts that were selected, or all of one kind in the list, whose filters stand in the address."""
    kind, back = request.POST.get("kind", "")[:40], _list_again(request)
    rows = Alert.objects.filter(TABS[""][1])
    if kind:
        rows = rows.filter(kind=kind)
        if looks_like_one(merchant := request.GET.get("merchant", "")):
            rows = rows.filter(merchant__public_id=merchant)
        if looks_like_one(cart := request.GET.get("cart", "")):
            rows = rows.filter(cart__public_id=cart)
        shown = request.POST.get(f"shown-{kind}", "")[:9]
        if shown.isdecimal() and (by_now := rows.count()) > int(shown):
            messages.warning(request, f"There are {by_now} of this kind by now: look at them, then dismiss them.")
            return back
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
    return back


def _list_again(request: AccountRequest) -> HttpResponseBase:
    """Back to the list with its filters."""
    return redirect(reverse("alerts", args=[request.account.public_id]) + (address(request) if request.GET else ""))


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


def _choices(listed: QuerySet[Alert], of_cart: str) -> dict[str, Any]:
    """What there is to filter by, kinds and carts; and how many of each kind there are, of one cart if it is named."""
    rows = listed.order_by().values_list("kind", "cart__public_id", "cart__name").annotate(Count("pk"))
    numbers: dict[str, int] = {}
    carts: dict[str, str] = {}
    for kind, cart, name, number in rows:
        numbers[kind] = numbers.get(kind, 0) + (number if of_cart in ("", cart) else 0)
        if cart:
            carts[cart] = name
    titled = sorted((kinds.of(kind).title, kind) for kind in numbers)
    twice = {title for title, _ in titled if sum(1 for other, _ in titled if other == title) > 1}
    named = [(kind, f"{title} ({kind.replace('_', ' ')})" if title in twice else title) for title, kind in titled]
    return {"numbers": numbers, "kinds": named, "carts": dict(sorted(carts.items(), key=lambda pair: pair[1]))}


def _like(found: list[Any], of_kind: dict[str, int]) -> None:
    """The first of each kind gets `like`: how many there are of it, to be dismissed together."""
    left = dict(of_kind)
    for alert in found:
        alert.like = left.pop(alert.kind, 0)
