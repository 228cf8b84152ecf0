"""What the text of a CSV cell means: dates, numbers, countries. All that read raise ValueError with the reason."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache

from integration_manager.kit import countries

# How a file's dates are written, where they are not ISO dates, which are always understood.
DATE_ORDERS = (("mdy", "month/day/year"), ("dmy", "day.month.year"))
_DATE = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap]m)?", re.I)
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}([.][0-9]{1,6})?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}.*", re.S)


@lru_cache(10_000)  # the numbers, days and countries of a file come again and again
def number(text: str) -> Decimal:
    """A plain number with a point, of any sign. Refuses a comma, which might mean two things."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a plain number like 12 or 12.5")
    found = Decimal(text)
    return found.quantize(Decimal(1)) if found == found.to_integral_value() else found


def plain(value: Decimal) -> str:
    """The text of a number, without the zeros behind its point."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(text: str) -> Decimal:
    """A number above zero."""
    found = number(text)
    if found <= 0:
        raise ValueError(f"{text[:40]!r} is not a quantity above zero")
    return found


def day(text: str, order: str = "mdy") -> date:
    """A date: ISO, or in the `order` that DATE_ORDERS names, its year with two or four digits."""
    return moment(text, order).date()


@lru_cache(10_000)
def moment(text: str, order: str = "mdy") -> datetime:
    """A date, perhaps with its time; without a zone it is UTC."""
    try:
        if _ISO.fullmatch(text):
            found = datetime.fromisoformat(text)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        first, _, rest = text.partition(" ")
        parts, clock = _DATE.fullmatch(first), _TIME.fullmatch(rest.strip() or "0:00")
        if parts and clock:
            one, two, year = (int(part) for part in parts.groups())
            month, mday = (one, two) if order == "mdy" else (two, one)
            hour, minute, second = (int(part or 0) for part in clock.groups()[:3])
            if clock.group(4):
                hour = hour % 12 + (12 if clock.group(4).lower() == "pm" else 0)
            whole = date(year + 2000 if year < 100 else year, month, mday)
            return datetime.combine(whole, time(hour, minute, second), UTC)
    except (ValueError, OverflowError):
        pass
    wanted = dict(DATE_ORDERS).get(order, order)
    raise ValueError(f"{text[:40]!r} is not a date. Write {wanted}, or year-month-day")


@lru_cache(1_000)
def country(text: str) -> str:
    """ISO 3166 alpha-2 from two or three letters, or a common name."""
    found = countries.alpha_2(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no country. Use the two or three letters of ISO 3166")
    return found
