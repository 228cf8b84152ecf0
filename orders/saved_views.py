"""Saved filters of the order list, and how its user sees it: read by one query."""

from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q
from django.http import QueryDict

from accounts.requests import AccountRequest
from orders import columns
from orders.models import SavedView

MOST = 50  # of one person
PLACE = ("after", "before", "until", "view")  # what of an address is no filter


@dataclass(slots=True)
class Views:
    """What the list of one person is like."""

    columns: list[str]
    named: list[SavedView] = field(default_factory=list)
    default: SavedView | None = None


def of(request: AccountRequest) -> Views:
    """The user's own views, and for who sees all merchants those that others of the account share."""
    shown = Q(user=request.user)
    if request.merchants is None:
        shown |= Q(shared=True)
    rows = list(SavedView.objects.filter(shown).order_by("name", "pk")[: 4 * MOST])
    own = next((row for row in rows if row.user_id == request.user.pk and not row.name), None)
    named = [row for row in rows if row.name]
    chosen = columns.known(own.columns) if own else []
    asked = request.GET.get("view", "")
    for row in named:
        row.mine = row.user_id == request.user.pk
        if row.public_id == asked and row.columns:
            chosen = columns.known(row.columns)
    default = next((row for row in named if row.default and row.mine), None)
    return Views(chosen or list(columns.USUAL), named, default)


def address(view: SavedView) -> str:
    """The list's address that shows a view."""
    query = QueryDict(view.query, mutable=True)
    query["view"] = view.public_id
    return f"?{query.urlencode()}"


def filters_of(query: QueryDict) -> str:
    """What of a list's address is worth keeping: filters and sort, without where one is in the list."""
    kept = query.copy()
    for name in PLACE:
        kept.pop(name, None)
    for name in [name for name, value in kept.items() if not value]:
        kept.pop(name)
    return kept.urlencode()


def save(request: AccountRequest, name: str, query: str, seen: list[str], *, shared: bool, default: bool) -> SavedView:
    """Keeps filters under a name; the same name again replaces what it meant."""
    with transaction.atomic():
        if default:
            _mine(request).update(default=False)
        values = {"query": query, "columns": seen, "shared": shared and request.merchants is None, "default": default}
        view, _ = SavedView.objects.update_or_create(user=request.user, name=name, defaults=values)
    kept: SavedView = view
    return kept


def choose_columns(request: AccountRequest, keys: list[str]) -> None:
    """What the user sees from now on."""
    SavedView.objects.update_or_create(user=request.user, name="", defaults={"columns": columns.known(keys)})


def set_default(request: AccountRequest, view: SavedView, on: bool) -> None:
    """What the user sees first; none is everything."""
    with transaction.atomic():
        _mine(request).update(default=False)
        if on:
            _mine(request).filter(pk=view.pk).update(default=True)


def _mine(request: AccountRequest):  # type: ignore[no-untyped-def]
    return SavedView.objects.filter(user=request.user)
