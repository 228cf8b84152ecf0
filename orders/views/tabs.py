"""The tabs above the order list: one for each state, and the skipped orders."""

from typing import Any

from django.urls import reverse

from accounts.requests import AccountRequest
from integration_manager.chips import address
from orders import search
from orders.state_words import BY_KEY, SKIPPED

TABS = ("new", "at-wms", "shipped", "confirmed", "error", "on-hold", "cancel-sending", "canceled")
EVERYTHING = "?state="  # without the state it would be the view that its user sees first


def tabs(request: AccountRequest, filters: search.Filters, here: str = "") -> list[dict[str, Any]]:
    """A tab for each state; those that wait for a person with their number."""
    deep = bool(request.GET.get("after") or request.GET.get("before"))
    numbers = {} if deep else search.waiting(filters.merchant)
    base = reverse("orders", args=[request.account.public_id]) if here else ""
    merchant = f"?merchant={filters.merchant}" if filters.merchant else ""

    def to(state: str) -> str:
        """The list with this state; from elsewhere with nothing but the merchant besides."""
        if here:
            return f"{base}{merchant}{'&' if merchant else '?'}state={state}"
        return address(request, "until", "view", state=state)

    found = [{"label": "All", "url": to(""), "current": not (filters.state or here), "number": ""}]
    for state in TABS:
        number = numbers.get(state, "0")
        found.append(
            {
                "label": BY_KEY[state].word,
                "url": to(state),
                "current": filters.state == state,
                "number": "" if number == "0" else number,
                "bad": state == "error",
            }
        )
    skipped_url = reverse("skipped", args=[request.account.public_id]) + merchant
    found.append({"label": SKIPPED.word, "url": skipped_url, "current": here == "skipped", "number": ""})
    return found
