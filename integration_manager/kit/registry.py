"""Which connectors there are, and what each of them can do."""

from dataclasses import dataclass, field

from integration_manager.kit.connector import CartConnector, Connector


@dataclass(frozen=True, slots=True)
class Capability:
    """One function of a system, in the vocabulary its users know. `methods`: any of them gives it.

    `says`: what the class has to say of itself besides; the acceptance suite holds it to that.
    """

    label: str
    methods: tuple[str, ...]
    renders: str = ""
    says: str = ""


CART_CAPABILITIES = (
    Capability("Order Download", ("orders",)),
    Capability("Shipment Confirmation", ("ship",), "confirmations"),
    Capability("Inventory Sync", ("stock",), "inventory"),
    Capability("Order Cancel Download", ("orders",), says="tells_canceled"),
    Capability("Order Cancel Upload", ("cancel",)),
    Capability("Refund in Cart", ("refund",)),
    Capability("Product Sync", ("products",)),
    Capability("Product Creation", ("create_product",), "catalog"),
    Capability("Purchase Order Download", ("purchase_orders",)),
    Capability("Purchase Order Receiving Upload", ("tell_received",), "receipts"),
    Capability("Webhooks", ("webhook",)),
)
WMS_CAPABILITIES = (
    Capability("Order Send", ("send",), "orders"),
    Capability("Shipment Confirmation Pickup", ("shipments",)),
    Capability("Inventory Sync Pickup", ("stock",)),
    Capability("Cancel Order in WMS", ("cancel",)),
    Capability("Order Cancel Pickup", ("canceled",)),
    Capability("Product Loading", ("create_product",), "products"),
    Capability("Product Detail Pickup", ("products",)),
    Capability("Product Alias Pickup", ("products",), says="tells_aliases"),
    Capability("Purchase Order Loading", ("send_purchase_order",), "purchases"),
    Capability("Purchase Order Receiving Pickup", ("receipts",)),
)


def capabilities(system: type[Connector]) -> list[str]:
    """What a system can do, read off the methods that its class overrides, so that it cannot lie."""
    table = CART_CAPABILITIES if issubclass(system, CartConnector) else WMS_CAPABILITIES
    return [
        c.label
        for c in table
        if (any(system.overrides(name) for name in c.methods) or (c.renders and c.renders in system.renders))
        and (not c.says or getattr(system, c.says))
    ]


@dataclass(slots=True)
class Registry:
    """The connectors found in one `systems` folder, by key."""

    systems: dict[str, type[Connector]] = field(default_factory=dict)

    def get(self, key: str) -> type[Connector]:
        """The class of a system. Raises KeyError for one that is not installed."""
        return self.systems[key]


def discover(package: str, base: type[Connector]) -> Registry:
    """Finds every connector class in the modules of `package` (its `systems` folder)."""
    import importlib
    import pkgutil

    folder = importlib.import_module(package)
    found: dict[str, type[Connector]] = {}
    for module in pkgutil.iter_modules(folder.__path__, package + "."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.name:
                found[value.key] = value
    return Registry(dict(sorted(found.items(), key=lambda pair: pair[1].label)))
