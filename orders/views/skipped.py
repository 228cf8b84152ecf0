"""What was knowingly not loaded, and loading it anyway."""

import secrets
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from datetime import time as day_time
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core import signing
from django.db import connection
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
from merchants.models import Merchant
from orders import bulk_run, loading, search, skip_reasons
from orders.actions import NotNow
from orders.agreed import more_than_agreed, shown_at
from orders.connections import cart_class
from orders.many import LOAD
from orders.models import SkippedOrder
from orders.reading import GONE
from orders.views.tabs import tabs

ASKED = ("one", "key", "shown", "newest", "shown_at", "csrfmiddlewaretoken")  # in the form by themselves
TWICE = "Some were handled elsewhere, or were here once: what was shipped already the customer gets twice."
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
    rows = form.rows().select_related("merchant", "cart").defer("raw")
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
    given = _given(data, merchant.name if merchant else "unknown", cart.name if cart else "unknown")
    filters = search.Filters(merchant=merchant.public_id if merchant else "")
    context = {
        "page": page,
        "form": form,
        "carts": carts,
        "reasons": skip_reasons.REASONS.items(),
        "chips": chips(request, given),
        "given": [(name, str(data[name])) for name, _, value in given if value],  # days as they are read
        "clear_url": "?",
        "tabs": tabs(request, filters, "skipped"),
        "loadable": any(row.can_load for row in page.items),
    }
    return render(request, "orders/skipped.html", context)


def _given(data: Mapping[str, Any], merchant: str, cart: str) -> list[tuple[str, str, str]]:
    """The filters that are on: parameter, label and value in words. `merchant`, `cart`: the names of theirs."""
    return [
        ("q", "Number begins with", data.get("q") or ""),
        ("merchant", "Merchant", merchant if data.get("merchant") else ""),
        ("cart", "Cart", cart if data.get("cart") else ""),
        ("reason", "Reason", skip_reasons.label_of(data["reason"]) if data.get("reason") else ""),
        ("since", "Seen from", f"{data['since']:%d %b %Y}" if data.get("since") else ""),
        ("until", "Seen until", f"{data['until']:%d %b %Y}" if data.get("until") else ""),
    ]


def _words(form: SkippedFilter) -> str:
    """All that match, said so that one can check it."""
    data = form.cleaned_data
    merchant = Merchant.objects.filter(public_id=data.get("merchant") or "").first()
    cart = Cart.objects.filter(public_id=data.get("cart") or "").first()
    given = _given(data, merchant.name if merchant else "unknown", cart.name if cart else "unknown")
    said = ", ".join(f"{label[:1].lower()}{label[1:]} {value}" for _, label, value in given if value)
    return f"all skipped orders with {said}" if said else "all skipped orders"


def _query(data: Mapping[str, Any]) -> str:
    """The list's address behind its question mark."""
    return urlencode({name: data[name] for name in SkippedFilter.base_fields if data.get(name)})


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
    """Loads one at once. Of several, or of all that match, it says first how many there are, and then begins.

    Each is loaded as its cart has it now, where that can be asked, else as read.
    """
    data = request.POST
    marks = data.getlist("one") or data.getlist("row")
    everything = bool(data.get("all")) and "one" not in data
    if len(marks) == 1 and not everything:
        return _load_one(request, _row(marks[0]))
    form = SkippedFilter(data)
    if everything:
        rows, words = form.rows(), _words(form)
    else:
        ids = [pk for pk in map(_pk, marks) if pk is not None]
        rows, words = SkippedOrder.objects.filter(pk__in=ids), f"{len(ids)} selected orders"
        if not ids:
            messages.info(request, "No order was selected.")
            return redirect("skipped", request.account.public_id)
    now = clock.now()
    newest = SkippedOrder.objects.order_by("-pk").values_list("pk", flat=True).first() or 0  # before they are counted
    found, why = _forecast(rows)
    more = everything and "shown" in data and more_than_agreed(found.able, data["shown"])
    if "shown" in data and not more:
        key = data.get("key", "").replace("\x00", "")[:32] or secrets.token_hex(16)
        begun = bulk_run.begin(_agreed(rows, data), LOAD, request.user, key, words, now)
        return redirect("bulk", request.account.public_id, begun.public_id)
    kept = [(name, value) for name in data if name not in ASKED for value in data.getlist(name)]
    kept.append(("newest", str(newest)))
    context = {
        "kind": LOAD,
        "chosen": {"words": words},
        "found": found,
        "why": why,
        "careful": TWICE if any(reason in loading.OVER for reason, _, _ in why) else "",
        "now": now,
        "more": more,
        "most": bulk_run.MOST,
        "key": secrets.token_hex(16),
        "to": reverse("skipped_load", args=[request.account.public_id]),
        "back": f"{reverse('skipped', args=[request.account.public_id])}?{_query(data)}",
        "fields": kept,
    }
    return render(request, "orders/bulk_ask.html", context)


def _agreed(rows: QuerySet[SkippedOrder], form: Mapping[str, str]) -> QuerySet[SkippedOrder]:
    """Those of them that a person was shown, without what was shipped, or so marked, since then."""
    newest, shown = form.get("newest", "")[:18], shown_at(form.get("shown_at", ""))
    rows = rows.filter(reason__in=loading.CAN, pk__lte=int(newest) if newest.isascii() and newest.isdigit() else 0)
    return rows.exclude(reason__in=loading.OVER, seen_at__gt=shown) if shown else rows.exclude(reason__in=loading.OVER)


def _forecast(rows: QuerySet[SkippedOrder]) -> tuple[bulk_run.Forecast, list[tuple[str, str, int]]]:
    """What could be loaded of these; and why that was not: reason, in words, and how many."""
    some = rows.order_by().values("reason")[: bulk_run.MOST + 1]
    with connection.cursor() as cursor:
        sql, params = some.query.sql_with_params()
        cursor.execute(f"SELECT m.reason, count(*) FROM ({sql}) m GROUP BY 1 ORDER BY 2 DESC, 1", params)  # noqa: S608 (the ORM's)
        numbers = dict(cursor.fetchall())
    able = sum(number for reason, number in numbers.items() if reason in loading.CAN)
    total = sum(numbers.values())
    why = [(r, skip_reasons.label_of(r), number) for r, number in numbers.items() if r in loading.CAN]
    others = [("No order can be made of what could not be read.", total - able)] if total > able else []
    return bulk_run.Forecast(min(total, bulk_run.MOST), able, others, total > bulk_run.MOST), why


def _load_one(request: AccountRequest, row: SkippedOrder | None) -> HttpResponse:
    """Loads one, and shows it; or says what stands against that."""
    trouble = loading.why_not(row, request.account)
    if row is not None and not trouble:
        raw, trouble = _now(request, row)
    if row is not None and not trouble:
        try:
            order = loading.load_anyway(row, raw, request.account, request.user.email, clock.now())
        except NotNow as reason:
            trouble = str(reason)
        else:
            audit.record(request.user, "order.loaded_anyway", f"{row.cart.name}: {order.cust_po_no}")
            messages.success(request, "The order is loaded, and goes its way like the others.")
            return redirect("order", request.account.public_id, order.public_id)
    messages.error(request, trouble)
    return redirect("skipped", request.account.public_id)


def _pk(mark: str) -> int | None:
    try:
        return int(signing.loads(mark, salt=loading.SALT))
    except signing.BadSignature:
        return None


def _row(mark: str) -> SkippedOrder | None:
    found: SkippedOrder | None = (
        SkippedOrder.objects.select_related("merchant", "cart__merchant").filter(pk=_pk(mark)).first()
    )
    return found


def _now(request: AccountRequest, row: SkippedOrder) -> tuple[Any, str]:
    """The order as its source has it, and what stands against that."""
    cart = row.cart
    system = cart_class(cart)
    if not system.overrides("order"):
        return row.raw, ""
    answer, found = trying.answer_of(
        system,
        {**cart.options, **cart.credentials},
        request.account,
        cart.merchant,
        lambda connector: (loading.ask(connector, row),),
        trace=True,
    )
    if found is None:
        return None, f"{answer.title}. {answer.text}"
    return found[0], "" if found[0] is not None else loading.gone(row)


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
