"""Every online address verifier of this folder, found by itself: a newcomer adds a file and nothing else."""

import functools

from integration_manager.kit.registry import Registry, discover
from integration_manager.kit.verifier import Verifier


@functools.cache
def registry() -> Registry:
    """The verifiers by key."""
    return discover(__name__, Verifier)
