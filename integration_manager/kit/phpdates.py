"""Dates and times in the letters of PHP's date(), which the formats of files are written in."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

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


# Letters that stand for several others.
_WHOLE = {"c": r"Y-m-d\TH:i:sP", "r": "D, d M Y H:i:s O"}

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
    "e": lambda at: getattr(at.tzinfo, "key", None) or at.tzname() or "UTC",
    "I": lambda at: str(int(bool(at.dst()))),
    "O": lambda at: _offset(at, ""),
    "P": lambda at: _offset(at, ":"),
    "p": lambda at: "Z" if not _seconds(at) else _offset(at, ":"),
    "T": lambda at: at.tzname() or "UTC",
    "U": lambda at: str(int(at.timestamp())),
    "Z": lambda at: str(_seconds(at)),
    "c": lambda at: formatted(at, _WHOLE["c"]),
    "r": lambda at: formatted(at, _WHOLE["r"]),
}


def formatted(at: datetime, letters: str = "") -> str:
    """A time in the given letters, "" for the default. What is no letter of date() stays as it is."""
    found = (
        text if plain or text not in _LETTERS else _LETTERS[text](at) for text, plain in _apart(letters or DEFAULT)
    )
    return "".join(found)


def _apart(letters: str) -> Iterator[tuple[str, bool]]:
    """The letters one by one, and whether each is escaped: plain text."""
    escaped = False
    for letter in letters:
        if letter == "\\" and not escaped:
            escaped = True
        else:
            yield letter, escaped
            escaped = False


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


# ── reading: what a file's own way of writing dates means ──

_NAMES = "|".join(dict.fromkeys(name for full in MONTHS for name in (full, full[:3])))
_WEEKDAYS = "|".join(name for full in DAYS for name in (full, full[:3]))
_READ = {
    "d": r"(?P<day>\d{1,2})",
    "m": r"(?P<month>\d{1,2})",
    "M": rf"(?P<name>{_NAMES})",
    "Y": r"(?P<year>\d{4})",
    "y": r"(?P<short>\d{2})",
    "H": r"(?P<hour>\d{1,2})",
    "i": r"(?P<minute>\d{2})",
    "s": r"(?P<second>\d{2})",
    "u": r"(?P<micro>\d{1,6})",
    "v": r"(?P<milli>\d{3})",
    "a": r"(?P<half>am|pm)",
    "D": rf"(?:{_WEEKDAYS})",
    "S": r"(?:st|nd|rd|th)",
    "P": r"(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})",
    "U": r"(?P<epoch>\d{1,11})",
}
# A digit more or less, long or short names, small or large letters: people do not keep to it.
_SAME = {"j": "d", "n": "m", "F": "M", "l": "D", "A": "a", "G": "H", "g": "H", "h": "H", "O": "P", "p": "P"}
_SAME |= {"T": "P", "e": "P"}


def unreadable(letters: str) -> str:
    """Why dates in this format could not be read, in plain words; "" if they can."""
    known = {text for text, plain in _apart(_spread(letters)) if not plain and text in _LETTERS}
    strange = sorted(text for text in known if _SAME.get(text, text) not in _READ)
    if strange:
        return f"{', '.join(strange)} cannot be read back; leave it out"
    read = {_SAME.get(text, text) for text in known}
    if "U" not in read and not ({"d"} <= read and read & {"m", "M"} and read & {"y", "Y"}):
        return "a day, a month and a year are needed to read a date"
    return ""


def parsed(text: str, letters: str) -> datetime:
    """The time that a text means in the given letters; UTC where it names no zone. Raises ValueError."""
    match = _pattern(letters).fullmatch(text.strip())
    try:
        if match:
            return _moment({name: part for name, part in match.groupdict().items() if part is not None})
    except (ValueError, OverflowError):
        pass
    example = formatted(datetime(2026, 11, 21, 15, 5, 6, tzinfo=UTC), letters)
    raise ValueError(f"{text[:40]!r} is not a date written like {example}")


@cache
def _pattern(letters: str) -> re.Pattern[str]:
    found: list[str] = []
    seen: set[str] = set()
    for text, plain in _apart(_spread(letters)):
        read = "" if plain else _READ.get(_SAME.get(text, text), "")
        if read in seen:  # the same part twice: the first one counts, and no other way to read it is tried
            read = f"(?>{re.sub(r'[?]P<[a-z]+>', '?:', read)})"
        elif read:
            seen.add(read)
        read = read or (r"\s++" if text.isspace() else re.escape(text))
        if not text.isspace() or found[-1:] != [read]:
            found.append(read)
    return re.compile("".join(found), re.I | re.ASCII)


def _spread(letters: str) -> str:
    """`letters` with those spelled out that stand for several others."""
    return "".join(f"\\{text}" if plain else _WHOLE.get(text, text) for text, plain in _apart(letters))


def _moment(part: dict[str, str]) -> datetime:
    if "epoch" in part:
        return datetime.fromtimestamp(int(part["epoch"]), UTC)
    year = int(part["year"]) if "year" in part else 2000 + int(part["short"])
    month = (
        int(part["month"]) if "month" in part else [m[:3].lower() for m in MONTHS].index(part["name"][:3].lower()) + 1
    )
    hour = int(part.get("hour", 0))
    if "half" in part:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + (12 if part["half"].lower() == "pm" else 0)
    micro = int(part["micro"].ljust(6, "0")) if "micro" in part else int(part.get("milli", 0)) * 1000
    zone = part.get("zone", "Z")
    digits = zone.lstrip("+-").replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) if digits.isdigit() else timedelta()
    at = datetime(
        year, month, int(part["day"]), hour, int(part.get("minute", 0)), int(part.get("second", 0)), micro,
        timezone(-offset if zone.startswith("-") else offset),
    )  # fmt: skip
    return at.astimezone(UTC)
