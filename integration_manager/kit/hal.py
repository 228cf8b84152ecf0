"""HAL, in which the rows of an answer are embedded under the address of what they are; and RQL, which filters them."""

import re
from typing import Any

from integration_manager.kit.reading import Reader


def embedded(raw: Any, rel: str) -> list[Any]:
    """The rows of an answer whose name ends in `rel`, in whatever capitals; none where there are none."""
    found = raw.get("_embedded") if isinstance(raw, dict) else None
    for name, rows in found.items() if isinstance(found, dict) else ():
        if name.lower().endswith(rel.lower()) and isinstance(rows, list):
            return rows
    return []


def inside(r: Reader, name: str, rel: str) -> list[Reader]:
    """The objects within another, which is given plainly under `name` or embedded under `rel`."""
    return r.parts(name) or Reader({name: embedded(r.raw, rel)}, r.at).parts(name)


def literal(value: str) -> str:
    """A text as a value within RQL. The query string that it goes into escapes the signs of its escapes once more."""
    return re.sub(r"[%!()*=,;]", lambda sign: f"%{ord(sign[0]):02X}", value)
