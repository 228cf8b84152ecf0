"""The dashboard: what today looks like, and what needs a person."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import today
from integration_manager.context import chosen_merchant


@require("dashboard.view")
@require_GET
def dashboard(request: AccountRequest) -> HttpResponse:
    """Today's orders, fourteen days, what waits for a person, which connections need a look."""
    merchant = chosen_merchant(request)()
    context = today.overview(request.account, merchant, request.permissions)
    if request.headers.get("HX-Target") == "live":
        return render(request, "dashboard/live.html", context)
    return render(request, "dashboard/dashboard.html", context)
