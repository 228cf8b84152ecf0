"""Megabytes of memory that processes take, as the kernel counts them."""

import ctypes
import gc
from pathlib import Path


def peak(pid: int | str = "self") -> float:
    """The most that a process has taken, since it began or since `settled`."""
    return _of(pid, "VmHWM:")


def settled() -> float:
    """What this process takes once it has given back what it needs no more. Its peak counts from here on."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _of("self", "VmRSS:")


def _of(pid: int | str, name: str) -> float:
    words = Path(f"/proc/{pid}/status").read_text().split()
    return int(words[words.index(name) + 1]) / 1024
