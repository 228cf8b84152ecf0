"""Products on their way from a cart to the WMS, or from the WMS to a cart: what became of each there."""

from django.db import models

from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


class OnItsWay(TenantModel):
    """A product that is to get from one side to the other: the claim, and how the tries went."""

    merchant_field = "merchant_id"

    merchant = TenantKey("merchants.Merchant", models.PROTECT, related_name="+", db_index=False)
    cart = TenantKey("carts.Cart", models.PROTECT, related_name="+", db_index=False)
    sent_at = models.DateTimeField(null=True, blank=True)  # when the other side last had it as it is here
    found = models.BooleanField(default=False)  # the other side had it already, and it was left as it was there
    created_at = models.DateTimeField(default=clock.now)
    # The claim, and how the tries went.
    out_file_id = models.BigIntegerField(null=True, blank=True)  # the file it leaves in
    retry_at = models.DateTimeField(default=clock.now)
    token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    starts = models.PositiveIntegerField(default=0)  # claims since the other side last had it
    failures = models.PositiveIntegerField(default=0)  # at most one an hour counts
    first_failed_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_message = models.TextField(blank=True, default="")

    class Meta(TenantModel.Meta):
        abstract = True


class CartProduct(OnItsWay):
    """One product of a cart (a variant, where it has variants) for the WMS. `sku` is what the WMS goes by."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        THERE = "there", "At the WMS"
        REFUSED = "refused", "Waiting for a person"
        LEFT = "left", "Not sent"  # product sync was switched off, or the WMS changed: the next import takes it up

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    key = models.CharField(max_length=100, db_collation="C")  # the cart's own
    sku = models.CharField(max_length=100, blank=True, db_collation="C")
    data = models.JSONField()  # canonical.Product as the WMS is to have it
    content_hash = models.CharField(max_length=32)  # of that
    modified_at = models.DateTimeField(null=True, blank=True)  # the cart's time
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    wms_key = models.CharField(max_length=100, blank=True, default="")  # the WMS's own
    wms_id = models.BigIntegerField(null=True, blank=True)  # the WMS that a send was begun to, and that key is of
    sent_hash = models.CharField(max_length=32, blank=True, default="")  # of what the last send was begun with

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "cart", "key"], name="cart_product_once")]
        indexes = [
            models.Index(
                fields=["merchant", "retry_at"], name="cart_product_waiting", condition=models.Q(state="waiting")
            ),
            models.Index(fields=["account", "cart", "state", "key"], name="cart_product_by_state"),
            models.Index(fields=["account", "cart", "sku"], name="cart_product_by_sku"),
        ]

    def __str__(self) -> str:
        return self.sku or self.key


class CartListing(OnItsWay):
    """One product of the WMS that a cart is to have. What is there once is never created again, deleted or not."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        THERE = "there", "In the cart"
        REFUSED = "refused", "Refused by the cart"

    code = models.CharField(max_length=100, db_collation="C")  # what the cart knows it by: the SKU, or another code
    sku = models.CharField(max_length=100, db_collation="C")  # the WMS's
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    cart_key = models.CharField(max_length=100, blank=True, default="")  # the cart's own

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "cart", "sku"], name="cart_listing_once")]
        indexes = [
            models.Index(
                fields=["cart", "retry_at", "id"], name="cart_listing_waiting", condition=models.Q(state="waiting")
            ),
            models.Index(fields=["account", "cart", "state"], name="cart_listing_by_state"),
            models.Index(fields=["account", "cart", "code"], name="cart_listing_by_code"),
        ]

    def __str__(self) -> str:
        return self.code
