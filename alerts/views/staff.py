"""What is wrong in all accounts, for staff: how many alerts of which kind, and in which account.

What an alert says is seen inside its account alone, which staff open on record.
"""

from django.core.paginator import Paginator
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import Account
from accounts.staff_views import PAGE, for_staff
from alerts import kinds
from alerts.models import Alert
from alerts.views.tab import TABS
from integration_manager import spreadsheet, tenancy
from integration_manager.spreadsheet import moment

COUNTED = {"alerts": Count("pk"), "since": Min("first_seen")}
HEAD = ["Kind", "Account", "Id of the account", "Alerts", "The oldest since (UTC)"]


@for_staff
@never_cache
@require_GET
def staff_alerts(request: HttpRequest) -> HttpResponse:
    """Active alerts by kind; of the chosen kind, by account, most first."""
    chosen = _kind(request)
    with tenancy.everyone("alerts of all accounts"):
        active = Alert.objects.filter(TABS[""][1])
        found = list(active.values("kind").annotate(accounts=Count("account", distinct=True), **COUNTED))
        listed = active.filter(kind=chosen).values("account").annotate(**COUNTED).order_by("-alerts", "account")
        page = Paginator(listed, PAGE).get_page(request.GET.get("page"))
        rows = list(page.object_list)
    accounts = Account.objects.in_bulk([row["account"] for row in rows])
    for row in rows:
        row["account"] = accounts[row["account"]]
    for one in found:
        one["title"] = kinds.of(one["kind"]).title
    context = {
        "kinds": sorted(found, key=lambda one: (-one["accounts"], one["title"], one["kind"])),
        "chosen": next((one for one in found if one["kind"] == chosen), None),
        "page": page,
        "rows": rows,
    }
    return render(request, "alerts/staff.html", context)


@for_staff
@never_cache
@require_GET
def staff_alerts_csv(request: HttpRequest) -> HttpResponseBase:
    """How many of which kind are active in which account: of the chosen kind, or of all."""
    with tenancy.everyone("alerts of all accounts"):
        rows = Alert.objects.filter(TABS[""][1]).values("kind", "account").annotate(**COUNTED)
        if chosen := _kind(request):
            rows = rows.filter(kind=chosen)
        found = list(rows.order_by("kind", "-alerts", "account"))
    accounts = Account.objects.in_bulk({row["account"] for row in found})
    about = ((kinds.of(row["kind"]).title, accounts[row["account"]], row) for row in found)
    cells = ([kind, of.name, of.public_id, row["alerts"], moment(row["since"])] for kind, of, row in about)
    return spreadsheet.answer("alerts-of-all-accounts", spreadsheet.lines(HEAD, cells))


def _kind(request: HttpRequest) -> str:
    """The kind that is asked for."""
    return request.GET.get("kind", "").replace("\x00", "")[:40]
