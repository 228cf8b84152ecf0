"""What a connector sends as JSON: only what is known, and numbers as JSON has them."""

from datetime import date
from decimal import Decimal
from typing import Any


def known(**fields: Any) -> dict[str, Any]:
    """What is known of these: neither None nor empty. Days and times as ISO text."""
    there = {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in there.items()}


def plain(number: Decimal) -> int | float:
    """A quantity as a JSON number."""
    return int(number) if number == number.to_integral_value() else float(number)
