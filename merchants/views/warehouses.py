"""Locations & Products: the warehouses of a merchant, which is which at the WMS, and what is in each."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Max, QuerySet
from django.db.models.deletion import RestrictedError
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from integration_manager import spreadsheet, stale
from integration_manager.kept import typed
from integration_manager.kit import clock
from integration_manager.searched import search_text
from integration_manager.spreadsheet import moment
from merchants import catalog, schedules
from merchants import warehouses as places
from merchants.models import Adjustment, Merchant, Schedule, Service, StockLevel, Warehouse
from merchants.offers import plain
from merchants.stock_forms import WarehouseForm
from merchants.views.page import merchant_or_404
from orders import managed
from orders.connections import wms_class
from wms.models import Wms

HEAD = ["Warehouse", "Default", "At the WMS", "State", "Products", "Loaded last (UTC)", "Address"]
LEVELS = ["SKU", "Available", "On hand", "Loaded (UTC)", "Changed (UTC)"]


@require("merchants.view")
@require_GET
def warehouses(request: AccountRequest, merchant: str) -> HttpResponse:
    """All warehouses with how many products each has, and when they were loaded last."""
    found = merchant_or_404(merchant)
    rows = _filled(_rows(found))
    service = Schedule.objects.filter(merchant=found, service=Service.INVENTORY).first()
    context = {"shown": found, "rows": rows, "service": service}
    return render(request, "merchants/warehouses.html", context)


@require("merchants.view")
@require_GET
def warehouses_csv(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """The same as a file, with their addresses."""
    found = merchant_or_404(merchant)
    return spreadsheet.streamed(request, f"warehouses-{found.code}", HEAD, lambda: _cells(found))


@require("merchants.view")
@require_GET
def warehouse(request: AccountRequest, merchant: str, warehouse: str) -> HttpResponse:
    """What one warehouse has, by SKU, with when each was loaded."""
    found, one = _one(merchant, warehouse)
    text, rows = _levels(request, found, one)
    page = catalog.page(rows, "sku", request.GET.get("after", ""), request.GET.get("before", ""))
    told = list(Cart.objects.filter(stock_warehouse=one, archived_at__isnull=True).order_by("number"))
    context = {"shown": found, "warehouse": one, "page": page, "text": text, "told": told}
    if "merchants.edit" in request.permissions and not one.is_default:
        context |= {"removable": True, "logged": _logged(one), "levels": _counted(one)}
    return render(request, "merchants/warehouse.html", context)


@require("merchants.view")
@require_GET
def warehouse_csv(request: AccountRequest, merchant: str, warehouse: str) -> HttpResponseBase:
    """The same as a file: all of it, or what is searched for."""
    found, one = _one(merchant, warehouse)
    rows = _levels(request, found, one)[1]
    name = f"levels-{found.code} {one.name}"
    return spreadsheet.streamed(request, name, LEVELS, lambda: _level_cells(rows))


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
def warehouse_new(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Adds a warehouse."""
    found = merchant_or_404(merchant)
    form = WarehouseForm(typed(request), merchant=found)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        Warehouse.objects.create(merchant=found, name=name, address=form.address())
        audit.record(request.user, "warehouse.added", f"{found.name}: {name}", {"Name": (None, name)})
        messages.success(request, f"{name} is added. Say under Map Warehouses what the WMS calls it.")
        return redirect("warehouses", request.account.public_id, found.public_id)
    return _form(request, found, form, None)


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
def warehouse_edit(request: AccountRequest, merchant: str, warehouse: str) -> HttpResponseBase:
    """A warehouse's name and address."""
    found, one = _one(merchant, warehouse)
    mark = stale.mark(one.name, one.address)
    form = WarehouseForm(typed(request), merchant=found, warehouse=one)
    if request.method == "POST" and stale.overtaken(request.POST, mark):
        said = {"overtaken": True, "last_change": stale.last_change(f"{found.name}: {one.name}")}
        return _form(request, found, form, one, mark=mark, **said)
    if request.method == "POST" and form.is_valid():
        before = {"Name": one.name, "Address": ", ".join(one.address.values())}
        one.name, one.address = form.cleaned_data["name"], form.address()
        one.save(update_fields=["name", "address"])
        changes = audit.difference(before, {"Name": one.name, "Address": ", ".join(one.address.values())})
        if changes:
            audit.record(request.user, "warehouse.changed", f"{found.name}: {one.name}", changes)
        messages.success(request, "Saved.")
        return redirect("warehouse", request.account.public_id, found.public_id, one.public_id)
    return _form(request, found, form, one, mark=mark)


@require("merchants.edit")
@require_http_methods(["GET", "POST"])
def warehouses_map(request: AccountRequest, merchant: str) -> HttpResponseBase:
    """Map Warehouses: what the WMS calls each of ours, and which one is the default."""
    found = merchant_or_404(merchant)
    rows: list[Any] = list(_rows(found))
    mark = stale.mark([(row.pk, row.wms_name, row.is_default) for row in rows])
    for row in rows:
        row.typed = " ".join(request.POST.get(f"w-{row.public_id}", row.wms_name).replace("\x00", "").split())
        row.error = ""
    chosen = request.POST.get("default") or next((row.public_id for row in rows if row.is_default), "")
    context: dict[str, Any] = {"shown": found, "rows": rows, "mark": mark, "chosen": chosen}
    if request.method == "POST":
        if stale.overtaken(request.POST, mark):
            context["overtaken"] = True
        elif _mapping_is_good(rows, chosen):
            return _remap(request, found, rows, chosen)
    status = 422 if request.method == "POST" else 200
    return render(request, "merchants/warehouses_map.html", context, status=status)


@require("merchants.edit")
@require_POST
def warehouse_act(request: AccountRequest, merchant: str, warehouse: str, what: str) -> HttpResponseBase:
    """Leaves a warehouse out of what carts are told, takes it in again, or removes it."""
    found, one = _one(merchant, warehouse)
    if what in ("enable", "disable"):
        enabled = what == "enable"
        if Warehouse.objects.filter(pk=one.pk, enabled=not enabled).update(enabled=enabled):
            changes = {"Enabled": (not enabled, enabled)}
            audit.record(request.user, "warehouse.changed", f"{found.name}: {one.name}", changes)
            schedules.wake(Service.UPLOAD_INVENTORY, clock.now(), merchant_id=found.pk)
        messages.success(request, f"{one.name} is {'part' if enabled else 'no part'} of what carts are told.")
        return redirect("warehouses", request.account.public_id, found.public_id)
    if what != "remove":
        raise Http404
    try:
        with transaction.atomic():
            _remove(request, found, one)
    except RestrictedError:
        messages.error(request, f"A cart is told the stock of {one.name} alone. Change that in its setup first.")
    return redirect("warehouses", request.account.public_id, found.public_id)


def _remove(request: AccountRequest, found: Merchant, one: Warehouse) -> None:
    # A deleted cart keeps nothing back: nobody could change its setup. Back again, it is told all there is.
    deleted = Cart.objects.filter(stock_warehouse=one, archived_at__isnull=False).order_by("pk")
    names = [cart.name for cart in deleted.select_for_update(no_key=True)]
    managed.lock(found)
    if one.is_default:
        messages.error(request, "The default warehouse stays. Make another one the default first.")
        return
    if _logged(one):
        messages.error(request, f"{one.name} stays, as the log of its adjustments does. Disable it instead.")
        return
    deleted.update(stock_warehouse=None)
    levels = _counted(one)
    now, gone = clock.now(), f"{one.name} is removed, with {levels:,} level{'' if levels == 1 else 's'}."
    changes: dict[str, tuple[object, object]] = {"Name": (one.name, None), "Levels": (levels, 0)}
    one.delete()
    if names:
        changes["Deleted carts that were told its stock alone"] = (", ".join(names), None)
        gone += f" If {' or '.join(names)} is restored, it is told the stock of all warehouses."
    if not found.managed_inventory:
        places.ask_for_all(found, now)  # it is read whole again, should the WMS still name it
    schedules.wake(Service.UPLOAD_INVENTORY, now, merchant_id=found.pk)
    audit.record(request.user, "warehouse.removed", f"{found.name}: {one.name}", changes)
    messages.success(request, gone)


def _logged(one: Warehouse) -> bool:
    return Adjustment.objects.filter(warehouse=one).exists()


def _counted(one: Warehouse) -> int:
    return StockLevel.objects.filter(warehouse=one).count()


def _rows(found: Merchant) -> QuerySet[Warehouse]:
    rows: QuerySet[Warehouse] = Warehouse.objects.filter(merchant=found).order_by("-is_default", "name")
    return rows


def _filled(warehouses: Iterable[Any]) -> list[Any]:
    """These warehouses, each with how many products it has, and when they were loaded last: one query for all."""
    rows = list(warehouses)
    levels = StockLevel.objects.filter(warehouse__in=rows).order_by().values("warehouse_id")
    numbers = {row["warehouse_id"]: row for row in levels.annotate(products=Count("pk"), latest=Max("at"))}
    for row in rows:
        row.products = numbers.get(row.pk, {}).get("products", 0)
        row.latest = numbers.get(row.pk, {}).get("latest")
    return rows


def _cells(found: Merchant) -> Iterator[list[object]]:
    for row in _filled(_rows(found)):
        state = "Part of the stock" if row.enabled else "Disabled"
        about = [row.name, "yes" if row.is_default else "", row.wms_name, state, row.products, moment(row.latest)]
        yield [*about, ", ".join(row.address.values())]


def _levels(request: AccountRequest, found: Merchant, one: Warehouse) -> tuple[str, "QuerySet[StockLevel]"]:
    """What is searched for, and what of it the warehouse has."""
    text = search_text(request)
    rows: QuerySet[StockLevel] = StockLevel.objects.filter(warehouse=one)
    if text:
        rows = rows.filter(sku__in=list(catalog.matching(found.pk, text).values_list("sku", flat=True)))
    return text, rows


def _level_cells(rows: "QuerySet[StockLevel]") -> Iterator[list[object]]:
    for part in spreadsheet.parts(rows, "sku"):
        for row in part:
            on_hand = "" if row.on_hand is None else plain(row.on_hand)
            yield [row.sku, plain(row.available), on_hand, moment(row.at), moment(row.changed_at)]


def _one(merchant: str, warehouse: str) -> tuple[Merchant, Warehouse]:
    found = merchant_or_404(merchant)
    one = Warehouse.objects.filter(merchant=found, public_id=warehouse).first()
    if one is None:
        raise Http404
    return found, one


def _form(
    request: AccountRequest, found: Merchant, form: WarehouseForm, one: Warehouse | None, **more: Any
) -> HttpResponse:
    status = 422 if request.method == "POST" else 200
    context = {"shown": found, "form": form, "warehouse": one, **more}
    return render(request, "merchants/warehouse_form.html", context, status=status)


def _mapping_is_good(rows: list[Any], chosen: str) -> bool:
    """Notes at each row what is wrong with it."""
    seen: dict[str, str] = {}
    for row in rows:
        if len(row.typed) > places.MOST:
            row.error = f"It has more than {places.MOST} characters."
        elif row.typed and row.typed in seen:
            row.error = f"{seen[row.typed]} is this one at the WMS already."
        seen.setdefault(row.typed, row.name)
    return not any(row.error for row in rows) and any(row.public_id == chosen for row in rows)


def _read_again(lost: list[Warehouse]) -> str:
    wms = Wms.current()
    if wms is None or wms_class(wms).uses != "folder":
        return " The levels of those that changed are read again now."
    names = " and ".join(row.name for row in lost)
    return f" {names} {'has' if len(lost) == 1 else 'have'} no levels until the next inventory file brings them."


def _remap(request: AccountRequest, found: Merchant, rows: list[Any], chosen: str) -> HttpResponseBase:
    default = next(row for row in rows if row.public_id == chosen)
    before = {row.name: row.wms_name for row in rows}
    changes = audit.difference(before, {row.name: row.typed for row in rows})
    was = next((row.name for row in rows if row.is_default), None)
    if was != default.name:
        changes["Default"] = (was, default.name)
    if changes:
        lost = places.remap(found, {row.pk: row.typed for row in rows}, default.pk, clock.now())
        audit.record(request.user, "warehouse.mapped", found.name, changes)
        messages.success(request, f"Saved.{_read_again(lost) if lost else ''}")
    else:
        messages.success(request, "Nothing was changed.")
    return redirect("warehouses", request.account.public_id, found.public_id)
