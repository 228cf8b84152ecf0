"""Whose: merchants, when their services run, what they have in stock."""

from typing import Any

from django.db import models, transaction

from integration_manager.crypto import EncryptedJSON
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel
from merchants.kit_models import Kit as Kit
from merchants.kit_models import KitPart as KitPart
from merchants.scac_models import CarrierCode as CarrierCode
from merchants.stock_models import Adjustment as Adjustment
from merchants.stock_models import Product as Product
from merchants.stock_models import ProductAlias as ProductAlias
from merchants.stock_models import StockLevel as StockLevel
from merchants.stock_models import Taken as Taken
from merchants.stock_models import Warehouse as Warehouse

DEFAULT_WAREHOUSE = "Default"


class Merchant(TenantModel):
    """One seller of an account. Its orders, carts and stock are apart from the other merchants'."""

    merchant_field = "id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    name = models.CharField(max_length=100)
    code = models.CharField(max_length=8)  # stands in references where the WMS knows one account only
    wms_values = EncryptedJSON()  # the WMS's fields with level="merchant"
    former_values = EncryptedJSON()  # those of a WMS that the account had before: system → values, as JSON
    created_at = models.DateTimeField(default=clock.now)
    archived_at = models.DateTimeField(null=True, blank=True)  # nothing of it runs; its history stays
    # Its stock is kept here instead of being read from the WMS. An operator switches it.
    managed_inventory = models.BooleanField(default=False, db_default=False)
    # Its carts may be told of products of the WMS that they do not have: those of them that say so too.
    list_products = models.BooleanField(default=False, db_default=False)
    # Country Rules of all its carts, as merchants/rules/countries.py has them: {} for none.
    country_rule = models.JSONField(default=dict, blank=True, db_default=models.Value({}, models.JSONField()))

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "code"], name="merchant_code")]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A merchant begins with one warehouse, the default."""
        new = self._state.adding
        with transaction.atomic():
            super().save(*args, **kwargs)
            if new:
                Warehouse.objects.create(
                    account_id=self.account_id, merchant=self, name=DEFAULT_WAREHOUSE, is_default=True
                )


class Service(models.TextChoices):
    """The six services that every connection may have, and those of carts with products or purchase orders to sync."""

    DOWNLOAD = "download", "Order Download"
    UPLOAD_SHIPMENTS = "upload_shipments", "Shipment Upload"
    UPLOAD_INVENTORY = "upload_inventory", "Inventory Upload"
    DELIVER = "deliver", "Order Delivery"
    SHIP_CONFIRM = "ship_confirm", "Shipping Confirmations"
    INVENTORY = "inventory", "Inventory"
    PRODUCTS = "products", "Product Sync"
    PURCHASES = "purchases", "Purchase Orders"
    RECEIVING = "receiving", "Receiving"


class Schedule(TenantModel):
    """One service of one cart or merchant: when it runs, who runs it now, how it went."""

    merchant_field = "merchant_id"

    class Paused(models.TextChoices):
        NO = "", "Running"
        PERSON = "person", "Paused by a person"
        AUTH = "auth", "Credentials refused"

    merchant = TenantKey(Merchant, models.CASCADE, related_name="schedules")
    cart = TenantKey("carts.Cart", models.CASCADE, null=True, blank=True, related_name="schedules")
    service = models.CharField(max_length=16, choices=Service)
    # When. every 0 is Off; with `automatic`, data wakes it and `every` is only the sweep behind that.
    every = models.PositiveIntegerField(default=0)  # seconds
    automatic = models.BooleanField(default=False)
    at_hour = models.PositiveSmallIntegerField(null=True, blank=True)  # with every = one day; account's time
    next_run = models.DateTimeField(null=True, blank=True)  # null: off or paused by a person
    woken_at = models.DateTimeField(null=True, blank=True)
    paused = models.CharField(max_length=6, choices=Paused, default=Paused.NO, blank=True)
    # Who runs it now. Leases are PostgreSQL's clock, everything else is business time.
    token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    # How it went.
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)  # runs that failed since the last that did not
    result = models.JSONField(default=dict, blank=True)  # counts of the last run
    problem = models.TextField(blank=True)  # what went wrong in the last run, in plain words
    # Where it stands.
    cursor = models.DateTimeField(null=True, blank=True)  # the other side's time of the last stored row
    reached_back_at = models.DateTimeField(null=True, blank=True)  # the last run that went 48 h back
    state = models.JSONField(default=dict, blank=True)  # what a service keeps between its runs

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "merchant", "cart", "service"], name="one_schedule", nulls_distinct=False
            )
        ]
        indexes = [
            models.Index(fields=["next_run"], name="schedule_due", condition=models.Q(next_run__isnull=False)),
            models.Index(
                fields=["account", "next_run"], name="schedule_in_turn", condition=models.Q(next_run__isnull=False)
            ),
            models.Index(fields=["account"], name="schedule_held", condition=models.Q(lease_until__isnull=False)),
            models.Index(fields=["account", "cart"], name="schedule_by_cart"),
        ]

    def __str__(self) -> str:
        return self.get_service_display()


class FileFormat(TenantModel):
    """A format of CSV files that a person mapped: a merchant's own, or the account's for its WMS.

    Connections name it "custom:<public id>". `spec` is the format as kit/csvmapped.py reads it.
    """

    merchant_field = "merchant_id"

    class Kind(models.TextChoices):
        ORDERS = "orders", "Orders"
        CONFIRMATIONS = "confirmations", "Confirmations"
        INVENTORY = "inventory", "Inventory"
        PRODUCTS = "products", "Products"
        CATALOG = "catalog", "Product lists"
        PURCHASES = "purchases", "Purchase orders"
        RECEIPTS = "receipts", "Receipts"

    class Direction(models.TextChoices):
        IN = "in", "Comes in"
        OUT = "out", "Goes out"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey(Merchant, models.CASCADE, null=True, blank=True, related_name="+", db_index=False)
    kind = models.CharField(max_length=13, choices=Kind)
    direction = models.CharField(max_length=3, choices=Direction)
    name = models.CharField(max_length=60)
    spec = models.JSONField()
    created_at = models.DateTimeField(default=clock.now)
    changed_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "merchant", "kind", "name"], name="format_name", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def value(self) -> str:
        """What a connection's option says to use this format."""
        return f"custom:{self.public_id}"


class FormatDraft(TenantModel):
    """A format while a person maps it: it outlives their session, and each tab has its own.

    `sample`: the beginning of the file it is mapped from, encrypted, since it names customers. Saving deletes
    the draft; one that is left alone is forgotten after a day.
    """

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey(Merchant, models.CASCADE, null=True, blank=True, related_name="+", db_index=False)
    format = TenantKey(FileFormat, models.CASCADE, null=True, blank=True, related_name="+", db_index=False)
    based_on = models.DateTimeField(null=True, blank=True)  # the format's changed_at when the editing began
    name = models.CharField(max_length=60, blank=True)
    spec = models.JSONField()
    sample = EncryptedJSON()  # {"data": base64}
    changed_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        indexes = [models.Index(fields=["changed_at"], name="draft_by_age")]


class StoredFile(TenantModel):
    """One file of a cart, or of a merchant's side of the WMS (`cart` null)."""

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey(Merchant, models.CASCADE, null=True, related_name="+", db_index=False)
    cart = TenantKey("carts.Cart", models.CASCADE, null=True, related_name="+", db_index=False)
    directory = models.CharField(max_length=500, blank=True)
    name = models.CharField(max_length=255)
    title = models.CharField(max_length=255, blank=True)  # what it was called when a person uploaded it
    size = models.BigIntegerField(default=0)  # bytes
    sha256 = models.CharField(max_length=64, blank=True)
    whole = models.BooleanField(default=False)  # until then nobody sees it
    modified_at = models.DateTimeField(default=clock.now)
    by = models.CharField(max_length=254, blank=True)  # who uploaded it; "": we wrote it
    # How loading it goes: when it began and ended, and the numbers so far.
    started_at = models.DateTimeField(null=True)
    loaded_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)
    # Who fetched it last.
    fetched_at = models.DateTimeField(null=True)
    fetched_by = models.CharField(max_length=254, blank=True)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "merchant", "cart", "directory", "name"],
                name="stored_file_path",
                condition=models.Q(whole=True),
                nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["account", "sha256"], name="stored_file_content")]

    def __str__(self) -> str:
        return self.title or self.name


class StoredPiece(TenantModel):
    """A piece of a file's content."""

    file = TenantKey(StoredFile, models.CASCADE, related_name="pieces", db_index=False)
    number = models.PositiveIntegerField()  # from 0
    data = models.BinaryField()
    modified_at = models.DateTimeField()  # the file's, for retention

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "file", "number"], name="stored_piece_once")]


class ReadFile(TenantModel):
    """One file that came in and was read to its end, or was not read because it is the same as one before.

    What makes a file the same again is its content; its name and time tell whether it is the very one.
    """

    merchant_field = "merchant_id"

    merchant = TenantKey(Merchant, models.CASCADE, null=True, related_name="+", db_index=False)
    cart = TenantKey("carts.Cart", models.CASCADE, null=True, related_name="+", db_index=False)  # null: of the WMS
    kind = models.CharField(max_length=20)  # orders, confirmations, inventory
    name = models.CharField(max_length=255)
    size = models.BigIntegerField(default=0)  # bytes
    sha256 = models.CharField(max_length=64, blank=True)
    modified_at = models.DateTimeField()  # by the other side's clock
    read_at = models.DateTimeField(default=clock.now)
    rows = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)  # rows
    left_out = models.PositiveIntegerField(default=0)  # orders and parcels that could be read, and were not stored
    same = models.BooleanField(default=False)  # not loaded: one with the same content was read before
    by_hand = models.BooleanField(default=False)  # uploaded by a person
    taken_at = models.DateTimeField(null=True)  # when it was archived or deleted; null: it may still stand there

    class Meta(TenantModel.Meta):
        indexes = [
            models.Index(fields=["account", "sha256"], name="read_file_content"),
            models.Index(fields=["account", "merchant", "cart", "read_at"], name="read_file_list"),
        ]

    def __str__(self) -> str:
        return self.name
