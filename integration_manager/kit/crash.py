"""Marked points at which a test lets the process die. In production they do nothing."""

import os
import signal
from collections.abc import Callable

_hook: Callable[[str], None] | None = None
_ON = os.environ.get("IM_CRASH_AT", "")


def crash_here(point: str) -> None:
    """Dies here if a test said so: by its hook, or by IM_CRASH_AT=point in the environment."""
    if _hook is not None:
        _hook(point)
    elif point == _ON:
        os.kill(os.getpid(), signal.SIGKILL)


def set_hook(hook: Callable[[str], None] | None) -> None:
    """Calls `hook(point)` at every marked point; None ends that."""
    global _hook
    _hook = hook
