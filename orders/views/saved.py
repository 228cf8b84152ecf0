"""How somebody likes to see the order list: filters under a name, and columns."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import spreadsheet
from integration_manager.kept import typed
from orders import columns, saved_views, search
from orders.forms import FilterForm
from orders.models import SavedView
from orders.state_words import BY_KEY
from orders.views.listing import chips_of

HEAD = ["Name", "Whose", "Filters and sort", "Columns"]
SORT_WORDS = {
    "placed": "newest placed first",
    "placed-first": "oldest placed first",
    "loaded-first": "oldest loaded first",
}


class ViewForm(forms.Form):
    """A name for the filters that are on, and who sees them."""

    name = forms.CharField(
        max_length=60,
        help_text="For example: Errors of this week. The same name again replaces what it meant.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    shared = forms.BooleanField(required=False, label="Share it with everybody who sees all merchants")
    default = forms.BooleanField(required=False, label="Show it first when I open Orders")
    query = forms.CharField(required=False, max_length=1000, widget=forms.HiddenInput)


@require("orders.view")
@require_http_methods(["GET", "POST"])
def order_views(request: AccountRequest) -> HttpResponseBase:
    """The saved views, and a form that saves what the list shows."""
    seen = saved_views.of(request)
    query = saved_views.filters_of(request.GET)
    form = ViewForm(typed(request), initial={"query": query})
    if request.merchants is not None:
        del form.fields["shared"]
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        mine = [view.name for view in seen.named if view.user_id == request.user.pk]
        if len(mine) >= saved_views.MOST and data["name"] not in mine:
            form.add_error("name", f"There are {saved_views.MOST} already. Delete one first.")
        else:
            kept = saved_views.filters_of(QueryDict(data["query"]))
            view = saved_views.save(
                request, data["name"], kept, seen.columns,
                shared=data.get("shared", False), default=data["default"],
            )  # fmt: skip
            messages.success(request, f"“{view.name}” is saved. You find it under Views.")
            return redirect(reverse("orders", args=[request.account.public_id]) + saved_views.address(view))
    context = {
        "form": form,
        "views": [(view, saved_views.address(view), whose(view)) for view in seen.named],
        "shows": _shows(request),
    }
    return render(request, "orders/views.html", context, status=422 if request.method == "POST" else 200)


@require("orders.view")
@require_GET
def order_views_csv(request: AccountRequest) -> HttpResponseBase:
    """The saved views as a file: what each filters and sorts by, as its address says it."""
    named = saved_views.of(request).named
    rows = [[view.name, whose(view), view.query, ", ".join(columns.known(view.columns))] for view in named]
    return spreadsheet.streamed(request, "views-of-orders", HEAD, lambda: rows)


def whose(view: Any) -> str:
    """Whose view it is, in words."""
    if not view.mine:
        return "Shared by somebody else"
    return f"Mine{', shared' if view.shared else ''}{', shown first' if view.default else ''}"


def _shows(request: AccountRequest) -> list[tuple[str, str]]:
    """What a view of this address would show, in words: name, value."""
    asked = FilterForm(request.GET)
    filters, sort = asked.filters(), asked.sort_by
    first = search.page(search.filtered(filters), sort, size=1)
    state = [("State", BY_KEY[filters.state].word)] if filters.state in BY_KEY else []
    chips = [(chip.label, chip.value) for chip in chips_of(request, filters, first)]
    return [*state, *chips, *([("Sort", SORT_WORDS[sort])] if sort in SORT_WORDS else [])]


@require("orders.view")
@require_POST
def order_view_act(request: AccountRequest, view: str) -> HttpResponseBase:
    """Shows one's own view first, no longer, or deletes it."""
    found = SavedView.objects.filter(public_id=view, user=request.user).exclude(name="").first()
    act = request.POST.get("act", "")
    if found is None or act not in ("delete", "first", "not-first", ""):
        raise Http404
    if act == "delete":
        found.delete()
        messages.success(request, f"“{found.name}” is deleted. No order has changed.")
    elif act:
        saved_views.set_default(request, found, act == "first")
    return redirect("order_views", request.account.public_id)


@require("orders.view")
@require_POST
def order_columns(request: AccountRequest) -> HttpResponseBase:
    """Keeps the columns that the user chose; none is the usual ones."""
    keys = [] if "usual" in request.POST else request.POST.getlist("column")
    saved_views.choose_columns(request, columns.known(keys))
    back = request.POST.get("back", "").replace("\x00", "")
    base = reverse("orders", args=[request.account.public_id])
    safe = back.startswith("?") and url_has_allowed_host_and_scheme(base + back, allowed_hosts=None)
    return redirect(base + (back if safe else ""))
