"""The systems that people may choose, and the account's WMS."""

from django.conf import settings
from django.http import Http404

from carts.systems import registry as cart_registry
from integration_manager.kit.connector import Connector
from integration_manager.kit.oauth import CLIENT_ID
from integration_manager.kit.registry import capabilities
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
        if may_be_chosen(system)
    ]


def system_or_404(kind: str, key: str) -> type[Connector]:
    """The connector class of a system that may be chosen."""
    systems = (cart_registry() if kind == "cart" else wms_registry()).systems
    found = systems.get(key)
    if found is None or not may_be_chosen(found):
        raise Http404
    return found


def may_be_chosen(system: type[Connector]) -> bool:
    """Whether people may connect it: it is no variant for tests, and where it wants an app of ours, there is one."""
    return not system.hidden and (system.oauth is None or has_app(system))


def has_app(system: type[Connector]) -> bool:
    """Whether an OAuth system knows us: by the operator's app, or by one that people make and type in."""
    return system.key in settings.IM_OAUTH or CLIENT_ID in system.fields
