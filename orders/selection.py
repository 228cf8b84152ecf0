"""Which orders are meant: those that were ticked, or everything that matches the list's filters."""

from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import QueryDict

from carts.models import Cart
from integration_manager.converters import looks_like_one
from merchants.models import Merchant
from orders import search
from orders.forms import FilterForm
from orders.models import Order
from orders.saved_views import filters_of
from orders.state_words import BY_KEY

MOST_TICKED = 500
_NOT_FILTERS = ("action", "all", "order", "key", "shown", "shown_at", "csrfmiddlewaretoken", "what", "columns")


@dataclass(frozen=True, slots=True)
class Selection:
    """Some orders. `filters`: the list's address without its question mark; `capped`: the search knows of more."""

    orders: QuerySet[Order]
    words: str
    filters: str
    ticked: list[str]
    sort: str
    capped: bool = False

    @property
    def empty(self) -> bool:
        """Whether none was ticked."""
        return not self.ticked and self.words == ""


def of(data: QueryDict) -> Selection:
    """The selection that an address or a form names."""
    given = data.copy()
    for name in _NOT_FILTERS:
        given.pop(name, None)
    form, kept = FilterForm(data), filters_of(given)
    filters, sort = form.filters(), form.sort_by
    if data.get("all"):
        matches = search.matching(filters.text) if filters.text else None
        capped = bool(matches and matches.capped)
        return Selection(search.filtered(filters, matches), _words(filters, given), kept, [], sort, capped)
    ticked = [text for text in data.getlist("order")[:MOST_TICKED] if looks_like_one(text)]
    words = f"{len(ticked)} selected order{'' if len(ticked) == 1 else 's'}" if ticked else ""
    return Selection(Order.objects.filter(public_id__in=ticked), words, kept, ticked, sort)


def _words(filters: search.Filters, given: QueryDict) -> str:
    """Everything that matches, said so that one can check it."""
    merchant = Merchant.objects.filter(public_id=filters.merchant).first() if filters.merchant else None
    cart = Cart.objects.filter(public_id=filters.cart).first() if filters.cart else None
    face = BY_KEY.get(filters.state)
    parts = [
        ("state", face.word if face else ""),
        ("merchant", merchant.name if merchant else filters.merchant),
        ("cart", cart.name if cart else filters.cart),
        ("containing", filters.text),
        ("cause", "one" if filters.cause else ""),
        ("no movement", "for too long" if filters.stuck else ""),
        ("country", filters.country),
        ("ship method", filters.method),
        ("placed from", filters.placed_from),
        ("placed until", filters.placed_to),
        ("loaded", "today" if given.get("loaded") == "today" else ""),
        ("loaded from", given.get("loaded_from") if filters.loaded_from else ""),
        ("loaded until", given.get("loaded_to") if filters.loaded_to else ""),
    ]
    said = ", ".join(f"{name} {value}" for name, value in parts if value)
    return f"all orders with {said}" if said else "all orders that are not canceled"
