"""Weights in the units that shops keep them in, as pounds."""

from decimal import Decimal

from integration_manager.kit.amounts import decimals_of

PLACES = 4  # of a pound: less than a twentieth of a gram
_POUND = Decimal("0.45359237")  # kilograms
_UNITS = {
    "lb": Decimal(1), "oz": Decimal("0.0625"), "kg": 1 / _POUND, "g": 1 / (1000 * _POUND),
}  # fmt: skip
_NAMES = {"lbs": "lb", "pounds": "lb", "ounces": "oz", "kilograms": "kg", "grams": "g"}


def pounds(weight: Decimal | None, unit: str | None) -> Decimal | None:
    """A weight in pounds. None where it is unknown, which shops write as nothing or as 0, or its unit is."""
    name = (unit or "").lower()
    factor = _UNITS.get(_NAMES.get(name, name))
    if weight is None or weight <= 0 or factor is None:
        return None
    found = weight * factor
    return (round(found, PLACES) if decimals_of(found, PLACES + 1) > PLACES else found) or None
