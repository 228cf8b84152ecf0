"""What stands in one line and belongs in several: city, state and postal code; a street and its unit."""

import re
from dataclasses import dataclass

from integration_manager.kit.countries import alpha_2
from merchants.rules import postal_codes, states

# Designators after the Postal Service's Publication 28, appendix C2. What follows is a number or one letter.
_UNIT = re.compile(
    r"^(?P<street>\S*\d.*?[^\s,])[\s,]+(?P<unit>(?:(?:apartment|apt|suite|ste|unit|building|bldg|floor|fl|room|rm|lot|"
    r"space|spc|trailer|trlr|department|dept)\b\.?\s*#?\s*|#\s*)(?:[a-z]?-?\d[\w-]*|[a-z]))$",
    re.IGNORECASE,
)
_LONGEST = 200  # characters that are looked at
_STATE_WORDS = 4  # of the longest name: District of Columbia, Newfoundland and Labrador
_CODE_WORDS = 2  # of a postal code


@dataclass(frozen=True, slots=True)
class Place:
    """A line's end, taken apart. `rest`: what stands before it."""

    rest: str
    state: str = ""
    zip: str = ""


def unit_of(street: str) -> tuple[str, str] | None:
    """Street and unit of a line that has both: "12 Main St Apt 4"."""
    found = _UNIT.match(street) if len(street) <= _LONGEST else None
    return (found["street"], found["unit"]) if found else None


def place_of(country: str, text: str) -> Place | None:
    """State and postal code at the end of a line, or a code at its beginning. None: it has neither.

    "Springfield, IL 62704" in US, "10115 Berlin" in DE, "London SW1A 1AA" in GB.
    """
    if len(text) > _LONGEST:
        return None
    line = _without_country(country, text)
    if country in states.NEEDED:
        return _with_state(country, line)
    words = line.replace(",", " , ").split()
    for count in range(_CODE_WORDS, 0, -1):
        for code, others in ((words[:count], words[count:]), (words[-count:], words[:-count])):
            rest = " ".join(others).replace(" ,", ",").strip(" ,")
            spelled = _code(country, " ".join(code))
            if spelled and rest and not rest[0].isdigit():
                return Place(rest, zip=spelled)
    return None


def _with_state(country: str, line: str) -> Place | None:
    words = line.replace(",", " , ").split()
    for count in (*range(_CODE_WORDS, 0, -1), 0):
        code = _code(country, " ".join(words[len(words) - count :])) if count else ""
        if count and not code:
            continue
        before = words[: len(words) - count]
        while before and before[-1] == ",":
            before.pop()
        for size in range(min(_STATE_WORDS, len(before) - 1), 0, -1):
            name, rest = before[-size:], before[:-size]
            if "," in name or (not code and rest[-1] != ","):
                continue  # without a code only a comma tells a state from a part of the city's name
            state = states.code_of(country, " ".join(name))
            lies_in = postal_codes.state_of(country, code or "")
            if state and lies_in and lies_in != state:
                return None  # they contradict each other: nothing is guessed
            if state and any(word != "," for word in rest):
                return Place(" ".join(rest).replace(" ,", ",").strip(" ,"), state, code or "")
        if code and before:
            lies_in = postal_codes.state_of(country, code)
            return Place(" ".join(before).replace(" ,", ",").strip(" ,"), "", code) if lies_in else None
    return None


def _code(country: str, text: str) -> str:
    """A postal code that can be nothing else: of a country that has them, with a digit in it."""
    if country not in postal_codes.FORMS or not any(char.isdigit() for char in text):
        return ""
    return postal_codes.spelled(country, text) or ""


def _without_country(country: str, text: str) -> str:
    head, comma, tail = text.rpartition(",")
    return head.strip() if comma and alpha_2(tail) == country and len(tail.strip()) > len("CA") else text
