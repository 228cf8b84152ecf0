"""The engine's tables. `status` is written by orders/states.py alone.

Order is narrow, so that its many updates stay cheap; OrderDetail holds what is personal or bulky.
Event, EventDetail, Run and Exchange are plain append-only tables (docs/scale.md).
"""

from collections.abc import Mapping
from typing import Any

from django.db import models

from integration_manager.ids import public_id
from integration_manager.tenancy import OwnedModel, TenantKey, TenantModel
from orders.address_models import AddressAnswer as AddressAnswer
from orders.address_models import LookupCount as LookupCount
from orders.list_models import BulkAction as BulkAction
from orders.list_models import BulkRow as BulkRow
from orders.list_models import SavedView as SavedView
from orders.product_models import CartListing as CartListing
from orders.product_models import CartProduct as CartProduct
from orders.purchase_models import PurchaseEvent as PurchaseEvent
from orders.purchase_models import PurchaseOrder as PurchaseOrder


def _quantity(**kwargs: Any) -> "models.DecimalField[Any, Any]":
    return models.DecimalField(max_digits=20, decimal_places=4, **kwargs)


def _folded(length: int) -> "models.CharField[str, str]":
    """A search key: folded in Python, compared byte by byte, so that policies let an index serve it."""
    return models.CharField(max_length=length, blank=True, default="", db_collation="C")


class Status(models.TextChoices):
    """Where an order stands. What each may become: orders/states.py."""

    RECEIVED = "received"
    READY = "ready"
    SENDING = "sending"
    HELD = "held"
    ERROR = "error"
    GAVE_UP = "gave_up"
    AT_WMS = "at_wms"
    SHIPPED = "shipped"
    CONFIRMED = "confirmed"
    CANCELED = "canceled"


class Order(OwnedModel):
    """One order: its keys, its state and the claim on it."""

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    merchant = TenantKey("merchants.Merchant", models.PROTECT, related_name="+", db_index=False)
    cart = TenantKey("carts.Cart", models.PROTECT, related_name="+", db_index=False)
    # Identity.
    source = models.CharField(max_length=250)  # the shop: system and its identity
    cart_key = models.CharField(max_length=100)
    revision = models.PositiveIntegerField(default=0)
    cust_ref = models.CharField(max_length=100)
    cust_po_no = models.CharField(max_length=100)
    wms_ref = models.CharField(max_length=16)  # what the WMS knows it by: see orders/references.py
    wms_key = models.CharField(max_length=100, blank=True, default="")  # the WMS's own key
    wms_id = models.BigIntegerField(null=True, blank=True)  # the WMS that a send was begun to, and that key is of
    # State.
    status = models.CharField(max_length=9, choices=Status, default=Status.RECEIVED)
    held_by = models.CharField(max_length=20, blank=True, default="")  # person, source, reopened, a rule
    # A person wants it, whatever refuses or holds it. Of its addresses that says nothing: OrderDetail.address_right.
    anyway = models.BooleanField(default=False, db_default=False)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_by = models.CharField(max_length=254, blank=True, default="")
    short = models.BooleanField(default=False)  # closed by the WMS with units missing
    # What is wrong, while status is error, gave_up, or a send failed and is retried.
    error_code = models.CharField(max_length=60, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    cause = models.CharField(max_length=200, blank=True, default="")  # the alert's key: one fix for all of it
    # The claim: see orders/states.py.
    retry_at = models.DateTimeField(null=True, blank=True)
    token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    starts = models.PositiveIntegerField(default=0)  # sends begun; from the second on, look up first
    failures = models.PositiveIntegerField(default=0)  # calls that were answered or timed out
    first_failed_at = models.DateTimeField(null=True, blank=True)
    unknown_rounds = models.PositiveIntegerField(default=0)
    handle = models.CharField(max_length=200, blank=True, default="")  # the WMS works on it: asked for by this
    out_file_id = models.BigIntegerField(null=True, blank=True)  # the file it leaves in
    # Versions.
    source_hash = models.CharField(max_length=64)  # of the last source version
    source_modified_at = models.DateTimeField(null=True, blank=True)
    sent_hash = models.CharField(max_length=64, blank=True, default="")  # of what the first call was to carry
    source_changed = models.BooleanField(default=False)  # while being sent: OrderDetail.newer waits
    edited_fields = models.JSONField(default=list, blank=True)  # these win over later source changes
    # For lists.
    test = models.BooleanField(default=False, db_default=False)  # made by us to try a set-up: orders/made_up.py
    order_date = models.DateField()
    ship_code = models.CharField(max_length=100, blank=True, default="")
    ship_country = models.CharField(max_length=3, blank=True, default="")
    location = models.CharField(max_length=100, blank=True, default="", db_default="")  # the warehouse it names
    grand_total = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, default="")
    lines = models.PositiveIntegerField(default=0)
    qty_total = _quantity(default=0)
    qty_shipped = _quantity(default=0)
    # Times of the business clock.
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    shipped_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    forgotten_at = models.DateTimeField(null=True, blank=True)  # its personal data was removed: orders/forgetting.py
    checked_at = models.DateTimeField(null=True, blank=True)  # last asked for one by one at the WMS

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "merchant", "source", "cart_key", "revision"], name="order_once"
            ),
            models.UniqueConstraint(fields=["account", "merchant", "wms_ref"], name="wms_ref_once"),
        ]
        indexes = [
            models.Index(fields=["account", "status", "-id"], name="order_by_status"),
            models.Index(fields=["account", "merchant", "-id"], name="order_by_merchant"),
            models.Index(fields=["account", "cart", "-id"], name="order_by_cart"),
            models.Index(fields=["account", "-order_date", "-id"], name="order_by_date"),
            # All that the list filters by: what fits seldom, or lies together at the other end, is found in it alone.
            models.Index(
                fields=["account", "-id"],
                name="order_in_list",
                include=[
                    "status",
                    "held_by",
                    "order_date",
                    "created_at",
                    "merchant",
                    "cart",
                    "ship_country",
                    "ship_code",
                ],
            ),
            # What waits for a person: the numbers above the list, for one merchant too.
            models.Index(
                fields=["account", "merchant", "-id"],
                include=["status", "held_by"],
                name="order_waiting",
                condition=models.Q(status__in=["error", "gave_up", "held"]),
            ),
            models.Index(fields=["merchant", "retry_at", "id"], name="order_ready", condition=models.Q(status="ready")),
            models.Index(
                fields=["merchant", "lease_until"], name="order_sending", condition=models.Q(status="sending")
            ),
            models.Index(fields=["merchant", "delivered_at"], name="order_at_wms", condition=models.Q(status="at_wms")),
            # What the WMS's last count may not include yet: see orders/stock.py.
            models.Index(
                fields=["merchant", "delivered_at"],
                name="order_delivered",
                condition=models.Q(delivered_at__isnull=False),
            ),
            models.Index(fields=["merchant", "wms_key"], name="order_by_wms_key", condition=~models.Q(wms_key="")),
            models.Index(fields=["account", "cause"], name="order_by_cause", condition=~models.Q(cause="")),
        ]

    def __str__(self) -> str:
        return self.cust_po_no


class OrderDetail(OwnedModel):
    """What is personal or bulky of an order. Removing personal data is blanking these rows."""

    order = TenantKey(Order, models.CASCADE, related_name="+", db_index=False)
    data = models.JSONField()  # the canonical order as it now stands, edits included
    address_right = models.BooleanField(default=False, db_default=False)  # a person says so of those in `data`
    raw = models.JSONField(null=True)  # the source's own form, as last seen
    newer = models.JSONField(null=True)  # a source version that arrived while it was being sent
    # What the rules did to it when they were last told in its timeline: {field, why, before, after} each.
    applied = models.JSONField(default=list, db_default=[])
    there = models.JSONField(null=True)  # what the WMS has under our reference, where that is taken: canonical.Found
    # Search keys, see orders/search.py.
    ref_key = _folded(100)
    number_key = _folded(100)
    name_key = _folded(100)
    company_key = _folded(100)
    email_key = _folded(100)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "order"], name="one_detail")]
        indexes = [
            models.Index(fields=["account", "ref_key"], name="search_ref"),
            models.Index(fields=["account", "number_key"], name="search_number"),
            models.Index(fields=["account", "name_key"], name="search_name"),
            models.Index(fields=["account", "company_key"], name="search_company"),
            models.Index(fields=["account", "email_key"], name="search_email"),
        ]

    def right_for(self, data: Mapping[str, Any]) -> bool:
        """Whether a person has said that the addresses are right, and another content of the order has the same."""
        return self.address_right and all(data.get(side) == self.data.get(side) for side in ("ship", "bill"))


class OrderLine(OwnedModel):
    """One line: the source's, what is sent for it, and how much of it has shipped."""

    order = TenantKey(Order, models.CASCADE, related_name="+", db_index=False)
    position = models.PositiveIntegerField()
    line_id = models.CharField(max_length=100)
    item = models.CharField(max_length=100)  # the source's SKU
    item_key = _folded(100)
    quantity = _quantity()
    sent_item = models.CharField(max_length=100, blank=True, default="")  # the WMS's SKU
    filtered = models.BooleanField(default=False)  # not sent
    qty_shipped = _quantity(default=0)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "order", "position"], name="line_position")]
        indexes = [models.Index(fields=["account", "item_key"], name="search_item")]


class LinePart(OwnedModel):
    """One component of a kit that is sent for a line. Of a line without any, `sent_item` is what is sent."""

    order = TenantKey(Order, models.CASCADE, related_name="+", db_index=False)
    position = models.PositiveIntegerField()  # of the line
    number = models.PositiveIntegerField()  # in the line, from 1
    line_id = models.CharField(max_length=110)  # what the WMS knows it by
    item = models.CharField(max_length=100)
    item_key = models.CharField(max_length=100, blank=True, default="", db_default="", db_collation="C")  # folded
    quantity = _quantity()
    qty_shipped = _quantity(default=0)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "order", "position", "number"], name="line_part_number")
        ]
        indexes = [models.Index(fields=["account", "item_key"], name="search_part")]


class Shipment(TenantModel):
    """One parcel that the WMS reported, and whether the cart knows of it."""

    merchant_field = "merchant_id"

    merchant = TenantKey("merchants.Merchant", models.PROTECT, related_name="+", db_index=False)
    cart = TenantKey("carts.Cart", models.PROTECT, related_name="+", db_index=False)
    order = TenantKey(Order, models.CASCADE, related_name="shipments", db_index=False)
    key = models.CharField(max_length=150)  # the WMS's id of the parcel, else the tracking number
    tracking_no = models.CharField(max_length=100, blank=True, default="")
    tracking_key = _folded(100)
    carrier = models.CharField(max_length=60, blank=True, default="")
    sent_carrier = models.CharField(max_length=20, blank=True, default="", db_default="")  # told the cart instead
    method = models.CharField(max_length=100, blank=True, default="")
    shipped_at = models.DateTimeField(null=True, blank=True)
    data = models.JSONField()  # the canonical shipment
    created_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True, blank=True)
    # The upload's claim, like an order's.
    for_cart = models.BooleanField(default=True, db_default=True)  # False: it holds but parts of kits, told later
    uploaded_at = models.DateTimeField(null=True, blank=True)
    parked_at = models.DateTimeField(null=True, blank=True)  # given up, or a person decides
    remote_id = models.CharField(max_length=150, blank=True, default="")  # the cart's own id of it
    retry_at = models.DateTimeField()
    token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    starts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)  # at most one an hour counts
    failed_at = models.DateTimeField(null=True, blank=True)
    first_failed_at = models.DateTimeField(null=True, blank=True)
    unknown_rounds = models.PositiveIntegerField(default=0)
    handle = models.CharField(max_length=200, blank=True, default="")  # the cart works on it
    error_code = models.CharField(max_length=60, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    cause = models.CharField(max_length=200, blank=True, default="", db_default="")  # the alert's key, like an order's
    out_file_id = models.BigIntegerField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "order", "key"], name="one_parcel")]
        indexes = [
            models.Index(fields=["account", "cause"], name="shipment_by_cause", condition=~models.Q(cause="")),
            models.Index(fields=["account", "tracking_key"], name="search_tracking"),
            models.Index(
                fields=["cart", "retry_at", "id"],
                name="shipment_waiting",
                condition=models.Q(uploaded_at__isnull=True, parked_at__isnull=True),
            ),
        ]


class ShipmentLine(TenantModel):
    """How much of an item a parcel holds."""

    shipment = TenantKey(Shipment, models.CASCADE, related_name="lines", db_index=False)
    line_id = models.CharField(max_length=110, blank=True, default="")  # the order line it was counted to
    item = models.CharField(max_length=100)
    quantity = _quantity()

    class Meta(TenantModel.Meta):
        indexes = [models.Index(fields=["account", "shipment"], name="shipment_lines")]


class SkippedOrder(TenantModel):
    """Something at the source that was knowingly not loaded, with the reason."""

    merchant_field = "merchant_id"

    merchant = TenantKey("merchants.Merchant", models.PROTECT, related_name="+", db_index=False)
    cart = TenantKey("carts.Cart", models.PROTECT, related_name="+", db_index=False)
    key = models.CharField(max_length=100)  # cart_key, else a hash of the content
    number = models.CharField(max_length=100, blank=True, default="")
    reason = models.CharField(max_length=40)  # a stable code
    message = models.TextField()
    order_date = models.DateField(null=True, blank=True)
    raw = models.JSONField(null=True)
    seen_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "cart", "key"], name="skipped_once")]
        indexes = [
            models.Index(fields=["account", "-seen_at"], name="skipped_by_time"),
            # The list is without what was here once, which may be much more, unless its shop shows it again.
            models.Index(
                fields=["account", "-id"],
                name="skipped_newest",
                condition=~models.Q(reason="gone") | models.Q(raw__isnull=False),
            ),
        ]


class Effect(TenantModel):
    """Something to be done once in another system, besides sending orders, parcels and files."""

    merchant_field = "merchant_id"
    HANDLE = "handle"  # in `data`: of an earlier call that the other system is working on
    FAILING_SINCE = "failing_since"  # in `data`: when it failed first since it was asked for

    class Kind(models.TextChoices):
        CANCEL_AT_WMS = "cancel_at_wms", "Cancel at the WMS"
        CANCEL_IN_CART = "cancel_in_cart", "Cancel in the cart"
        REFUND = "refund", "Refund in the cart"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        PARKED = "parked", "Waiting for a person"

    merchant = TenantKey("merchants.Merchant", models.PROTECT, related_name="+", db_index=False)
    order = TenantKey(Order, models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=20, choices=Kind)
    key = models.CharField(max_length=100)  # makes it happen once: (order, kind, key) is unique
    data = models.JSONField(default=dict, blank=True)  # a refund: canonical.Refund
    remote_id = models.CharField(max_length=150, blank=True, default="")  # the other system's id of what was done
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    actor = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    retry_at = models.DateTimeField()
    token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    starts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)  # at most one an hour counts
    failed_at = models.DateTimeField(null=True, blank=True)
    error_message = models.TextField(blank=True, default="")
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "order", "kind", "key"], name="one_effect")]
        indexes = [
            models.Index(fields=["merchant", "retry_at"], name="effect_waiting", condition=models.Q(state="waiting")),
            models.Index(fields=["account", "order"], name="effect_by_order"),
        ]


class OutFile(TenantModel):
    """A file on its way out: its name, content and records are fixed before the first byte leaves."""

    merchant_field = "merchant_id"

    class Phase(models.TextChoices):
        PLANNED = "planned", "Planned"
        UPLOADED = "uploaded", "Uploaded under a temporary name"
        POSTING = "posting", "The one step that nobody can look up has begun"
        PARKED = "parked", "Whether it arrived a person has to say"
        DONE = "done", "Done"
        DROPPED = "dropped", "Dropped: its records go in another file"

    merchant = TenantKey("merchants.Merchant", models.PROTECT, related_name="+", db_index=False)
    cart = TenantKey("carts.Cart", models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    kind = models.CharField(max_length=13)  # orders, confirmations, inventory
    name = models.CharField(max_length=150)
    temporary = models.CharField(max_length=200, blank=True, default="")  # carries the token
    content = models.BinaryField()
    records = models.JSONField(default=list)  # ids of the orders or shipments; [sku, quantity] for stock
    phase = models.CharField(max_length=8, choices=Phase, default=Phase.PLANNED)
    token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        indexes = [
            models.Index(
                fields=["merchant", "kind", "id"],
                name="out_file_open",
                condition=models.Q(phase__in=["planned", "uploaded", "posting", "parked"]),
            ),
        ]


class Event(TenantModel):
    """One entry of an order's timeline. Append-only."""

    order_id = models.BigIntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=30)  # loaded, sent, failed, edited …
    frm = models.CharField(max_length=9, blank=True, default="")
    to = models.CharField(max_length=9, blank=True, default="")
    actor = models.CharField(max_length=254, blank=True, default="")  # "" is the engine
    message = models.TextField(blank=True, default="")

    class Meta(TenantModel.Meta):
        indexes = [models.Index(fields=["account", "order_id", "id"], name="event_by_order")]


class EventDetail(TenantModel):
    """Before and after of an event, which may be personal and is blanked with the order."""

    event_id = models.BigIntegerField()
    order_id = models.BigIntegerField()
    changes = models.JSONField()  # {field: [before, after]}

    class Meta(TenantModel.Meta):
        indexes = [models.Index(fields=["account", "order_id"], name="event_detail_by_order")]


class Run(TenantModel):
    """One run of a service that found or failed something. An idle one writes none."""

    merchant_field = "merchant_id"

    merchant_id = models.BigIntegerField()
    cart_id = models.BigIntegerField(null=True)
    schedule_id = models.BigIntegerField()
    service = models.CharField(max_length=16)
    started_at = models.DateTimeField()
    seconds = models.FloatField()
    outcome = models.CharField(max_length=10)  # ok, failed, partly
    counts = models.JSONField(default=dict)
    calls = models.PositiveIntegerField(default=0)
    waited = models.FloatField(default=0, db_default=0)  # seconds for the answers to them, all together
    code = models.CharField(max_length=40, blank=True, default="", db_default="")  # the class of the failure
    problem = models.TextField(blank=True, default="")

    class Meta(TenantModel.Meta):
        indexes = [models.Index(fields=["account", "schedule_id", "-id"], name="run_by_schedule")]


class Exchange(TenantModel):
    """One request and its answer, redacted; kept when it wrote, failed, or was asked for."""

    order_id = models.BigIntegerField(null=True)
    schedule_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    method = models.CharField(max_length=8)
    url = models.TextField()
    status = models.PositiveIntegerField(null=True)
    seconds = models.FloatField()
    error = models.CharField(max_length=60, blank=True, default="")
    request = models.TextField(blank=True, default="")
    response = models.TextField(blank=True, default="")

    class Meta(TenantModel.Meta):
        indexes = [
            models.Index(fields=["account", "order_id", "id"], name="exchange_by_order"),
            models.Index(fields=["account", "schedule_id", "-id"], name="exchange_by_schedule"),
            models.Index(fields=["account", "at"], name="exchange_by_time"),
        ]
