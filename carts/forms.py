"""The parts of a cart's pages that are the same for every system; the rest is made from its Fields."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator

from carts.models import Cart
from carts.views import product_source, purchase_source
from integration_manager.systems import wms_system
from merchants import catalog
from merchants.models import Warehouse
from merchants.rules import delays
from orders import delaying, ship_methods
from orders.cart_settings import ADDRESSES, STOCK

DELAY = delaying.FIELDS
PRODUCTS = ("sync_products", "sync_updates", "sync_price")
TO_CART = "list_products"
DAY: Any = {"attrs": {"type": "date"}, "format": "%Y-%m-%d"}
EARLIEST = "Orders placed before it are not loaded; they are listed as skipped."


class CartForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """How we and the WMS call a cart, and from when on its orders count."""

    class Meta:
        model = Cart
        fields = [
            "name", "order_source", "description", "earliest_order_date", "reject_unmapped", "translate_items",
            "delay_minutes", "delay_since", "send_not_before", "send_working_days",
            "verify_addresses", "verify_countries", "hold_address_errors",
            "stock_warehouse", "stock_alias", "stock_minimum", "stock_buffer", "stock_percent",
            "sync_products", "sync_updates", "sync_price", "list_products", "sync_purchases",
        ]  # fmt: skip
        labels = {
            "name": "Name",
            "order_source": "Order Source",
            "description": "Description",
            "earliest_order_date": "Earliest Order Date",
            "reject_unmapped": ship_methods.REJECT,
            "translate_items": "Translate Item Code",
            "delay_minutes": "Delivery Delay, in minutes",
            "delay_since": "Delay Begins",
            "send_not_before": "Not Before",
            "send_working_days": "Working Days Only",
            "verify_addresses": "Verify Addresses",
            "verify_countries": "Which Countries",
            "hold_address_errors": "Hold Back orders with Address Error",
            "stock_warehouse": "Sync Inventory With Warehouse",
            "stock_alias": "Push Inventory Using Alias",
            "stock_minimum": "Minimum Inventory Level",
            "stock_buffer": "Buffer",
            "stock_percent": "Percentage",
            "sync_products": "Sync Products From Cart",
            "sync_updates": "Download Product Updates",
            "sync_price": "Sync Product Price",
            "list_products": "Sync Products To Cart",
            "sync_purchases": "Sync Purchase Orders",
        }
        help_texts = {
            "name": "What the cart is called on our pages. Example: Alder & Finch, main shop.",
            "order_source": "Sent to the WMS with every order. Example: SHOPIFY-US. Empty: what the order says itself.",
            "description": "Shown on our pages only. Example: wholesale orders; ask Dana before changing anything.",
            "earliest_order_date": EARLIEST,
            "reject_unmapped": "An order whose ship code is not mapped to one of the WMS’s waits until it is, under "
            "Ship Methods. Without it the code is sent as it is.",
            "translate_items": "What the shop calls an item becomes the WMS’s SKU before the order is sent. An order "
            "with a code that is no such alias waits until it is added.",
            "delay_minutes": "An order waits so long before it goes to the WMS. Until then its changes and its "
            "cancellation in the shop are taken over. Example: 120 for two hours. 0: off.",
            "delay_since": "Where the shop does not say when an order was placed, it counts from its loading.",
            "send_not_before": "No order goes earlier in the day, by the account’s clock. Empty: at any time.",
            "send_working_days": "What would go on a Saturday or Sunday goes on Monday.",
            "verify_addresses": "Addresses are written as their country does, and checked, before an order is sent. "
            "What the shop sent stays on the order’s page.",
            "verify_countries": "Whose addresses are verified. Which countries are shipped to is set by Country Rules.",
            "hold_address_errors": "An order whose address is not right waits until somebody has looked at it. "
            "Without it, it is sent as it is, and its timeline says what is wrong.",
            "stock_warehouse": "Whose stock this cart is told.",
            "stock_alias": "By which code this cart is told the stock. Products without such a code are skipped.",
            "stock_minimum": "Fewer than this are told as none. Example: with 5, 4 or fewer become 0. 0: off.",
            "stock_buffer": "So many of each product are held back. Example: 2.",
            "sync_products": "New products of the shop are added at the WMS, by their SKU. It begins with what changes "
            "from now on; Product Import, on the cart’s page, takes over what is there already.",
            "sync_updates": "What changes in the shop is changed at the WMS too. Off: new products only.",
            "sync_price": "The shop’s price goes along.",
            "list_products": "Products that the WMS has and this shop has not are created in the shop, with their name "
            "and without a price, before Inventory Upload tells their stock. What is there already stays as it is.",
            "sync_purchases": "What the shop orders from suppliers is told to the WMS, and what has been received is "
            "told back. It begins with what changes from now on; what is open already can be taken over on the cart’s "
            "page.",
            "stock_percent": "So much of the rest is offered here, rounded down. Example: 50 where two shops share.",
        }
        widgets = {
            "earliest_order_date": forms.DateInput(**DAY),
            "send_not_before": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "sync_products": forms.Select(choices=[(False, "No"), (True, "Yes, Cart to WMS")]),
            "list_products": forms.Select(choices=[(False, "No"), (True, "Yes, WMS to Cart")]),
            "sync_purchases": forms.Select(choices=[(False, "No"), (True, "Yes, Cart to WMS, and receipts back")]),
        }

    def __init__(self, *args: Any, today: date, kinds: Sequence[str] | None = None, **kwargs: Any) -> None:
        """`today`: the account's, from which on a new cart's orders count unless somebody says otherwise.

        `kinds`: of other codes that the merchant has, where somebody who makes many forms has asked for them already.
        """
        self._kinds = kinds
        super().__init__(*args, **kwargs)
        self.fields["verify_countries"].required = False  # a form without it leaves it as it is
        self.stock_fields()
        if not self.instance.pk:
            self.initial["earliest_order_date"] = today

    def stock_fields(self) -> None:
        """Its merchant's warehouses and kinds of other codes are what can be chosen. What is not sent stays."""
        merchant, cart = self.instance.merchant, self.instance
        warehouses = Warehouse.objects.filter(merchant=merchant).order_by("-is_default", "name")
        places: Any = self.fields["stock_warehouse"]
        places.queryset, places.empty_label, places.to_field_name = warehouses, "All that are enabled", "public_id"
        self.initial["stock_warehouse"] = cart.stock_warehouse
        kinds = catalog.kinds(merchant.pk) if self._kinds is None else self._kinds
        translated = [("", "No"), (catalog.ANY_CODE, "Master SKU: any alias to the WMS’s SKU")]
        for name, first, also in (
            ("translate_items", translated, cart.translate_items),
            ("stock_alias", [("", "No, by the SKU")], cart.stock_alias),
        ):
            own = [(kind, kind) for kind in sorted({*kinds, also} - {"", catalog.ANY_CODE})]
            self.fields[name] = forms.ChoiceField(
                label=self.fields[name].label,
                help_text=self.fields[name].help_text,
                choices=[*first, *own],
                required=False,
            )
        self.fields["stock_percent"].validators.append(MaxValueValidator(100))
        self.fields["delay_minutes"].validators.append(MaxValueValidator(delays.MOST))
        if "delay_minutes" not in self.data and self.is_bound:  # (a checkbox that is off is not sent either)
            for name in DELAY:
                del self.fields[name]
        self.product_fields()
        self.listing_field()
        self.purchase_field()
        for name in STOCK:
            if name not in self.data and self.is_bound:  # a form without them leaves them as they are
                del self.fields[name]

    def product_fields(self) -> None:
        """Additional Product Options, where the shop gives products and the WMS takes them."""
        cart, left_out = self.instance, self.is_bound and "sync_products" not in self.data
        if left_out or not product_source.can(cart) or not (cart.sync_products or product_source.takes(wms_system())):
            for name in PRODUCTS:
                del self.fields[name]

    def listing_field(self) -> None:
        """Sync Products To Cart, where the shop can be told of new ones. A form without it leaves it as it is."""
        cart, left_out = self.instance, self.is_bound and TO_CART not in self.data
        if left_out or not product_source.listed(cart):
            del self.fields[TO_CART]
        elif not cart.merchant.list_products:
            hint = f" {cart.merchant.name} has to say so too, in its setup: there it is off."
            self.fields[TO_CART].help_text += hint

    def purchase_field(self) -> None:
        """Sync Purchase Orders, where both ends can. A form without it leaves it as it is."""
        cart, left_out = self.instance, self.is_bound and "sync_purchases" not in self.data
        if left_out or not (purchase_source.can(cart) and (cart.sync_purchases or purchase_source.takes(wms_system()))):
            del self.fields["sync_purchases"]

    def clean_sync_products(self) -> bool:
        """Only one cart of a merchant may have it."""
        wanted: bool = self.cleaned_data["sync_products"]
        source = product_source.other(self.instance) if wanted else None
        if source is not None:
            raise forms.ValidationError(product_source.taken_by(source.name))
        return wanted

    @property
    def products(self) -> list[forms.BoundField]:
        """What goes to the WMS of its products, and what comes from there."""
        return [self[name] for name in (*PRODUCTS, TO_CART) if name in self.fields]

    @property
    def delay(self) -> list[forms.BoundField]:
        """When its orders go to the WMS."""
        return [self[name] for name in DELAY if name in self.fields]

    @property
    def addresses(self) -> list[forms.BoundField]:
        """How its addresses are verified."""
        return [self[name] for name in ADDRESSES]

    @property
    def stock(self) -> list[forms.BoundField]:
        """What this cart is told of the stock."""
        return [self[name] for name in STOCK if name in self.fields and name != "translate_items"]


class EarliestForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """The Earliest Order Date alone, on the page for going live."""

    class Meta:
        model = Cart
        fields = ["earliest_order_date"]
        labels = {"earliest_order_date": "Earliest Order Date"}
        help_texts = {"earliest_order_date": EARLIEST}
        widgets = {"earliest_order_date": forms.DateInput(**DAY)}


class RepullForm(forms.Form):
    """From which day on orders are to be read again."""

    day = forms.DateField(
        label="From",
        widget=forms.DateInput(**DAY),
        help_text="All orders that changed since the beginning of this day are read again.",
    )


class NumberForm(forms.Form):
    """One order of one cart, by its number. `asked`: whether a number is needed."""

    number = forms.CharField(
        label="Order number",
        max_length=100,
        help_text="As the shop shows it, with all its signs. Example: #1042.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class WhyForm(NumberForm):
    """Which cart to ask for which order."""

    cart = forms.ChoiceField(label="Cart", help_text="The shop in which you see the order.")
    field_order = ("cart", "number")

    def __init__(self, *args: Any, carts: list[Cart], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(cart.public_id, f"{cart.name} ({cart.merchant.name})") for cart in carts]
        self.fields["cart"].choices = choices if len(choices) == 1 else [("", "Choose"), *choices]  # type: ignore[attr-defined]
