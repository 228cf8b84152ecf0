"""PHP's date letters: what each writes, what is read back, and what is said of wrong ones."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_manager.kit.phpdates import DEFAULT, formatted, parsed, problem, unreadable

# By PHP's manual, for two moments: an afternoon of New York's summer, and midnight of a New Year in UTC.
SUMMER = datetime(2026, 7, 4, 15, 5, 9, 123456, ZoneInfo("America/New_York"))
NEW_YEAR = datetime(2028, 1, 1, 0, 0, 0, 0, UTC)
KNOWN = {
    "d": ("04", "01"),
    "D": ("Sat", "Sat"),
    "j": ("4", "1"),
    "l": ("Saturday", "Saturday"),
    "N": ("6", "6"),
    "S": ("th", "st"),
    "w": ("6", "6"),
    "z": ("184", "0"),
    "W": ("27", "52"),
    "F": ("July", "January"),
    "m": ("07", "01"),
    "M": ("Jul", "Jan"),
    "n": ("7", "1"),
    "t": ("31", "31"),
    "L": ("0", "1"),
    "o": ("2026", "2027"),
    "Y": ("2026", "2028"),
    "y": ("26", "28"),
    "a": ("pm", "am"),
    "A": ("PM", "AM"),
    "B": ("836", "041"),
    "g": ("3", "12"),
    "G": ("15", "0"),
    "h": ("03", "12"),
    "H": ("15", "00"),
    "i": ("05", "00"),
    "s": ("09", "00"),
    "u": ("123456", "000000"),
    "v": ("123", "000"),
    "I": ("1", "0"),
    "O": ("-0400", "+0000"),
    "P": ("-04:00", "+00:00"),
    "p": ("-04:00", "Z"),
    "T": ("EDT", "UTC"),
    "U": ("1783191909", "1830297600"),
    "Z": ("-14400", "0"),
    "c": ("2026-07-04T15:05:09-04:00", "2028-01-01T00:00:00+00:00"),
    "r": ("Sat, 04 Jul 2026 15:05:09 -0400", "Sat, 01 Jan 2028 00:00:00 +0000"),
    "e": ("America/New_York", "UTC"),
}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("letter", KNOWN)
def test_every_letter(letter: str) -> None:
    assert (formatted(SUMMER, letter), formatted(NEW_YEAR, letter)) == KNOWN[letter]
    assert problem(letter) == ""


def test_every_letter_of_the_manual_is_known() -> None:
    assert set(KNOWN) == set("dDjlNSwzWFmMntLoYyaABgGhHisuveIOPpTUZcr")


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("", "2026-07-04 15:05:09"),
        (DEFAULT, "2026-07-04 15:05:09"),
        (r"l, jS \o\f F Y", "Saturday, 4th of July 2026"),
        (r"\Y\\Y", r"Y\2026"),
        ("Ymd_His", "20260704_150509"),
        ("q 5", "q 5"),
    ],
)
def test_what_is_no_letter_stays(letters: str, said: str) -> None:
    assert formatted(SUMMER, letters) == said


ENDINGS = {1: "st", 2: "nd", 3: "rd", 4: "th", 11: "th", 12: "th", 13: "th", 21: "st", 22: "nd", 23: "rd", 30: "th"}


@pytest.mark.parametrize(("day", "ending"), ENDINGS.items())
def test_endings(day: int, ending: str) -> None:
    assert formatted(datetime(2026, 3, day, tzinfo=UTC), "S") == ending


@pytest.mark.parametrize(("month", "days"), [(2, "28"), (4, "30"), (12, "31")])
def test_lengths_of_months(month: int, days: str) -> None:
    assert formatted(datetime(2026, month, 9, tzinfo=UTC), "t") == days
    assert formatted(datetime(2100, 2, 9, tzinfo=UTC), "tL") == "280"  # divisible by 100, not by 400


def test_the_offset_of_half_an_hour() -> None:
    assert formatted(datetime(2026, 1, 1, tzinfo=timezone(-timedelta(hours=3, minutes=30))), "O P") == "-0330 -03:30"


@pytest.mark.parametrize(
    ("letters", "why"),
    [
        ("%Y", "no %"),
        ("Y-q", "q is none"),
        ("Y\\", "last character"),
        ("-", "no date letter"),
        ("Y" * 61, "at most 60"),
    ],
)
def test_wrong_formats_are_told(letters: str, why: str) -> None:
    assert why in problem(letters)


# ── read back ──


@pytest.mark.parametrize(
    ("text", "letters", "wanted"),
    [
        ("27.02.2026", "d.m.Y", utc(2026, 2, 27)),
        ("7.2.26", "d.m.y", utc(2026, 2, 7)),  # a digit less than the letters say
        ("Feb 7th, 2026", "M jS, Y", utc(2026, 2, 7)),
        ("FEBRUARY 7, 2026", "F j, Y", utc(2026, 2, 7)),
        ("20260207T030405", r"Ymd\THis", utc(2026, 2, 7, 3, 4, 5)),
        ("2/7/2026 12:05 am", "n/j/Y g:i a", utc(2026, 2, 7, 0, 5)),
        ("2/7/2026 12:05 PM", "n/j/Y g:i A", utc(2026, 2, 7, 12, 5)),
        ("2026-02-07T03:04:05-05:00", "c", utc(2026, 2, 7, 8, 4, 5)),
        ("2026-02-07T03:04:05Z", r"Y-m-d\TH:i:sp", utc(2026, 2, 7, 3, 4, 5)),
        ("Sat, 07 Feb 2026 03:04:05 +0100", "r", utc(2026, 2, 7, 2, 4, 5)),
        ("1770433445", "U", utc(2026, 2, 7, 3, 4, 5)),
        ("2026-02-07  03:04", "Y-m-d H:i", utc(2026, 2, 7, 3, 4)),
        ("2026-02-07 03:04:05.25", "Y-m-d H:i:s.u", utc(2026, 2, 7, 3, 4, 5, 250000)),
    ],
)
def test_reading(text: str, letters: str, wanted: datetime) -> None:
    assert unreadable(letters) == ""
    assert parsed(text, letters) == wanted


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("31.02.2026", "d.m.Y"),
        ("2026-02-07", "d.m.Y"),
        ("27.02.2026 10:00", "d.m.Y"),
        ("", "d.m.Y"),
        ("13:05 am 1.1.2026", "g:i a j.n.Y"),
        ("٢٧.٠٢.٢٠٢٦", "d.m.Y"),
        ("99999999999999", "U"),
    ],
)
def test_no_dates(text: str, letters: str) -> None:
    with pytest.raises(ValueError, match="is not a date written like"):
        parsed(text, letters)


@pytest.mark.parametrize("letters", ["d.m", "H:i", "W o", "d.m.Y N", "Y-z"])
def test_formats_that_say_too_little_cannot_be_read(letters: str) -> None:
    assert unreadable(letters)


readable = st.sampled_from(
    [
        "Y-m-d H:i:s",
        "d.m.Y H:i:s",
        "n/j/Y g:i:s A",
        r"l, jS \o\f F Y, H:i:s",
        "D d-M-Y h:i:s a",
        "YmdHis",
        "c",
        "r",
        "U",
    ]
)
moments = st.integers(600_000_000, 3_800_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(moments, readable)
def test_what_is_written_is_read(at: datetime, letters: str) -> None:
    assert parsed(formatted(at, letters), letters) == at


@pytest.mark.parametrize(
    ("letters", "text"),
    [
        ("d" * 50 + "mY", "1" * 90 + "x"),
        ("M" * 55 + "dY", "May" * 55 + "x"),
        ("d" + " " * 50 + "mY", "1" + " " * 5000 + "x"),
        ("dmY" + "u" * 50, "1" * 200 + "x"),
    ],
)
def test_no_format_makes_a_date_take_for_ever(letters: str, text: str) -> None:
    with pytest.raises(ValueError, match="is not a date"):
        parsed(text, letters)


def test_a_part_that_stands_twice_is_still_read() -> None:
    assert parsed("Fri, 20 Nov 2026 (Nov 20)", "D, d M Y (M d)") == utc(2026, 11, 20)
