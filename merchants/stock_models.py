"""What a merchant has: products with their other codes, the warehouses they lie in, and how many of each."""

from django.db import models

from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


def _folded(length: int) -> "models.CharField[str, str]":
    """A search key: folded in Python, compared byte by byte, so that policies let an index serve it."""
    return models.CharField(max_length=length, blank=True, default="", db_collation="C")


def _quantity(**kwargs: object) -> "models.DecimalField[object, object]":
    return models.DecimalField(max_digits=20, decimal_places=4, **kwargs)  # type: ignore[arg-type]


class Product(TenantModel):
    """One thing that a merchant sells, as its WMS calls it. `sku` is unique within the merchant."""

    merchant_field = "merchant_id"

    class Origin(models.TextChoices):
        WMS = "wms", "Found in the WMS"
        HAND = "hand", "Added by hand"
        FILE = "file", "Out of a file"
        CART = "cart", "Found in a cart"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="products", db_index=False)
    sku = models.CharField(max_length=100, db_collation="C")
    sku_key = _folded(100)
    name = models.CharField(max_length=200, blank=True, default="")
    name_key = _folded(100)
    origin = models.CharField(max_length=4, choices=Origin, default=Origin.HAND)
    created_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "merchant", "sku"], name="product_sku")]
        indexes = [
            models.Index(fields=["account", "merchant", "sku_key"], name="product_search_sku"),
            models.Index(fields=["account", "merchant", "name_key"], name="product_search_name"),
        ]

    def __str__(self) -> str:
        return self.sku


class ProductAlias(TenantModel):
    """Another code of a product: its UPC, what a shop calls it. `value` is unique within the merchant."""

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="+", db_index=False)
    product = TenantKey(Product, models.CASCADE, related_name="aliases", db_index=False)
    kind = models.CharField(max_length=40, db_collation="C")  # the same for all products: UPC, ASIN
    value = models.CharField(max_length=100, db_collation="C")
    value_key = _folded(100)
    created_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "merchant", "value"], name="alias_value")]
        indexes = [
            models.Index(fields=["account", "product"], name="alias_of_product"),
            models.Index(fields=["account", "merchant", "kind"], name="alias_by_kind"),
            models.Index(fields=["account", "merchant", "value_key"], name="alias_search"),
        ]

    def __str__(self) -> str:
        return self.value


class Warehouse(TenantModel):
    """A place that holds a merchant's stock. One of them is the default: what has no known place is there."""

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="warehouses")
    name = models.CharField(max_length=100)  # ours
    wms_name = models.CharField(max_length=100, blank=True, default="")  # the WMS's name or id of it; "": unknown
    is_default = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)  # disabled: left out of what carts are told
    address = models.JSONField(default=dict, blank=True)  # {field of canonical.Address: text}, and `number`
    created_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "merchant", "name"], name="warehouse_name"),
            models.UniqueConstraint(
                fields=["account", "merchant", "wms_name"], name="warehouse_at_wms", condition=~models.Q(wms_name="")
            ),
            models.UniqueConstraint(
                fields=["account", "merchant"], name="one_default_warehouse", condition=models.Q(is_default=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StockLevel(TenantModel):
    """How many of one SKU are in one warehouse, absolute: as the WMS says, or as it is kept here (managed)."""

    merchant_field = "merchant_id"

    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="+")
    warehouse = TenantKey(Warehouse, models.CASCADE, related_name="levels")
    sku = models.CharField(max_length=100)
    available = _quantity()
    on_hand = _quantity(null=True)
    at = models.DateTimeField()  # of the WMS's snapshot
    changed_at = models.DateTimeField()  # when the quantity last differed from what we had
    version = models.BigIntegerField(default=1)  # rises with every change

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "warehouse", "sku"], name="one_level"),
        ]
        indexes = [models.Index(fields=["account", "merchant", "sku"], name="level_by_sku")]


class Adjustment(TenantModel):
    """One change of a level that is kept here: who, why, and what it was before and after."""

    merchant_field = "merchant_id"

    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="+", db_index=False)
    warehouse = TenantKey(Warehouse, models.CASCADE, related_name="+", db_index=False)
    sku = models.CharField(max_length=100)
    at = models.DateTimeField(default=clock.now)
    actor = models.CharField(max_length=254, blank=True, default="")  # "": an order
    reason = models.CharField(max_length=200, blank=True, default="")
    order_number = models.CharField(max_length=100, blank=True, default="")
    before = _quantity()
    after = _quantity()

    class Meta(TenantModel.Meta):
        indexes = [
            models.Index(fields=["account", "merchant", "-id"], name="adjustment_newest"),
            models.Index(fields=["account", "merchant", "sku", "-id"], name="adjustment_by_sku"),
        ]


class Taken(TenantModel):
    """What one order has taken from a level that is kept here: a row for each SKU and warehouse, so only once."""

    merchant_field = "merchant_id"

    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="+", db_index=False)
    order = TenantKey("orders.Order", models.CASCADE, related_name="+", db_index=False)
    warehouse = TenantKey(Warehouse, models.CASCADE, related_name="+", db_index=False)
    sku = models.CharField(max_length=100)
    quantity = _quantity()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "order", "warehouse", "sku"], name="taken_once"),
        ]
        indexes = [models.Index(fields=["account", "warehouse"], name="taken_by_warehouse")]
