"""Where from: the order sources of a merchant."""

from typing import Any

from django.db import models

from integration_manager.crypto import EncryptedJSON
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


class Cart(TenantModel):
    """One connection to an order source. Archived, never deleted: its orders outlive it."""

    merchant_field = "merchant_id"

    class Filtering(models.TextChoices):
        DISABLED = "", "Disabled"
        BLACKLIST = "blacklist", "Blacklist: everything but what is listed"
        WHITELIST = "whitelist", "Whitelist: only what is listed"

    class Verifying(models.TextChoices):
        OFF = "", "Off"
        SHIPPING = "ship", "Shipping"
        BOTH = "both", "Shipping & Billing"

    class VerifiedCountries(models.TextChoices):
        US = "us", "US only"
        OTHER = "other", "International only"
        ALL = "all", "Both"

    class Since(models.TextChoices):
        LOADED = "loaded", "When the order is loaded here"
        PLACED = "placed", "When the order is placed in the shop"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="carts")
    system = models.CharField(max_length=40)  # a connector's key
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=300, blank=True, default="", db_default="")  # for our pages only
    order_source = models.CharField(max_length=60, blank=True)  # the value sent to the WMS
    number = models.PositiveIntegerField()  # 1 for the merchant's first cart
    shop = models.CharField(max_length=200)  # the shop itself, so that it is not connected twice
    credentials = EncryptedJSON()
    options = models.JSONField(default=dict, blank=True)
    earliest_order_date = models.DateField()
    # Order Cancel Upload: it is told of cancellations made here or by the warehouse.
    cancel_upload = models.BooleanField(default=False, db_default=False)
    # General Order Options: an order whose ship code nothing maps is held; else its code is sent as it is.
    reject_unmapped = models.BooleanField(default=False, db_default=False)
    # Translate Item Code: "" not at all, "*" by any code of a product to its SKU, else by this kind of code.
    translate_items = models.CharField(max_length=40, blank=True, default="", db_default="")
    # Item Filters, of its orders and its inventory alike; what they list is in ItemFilter.
    item_filter = models.CharField(max_length=9, choices=Filtering, default="", blank=True, db_default="")
    filter_whole_order = models.BooleanField(default=False, db_default=False)
    # Order Filters, one for each field: as merchants/rules/filters.py has them.
    order_filters = models.JSONField(default=list, blank=True, db_default=models.Value([], models.JSONField()))
    # Delivery Delay: minutes that orders wait before they go to the WMS, and when they may go then (account's time).
    delay_minutes = models.PositiveIntegerField(default=0, db_default=0)
    delay_since = models.CharField(max_length=6, choices=Since, default=Since.LOADED, db_default=Since.LOADED)
    send_not_before = models.TimeField(null=True, blank=True)
    send_working_days = models.BooleanField(default=False, db_default=False)
    # Hold rules, one for each name and field: as merchants/rules/holds.py has them.
    hold_rules = models.JSONField(default=list, blank=True, db_default=models.Value([], models.JSONField()))
    # Address verification, as merchants/rules/verify.py has it: whose addresses, of which countries, and whether an
    # order with an address error is held.
    verify_addresses = models.CharField(max_length=4, choices=Verifying, default="", blank=True, db_default="")
    verify_countries = models.CharField(max_length=5, choices=VerifiedCountries, default="all", db_default="all")
    hold_address_errors = models.BooleanField(default=False, db_default=False)
    # Country Rules, as merchants/rules/countries.py has them: {} for none of its own.
    country_rule = models.JSONField(default=dict, blank=True, db_default=models.Value({}, models.JSONField()))
    # What it is told of the stock: of one warehouse or of all; by the SKU or by another kind of code; less the
    # buffer, of the rest this part, and none where that is fewer than the minimum (merchants/offers.py).
    stock_warehouse = TenantKey("merchants.Warehouse", models.RESTRICT, null=True, blank=True, related_name="+")
    stock_alias = models.CharField(max_length=40, blank=True, default="", db_default="")
    stock_minimum = models.PositiveIntegerField(default=0, db_default=0)
    stock_buffer = models.PositiveIntegerField(default=0, db_default=0)
    stock_percent = models.PositiveSmallIntegerField(default=100, db_default=100)
    # Additional Product Options: its products go to the WMS, new ones, or changed ones too; with their prices.
    sync_products = models.BooleanField(default=False, db_default=False)
    sync_updates = models.BooleanField(default=False, db_default=False)
    sync_price = models.BooleanField(default=False, db_default=False)
    # Products of the WMS that it does not have are created in it, where its merchant says so too.
    list_products = models.BooleanField(default=False, db_default=False)
    # Its purchase orders go to the WMS, and what came of them comes back.
    sync_purchases = models.BooleanField(default=False, db_default=False)
    # Another one after every change of what the rules go by, so that nobody works by old ones.
    rules_mark = models.CharField(max_length=12, default="", db_default="", editable=False)
    # The mark of the rules by which the lines of its orders that wait were last seen: orders/services/waiting_lines.py.
    lines_mark = models.CharField(max_length=12, default="", db_default="", editable=False)
    # How often its services are to run once it is switched on (again): {service: value of a frequency}.
    planned = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "system", "shop"],
                name="shop_connected_once",
                condition=models.Q(archived_at__isnull=True),
            ),
            models.UniqueConstraint(fields=["account", "merchant", "number"], name="cart_number"),
            models.UniqueConstraint(
                fields=["account", "merchant"], name="one_product_source", condition=models.Q(sync_products=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Any setting may be one that the rules go by."""
        self.rules_mark = public_id()
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = {*kwargs["update_fields"], "rules_mark"}
        super().save(*args, **kwargs)

    @property
    def source(self) -> str:
        """The shop itself, whichever connection reads it: part of an order's identity."""
        return f"{self.system}:{self.shop}"


class CartShipMethod(TenantModel):
    """What one code of a cart, or all codes of a pattern, are to the WMS. One row may be the default for the rest.

    Codes that orders bring appear by themselves, not mapped.
    """

    merchant_field = "cart__merchant_id"

    class Match(models.TextChoices):
        EXACT = "exact", "Is"
        STARTS = "starts", "Starts with"
        CONTAINS = "contains", "Contains"
        DEFAULT = "default", "Everything else"

    cart = TenantKey(Cart, models.CASCADE, related_name="ship_methods", db_index=False)
    match = models.CharField(max_length=8, choices=Match, default=Match.EXACT)
    code = models.CharField(max_length=100, blank=True)  # as the cart, or a person, wrote it first
    key = models.CharField(max_length=100, blank=True)  # as it is compared: merchants/rules/methods.py
    position = models.PositiveIntegerField(default=0)  # of a pattern: the first that fits wins
    wms_code = models.CharField(max_length=100, blank=True)  # "": not mapped
    by_hand = models.BooleanField(default=False)  # added ahead; no order has brought it
    created_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "cart", "match", "key"], name="ship_method_once"),
        ]

    def __str__(self) -> str:
        return self.code


class ItemFilter(TenantModel):
    """An item code that a cart's item filter lists. "" stands for items without a code."""

    merchant_field = "cart__merchant_id"

    cart = TenantKey(Cart, models.CASCADE, related_name="+", db_index=False)
    item = models.CharField(max_length=100, blank=True)  # as a person wrote it
    key = models.CharField(max_length=100, blank=True)  # as it is compared: merchants/rules/methods.py
    created_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "cart", "key"], name="filtered_item_once")]

    def __str__(self) -> str:
        return self.item


class CartActivation(TenantModel):
    """A span of time in which a cart was on. Billing counts by it and could not reconstruct it."""

    merchant_field = "cart__merchant_id"

    cart = TenantKey(Cart, models.CASCADE, related_name="activations")
    on_at = models.DateTimeField()
    off_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "cart"], name="one_open_activation", condition=models.Q(off_at__isnull=True)
            ),
        ]


class DryRun(TenantModel):
    """What a cart's first download would bring, found out without loading anything."""

    merchant_field = "cart__merchant_id"

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"

    cart = TenantKey(Cart, models.CASCADE, related_name="dry_runs")
    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    earliest = models.DateField()  # the Earliest Order Date that it was made with
    started_by = models.CharField(max_length=254)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, default="")
    failures = models.PositiveIntegerField(default=0)  # in a row
    cursor = models.DateTimeField(null=True, blank=True)  # how far it has read
    token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)  # PostgreSQL's clock

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "cart"], name="one_running", condition=models.Q(state="running"))
        ]


class DryOrder(TenantModel):
    """One order that a dry run has seen, and what would become of it. Forgotten after a week."""

    merchant_field = "dry_run__cart__merchant_id"

    class Verdict(models.TextChoices):
        SEND = "send", "Would be sent"
        HOLD = "hold", "Would be held"
        ERROR = "error", "Would stop with an error"
        SKIP = "skip", "Would be skipped"
        LEAVE = "leave", "Nothing to ship"
        KNOWN = "known", "Loaded already"
        HANDLED = "handled", "Marked as handled"

    dry_run = TenantKey(DryRun, models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=100)
    number = models.CharField(max_length=100)
    verdict = models.CharField(max_length=7, choices=Verdict)
    message = models.TextField(blank=True, default="")  # why
    order_date = models.DateField(null=True, blank=True)
    country = models.CharField(max_length=3, blank=True, default="")
    lines = models.PositiveIntegerField(default=0)
    raw = models.JSONField(null=True)  # of what would be loaded, should a person mark it as handled
    seen_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "dry_run", "key"], name="dry_once")]
        indexes = [models.Index(fields=["account", "dry_run", "verdict", "-id"], name="dry_by_verdict")]


class CartStock(TenantModel):
    """The level of a SKU that a cart was last told, so that only changes are sent."""

    cart = TenantKey(Cart, models.CASCADE, related_name="+")
    sku = models.CharField(max_length=100)
    quantity = models.DecimalField(max_digits=20, decimal_places=4, null=True)  # null: never accepted
    sent_at = models.DateTimeField(null=True)
    skipped = models.BooleanField(default=False, db_default=False)  # the cart has no such product, or does not count it
    error = models.TextField(blank=True)  # why the cart did not take it
    failures = models.PositiveIntegerField(default=0)  # at most one an hour counts
    failed_at = models.DateTimeField(null=True)
    first_failed_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "cart", "sku"], name="one_cart_stock")]


class Webhook(TenantModel):
    """Where a cart tells us that an order has changed. There is one as soon as somebody has asked for it."""

    merchant_field = "cart__merchant_id"

    cart = TenantKey(Cart, models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the address's token, which is looked up by it
    secrets = EncryptedJSON()  # token: the address; secret: what the cart signs with
    handles = models.JSONField(default=list, blank=True)  # the cart's ids of it, where we registered it ourselves
    created_at = models.DateTimeField(default=clock.now)
    registered_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(null=True, blank=True)  # the last one whose signature was right
    refused = models.PositiveIntegerField(default=0)  # wrong signatures since then

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "cart"], name="one_webhook")]


class WebhookDelivery(TenantModel):
    """One webhook that came: for the log alone. Its delivery id may repeat, and nothing goes by it."""

    merchant_field = "cart__merchant_id"

    cart = TenantKey(Cart, models.CASCADE, related_name="+", db_index=False)
    topic = models.CharField(max_length=80, blank=True)
    delivery_id = models.CharField(max_length=100, blank=True)
    received_at = models.DateTimeField()
    verified = models.BooleanField()

    class Meta(TenantModel.Meta):
        indexes = [models.Index(fields=["account", "cart", "-id"], name="delivery_by_cart")]


class SetupLink(TenantModel):
    """A way for a merchant to give one cart's credentials without signing in. It works once."""

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of its token, which is kept nowhere
    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="+")
    cart = TenantKey(Cart, models.CASCADE, related_name="+", null=True)  # null: it makes a new one
    system = models.CharField(max_length=40)
    name = models.CharField(max_length=100)  # of the cart
    email = models.EmailField(blank=True)  # whom it was sent to; "" was passed on by hand
    created_by = models.EmailField()  # hears when it was used
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)


class Access(TenantModel):
    """What a person granted us in a system: its tokens, and the address that they are for."""

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="+")
    cart = TenantKey(Cart, models.CASCADE, related_name="+", null=True)  # null: of a setup that is not saved yet
    system = models.CharField(max_length=40)
    shop = models.CharField(max_length=200, blank=True)  # what it leads into, as `identity` said
    address = EncryptedJSON()  # the values of the connection that it was granted for
    token = EncryptedJSON()  # value, refresh, expires_at
    held_until = models.DateTimeField(null=True, blank=True)  # PostgreSQL's clock: somebody renews it
    granted_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "cart"], name="one_access", condition=models.Q(cart__isnull=False)
            )
        ]


class Attempt(TenantModel):
    """Somebody is on the way to a system's consent page. Their way back is good for once and 10 minutes."""

    merchant_field = "merchant_id"

    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the state
    browser = models.CharField(max_length=64)  # SHA-256 of what that browser's session alone has
    user = models.ForeignKey("accounts.User", models.CASCADE, null=True, related_name="+")  # null: a link's holder
    link = TenantKey(SetupLink, models.CASCADE, null=True, related_name="+")
    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="+")
    cart = TenantKey(Cart, models.CASCADE, null=True, related_name="+")
    system = models.CharField(max_length=40)
    secrets = EncryptedJSON()  # the verifier, and the values of the connection
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
