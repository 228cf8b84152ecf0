"""Conditions of Order Filters and hold rules, as people write them: checked, stored as rows, and said in words."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from integration_manager.kit.countries import alpha_2
from merchants.rules.conditions import (
    AMOUNTS,
    AT_LEAST,
    BELOW,
    CONTAINS,
    COUNTRIES,
    ENDS,
    EXTRA,
    FIELDS,
    FULL,
    STARTS,
)

MOST_VALUES = 500  # of one condition
LONGEST = 100  # characters of a value
MATCHES = {
    FULL: "is",
    STARTS: "starts with",
    ENDS: "ends with",
    CONTAINS: "contains",
    AT_LEAST: "is at least",
    BELOW: "is below",
}
_EXTRA_LABEL = "extra field "


class Refused(Exception):
    """What was asked for cannot be stored; the message says why, for the person who asked."""


def checked(name: str, match: str, values: Iterable[str]) -> dict[str, Any]:
    """A condition as a cart keeps it: field, match and values. Raises Refused."""
    field_name = name.strip()
    if field_name.startswith(EXTRA):
        field_name = EXTRA + " ".join(field_name.removeprefix(EXTRA).split())[:100]
        if field_name == EXTRA:
            raise Refused("Write the name of the extra field.")
    elif field_name not in FIELDS:
        raise Refused("Choose a field.")
    if match not in matches_of(field_name):
        allowed = ", ".join(f"“{MATCHES[one]}”" for one in matches_of(field_name))
        raise Refused(f"{label_of(field_name)} is compared by {allowed}.")
    found = list(dict.fromkeys(_value(field_name, text) for text in values if text.strip()))
    if not found:
        raise Refused("Write at least one value.")
    if len(found) > MOST_VALUES:
        raise Refused(f"There may be at most {MOST_VALUES} values.")
    return {"field": field_name, "match": match, "values": found}


def matches_of(field_name: str) -> tuple[str, ...]:
    """How a field can be compared."""
    if field_name in COUNTRIES:
        return (FULL,)
    return (FULL, AT_LEAST, BELOW) if field_name in AMOUNTS else (FULL, STARTS, ENDS, CONTAINS)


def label_of(field_name: str) -> str:
    """A field of orders, as people call it: "Shipping country"."""
    if field_name.startswith(EXTRA):
        return f"Extra field {field_name.removeprefix(EXTRA)}"
    return FIELDS[field_name][0][:1].upper() + FIELDS[field_name][0][1:]


def in_words(row: Mapping[str, Any]) -> str:
    """A condition in words, behind its field: "is US or CA"."""
    return f"{MATCHES[row['match']]} {' or '.join(row['values'])}"


def field_of(text: str) -> str:
    """The field that a file means by its label or its name. Raises Refused."""
    if text.casefold().startswith(_EXTRA_LABEL):
        return EXTRA + text[len(_EXTRA_LABEL) :].strip()
    found = _NAMES.get(text.casefold(), text)
    if not found.startswith(EXTRA) and found not in FIELDS:
        known = ", ".join(label_of(one) for one in FIELDS)
        raise Refused(f"There is no field “{text}”. There are {known}, and Extra field with its name.")
    return found


def match_of(text: str) -> str:
    """How a file means that a field is compared; "" is the usual way. Raises Refused."""
    found = _MATCHES.get(text.casefold())
    if found is None:
        raise Refused(f"Match may be {', '.join(f'“{words}”' for words in MATCHES.values())}.")
    return found


_NAMES = {label_of(name).casefold(): name for name in FIELDS} | {name: name for name in FIELDS}
_MATCHES = {"": FULL} | {words: match for match, words in MATCHES.items()}


def _value(field_name: str, text: str) -> str:
    value = " ".join(text.replace("\x00", "").split())
    if len(value) > LONGEST:
        raise Refused(f"“{value[:30]}…” has more than {LONGEST} characters.")
    if field_name in COUNTRIES:
        country = alpha_2(value)
        if country is None:
            raise Refused(f"“{value}” is no country. Write its code, as in US or USA.")
        return country
    if field_name in AMOUNTS:
        try:
            amount = Decimal(value)
        except InvalidOperation:
            raise Refused(f"“{value}” is no amount. Write it as in 49.90.") from None
        if not amount.is_finite():
            raise Refused(f"“{value}” is no amount. Write it as in 49.90.")
    return value
