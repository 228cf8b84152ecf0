"""Purchase orders on their way from a cart to the WMS, and what came of them on its way back."""

from django.db import models

from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


class PurchaseOrder(TenantModel):
    """One purchase order of a cart. It outlives the cart: the same shop connected again sends none twice."""

    merchant_field = "merchant_id"

    class State(models.TextChoices):
        WAITING = "waiting", "On its way"  # there is something to tell the WMS
        EXPECTED = "expected", "Expected"  # the WMS has it as it is here
        RECEIVED = "received", "Received"  # nothing more is to come
        REFUSED = "refused", "Waiting for a person"
        HELD = "held", "Not sent"  # Cancel Sending, or purchase orders were switched off: a person may send it still
        CANCELED = "canceled", "Canceled"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey("merchants.Merchant", models.PROTECT, related_name="+", db_index=False)
    cart = TenantKey("carts.Cart", models.PROTECT, related_name="+", db_index=False)
    source = models.CharField(max_length=250)  # the shop: system and its identity
    key = models.CharField(max_length=100, db_collation="C")  # the source's own
    number = models.CharField(max_length=100)
    search = models.CharField(max_length=100, db_collation="C")  # the number, folded
    ref = models.CharField(max_length=16, db_collation="C")  # ours, at the WMS
    supplier = models.CharField(max_length=200, blank=True, default="")
    expected_on = models.DateField(null=True, blank=True)
    data = models.JSONField()  # canonical.PurchaseOrder as the source has it
    content_hash = models.CharField(max_length=32)  # of that
    modified_at = models.DateTimeField(null=True, blank=True)  # the source's time
    created_at = models.DateTimeField(default=clock.now)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    # At the WMS.
    wms_key = models.CharField(max_length=100, blank=True, default="")  # its own number; "": not known, or not there
    wms_id = models.BigIntegerField(null=True, blank=True)  # the WMS that a send was begun to, and that key is of
    sent = models.JSONField(default=dict, blank=True)  # canonical.PurchaseOrder with which the last call was begun
    # The content_hash with which a send, or a file, was begun; a change counts once the WMS has taken it.
    sent_hash = models.CharField(max_length=32, blank=True, default="")
    sent_at = models.DateTimeField(null=True, blank=True)  # when it was there; None: it is not, as far as is known
    # The claim, and how the tries went.
    out_file_id = models.BigIntegerField(null=True, blank=True)  # the file it leaves in
    retry_at = models.DateTimeField(default=clock.now)
    token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    starts = models.PositiveIntegerField(default=0)  # calls begun of which it is not known that they came to nothing
    rounds = models.PositiveIntegerField(default=0)  # unknown outcomes in a row
    failures = models.PositiveIntegerField(default=0)
    first_failed_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    # What came, and what the cart was told of it.
    receipt = models.JSONField(default=dict, blank=True)  # canonical.Receipt, totals so far
    receipt_hash = models.CharField(max_length=32, blank=True, default="")  # of what the cart is to be told
    received_at = models.DateTimeField(null=True, blank=True)
    told_hash = models.CharField(max_length=32, blank=True, default="")
    told_at = models.DateTimeField(null=True, blank=True)
    tell_at = models.DateTimeField(null=True, blank=True)  # when to tell, or to try again; None: nothing to tell
    tell_file_id = models.BigIntegerField(null=True, blank=True)
    tell_failures = models.PositiveIntegerField(default=0)
    tell_failed_at = models.DateTimeField(null=True, blank=True)  # the first of them
    tell_error = models.TextField(blank=True, default="")

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "merchant", "source", "key"], name="purchase_order_once"),
            models.UniqueConstraint(fields=["account", "merchant", "ref"], name="purchase_ref_once"),
        ]
        indexes = [
            models.Index(fields=["merchant", "retry_at"], name="purchase_waiting", condition=models.Q(state="waiting")),
            models.Index(
                fields=["cart", "tell_at"], name="purchase_to_tell", condition=models.Q(tell_at__isnull=False)
            ),
            models.Index(fields=["merchant", "wms_key"], name="purchase_by_wms_key", condition=~models.Q(wms_key="")),
            models.Index(
                fields=["out_file_id"], name="purchase_in_file", condition=models.Q(out_file_id__isnull=False)
            ),
            models.Index(
                fields=["tell_file_id"], name="purchase_told_in_file", condition=models.Q(tell_file_id__isnull=False)
            ),
            models.Index(
                fields=["cart"],
                name="purchase_untold",
                condition=models.Q(tell_at__isnull=True) & ~models.Q(tell_error=""),
            ),
            models.Index(fields=["account", "state", "-id"], name="purchase_by_state"),
            models.Index(fields=["account", "-id"], name="purchase_newest"),
            models.Index(fields=["account", "search"], name="purchase_by_number"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def at_wms(self) -> bool:
        """Whether the WMS has it, under a number that we know or not."""
        return bool(self.wms_key) or self.sent_at is not None


class PurchaseEvent(TenantModel):
    """One entry of a purchase order's timeline. Append-only."""

    purchase = TenantKey(PurchaseOrder, models.CASCADE, related_name="events", db_index=False)
    at = models.DateTimeField()
    kind = models.CharField(max_length=30)  # loaded, changed, sent, received, told …
    actor = models.CharField(max_length=254, blank=True, default="")  # "" is the engine
    message = models.TextField(blank=True, default="")

    class Meta(TenantModel.Meta):
        indexes = [models.Index(fields=["account", "purchase", "id"], name="purchase_event_by_purchase")]
