"""Address verification of the whole account: off, by the built-in rules, or by look-ups too; and what those cost."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import Account
from accounts.periods import beginning
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import spreadsheet, stale
from integration_manager.kit import clock
from integration_manager.lookup_prices import Prices
from integration_manager.undone import once_more
from orders import address_changes, addresses
from orders.models import LookupCount

Choice = Account.Verification
HELP = {
    Choice.OFF: "Nothing is checked or rewritten, whatever a cart’s setup says.",
    Choice.RULES: "What each country’s post asks for: its parts, postal codes, states. Free, and nobody else is told.",
    Choice.ONLINE: "Each address that a cart verifies is sent to {label} as well, without any name.",
}
PERIODS = 12  # that are shown
HEAD = ["Billing period from", "US", "International", "Cost, USD"]


@require("account.addresses")
@require_http_methods(["GET", "POST"])
@once_more
def account_addresses(request: AccountRequest) -> HttpResponse:
    """The switch, and how many look-ups there were."""
    account, error = request.account, ""
    verifier = addresses.provider()
    offered = [one for one in Choice if one is not Choice.ONLINE or verifier is not None]
    mark = stale.mark(account.verification)
    said = stale.said(request.POST, mark, account.name, "account.verification")
    if request.method == "POST" and not said:
        wanted = request.POST.get("verification", "")
        if wanted in offered:
            freed = address_changes.change_verification(account, wanted, clock.now(), request.user)
            orders = f" {freed:,} {'order goes' if freed == 1 else 'orders go'} to the WMS now." if freed else ""
            messages.success(request, f"Saved.{orders}")
            return redirect("account_addresses", account.public_id)
        error = "Choose one of these."
    label = verifier.label if verifier is not None else ""
    stored = account.verification if account.verification in offered else Choice.RULES.value
    context = {
        "choices": [(one.value, one.label, HELP[one].format(label=label)) for one in offered],
        "chosen": request.POST.get("verification", stored),
        "label": label,
        "lost": account.verification == Choice.ONLINE and verifier is None,
        "error": error,
        "mark": mark,
        **said,
        "periods": _periods(account, PERIODS) if label else [],
        "prices": [
            ("US", _prices(settings.IM_LOOKUP_PRICES_US)),
            ("International", _prices(settings.IM_LOOKUP_PRICES_INTERNATIONAL)),
        ]
        if label
        else [],
    }
    return render(request, "accounts/addresses.html", context, status=422 if error or said else 200)


@require("account.addresses")
@require_GET
def account_lookups_csv(request: AccountRequest) -> HttpResponseBase:
    """The look-ups of every billing period, as a file."""
    rows = [[one[name] for name in ("begins_on", "us", "international", "cost")] for one in _periods(request.account)]
    return spreadsheet.streamed(request, "look-ups", HEAD, lambda: rows)


def _periods(account: Account, most: int | None = None) -> list[dict[str, Any]]:
    """The present period, also where nothing was asked in it, and those before it: all, or so many."""
    us, international = settings.IM_LOOKUP_PRICES_US, settings.IM_LOOKUP_PRICES_INTERNATIONAL
    now = beginning(account.created_at, account.timezone, clock.now())
    known: dict[date, LookupCount] = {one.begins_on: one for one in LookupCount.objects.order_by("-begins_on")[:most]}
    known.setdefault(now, LookupCount(begins_on=now))
    return [
        {
            "begins_on": day,
            "us": one.us,
            "international": one.international,
            "cost": (us.cost(one.us) + international.cost(one.international)).quantize(Decimal("0.01")),
            "running": day == now,
        }
        for day, one in sorted(known.items(), reverse=True)
    ]


def _prices(prices: Prices) -> str:
    """The steps in words: "up to 30 free; up to 500 $0.02 each"."""
    said = [
        f"{f'up to {step.up_to:,}' if step.up_to is not None else 'all further ones'} "
        f"{f'${step.price:f} each' if step.price else 'free'}"
        for step in prices.steps
    ]
    return "; ".join(said) or "free"
