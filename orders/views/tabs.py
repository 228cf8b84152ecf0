"""The tabs above the order list: one for each state, and the skipped orders."""

from typing import Any

from django.urls import reverse

from accounts.requests import AccountRequest
from integration_manager.chips import address
from orders import search
from orders.models import Order
from orders.state_words import BY_KEY, SKIPPED

TABS = ("new", "at-wms", "shipped", "confirmed", "error", "on-hold", "cancel-sending", "canceled")
COUNTED = ("error", "on-hold")


def tabs(request: AccountRequest, filters: search.Filters, here: str = "") -> list[dict[str, Any]]:
    """A tab for each state; those that wait for a person with their number."""
    scope = Order.objects.all()
    if filters.merchant:
        scope = scope.filter(merchant__public_id=filters.merchant)
    deep = bool(request.GET.get("after") or request.GET.get("before"))
    numbers = {} if deep else search.counts(scope, COUNTED)
    base = reverse("orders", args=[request.account.public_id]) if here else ""
    everything = base + address(request, "state", "until")
    found = [{"label": "All", "url": everything, "current": not (filters.state or here), "number": ""}]
    for state in TABS:
        number = numbers.get(state, "0")
        found.append(
            {
                "label": BY_KEY[state].word,
                "url": base + address(request, "until", state=state),
                "current": filters.state == state,
                "number": "" if number == "0" else number,
                "bad": state == "error",
            }
        )
    merchant = f"?merchant={filters.merchant}" if filters.merchant else ""
    skipped_url = reverse("skipped", args=[request.account.public_id]) + merchant
    found.append({"label": SKIPPED.word, "url": skipped_url, "current": here == "skipped", "number": ""})
    return found
