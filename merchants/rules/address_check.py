"""Address verification without asking anybody: what an address lacks, and how its country writes it.

Upper case stays, since postal services write so; a text all in small letters gets capitals where English is
spoken. Nothing is guessed: what is only likely is a suggestion, which a person takes or leaves.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import structs

from integration_manager.kit.canonical import Address
from integration_manager.kit.countries import alpha_2
from merchants.rules import postal_codes, states
from merchants.rules.address_parts import place_of, unit_of

LABELS = {
    "company": "company",
    "first_name": "first name",
    "last_name": "last name",
    "address_1": "street",
    "address_2": "second line",
    "address_3": "third line",
    "city": "city",
    "state": "state",
    "zip": "postal code",
    "country": "country",
}
STREETS = ("address_1", "address_2", "address_3")
DOMESTIC = frozenset(("US", "PR", "VI", "GU", "AS", "MP", "UM"))  # where the United States Postal Service delivers
CITY_STATES = {"SG": "Singapore", "MC": "Monaco", "GI": "Gibraltar", "VA": "Vatican City", "HK": "Hong Kong"}
_UNITS = frozenset(("US", "CA", "PR"))  # where the unit stands behind the street
_ENGLISH = frozenset(("US", "CA", "GB", "AU", "NZ", "IE", "PR"))
_INITIAL = re.compile(r"(?:(?<=^)|(?<=[\s(/&.-]))[a-z]")


@dataclass(frozen=True, slots=True)
class Change:
    """One field that is written otherwise, and why."""

    name: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong. `message` is the same for all addresses with this fault; `detail` says it of this one."""

    message: str
    detail: str


@dataclass(slots=True)
class Checked:
    """An address as its country writes it, what was changed for that, and what a person has to correct."""

    address: Address
    changes: list[Change] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    suggested: Address | None = None

    def put(self, name: str, value: str, why: str) -> None:
        """Writes a field otherwise. Of several changes of one field people see the first before and the last after."""
        before = getattr(self.address, name) or ""
        if value == before:
            return
        self.address = structs.replace(self.address, **{name: value or None})
        for at, known in enumerate(self.changes):
            if known.name == name:
                self.changes[at] = Change(name, known.before, value, f"{known.why} {why}")
                return
        self.changes.append(Change(name, before, value, why))

    def fault(self, message: str, detail: str) -> None:
        """Notes what is wrong."""
        self.faults.append(Fault(message, detail))


def checked(given: Address) -> Checked:
    """An address, standardised and checked by the rules of its country."""
    found = Checked(given)
    _tidy(found)
    country = found.address.country or ""
    for step in _STEPS:
        step(found, country)
    _complete(found, country)
    found.suggested = _likely(found, country) if found.faults else None
    return found


def is_domestic(address: Address) -> bool:
    """Whether a look-up of it is one of the United States."""
    return (alpha_2(address.country or "") or "") in DOMESTIC


def _tidy(found: Checked) -> None:
    for name in LABELS:
        value = getattr(found.address, name)
        if value:
            found.put(name, " ".join(value.split()), "Spaces that say nothing are left out.")
    country = found.address.country
    if country:
        code = alpha_2(country)
        if code is None:
            found.fault("The country is not known.", f"“{country[:60]}” is no country.")
        else:
            found.put("country", code, "The country is written by its code.")
    if not found.address.address_1:
        lines = [value for name in STREETS if (value := getattr(found.address, name))]
        for name, value in zip(STREETS, [*lines, "", ""], strict=False):
            found.put(name, value, "The first line was empty.")


def _swapped(found: Checked, country: str) -> None:
    """City and postal code in each other's place."""
    city, code = found.address.city or "", found.address.zip or ""
    if country not in postal_codes.FORMS or not any(char.isdigit() for char in city) or not code:
        return
    if postal_codes.spelled(country, city) and not any(char.isdigit() for char in code):
        found.put("city", code, "City and postal code stood in each other’s place.")
        found.put("zip", city, "City and postal code stood in each other’s place.")


def _city_line(found: Checked, country: str) -> None:
    """City, state and postal code in the city's field."""
    city = found.address.city
    place = place_of(country, city) if city else None
    if place is not None and _agrees(found, country, place.state, place.zip):
        _put_place(found, place.rest, place.state, place.zip)


def _street_line(found: Checked, country: str) -> None:
    """The whole address in one line, or the city in the second."""
    if found.address.city:
        return
    last = next((name for name in reversed(STREETS) if getattr(found.address, name)), "")
    place = place_of(country, getattr(found.address, last)) if last else None
    if place is None or not _agrees(found, country, place.state, place.zip):
        return
    street, comma, city = place.rest.rpartition(",")
    if comma and street.strip() and city.strip():
        found.put(last, street.strip(" ,"), "The line had the city in it, too.")
        _put_place(found, city.strip(), place.state, place.zip)
    elif last != "address_1" and not comma:
        found.put(last, "", "The line had the city in it.")
        _put_place(found, place.rest, place.state, place.zip)


def _put_place(found: Checked, city: str, state: str, code: str) -> None:
    why = "City, state and postal code stood in one line."
    found.put("city", city, why)
    if state:
        found.put("state", state, why)
    if code:
        found.put("zip", code, why)


def _agrees(found: Checked, country: str, state: str, code: str) -> bool:
    """Whether what a line says besides is not said otherwise in its own field."""
    said = found.address.state or ""
    same_state = not said or not state or states.code_of(country, said) == state
    given = found.address.zip or ""
    same_code = not given or not code or (postal_codes.spelled(country, given) or "")[:5] == code[:5]
    return same_state and same_code


def _unit(found: Checked, country: str) -> None:
    """Street and unit in one line."""
    where = found.address
    parts = unit_of(where.address_1) if country in _UNITS and where.address_1 and not where.address_2 else None
    if parts is not None:
        found.put("address_1", parts[0], "The unit has a line of its own.")
        found.put("address_2", parts[1], "The unit has a line of its own.")


def _code(found: Checked, country: str) -> None:
    code = found.address.zip
    if not code:
        return
    spelled = postal_codes.spelled(country, code) if country else code
    if spelled is None:
        digits = "".join(char for char in code if char.isdigit())
        state = states.code_of(country, found.address.state or "")
        with_zero = digits.zfill(5)
        if country == "US" and 3 <= len(digits) < 5 and state and postal_codes.state_of("US", with_zero) == state:
            found.put("zip", with_zero, f"Its leading zero was lost: {with_zero} lies in {state}.")
            return
        example = postal_codes.example(country)
        found.fault(
            "The postal code is none of its country.",
            f"“{code[:30]}” is no postal code of {country}. Example: {example}.",
        )
    else:
        found.put("zip", spelled, "The postal code as its country writes it.")


def _state(found: Checked, country: str) -> None:
    state, code = found.address.state, found.address.zip or ""
    if country not in states.NEEDED:
        return
    lies_in = postal_codes.state_of(country, postal_codes.spelled(country, code) or "") if code else ""
    if not state:
        if lies_in:
            found.put("state", lies_in, f"{code} lies in {lies_in}.")
        return
    known = states.code_of(country, state)
    if known is None:
        found.fault("The state is none of its country.", f"“{state[:60]}” is no state or province of {country}.")
        return
    found.put("state", known, "The state is written by its code.")
    if country in ("US", "CA") and lies_in and lies_in != known:
        found.fault("The postal code lies in another state.", f"{code} lies in {lies_in}, not in {known}.")


def _city_state(found: Checked, country: str) -> None:
    if country in CITY_STATES and not found.address.city:
        found.put("city", CITY_STATES[country], "The country is the city.")


def _capitals(found: Checked, country: str) -> None:
    if country not in _ENGLISH:
        return
    for name in (*STREETS, "city"):
        value = getattr(found.address, name)
        if value and value.islower():
            written = _INITIAL.sub(lambda letter: letter[0].upper(), value)
            found.put(name, written, "Written with capitals.")


_STEPS: tuple[Callable[[Checked, str], None], ...] = (
    _swapped, _city_line, _street_line, _unit, _code, _state, _city_state, _capitals,
)  # fmt: skip


def _complete(found: Checked, country: str) -> None:
    """What the country needs besides the street, the city and the country, which every address does."""
    if country in states.NEEDED and not found.address.state:
        found.fault("The address has no state.", f"An address in {country} needs its state or province.")
    if country in postal_codes.REQUIRED and not found.address.zip:
        example = postal_codes.example(country)
        found.fault("The address has no postal code.", f"An address in {country} needs one. Example: {example}.")


def _likely(found: Checked, country: str) -> Address | None:
    """What may have been meant, if one thing stands to reason."""
    where = found.address
    for other in ("US", "CA", "AU"):
        state = states.code_of(other, where.state or "") if where.state else None
        code = postal_codes.spelled(other, where.zip) if where.zip else None
        if other != country and state and code and postal_codes.state_of(other, code) == state:
            return structs.replace(where, country=other, state=state, zip=code)
    code = postal_codes.spelled(country, where.zip) if where.zip and country in states.NEEDED else None
    lies_in = postal_codes.state_of(country, code) if code else ""
    if lies_in and lies_in != where.state:
        return structs.replace(where, state=lies_in)
    return None
