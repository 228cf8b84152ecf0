"""Dates and times in the letters of PHP's date(), which the formats of files are written in."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

DEFAULT = "Y-m-d H:i:s"
LONGEST = 60  # characters of a format
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _ending(day: int) -> str:
    return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _leap(at: datetime) -> bool:
    return at.year % 4 == 0 and (at.year % 100 != 0 or at.year % 400 == 0)


def _month_days(at: datetime) -> int:
    first_of_next = (at.replace(day=28) + timedelta(days=4)).replace(day=1)
    return (first_of_next - timedelta(days=1)).day if at.month != 12 else 31


def _seconds(at: datetime) -> int:
    return int((at.utcoffset() or timedelta()).total_seconds())


def _offset(at: datetime, colon: str) -> str:
    seconds = abs(_seconds(at))
    return f"{'-' if _seconds(at) < 0 else '+'}{seconds // 3600:02}{colon}{seconds % 3600 // 60:02}"


def _beat(at: datetime) -> int:
    # Swatch Internet time: a thousandth of a day, by the clock of UTC+1.
    seconds = at.hour * 3600 + at.minute * 60 + at.second - _seconds(at) + 3600
    return seconds % 86400 * 10 // 864


_LETTERS: dict[str, Callable[[datetime], str]] = {
    "d": lambda at: f"{at.day:02}",
    "D": lambda at: DAYS[at.weekday()][:3],
    "j": lambda at: str(at.day),
    "l": lambda at: DAYS[at.weekday()],
    "N": lambda at: str(at.isoweekday()),
    "S": lambda at: _ending(at.day),
    "w": lambda at: str(at.isoweekday() % 7),
    "z": lambda at: str(at.timetuple().tm_yday - 1),
    "W": lambda at: f"{at.isocalendar().week:02}",
    "F": lambda at: MONTHS[at.month - 1],
    "m": lambda at: f"{at.month:02}",
    "M": lambda at: MONTHS[at.month - 1][:3],
    "n": lambda at: str(at.month),
    "t": lambda at: str(_month_days(at)),
    "L": lambda at: str(int(_leap(at))),
    "o": lambda at: str(at.isocalendar().year),
    "Y": lambda at: f"{at.year:04}",
    "y": lambda at: f"{at.year % 100:02}",
    "a": lambda at: "am" if at.hour < 12 else "pm",
    "A": lambda at: "AM" if at.hour < 12 else "PM",
    "B": lambda at: f"{_beat(at):03}",
    "g": lambda at: str(at.hour % 12 or 12),
    "G": lambda at: str(at.hour),
    "h": lambda at: f"{at.hour % 12 or 12:02}",
    "H": lambda at: f"{at.hour:02}",
    "i": lambda at: f"{at.minute:02}",
    "s": lambda at: f"{at.second:02}",
    "u": lambda at: f"{at.microsecond:06}",
    "v": lambda at: f"{at.microsecond // 1000:03}",
    "e": lambda at: at.tzname() or "UTC",
    "I": lambda at: str(int(bool(at.dst()))),
    "O": lambda at: _offset(at, ""),
    "P": lambda at: _offset(at, ":"),
    "p": lambda at: "Z" if not _seconds(at) else _offset(at, ":"),
    "T": lambda at: at.tzname() or "UTC",
    "U": lambda at: str(int(at.timestamp())),
    "Z": lambda at: str(_seconds(at)),
    "c": lambda at: formatted(at, r"Y-m-d\TH:i:sP"),
    "r": lambda at: formatted(at, "D, d M Y H:i:s O"),
}


def formatted(at: datetime, letters: str = "") -> str:
    """A time in the given letters, "" for the default. What is no letter of date() stays as it is."""
    found, escaped = [], False
    for letter in letters or DEFAULT:
        if escaped or (letter != "\\" and letter not in _LETTERS):
            found.append(letter)
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            found.append(_LETTERS[letter](at))
    return "".join(found)


def problem(letters: str) -> str:
    """What is wrong with a date format, in plain words; "" if nothing is."""
    if len(letters) > LONGEST:
        return f"a date format has at most {LONGEST} characters"
    if "%" in letters:
        return f"{letters!r} is not in PHP's letters, which have no % (year-month-day is Y-m-d)"
    plain = re.sub(r"\\.", "", letters)
    strange = sorted({letter for letter in plain if letter.isalpha() and letter not in _LETTERS})
    if strange:
        return f"{', '.join(strange)} is none of PHP's date letters; a letter that is meant as text has a \\ before it"
    if plain.endswith("\\"):
        return "a \\ stands before the letter that it keeps as text; here it is the last character"
    if letters and not any(letter in _LETTERS for letter in plain):
        return f"{letters!r} has no date letter"
    return ""
