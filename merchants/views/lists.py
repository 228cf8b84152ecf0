"""CSV files of products and of their other codes: what importing one would change, and doing it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.urls import reverse

from accounts import audit
from accounts.requests import AccountRequest
from integration_manager.kit import clock
from integration_manager.list_files import Column, Row
from integration_manager.list_pages import Change, Plan
from merchants import catalog
from merchants.models import Merchant, Product, ProductAlias, StockLevel, Warehouse
from merchants.offers import plain
from orders import aliases, managed, ruling

_SKU = Column("sku", "SKU", also=("item", "product"))


class _Importer:
    """What the two have in common."""

    columns: Sequence[Column]
    example: Sequence[Sequence[str]]
    title, noun = "", ""
    managed = False  # for merchants alone whose stock is kept here

    def __init__(self, request: AccountRequest, merchant: Merchant) -> None:
        self.request, self.merchant = request, merchant
        self.back = reverse("products", args=[request.account.public_id, merchant.public_id])

    def products(self, rows: Sequence[Row]) -> dict[str, Product]:
        """The products that rows name, by SKU."""
        skus = {row.cells["sku"] for row in rows}
        return {one.sku: one for one in Product.objects.filter(merchant=self.merchant, sku__in=skus)}

    def note(self, verb: str, changes: int) -> None:
        """In the audit log: how many were changed."""
        audit.record(self.request.user, verb, self.merchant.name, {self.noun: (None, f"{changes} by a file")})


class Products(_Importer):
    """Products with their names."""

    title, noun = "Import Products", "products"
    columns = (_SKU, Column("name", "Name", also=("description", "title"), needed=False, longest=200))
    example = (("MUG-BLUE", "Mug, blue, 350 ml"), ("TIN-SMALL", "Tea tin, small"))

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the products as they are."""
        catalog.lock(self.merchant.pk, [row.cells["sku"] for row in rows])

    def plan(self, rows: Sequence[Row]) -> Plan:
        """New products, and new names of known ones."""
        plan, known, seen = Plan(), self.products(rows), dict[str, int]()
        for row in rows:
            sku, name = row.cells["sku"], row.cells["name"]
            product = known.get(sku)
            if not sku:
                plan.problems.append((row.line, "It has no SKU."))
            elif sku in seen:
                plan.problems.append((row.line, f"{sku} stands in line {seen[sku]} already."))
            elif product is not None and name in ("", product.name):
                plan.same += 1
            else:
                plan.good.append(row)
                plan.changes.append(Change(sku, product.name if product else None, name))
            seen.setdefault(sku, row.line)
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Stores them in one statement."""
        pairs = sorted((row.cells["sku"], row.cells["name"]) for row in rows)  # as they are locked
        written = catalog.store(self.merchant.pk, pairs, Product.Origin.FILE, clock.now())
        self.note("products.imported", len(written))
        return f"{len(written)} products are added or renamed."


class Aliases(_Importer):
    """Other codes of products."""

    title, noun = "Import Product Aliases", "codes"
    columns = (
        _SKU,
        Column("kind", "Alias name", also=("alias type", "type", "kind"), longest=catalog.MOST_KIND),
        Column("value", "Alias value", also=("alias", "code", "value")),
    )
    example = (("MUG-BLUE", "UPC", "0123456789012"), ("MUG-BLUE", "ASIN", "B00EXAMPLE"))

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the codes as they are."""
        ruling.keep_all(self.merchant)

    def plan(self, rows: Sequence[Row]) -> Plan:
        """New codes. One that belongs to another product is refused, and never moved by a file."""
        plan, known = Plan(), self.products(rows)
        kinds = catalog.kinds(self.merchant.pk)
        values = {row.cells["value"] for row in rows}
        found = ProductAlias.objects.filter(merchant=self.merchant, value__in=values).select_related("product")
        taken: dict[str, tuple[str, str]] = {one.value: (one.product.sku, one.kind) for one in found}
        for row in rows:
            sku, value = row.cells["sku"], row.cells["value"]
            try:
                if not sku:
                    raise catalog.Refused("It has no SKU.")
                kind = catalog.kind_of(row.cells["kind"], kinds)
                value = catalog.code(value, "The alias value")
            except catalog.Refused as why:
                plan.problems.append((row.line, str(why)))
                continue
            if taken.get(value) == (sku, kind):
                plan.same += 1
            elif value in taken:
                owner, its = taken[value]
                plan.problems.append((row.line, f"{value} is {its} of {owner} already: it can be one product’s alone."))
            else:
                taken[value] = (sku, kind)
                kinds = kinds if kind in kinds else [*kinds, kind]
                plan.good.append(Row(row.line, {"sku": sku, "kind": kind, "value": value}))
                plan.changes.append(Change(sku, None, f"{kind} {value}"))
                if sku not in known:
                    plan.warnings.append((row.line, f"{sku} is no product yet: it is added."))
        return plan

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Stores them in a few statements, and lets the orders go on that waited for one."""
        now, values = clock.now(), [row.cells["value"] for row in rows]
        with aliases.changing(self.merchant, values, now, actor=self.request.user.email) as went_on:
            catalog.learn(self.merchant.pk, [row.cells["sku"] for row in rows], Product.Origin.FILE, now)
            products = self.products(rows)
            new = [catalog.alias(products[row.cells["sku"]], row.cells["kind"], row.cells["value"]) for row in rows]
            written = catalog.store_aliases(new)
            self.note("products.aliases_imported", written)
        said = f"{written} codes are added."
        return f"{said} {went_on.released} orders that waited for one go on." if went_on.released else said


class Counts(_Importer):
    """What was counted, of merchants whose stock is kept here."""

    title, noun, managed = "Import Counts", "counts", True
    columns = (
        _SKU,
        Column("warehouse", "Warehouse", also=("location",), needed=False),
        Column("quantity", "Quantity", also=("available", "qty", "count", "on hand"), longest=20),
        Column("reason", "Reason", also=("why", "comment"), needed=False, longest=200),
    )
    example = (("MUG-BLUE", "Default", "120", "counted"), ("TIN-SMALL", "East", "15", "delivery 4711"))

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps the levels as they are."""
        managed.lock(self.merchant)

    def plan(self, rows: Sequence[Row]) -> Plan:
        """Levels that would become others. Without a warehouse the default one is meant."""
        plan, known = Plan(), self.products(rows)
        levels = StockLevel.objects.filter(merchant=self.merchant, sku__in=[row.cells["sku"] for row in rows])
        before = {(level.warehouse_id, level.sku): level.available for level in levels}
        seen: set[tuple[int, str]] = set()
        for row in rows:
            sku, place = row.cells["sku"], self.places.get(row.cells["warehouse"])
            if not sku:
                plan.problems.append((row.line, "It has no SKU."))
                continue
            if place is None:
                plan.problems.append((row.line, f"There is no warehouse “{row.cells['warehouse']}”."))
                continue
            try:
                quantity = managed.how_many(row.cells["quantity"])
            except ValueError as why:
                plan.problems.append((row.line, f"{why}."))
                continue
            old = before.get((place.pk, sku))
            if (place.pk, sku) in seen:
                plan.problems.append((row.line, f"{sku} in {place.name} stands in the file twice."))
            elif old == quantity:
                plan.same += 1
            else:
                plan.good.append(row)
                said = None if old is None else f"{plain(old)} in {place.name}"
                plan.changes.append(Change(sku, said, f"{plain(quantity)} in {place.name}"))
                if sku not in known:
                    plan.warnings.append((row.line, f"{sku} is no product yet: it is added."))
            seen.add((place.pk, sku))
        return plan

    @cached_property
    def places(self) -> dict[str, Warehouse]:
        """The warehouses by name; "" is the default one."""
        rows = list(Warehouse.objects.filter(merchant=self.merchant).order_by("is_default"))
        return {row.name: row for row in rows} | ({"": rows[-1]} if rows else {})

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Sets them, with an entry in the log for each."""
        counts = [
            (
                self.places[row.cells["warehouse"]],
                row.cells["sku"],
                managed.how_many(row.cells["quantity"]),
                row.cells["reason"] or "Imported",
            )
            for row in rows
        ]
        changed = managed.adjust(self.merchant, counts, self.request.user.email, clock.now())
        self.note("stock.imported", changed)
        return f"{changed} counts are set."


KINDS: dict[str, Any] = {"products": Products, "aliases": Aliases, "counts": Counts}
