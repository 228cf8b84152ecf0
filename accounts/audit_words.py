"""The audit log's entries in words, and the kinds they are filtered by. A verb is `<thing>.<what was done>`."""

from accounts.models import AuditEntry

# kind in the address → its name, and how the verbs of its entries begin
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "users": ("Users", ("user", "invitation.")),
    "account": ("Account and staff", ("account.", "operator.")),
    "merchants": ("Merchants", ("merchant.",)),
    "wms": ("WMS Setup", ("wms.", "ship_method", "connection.")),
    "carts": ("Carts", ("cart.",)),
    "services": ("Services", ("service.",)),
    "orders": ("Orders", ("order", "exchanges.")),
    "files": ("Files and formats", ("file.", "format.")),
    "alerts": ("Alerts and contacts", ("alert", "contacts.")),
}
# Where the verb itself does not read well.
_SAID = {
    "account.opened": "Account opened by staff",
    "account.left": "Account left by staff",
    "audit.exported": "Audit log exported",
    "cart.item_filter": "Cart: item filter changed",
    "cart.order_filters": "Cart: order filters changed",
    "cart.country_rules": "Cart: Country Rules changed",
    "account.verification": "Account: address verification changed",
    "cart.hold_rules": "Cart: hold rules changed",
    "cart.dry_run": "Cart: dry run started",
    "cart.purchases_pulled": "Cart: purchase orders taken over",
    "cart.repulled": "Cart: orders pulled again",
    "cart.ship_methods": "Cart: ship methods mapped",
    "cart.webhooks.off": "Cart: webhooks off",
    "cart.webhooks.on": "Cart: webhooks on",
    "contacts.changed": "Error contacts changed",
    "exchanges.read": "Exchanges with the other system read",
    "file.did_not": "File: said not to have arrived",
    "file.arrived": "File: said to have arrived",
    "merchant.country_rules": "Merchant: Country Rules changed",
    "kits.changed": "Merchant: kits changed",
    "kits.exported": "Merchant: kits exported",
    "merchant.scac": "Merchant: SCAC mapping changed",
    "order.asked": "Order looked up in the cart",
    "order.loaded_anyway": "Skipped order loaded",
    "orders.cancel_sending": "Orders: sending canceled",
    "orders.exported": "Orders exported",
    "orders.it_arrived": "Orders: said to have arrived",
    "orders.it_did_not": "Orders: said not to have arrived",
    "orders.release": "Orders released",
    "orders.load_anyway": "Skipped orders loaded",
    "orders.resend": "Orders sent again",
    "orders.resend_tracking": "Orders: tracking sent again",
    "orders.undo_cancel": "Orders sent after all",
    "orders.handled": "Orders marked as handled elsewhere",
    "service.pause": "Service paused",
    "service.resume": "Service resumed",
    "service.run": "Service run by hand",
    "user.billing": "Billing access changed",
    "user.invitation_withdrawn": "Invitation withdrawn",
    "user.primary": "Primary role handed over",
    "users.exported": "Users exported",
    "wms.changed": "WMS setup changed",
    "wms.replaced": "WMS replaced",
}


def in_words(entry: AuditEntry) -> str:
    """What was done: "Cart deleted"."""
    said = _SAID.get(entry.verb) or entry.verb.replace(".", " ").replace("_", " ")
    return said[:1].upper() + said[1:]


def shown(value: object) -> str:
    """A value before or after, for people; nothing is a dash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "—" if value is None or value == "" else str(value)
