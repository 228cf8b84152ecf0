"""Every WMS connector of this folder, found by itself: a newcomer adds a file and nothing else."""

import functools

from integration_manager.kit.connector import WmsConnector
from integration_manager.kit.registry import Registry, discover


@functools.cache
def registry() -> Registry:
    """The WMS connectors by key."""
    return discover(__name__, WmsConnector)
