"""WooCommerce's catalog: what can be ordered of it, and which product a SKU is.

Of a product with variations it is these that are ordered. WooCommerce dates the product anew when one of them is
saved, and none of them when the product is renamed; a plug-in may date a variation alone. So both lists are followed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integration_manager.kit.errors import AuthFailed
from integration_manager.kit.page import Page
from integration_manager.kit.paging import by_modified, together
from integration_manager.kit.reading import Reader
from integration_manager.kit.wordpress import NO_ROUTE, PAGE, WordPress

PRODUCTS, VARIATIONS = "/wc/v3/products", "/wc/v3/variations"
FEW = 10  # products on a page, where each may cost a call of its own
SKUS = 40  # looked up at once, so that the address stays short enough for every host
FIELDS = "id,parent_id,type,status,name,sku,global_unique_id,price,regular_price,weight,attributes,date_modified_gmt"
WHOLE = {"status": "any", "orderby": "id", "order": "asc", "_fields": FIELDS}
FOR_SALE = ("publish", "private", "future")  # no drafts; one whose day comes is not dated anew
NOT_ORDERED = ("grouped", "external")  # a list of others, and what another shop sells
WEIGHT_UNIT, CURRENCY = "products/woocommerce_weight_unit", "general/woocommerce_currency"


class Catalog:
    """The products of one shop."""

    def __init__(self, wp: WordPress) -> None:
        self.wp = wp
        self._lists_variations: bool | None = None  # of all products at once: WooCommerce 10.3 and later
        self._by_sku: dict[str, list[Any]] = {}  # for this run
        self._kept: dict[str, str] = {}  # settings of the shop, for this run

    # ── what has changed ──

    def changed(self, since: datetime) -> Iterator[Page]:
        """Pages of what can be ordered and was changed at or after `since`, each product or variation by `_record`."""
        feeds = [by_modified(fetch, since, modified_at, PAGE) for fetch in (self._products, self._variations)]
        given = dict[int, Any]()  # variations, with the time of their change
        for page in together(feeds, since, lambda: self.wp.http.remote_time):
            # With its product a variation comes whether it has changed or not; alone, if that is news.
            rows = [row for row in page.rows if row.get("type") != "variation" or _id(row) not in given
                    or given[_id(row)] != row["date_modified_gmt"]]  # fmt: skip
            while len(rows) > (size := PAGE if self._lists_variations else FEW):
                yield Page([*self._ordered(rows[:size], given)])
                rows = rows[size:]
            yield Page([*self._ordered(rows, given)], page.cursor)

    def _products(self, since: datetime, page: int) -> list[Any]:
        return self.wp.changed(PRODUCTS, since, page, status="any", _fields=FIELDS)

    def _variations(self, since: datetime, page: int) -> list[Any]:
        rows = self._of_all(lambda: self.wp.changed(VARIATIONS, since, page, status="any", _fields=FIELDS))
        return [{**row, "type": "variation"} for row in rows or ()]

    def _of_all(self, ask: Callable[[], list[Any]]) -> list[Any] | None:
        """Variations of whichever products; None from a shop that does not list them so."""
        if self._lists_variations is False:
            return None
        try:
            rows = ask()
        except AuthFailed as error:
            if error.code != NO_ROUTE:
                raise
            self._lists_variations = False
            return None
        self._lists_variations = True
        return rows

    def _ordered(self, rows: Sequence[Any], given: dict[int, Any]) -> Iterator[Any]:
        families = {_id(row): row for row in rows if _has_variations(row)}
        variations = defaultdict[int, list[Any]](list)
        for row in self._variations_of([key for key, row in families.items() if _is_for_sale(row)]):
            variations[_id(row, "parent_id")].append(row)
        families |= self._parents({_id(row, "parent_id") for row in rows if row.get("type") == "variation"})
        for row in rows:
            if row.get("type") == "variation":
                parts = [row]
            elif _has_variations(row):
                parts = variations[_id(row)]
            else:
                if row.get("type") not in NOT_ORDERED and _is_for_sale(row):
                    yield self._record(row)
                continue
            given |= {_id(part): part.get("date_modified_gmt") for part in parts}
            yield from self._chosen(parts, families)

    def _chosen(self, variations: Sequence[Any], families: Mapping[int, Any]) -> Iterator[Any]:
        """What a buyer orders by choosing one of these variations."""
        as_one = set[int]()
        for row in variations:
            parent = families.get(_id(row, "parent_id"))
            if parent is None or not _has_variations(parent):
                continue  # the product is in the trash, or has become a simple one
            if row.get("status") != "publish" or not _is_for_sale(parent):
                continue  # it is switched off
            if not row.get("sku") or row["sku"] != parent.get("sku"):
                yield self._record(row, parent)
            elif _id(parent) not in as_one:
                # One without a SKU of its own shows its product's: to a warehouse it is that, whichever is chosen.
                as_one.add(_id(parent))
                yield self._record(parent)

    def _variations_of(self, parents: Sequence[int]) -> list[Any]:
        """All variations of these products: by few calls, or in an older shop by one for each of them."""
        if not parents:
            return []
        keys = ",".join(map(str, parents))
        rows = self._of_all(lambda: [*self.wp.every(VARIATIONS, parent=keys, **WHOLE)])
        if rows is None:
            rows = [{**row, "parent_id": parent} for parent in parents for row in self._of_one(parent)]
        return rows

    def _of_one(self, parent: int) -> list[Any]:
        path = f"{PRODUCTS}/{parent}/variations"
        return self.wp.found(lambda: [*self.wp.every(path, **WHOLE)]) or []  # it may be gone meanwhile

    def _parents(self, wanted: set[int]) -> dict[int, Any]:
        if not wanted:
            return {}
        keys = ",".join(map(str, sorted(wanted)))
        rows = self.wp.rows(PRODUCTS, include=keys, status="any", per_page=PAGE, _fields=FIELDS)
        return {_id(row): row for row in rows}

    def _record(self, row: Any, parent: Any = None) -> Any:
        """What is known of one thing: with the product that it is a variation of, and the shop's units."""
        units = {"currency": self._setting(CURRENCY), "weight_unit": self._setting(WEIGHT_UNIT)}
        return {**row, **units, "parent": parent and {"name": parent.get("name")}}

    def _setting(self, name: str) -> str:
        if name not in self._kept:
            self._kept[name] = Reader(self.wp.one(f"/wc/v3/settings/{name}")).text("value") or ""
        return self._kept[name]

    # ── by SKU ──

    def by_sku(self, skus: Sequence[str]) -> dict[str, list[Any]]:
        """The products and variations of each of these SKUs. Each SKU is looked up once."""
        new = [sku for sku in dict.fromkeys(skus) if sku not in self._by_sku]
        plain = [sku for sku in new if "," not in sku]
        groups = [plain[start : start + SKUS] for start in range(0, len(plain), SKUS)]
        for group in [*groups, *([sku] for sku in new if "," in sku)]:  # a comma separates SKUs
            fields = "id,sku,type,parent_id,manage_stock"
            rows = self.wp.rows(PRODUCTS, sku=",".join(group), per_page=PAGE, _fields=fields)
            for sku in group:  # the database does not mind capitals; where two differ by them, we do
                same = [row for row in rows if str(row.get("sku", "")).casefold() == sku.casefold()]
                self._by_sku[sku] = [row for row in same if row["sku"] == sku] or same
        return {sku: self._by_sku[sku] for sku in skus}


def stock_problem(found: Sequence[Any], switch_on: bool) -> str:
    """Why the level of these products, all of one SKU, cannot be set; "" if it can."""
    one = found[0]
    if len(found) > 1:
        numbers = ", ".join(f"#{row['id']}" for row in found[:5])
        return f"{len(found)} products have this SKU in WooCommerce ({numbers}): give each its own."
    if one.get("type") in NOT_ORDERED:
        return f"In WooCommerce this is a product of the type {one['type']}, which has no stock of its own."
    if one.get("manage_stock") == "parent":
        return f"In WooCommerce it shares the stock of its parent #{one.get('parent_id')}: manage it per variation."
    if not one.get("manage_stock") and not switch_on:
        return "WooCommerce does not manage its stock: switch on Manage stock for this product."
    return ""


def modified_at(raw: Any) -> datetime:
    """When an order, a product or a variation last changed, to the second."""
    return datetime.fromisoformat(raw["date_modified_gmt"]).replace(tzinfo=UTC)


def _id(row: Any, name: str = "id") -> int:
    key = row.get(name)
    return key if isinstance(key, int) else 0


def _has_variations(row: Any) -> bool:
    return str(row.get("type")).startswith("variable") and _id(row) > 0  # plug-ins have such types too


def _is_for_sale(row: Any) -> bool:
    return row.get("status") in FOR_SALE
