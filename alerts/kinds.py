"""The table of kinds of alerts: what each is called and means, who acts, what is mailed at once, where its fix is.

What stops an order is a kind too: the code of the rule (merchants/rules.py), of the engine or of the WMS's
connector. A code that is not in the table is one of a connector: it reads as `REFUSED` does.
"""

from dataclasses import dataclass
from enum import StrEnum


class Acts(StrEnum):
    """Who does something next."""

    PERSON = "person"  # nothing goes on before somebody acts
    MACHINE = "machine"  # it is tried again by itself, and the alert ends by itself
    KNOW = "know"  # something has happened that somebody should know


class Anew(StrEnum):
    """When one that was dismissed opens again, though its cause was never gone."""

    EACH = "each"  # whenever it happens again: each time it is another order, file or row
    MORE = "more"  # when there are more than there were
    NEVER = "never"  # it is one trouble that goes on


class Fix(StrEnum):
    """Which page has the fix (alerts/links.py finds its address)."""

    ALERT = "alert"  # the alert's own page says what to do
    ORDERS = "orders"  # those that wait for it; with one, the order itself
    SHIP_METHODS = "ship_methods"
    WMS = "wms"
    CONNECTION = "connection"  # the credentials of the cart, of the merchant at the WMS, or of the WMS
    CART = "cart"
    PRODUCTS = "products"  # of the merchant
    PRODUCT_SYNC = "product_sync"  # of the cart: its products for the WMS
    LISTINGS = "listings"  # of the cart: products of the WMS for it
    PURCHASES = "purchases"  # of the cart, those that wait for a person
    PURCHASES_UNTOLD = "purchases_untold"  # of the cart, those whose receipts it does not take
    PURCHASE = "purchase"  # the one that its key names
    MERCHANTS = "merchants"
    CHANNELS = "channels"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `button`: what the link to the fix says. `patience`: mailed from the so manieth time in a row on.

    `resend`: it may be put right at the WMS, of which nobody hears here: orders are then sent again by hand.
    """

    code: str
    title: str
    acts: Acts
    text: str
    fix: Fix = Fix.ALERT
    button: str = "Look at it"
    at_once: bool = False
    anew: Anew = Anew.NEVER
    patience: int = 1
    resend: bool = False

    @property
    def cures_itself(self) -> bool:
        """Whether nobody has to act."""
        return self.acts is Acts.MACHINE


IN_A_ROW = 3  # a system that is away is mailed about after so many tries in a row


def _held(
    code: str, title: str, text: str, button: str = "Open the orders", fix: Fix = Fix.ORDERS, *, resend: bool = False
) -> Kind:
    """One that stops orders until somebody acts, told at once."""
    return Kind(code, title, Acts.PERSON, text, fix, button, at_once=True, anew=Anew.EACH, resend=resend)


def _away(code: str, text: str) -> Kind:
    """The other system has a passing problem."""
    title = "Remote system unavailable"
    return Kind(code, title, Acts.MACHINE, text, Fix.ALERT, "See what it says", patience=IN_A_ROW)


def _told(code: str, title: str, text: str, button: str = "Open the order", fix: Fix = Fix.ORDERS) -> Kind:
    """Something about one order, file or parcel that somebody should know or settle by hand."""
    return Kind(code, title, Acts.KNOW, text, fix, button, anew=Anew.EACH)


_ADDRESS = "The address cannot be shipped to as it is. Each order goes out as soon as its address is corrected."

TABLE = (
    # ── orders are held ──
    _held(
        "ship_method_unmapped", "Unmapped ship method",
        "The shop sent a ship method that the WMS has no code for. Mapped once, all orders that wait for it go out.",
        "Map the method", Fix.SHIP_METHODS,
    ),
    _held(
        "ship_method_unknown", "Ship method not known to the WMS",
        "The WMS does not know the ship method that is sent to it. Mapped to one that it knows, all orders with it go "
        "on. Added there, send them again.",
        "Map the method", Fix.SHIP_METHODS, resend=True,
    ),
    _held("address_incomplete", "Address error", _ADDRESS, "Correct the address"),
    _held("bad_address", "Address error", _ADDRESS, "Correct the address"),
    _held("address_error", "Address error", _ADDRESS, "Correct the address"),
    _held(
        "sku_missing", "Missing product code",
        "An item has no SKU, so the WMS cannot know what to pick. Give it one in the shop, or filter such items out.",
        "Add the SKU",
    ),
    _held(
        "item_code_unknown", "Item code of no product",
        "The shop calls an item by a code that no product has. Added as an alias, all orders that wait for it go out.",
        "Open the products", Fix.PRODUCTS,
    ),
    _held(
        "kit_not_whole", "Part of a kit",
        "The order has half a kit, say, and its components can only be sent for whole ones. Correct the quantity.",
        "Correct the quantity",
    ),
    _held(
        "item_unknown", "Product not known to the WMS",
        "The WMS does not know this product for this customer. Mapped by an alias, all orders with it go on. "
        "Added there, send them again.",
        resend=True,
    ),
    Kind(
        "nothing_to_ship", "Nothing to ship", Acts.PERSON, "No item is left in the order that could be sent.",
        Fix.ORDERS, "Open the orders", anew=Anew.EACH,
    ),
    Kind(
        "gave_up", "Record skipped after too many failures", Acts.PERSON,
        "It was tried once an hour for 15 days and is not tried any more. Correct it, then send it again by hand.",
        Fix.ORDERS, "Open the order", anew=Anew.EACH,
    ),
    Kind(
        "outcome_unknown", "Unknown outcome", Acts.PERSON,
        "It was sent and no answer came. So that nothing is shipped twice, a person says whether it arrived.",
        Fix.ORDERS, "Say whether it arrived", anew=Anew.EACH,
    ),
    _held(
        "reference_taken", "Reference taken",
        "The WMS has another order under this reference. Say whether it is the same one, or send with a new one.",
        "Compare them",
    ),
    Kind(
        "canceled_at_wms", "Canceled at the WMS", Acts.PERSON,
        "An earlier send had arrived, and somebody has canceled it there.",
        Fix.ORDERS, "Open the order", anew=Anew.EACH,
    ),
    Kind(
        "out_of_stock", "Not enough inventory", Acts.KNOW,
        "The WMS has not enough of an item. The order is on hold and sent again every day at about 1:00 Pacific.",
        Fix.ORDERS, "Open the orders", anew=Anew.MORE,
    ),
    Kind(
        "internal", "A mistake of ours", Acts.PERSON,
        "We could not process it, and it has been reported. Support needs the number in the message.",
        Fix.ORDERS, "Open the order", anew=Anew.EACH,
    ),
    Kind(
        "file_unknown", "Unknown outcome of a file", Acts.PERSON,
        "Nobody knows whether a file arrived. It is sent again only if somebody says that it did not.",
        Fix.ALERT, "Say whether it arrived",
    ),
    # ── connections ──
    Kind(
        "missing_wms", "Missing WMS Setup", Acts.PERSON,
        "Please go to the WMS Setup tab and choose your WMS. Until then orders are loaded and wait.",
        Fix.WMS, "Set up the WMS",
    ),
    Kind(
        "wms_values_missing", "WMS settings missing", Acts.PERSON,
        "The WMS needs more of these merchants. Until then their orders wait.", Fix.MERCHANTS, "Open the merchants",
        anew=Anew.MORE,
    ),
    Kind(
        "credentials", "Credentials do not work", Acts.PERSON,
        "The other system refuses our credentials. Its services are paused, and go on by themselves once they work.",
        Fix.CONNECTION, "Correct the credentials", at_once=True,
    ),
    Kind(
        "webhook_refused", "Webhooks with a wrong signature", Acts.PERSON,
        "Somebody sends webhooks that are not signed with the cart's secret. Orders still come at the set times.",
        Fix.CART, "Open the cart",
    ),
    Kind(
        "channel_off", "Channel switched off", Acts.PERSON,
        "Its address took nothing for three days, so nothing is sent there any more.", Fix.CHANNELS, "Open channels",
    ),
    # ── the machine tries again ──
    _away("unreachable", "The system does not answer. It is tried once a minute."),
    _away("service_failing", "The service fails. It is tried again at its next run."),
    _away("delivery_failing", "The WMS answers orders with an error of its own. Each is tried once an hour, 15 days."),
    _away("tracking_failing", "The shop answers tracking numbers with an error of its own. They are tried again."),
    _away("cancel_failing", "The WMS answers a cancellation with an error of its own. It is tried again."),
    _away("cart_cancel_failing", "The shop answers a cancellation with an error of its own. It is tried again."),
    _away("refund_failing", "The shop answers a refund with an error of its own. It is tried again."),
    _away("products_failing", "The WMS answers products with an error of its own. They are tried again."),
    _away("listing_failing", "The shop answers new products with an error of its own. They are tried again."),
    _away("purchases_failing", "The WMS answers purchase orders with an error of its own. Each is tried once an hour."),
    _away("file_failing", "A file could not be written. It is tried again."),
    _away("lookup_failing", "Addresses cannot be looked up. After an hour the built-in rules decide alone."),
    # ── tracking, stock, files ──
    _told("tracking_refused", "Tracking refused by the cart", "The shop does not take it: it has to be settled there."),
    _told("tracking_skipped", "Record skipped after too many failures", "Tracking was tried 100 times or for 30 days."),
    _told("tracking_changed", "Tracking changed", "The WMS changed a tracking number after the shop was told."),
    Kind(
        "stock_refused", "Could not upload inventory information", Acts.KNOW,
        "The shop does not take the stock of some products. The others are told.", Fix.CART, "Open the cart",
        anew=Anew.MORE,
    ),
    Kind(
        "stock_without_orders", "Stock without the latest orders", Acts.MACHINE,
        "The shop's orders could not be read before it was told its stock, so it may be told too much.",
        Fix.CART, "Open the cart", patience=IN_A_ROW,
    ),
    _told("bad_rows", "Rows that could not be read", "The rest of the file is loaded.", "See the rows", Fix.ALERT),
    _told("left_alone", "Files left alone", "They are not loaded as they are.", "See which", Fix.ALERT),
    _told("file_again", "A file that was read before", "It is not loaded twice by itself.", "Look at it", Fix.ALERT),
    # ── products ──
    Kind(
        "product_without_sku", "Missing product code", Acts.PERSON,
        "Products of the shop have no SKU, so the WMS cannot know them. They come by themselves once they have one.",
        Fix.PRODUCT_SYNC, "See which", anew=Anew.MORE,
    ),
    Kind(
        "product_refused", "Product refused by the WMS", Acts.PERSON,
        "The WMS does not take some products as they are. Mended in the shop they come by themselves.",
        Fix.PRODUCT_SYNC, "See which", anew=Anew.MORE,
    ),
    Kind(
        "listing_refused", "Product refused by the cart", Acts.PERSON,
        "The shop does not take some products of the WMS as they are. The others are created there.",
        Fix.LISTINGS, "See which", anew=Anew.MORE,
    ),
    # ── purchase orders ──
    Kind(
        "purchase_refused", "Purchase order not at the WMS", Acts.PERSON,
        "The WMS does not take a purchase order, or nobody knows whether it has it. Goods may come unexpected.",
        Fix.PURCHASES, "See which", at_once=True, anew=Anew.MORE,
    ),
    Kind(
        "receipt_refused", "Receipt refused by the cart", Acts.PERSON,
        "Goods have come, and the cart does not take that of a purchase order of its own.",
        Fix.PURCHASES_UNTOLD, "See which", anew=Anew.MORE,
    ),
    _told(
        "purchase_differs", "Received other than ordered", "The warehouse received more, less or something else.",
        "Open the purchase order", Fix.PURCHASE,
    ),
    # ── one order ──
    _told("shipped_short", "Shipped short", "The WMS has closed the order without shipping all of it."),
    _told("canceled_by_wms", "Canceled by the WMS", "The shop may still count on it."),
    _told("shipped_although_canceled", "Shipped although canceled", "The cancellation came too late."),
    _told("canceled_after_shipping", "Canceled after shipping", "The parcel is on its way."),
    _told("changed_after_sending", "Changed after sending", "The WMS has the order as it was before."),
    _told("changed_here_and_there", "Changed here and in the shop", "The edits made here stay."),
    _told("cancel_refused", "The WMS did not cancel", "It will be shipped unless somebody stops it."),
    _told("cart_cancel_refused", "The cart did not cancel", "It is canceled here and still open in the shop."),
    _told("refund_refused", "Refund refused", "The customer has not got the money back."),
    _told("refund_unknown", "Unknown outcome of a refund", "It is never repeated by itself.", "Say whether it arrived"),
    # ── the watch ──
    Kind(
        "stuck_ready", "Waiting too long to be sent", Acts.KNOW,
        "These orders are ready and have not gone to the WMS.", Fix.ORDERS, "View orders", anew=Anew.MORE,
    ),
    Kind(
        "stuck_at_wms", "At the WMS for too long", Acts.KNOW,
        "The WMS has these orders and has not shipped them.", Fix.ORDERS, "View orders", anew=Anew.MORE,
    ),
)  # fmt: skip

REFUSED = Kind(
    "", "Refused by the WMS", Acts.PERSON,
    "The WMS does not take the order as it is. Correct what it says, then send it again.",
    Fix.ORDERS, "Open the orders", anew=Anew.EACH, resend=True,
)  # fmt: skip

KINDS = {kind.code: kind for kind in TABLE}

# The machine tries again by itself, and the alert ends by itself: nobody has to act.
BY_ITSELF = tuple(kind.code for kind in TABLE if kind.cures_itself)
AT_ONCE = tuple(kind.code for kind in TABLE if kind.at_once)


def of(code: str) -> Kind:
    """The kind of an alert. Whatever a rule or a connector finds wrong with an address is an address error."""
    if code.startswith("address_"):
        return KINDS["address_incomplete"]
    return KINDS.get(code, REFUSED)
