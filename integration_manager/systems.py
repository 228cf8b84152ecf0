"""The systems that people may choose, and the account's WMS."""

from django.http import Http404

from carts.systems import registry as cart_registry
from integration_manager.kit.connector import Connector, capabilities
from wms.models import Wms
from wms.systems import registry as wms_registry


def wms_system() -> type[Connector] | None:
    """The connector class of the active account's WMS; None where none is chosen."""
    wms = Wms.current()
    return wms_registry().systems.get(wms.system) if wms else None


def offered(kind: str) -> list[dict[str, object]]:
    """The systems to choose from, with what each can do. `kind`: cart or wms."""
    systems = (cart_registry() if kind == "cart" else wms_registry()).systems
    return [
        {
            "key": key,
            "label": system.label,
            "category": system.category,
            "kind": "Files" if system.uses == "folder" else "Online",
            "guide": system.guide,
            "capabilities": capabilities(system),
        }
        for key, system in systems.items()
        if not getattr(system, "hidden", False)
    ]


def system_or_404(kind: str, key: str) -> type[Connector]:
    """The connector class of a system that may be chosen."""
    systems = (cart_registry() if kind == "cart" else wms_registry()).systems
    found = systems.get(key)
    if found is None or getattr(found, "hidden", False):
        raise Http404
    return found
