"""What the WooCommerce that is not there sells: products, variations, their stock, and the settings they go by."""

from datetime import UTC, datetime, timedelta
from typing import Any

from integration_manager.kit.simulator import Reply, Request, route
from tests.connectors.woocommerce.wordpress import Refused, WordPress

GOODS = (
    ("MUG-BLUE", "Mug, blue", "12.50"), ("TEA-GREEN", "Green tea", "8.90"), ("POT-GLASS", "Glass teapot", "34.00"),
    ("TRAY-OAK", "Oak tray", "27.95"), ("SPOON-SET", "Four spoons", "15.20"), ("TIN-SMALL", "Small tin", "5.60"),
)  # fmt: skip
SHIRTS = (("SHIRT-S", "S"), ("SHIRT-L", "L"))  # variations of one product
PARENT = 60
TYPES = {"simple", "grouped", "external", "variable"}
STATUSES = {"any", "draft", "pending", "private", "publish", "future", "trash"}
SETTINGS = {"general/woocommerce_currency": "USD", "products/woocommerce_weight_unit": "kg"}
OLD = datetime(2024, 1, 1, tzinfo=UTC)  # when the first products were made
ORDER_BY = {"date", "id", "include", "title", "slug", "modified"}
LOCAL = timedelta(hours=2)  # the site's own time, by which nothing should go


class Catalog(WordPress):
    """The products of one shop."""

    lists_variations = True  # of all products at once: 10.3 and later

    def setup_catalog(self) -> None:
        """Makes its tables and first products."""
        self.products, self.settings = self.table("catalog"), dict(SETTINGS)
        for n, (sku, name, price) in enumerate(GOODS, 11):
            if str(n) not in self.products:
                self.offer(n, sku, OLD, name=name, regular_price=price)
        if str(PARENT) not in self.products:
            self.offer(PARENT, "SHIRT", OLD, type="variable", name="Shirt", regular_price="", manage_stock=False)
            for n, (sku, size) in enumerate(SHIRTS, PARENT + 1):
                self.vary(n, PARENT, sku, OLD, size)

    def answers_to(self, name: str) -> bool:
        return self.lists_variations or not name.startswith("/wc/v3/variations")

    @route("GET", "/wc/v3/products")
    def list_products(self, request: Request) -> Any:
        sku = request.query.get("sku")
        rows = [row for row in self.products if row["type"] != "variation"]
        if sku:  # with commas, or one that has them itself; variations too; capitals do not matter
            wanted = {one.casefold() for one in (sku, *sku.split(","))}
            rows = [row for row in self.products if row["sku"].casefold() in wanted]
        return self._listed(request, rows, type=TYPES)

    @route("GET", "/wc/v3/variations")
    def list_variations(self, request: Request) -> Any:
        parents = {int(key) for key in request.query.get("parent", "").split(",") if key}
        rows = [row for row in self.products if row["type"] == "variation"]
        return self._listed(request, [row for row in rows if not parents or row["parent_id"] in parents])

    @route("GET", "/wc/v3/products/{parent}/variations")
    def variations_of(self, request: Request) -> Any:
        if request.args["parent"] not in self.products:
            return self.refuse(404, "woocommerce_rest_product_invalid_id", "Invalid product ID.")
        return self._listed(request, [row for row in self.products if row["parent_id"] == int(request.args["parent"])])

    @route("GET", "/wc/v3/settings/{group}/{name}")
    def setting(self, request: Request) -> Any:
        value = self.settings.get(f"{request.args['group']}/{request.args['name']}")
        if value is None:
            return self.refuse(404, "rest_setting_setting_invalid", "Invalid setting.")
        return {"id": request.args["name"], "label": "", "type": "select", "value": value}

    def _listed(self, request: Request, rows: list[Any], **known: Any) -> Reply:
        """One page of products or variations. What is in the trash is nowhere but there."""
        asked = self.asked(request, status=STATUSES, modified_after=datetime, orderby=ORDER_BY,
                           dates_are_gmt={"true", "1"}, **known)  # fmt: skip
        wanted = {key for key in request.query.get("include", "").split(",") if key}
        rows = [row for row in rows if is_among(row, {asked.get("status", "any")})]
        rows = [row for row in rows if row["type"] == asked.get("type", row["type"])]
        rows = [row for row in rows if not wanted or str(row["id"]) in wanted]
        if after := asked.get("modified_after", "")[:19]:
            field = "date_modified_gmt" if "dates_are_gmt" in asked else "date_modified"
            rows = [row for row in rows if row[field] > after]
        by = {"id": "id", "modified": "date_modified_gmt"}.get(asked.get("orderby", ""), "date_created_gmt")
        rows.sort(key=lambda row: row[by], reverse=asked.get("order", "desc") == "desc")
        return self.paged(request, asked, [_inheriting(row, self.products.get(str(row["parent_id"]))) for row in rows])

    @route("POST", "/wc/v3/products/batch")
    def batch_products(self, request: Request) -> Any:
        return {"update": self._batch(request, lambda row: self._stock(row, 0))}

    @route("POST", "/wc/v3/products/{parent}/variations/batch")
    def batch_variations(self, request: Request) -> Any:
        parent = int(request.args["parent"])
        return {"update": self._batch(request, lambda row: self._stock(row, parent))}

    def _batch(self, request: Request, change: Any) -> list[Any]:
        said = request.json or {}
        if sum(len(rows) for rows in said.values()) > 100:
            message = "Unable to accept more than 100 items for this request."
            raise Refused(self.refuse(413, "woocommerce_rest_request_entity_too_large", message))
        rows = []
        for one in said.get("update", []):
            try:
                rows.append(change(one))
            except Refused as refused:
                rows.append({"id": one["id"], "error": refused.reply.body})
        return rows

    def _stock(self, said: Any, parent: int) -> Any:
        row = self.products.get(str(said["id"]))
        if row is None or row["parent_id"] != parent:
            code = f"woocommerce_rest_{'product_variation' if parent else 'product'}_invalid_id"
            raise Refused(self.refuse(400, code, "Invalid ID."))
        if "stock_quantity" in said:
            self.effect("stock", row["sku"], quantity=said["stock_quantity"])
        return self.products.put(str(said["id"]), {**row, **said})

    def product(self, number: int, modified: datetime) -> str:
        """See `Fake`'s other doings: an odd number is a product of its own, an even one the only variation of one."""
        key = 2_000 + number
        if str(key) in self.products:
            row = self.products.rows[str(key)]
            self.products.change(str(key), regular_price="7.77", price="7.77", **dated(modified))
            self.products.change(str(row["parent_id"] or key), name=f"Thing {number}, new", **dated(modified))
            return str(key)
        if number % 2:
            self.offer(key, f"SKU-{number}", modified, name=f"Thing {number}")
        else:
            self.offer(500_000 + number, f"SET-{number}", modified, name=f"Thing {number}", type="variable")
            self.vary(key, 500_000 + number, f"SKU-{number}", modified)
        return str(key)

    def offer(self, number: int, sku: str, modified: datetime | None = None, **fields: Any) -> None:
        """The merchant has a product, or changes it."""
        price = fields.get("regular_price", "10.00")
        row = {
            "id": number, "sku": sku, "type": "simple", "parent_id": 0, "status": "publish", "name": sku,
            "price": price, "regular_price": price, "sale_price": "", "weight": "0.5", "global_unique_id": "",
            "attributes": [], "virtual": False, "manage_stock": True, "stock_quantity": 0,
            "date_created_gmt": gmt(OLD), **dated(modified or self.clock()),
        }  # fmt: skip
        self.products.put(str(number), {**row, **fields})

    def vary(
        self, number: int, parent: int, sku: str, modified: datetime | None = None, size: str = "S", **fields: Any
    ) -> None:
        """The merchant has a variation, or changes it: as its product is saved with it, that is dated anew too."""
        at = modified or self.clock()
        choice = [{"id": 0, "name": "Size", "option": size}]
        self.offer(number, sku, at, type="variation", parent_id=parent, name=size, attributes=choice, **fields)
        self.products.change(str(parent), **dated(at))


def _inheriting(row: Any, parent: Any) -> Any:
    """As it is shown: a variation has its product's SKU and weight, where it has none of its own."""
    return row if parent is None else {**row, **{name: row[name] or parent[name] for name in ("sku", "weight")}}


def is_among(row: Any, wanted: set[str]) -> bool:
    """Whether it has one of these statuses; `any` is every one but the trash."""
    return row["status"] in wanted or ("any" in wanted and row["status"] != "trash")


def gmt(at: datetime) -> str:
    """A time as its database has it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def dated(at: datetime) -> dict[str, str]:
    """When something was changed, by both clocks."""
    return {"date_modified_gmt": gmt(at), "date_modified": gmt(at + LOCAL)}
