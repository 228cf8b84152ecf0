"""Which services a cart or a merchant has, by what its systems can do; and their schedules."""

from collections.abc import Iterable

from integration_manager.kit.connector import Connector
from merchants.models import Merchant, Schedule, Service

# A service and what gives it: one of these methods, or this kind of file.
_GIVEN_BY: dict[Service, tuple[tuple[str, ...], str]] = {
    Service.DOWNLOAD: (("orders",), ""),
    Service.UPLOAD_SHIPMENTS: (("ship",), "confirmations"),
    Service.UPLOAD_INVENTORY: (("stock",), "inventory"),
    Service.DELIVER: (("send",), "orders"),
    Service.SHIP_CONFIRM: (("shipments",), ""),
    Service.INVENTORY: (("stock",), ""),
    Service.PRODUCTS: (("products",), ""),
    Service.PURCHASES: (("purchase_orders",), ""),
    Service.RECEIVING: (("send_purchase_order",), "purchases"),
}


def services_of(system: type[Connector], among: Iterable[Service]) -> list[Service]:
    """The services of `among` that a system supports."""
    return [service for service in among if _has(system, *_GIVEN_BY[service])]


def _has(system: type[Connector], methods: tuple[str, ...], renders: str) -> bool:
    return any(system.overrides(name) for name in methods) or bool(renders and renders in system.renders)


def schedules_of(merchant: Merchant, cart_id: int | None, services: Iterable[Service]) -> list[Schedule]:
    """One schedule for each service, in that order; those never set are off and not stored yet."""
    stored = {s.service: s for s in Schedule.objects.filter(merchant=merchant, cart_id=cart_id)}
    return [
        stored.get(service) or Schedule(merchant=merchant, cart_id=cart_id, service=service) for service in services
    ]
