"""The merchants of an account, and how each fares."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Max, Q, QuerySet, Subquery
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager.navigation import one_merchant
from integration_manager.searched import search_text
from merchants import at_wms
from merchants.models import Merchant, Schedule, Service
from orders.models import Order, Status
from wms.models import Wms
from wms.systems import registry

PAGE = 50
SEARCH_FROM = 10  # merchants: fewer are found by looking


@dataclass(frozen=True, slots=True)
class Health:
    """The worst state of a merchant's connections and services: a word, an icon, a tone."""

    word: str
    icon: str
    tone: str = ""


REFUSED = Health("Credentials refused", "s-error", "bad")
MISSING = Health("Needs values", "warn", "wait")
FAILING = Health("Failing", "warn", "wait")
PAUSED = Health("Paused", "pause", "wait")
HEALTHY = Health("Healthy", "s-confirmed", "good")
OFF = Health("Off", "s-off")
ARCHIVED = Health("Archived", "s-off")


@require("merchants.view")
@require_GET
def merchants(request: AccountRequest) -> HttpResponseBase:
    """All merchants with their health; where there can be only one, that one."""
    if one_merchant(request):
        only = Merchant.objects.order_by("id").first()
        if only is not None:
            return redirect("merchant", request.account.public_id, only.public_id)
        if "merchants.add" in request.permissions:
            return redirect("merchant_new", request.account.public_id)
    text, archived, wanted = asked(request)
    number = Merchant.objects.aggregate(
        all=Count("pk"), archived=Count("pk", filter=Q(archived_at__isnull=False)), found=Count("pk", filter=wanted)
    )
    paginator = Paginator(listed(wanted).order_by("name", "id"), PAGE)
    paginator.count = number["found"]  # known already
    page = paginator.get_page(request.GET.get("page"))
    page.object_list = filled(page.object_list)
    context = {
        "page": page,
        "text": text,
        "archived": archived,
        "archived_number": number["archived"],
        "searchable": number["all"] > SEARCH_FROM or bool(text),
    }
    return render(request, "merchants/list.html", context)


def asked(request: AccountRequest) -> tuple[str, bool, Q]:
    """What the address asks for: the text, whether those that are archived, and both as a filter."""
    text = search_text(request, 60)
    archived = "archived" in request.GET
    wanted = Q(archived_at__isnull=not archived)
    if text:
        wanted &= Q(name__icontains=text) | Q(code__iexact=text)
    return text, archived, wanted


def listed(wanted: Q) -> "QuerySet[Merchant]":
    """These merchants with what `filled` goes by."""
    present = Wms.objects.filter(archived_at__isnull=True).values("system")[:1]
    carts = Count("carts", filter=Q(carts__archived_at__isnull=True))
    rows: QuerySet[Merchant] = Merchant.objects.filter(wanted).defer("former_values")
    return rows.annotate(cart_count=carts, wms=Subquery(present))


def filled(rows: Iterable[Any]) -> list[Any]:
    """These merchants, each with what its row shows, in two queries for all of them."""
    merchants = list(rows)
    system = registry().systems.get(merchants[0].wms or "") if merchants else None
    ids = [merchant.pk for merchant in merchants]
    services = _by_merchant(
        Schedule.objects.filter(merchant_id__in=ids),
        on=Count("pk", filter=Q(every__gt=0)),
        refused=Count("pk", filter=Q(every__gt=0, paused=Schedule.Paused.AUTH)),
        paused=Count("pk", filter=Q(every__gt=0, paused=Schedule.Paused.PERSON)),
        failing=Count("pk", filter=Q(every__gt=0, failures__gt=0)),
        stock_at=Max("finished_at", filter=Q(service=Service.INVENTORY)),
    )
    orders = _by_merchant(
        Order.objects.filter(
            merchant_id__in=ids,
            status__in=[Status.RECEIVED, Status.READY, Status.SENDING, Status.ERROR, Status.GAVE_UP],
        ),
        waiting=Count("pk", filter=~Q(status__in=[Status.ERROR, Status.GAVE_UP])),
        person=Count("pk", filter=Q(status__in=[Status.ERROR, Status.GAVE_UP])),
    )
    for merchant in merchants:
        found = services.get(merchant.pk, {})
        merchant.waiting = orders.get(merchant.pk, {}).get("waiting", 0)
        merchant.for_person = orders.get(merchant.pk, {}).get("person", 0)
        merchant.stock_at = found.get("stock_at")
        lacks = bool(system and found.get("on") and at_wms.missing(system, merchant))
        merchant.health = _health(merchant, found, lacks=lacks)
    return merchants


def _health(merchant: Merchant, services: dict[str, int], *, lacks: bool) -> Health:
    if merchant.archived_at:
        return ARCHIVED
    if lacks:
        return MISSING
    for name, health in (("refused", REFUSED), ("failing", FAILING), ("paused", PAUSED), ("on", HEALTHY)):
        if services.get(name):
            return health
    return OFF


def _by_merchant(rows: QuerySet[Any], **numbers: Any) -> dict[int, dict[str, Any]]:
    """{merchant's key: {name: number}}"""
    return {row["merchant_id"]: row for row in rows.order_by().values("merchant_id").annotate(**numbers)}
