"""Where from: the order sources of a merchant."""

from django.db import models

from integration_manager.crypto import EncryptedJSON
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


class Cart(TenantModel):
    """One connection to an order source. Archived, never deleted: its orders outlive it."""

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, related_name="carts")
    system = models.CharField(max_length=40)  # a connector's key
    name = models.CharField(max_length=100)
    order_source = models.CharField(max_length=60, blank=True)  # the value sent to the WMS
    number = models.PositiveIntegerField()  # 1 for the merchant's first cart
    shop = models.CharField(max_length=200)  # the shop itself, so that it is not connected twice
    credentials = EncryptedJSON()
    options = models.JSONField(default=dict, blank=True)
    earliest_order_date = models.DateField()
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
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def source(self) -> str:
        """The shop itself, whichever connection reads it: part of an order's identity."""
        return f"{self.system}:{self.shop}"


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


class CartStock(TenantModel):
    """The level of a SKU that a cart was last told, so that only changes are sent."""

    cart = TenantKey(Cart, models.CASCADE, related_name="+")
    sku = models.CharField(max_length=100)
    quantity = models.DecimalField(max_digits=20, decimal_places=4, null=True)  # null: never accepted
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)  # why the cart did not take it
    failures = models.PositiveIntegerField(default=0)  # at most one an hour counts
    failed_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "cart", "sku"], name="one_cart_stock")]
