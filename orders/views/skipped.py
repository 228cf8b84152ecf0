"""What was knowingly not loaded, and loading it anyway."""

import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from datetime import time as day_time
from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.views.lookup import to_choose
from integration_manager import spreadsheet, trying
from integration_manager.chips import chips
from integration_manager.context import chosen_merchant
from integration_manager.kit import clock
from orders import loading, search, skip_reasons
from orders.actions import NotNow
from orders.connections import cart_class
from orders.models import Order, SkippedOrder
from orders.reading import GONE
from orders.views.tabs import tabs

MOST_AT_ONCE = 50
SECONDS = 12.0  # after which no further shop is asked
HEAD = ["Order", "Merchant", "Cart", "Reason", "Why it was not loaded", "Placed", "Seen (UTC)"]


class SkippedFilter(forms.Form):
    """Which of them. What cannot be read is left out, never an error."""

    q = forms.CharField(required=False, max_length=100)
    merchant = forms.SlugField(required=False, max_length=12)
    cart = forms.SlugField(required=False, max_length=12)
    reason = forms.ChoiceField(required=False, choices=[("", "All"), *skip_reasons.REASONS.items()])
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)

    def rows(self) -> QuerySet[SkippedOrder]:
        """What the filters let through."""
        self.is_valid()
        data: dict[str, Any] = self.cleaned_data
        found: QuerySet[SkippedOrder] = SkippedOrder.objects.all()
        chosen = (("merchant__public_id", data.get("merchant")), ("public_id", data.get("cart")))
        if of := {name: value for name, value in chosen if value}:
            # Their ids by themselves: by what PostgreSQL knows of how many each has, it walks the list or picks them.
            found = found.filter(cart__in=list(Cart.objects.filter(**of).values_list("pk", flat=True)))
        for name, value in (
            ("seen_at__gte", _midnight(data.get("since"))),
            ("seen_at__lt", _midnight(data.get("until"), 1)),
        ):
            if value:
                found = found.filter(**{name: value})
        text = (data.get("q") or "").strip()
        if data.get("reason"):
            found = found.filter(skip_reasons.of(data["reason"]))
        elif not text:  # what was here once is found by who looks for it, and seen when its shop shows it again
            found = found.filter(~Q(reason=GONE) | Q(raw__isnull=False))
        return found.filter(Q(number__istartswith=text) | Q(key__istartswith=text)) if text else found


@require("orders.view")
@require_GET
def skipped(request: AccountRequest) -> HttpResponse:
    """What was knowingly not loaded, with the reason, newest first."""
    form = SkippedFilter(request.GET)
    rows = form.rows().select_related("merchant", "cart")
    page = _page(rows, request.GET)
    for row in page.items:
        row.can_load = row.reason in loading.CAN
        row.mark = _mark(row, loading.SALT)
        row.called = _called(row)
        row.reason_word = skip_reasons.label_of(row.reason)
    data = form.cleaned_data
    merchant = chosen_merchant(request)() if data.get("merchant") else None
    carts = to_choose(Cart.objects.all(), data.get("cart") or "")
    cart = next((one for one in carts if one.public_id == data.get("cart")), None)
    given = [
        ("q", "Number begins with", data.get("q") or ""),
        ("merchant", "Merchant", (merchant.name if merchant else "unknown") if data.get("merchant") else ""),
        ("cart", "Cart", (cart.name if cart else "unknown") if data.get("cart") else ""),
        ("reason", "Reason", skip_reasons.label_of(data["reason"]) if data.get("reason") else ""),
        ("since", "Seen from", f"{data['since']:%d %b %Y}" if data.get("since") else ""),
        ("until", "Seen until", f"{data['until']:%d %b %Y}" if data.get("until") else ""),
    ]
    filters = search.Filters(merchant=merchant.public_id if merchant else "")
    context = {
        "page": page,
        "form": form,
        "carts": carts,
        "reasons": skip_reasons.REASONS.items(),
        "chips": chips(request, given),
        "clear_url": "?",
        "tabs": tabs(request, filters, "skipped"),
        "loadable": any(row.can_load for row in page.items),
    }
    return render(request, "orders/skipped.html", context)


@require("orders.view")
@require_GET
def skipped_csv(request: AccountRequest) -> HttpResponseBase:
    """The same as a file."""
    rows = SkippedFilter(request.GET).rows().select_related("merchant", "cart").defer("raw")
    audit.record(request.user, "orders.exported", "skipped orders")
    return spreadsheet.streamed(request, "skipped-orders", HEAD, lambda: _cells(rows))


def _cells(rows: QuerySet[SkippedOrder]) -> Iterator[list[object]]:
    for row in spreadsheet.newest_first(rows):
        about = [
            _called(row),
            row.merchant.name,
            row.cart.name,
            skip_reasons.label_of(row.reason),
            row.message,
        ]
        yield [*about, row.order_date or "", f"{row.seen_at:%Y-%m-%d %H:%M:%S}"]


def _called(row: SkippedOrder) -> str:
    """What a person knows it by: what could not be read has no number, only a mark of ours."""
    return row.number or ("Without a number" if row.key.startswith(("row:", "content:")) else row.key)


@require("orders.act")
@require_POST
def skipped_load(request: AccountRequest) -> HttpResponseBase:
    """Loads one or those that were ticked, as their carts have them now where these can be asked, else as read."""
    back = reverse("skipped", args=[request.account.public_id])
    marks = request.POST.getlist("one") or request.POST.getlist("row")[:MOST_AT_ONCE]
    if not marks:
        messages.info(request, "No order was selected.")
        return redirect(back)
    began, loaded, troubles = time.monotonic(), [], []
    for number, mark in enumerate(marks):
        if number and time.monotonic() - began > SECONDS:
            troubles.append(f"{len(marks) - number} were not come to: the shops took their time. Load them again.")
            break
        order, trouble = _load(request, _row(mark))
        if order is not None:
            loaded.append(order)
        elif trouble not in troubles:
            troubles.append(trouble)
    for trouble in troubles[:5]:
        messages.error(request, trouble)
    if len(marks) == 1 and loaded:
        messages.success(request, "The order is loaded, and goes its way like the others.")
        return redirect("order", request.account.public_id, loaded[0].public_id)
    if loaded:
        verb = "orders are" if len(loaded) > 1 else "order is"
        messages.success(request, f"{len(loaded)} {verb} loaded, and go their way like the others.")
    return redirect(back)


def _load(request: AccountRequest, row: SkippedOrder | None) -> tuple[Order | None, str]:
    """The order that was made of a row, or what stands against that."""
    if row is None or row.reason not in loading.CAN:
        return None, "It is not skipped any more. Look for it among the orders."
    raw, trouble = _now(request, row)
    if trouble:
        return None, trouble
    try:
        order = loading.load_anyway(row, raw, request.account, request.user.email, clock.now())
    except NotNow as reason:
        return None, str(reason)
    audit.record(request.user, "order.loaded_anyway", f"{row.cart.name}: {order.cust_po_no}")
    return order, ""


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
        return row.raw, "" if row.raw is not None else "What the shop gave is kept for a time alone, which is over."
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


def _page(rows: QuerySet[SkippedOrder], asked: Any) -> search.Page:
    """A page by id. These rows have no public id; the cursors are signed, so that nobody tries numbers."""
    upward = bool(asked.get("before") and not asked.get("after"))
    mark = _read(asked.get("after") or asked.get("before") or "")
    if mark is None:
        upward = False
    else:
        rows = rows.filter(pk__gt=mark) if upward else rows.filter(pk__lt=mark)
    found = list(rows.order_by("pk" if upward else "-pk")[: search.PAGE + 1])
    more, items = len(found) > search.PAGE, found[: search.PAGE]
    if upward:
        items.reverse()
    if not items:
        return search.Page()
    newer, older = (more if upward else mark is not None), (upward or more)
    return search.Page(items, _mark(items[0]) if newer else "", _mark(items[-1]) if older else "")


def _mark(row: SkippedOrder, salt: str = "skipped") -> str:
    return signing.dumps(row.pk, salt=salt)


def _read(text: str) -> int | None:
    try:
        return int(signing.loads(text, salt="skipped"))
    except signing.BadSignature:
        return None


def _midnight(day: date | None, more: int = 0) -> datetime | None:
    """The start of a day in the user's time zone, or of one of the days after it."""
    if day is None or day >= date.max - timedelta(days=more):
        return None
    return timezone.make_aware(datetime.combine(day + timedelta(days=more), day_time.min))
