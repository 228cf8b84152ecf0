"""Smarty: addresses of the United States by CASS-certified data, and, where that is booked, of all other countries.

US Street Address API and International Street Address API (smarty.com/docs).
"""

import re
from typing import Any

from integration_manager.kit.canonical import Address
from integration_manager.kit.connector import Field, Rate
from integration_manager.kit.countries import alpha_3
from integration_manager.kit.errors import BadAnswer
from integration_manager.kit.transport import Http
from integration_manager.kit.verifier import Answer, Verifier

DELIVERABLE = ("Y", "S", "D")  # of the Postal Service's delivery point validation
WHY = {"": "Smarty knows no such address.", "N": "The Postal Service does not deliver to this house number."}
US = frozenset(("US", "PR", "VI", "GU", "AS", "MP"))


class Smarty(Verifier):
    """One operator's Smarty account."""

    key = "smarty"
    label = "Smarty"
    rate = Rate(per_second=20, burst=20)

    auth_id = Field("Auth ID", help="Of a secret key, under API Keys at smarty.com.")
    auth_token = Field("Auth token", secret=True)
    international = Field("International", kind="bool", option=True, default=False, help="The subscription has it.")
    us_url = Field("US address", kind="url", default="https://us-street.api.smarty.com")
    international_url = Field(
        "International address", kind="url", default="https://international-street.api.smarty.com"
    )

    def connect(self, http: Http) -> None:
        """Both APIs take the credentials in the query; the transport hides the token wherever it shows."""
        http.params = {"auth-id": self.auth_id, "auth-token": self.auth_token}
        http.base_url = self.us_url

    def serves(self, country: str) -> bool:
        """The United States and their territories; the rest where it is booked."""
        return country in US or self._is_international()

    def look_up(self, address: Address) -> Answer:
        """Asks the API of the address's country."""
        if address.country in US:
            said = self.http.get("/street-address", params={**us_question(address), "candidates": "1"}).json()
            return us_answer(address, said)
        params = {**international_question(address), "auth-id": self.auth_id, "auth-token": self.auth_token}
        return international_answer(self.http.get(f"{self.international_url}/verify", params=params).json())

    def _is_international(self) -> bool:
        return str(self.international).lower() in ("1", "true", "yes", "on")


def us_question(address: Address) -> dict[str, str]:
    """The question to the US API. `match=invalid`: it also answers about what cannot be delivered, and says why."""
    asked = {
        "street": address.address_1,
        "street2": address.address_3,
        "secondary": address.address_2,
        "city": address.city,
        "state": address.state,
        "zipcode": address.zip,
        "match": "invalid",
    }
    return {name: value for name, value in asked.items() if value}


def us_answer(asked: Address, said: Any) -> Answer:
    """What the US API answered: a list of candidates, of which one was asked for."""
    first = _first(said)
    if first is None:
        return Answer(False, None, WHY[""])
    parts = _part(first, "components")
    code = _text(_part(first, "analysis"), "dpv_match_code")
    line, unit = _text(first, "delivery_line_1"), _unit(parts)
    second = asked.address_2
    if unit and line.endswith(f" {unit}") and (not second or _number(second) == _number(unit)):
        line, second = line.removesuffix(unit).rstrip(), unit
    code_of_place = "-".join(part for name in ("zipcode", "plus4_code") if (part := _text(parts, name)))
    address = Address(
        address_1=line or None,
        address_2=second,
        city=_text(parts, "city_name") or None,
        state=_text(parts, "state_abbreviation") or None,
        zip=code_of_place or None,
    )
    sure = code in DELIVERABLE
    if sure:
        return Answer(True, address)
    differs = any(getattr(address, name) not in (None, getattr(asked, name)) for name in ("address_1", "city", "state"))
    return Answer(False, address if differs else None, WHY.get(code, WHY[""]))


def international_question(address: Address) -> dict[str, str]:
    """The question to the international API."""
    asked = {
        "country": alpha_3(address.country or ""),
        "address1": address.address_1,
        "address2": address.address_2,
        "address3": address.address_3,
        "locality": address.city,
        "administrative_area": address.state,
        "postal_code": address.zip,
    }
    return {name: value for name, value in asked.items() if value}


def international_answer(said: Any) -> Answer:
    """What the international API answered. Lines stay as they were: each country joins its parts in another way."""
    first = _first(said)
    status = _text(_part(first, "analysis"), "verification_status") if first is not None else ""
    if status == "Verified":
        return Answer(True)
    why = {"Partial": "Smarty knows a part of it only.", "Ambiguous": "It may be several addresses."}
    return Answer(False, None, why.get(status, WHY[""]))


def _number(unit: str) -> str:
    """What tells a unit from the others of a house: the last word of "Apt # 4-B"."""
    words = re.findall(r"[\w-]+", unit.casefold())
    return words[-1] if words else ""


def _unit(parts: dict[str, Any]) -> str:
    return " ".join(part for name in ("secondary_designator", "secondary_number") if (part := _text(parts, name)))


def _first(said: Any) -> dict[str, Any] | None:
    """The candidate that was asked for; None: there is none. Raises BadAnswer for what is no list of such."""
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise BadAnswer("Smarty’s answer is no list of addresses.")
    return said[0] if said else None


def _part(found: dict[str, Any], name: str) -> dict[str, Any]:
    part = found.get(name) or {}
    if not isinstance(part, dict):
        raise BadAnswer(f"Smarty’s answer has no “{name}” that can be read.")
    return part


def _text(found: dict[str, Any], name: str) -> str:
    text = found.get(name) or ""
    if not isinstance(text, str):
        raise BadAnswer(f"Smarty’s answer has no “{name}” that can be read.")
    return text
