"""The order list as a file."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.middleware import zone_of
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import spreadsheet
from orders import columns, saved_views, selection
from orders.exporting import LINES, Export


@require("orders.view")
@require_GET
def orders_export(request: AccountRequest) -> HttpResponseBase:
    """What matches, or what was selected: with all columns, with those of the list, or a row for each line."""
    data = request.GET.copy()
    if "order" not in data:
        data["all"] = "1"
    chosen = selection.of(data)
    if chosen.empty:
        messages.info(request, "No order was selected.")
        return redirect("orders", request.account.public_id)
    seen = columns.known(saved_views.of(request).columns) if data.get("columns") == "shown" else ()
    export = Export(chosen.orders, chosen.sort, zone_of(request.user), seen)
    audit.record(request.user, "orders.exported", chosen.words)
    if data.get("what") == "lines":
        return spreadsheet.streamed(request, "order-lines", LINES, export.lines)
    return spreadsheet.streamed(request, "orders", export.head(), export.rows)
