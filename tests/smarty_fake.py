"""Smarty as its documentation has it, strict: it takes nothing that the API would not, and counts what it answers."""

from typing import Any

from integration_manager.kit.simulator import Fake, Reply, Request, route

ASKED = {"street", "street2", "secondary", "city", "state", "zipcode", "match", "candidates", "auth-id", "auth-token"}
INTERNATIONAL = {
    "country", "address1", "address2", "address3", "locality", "administrative_area", "postal_code", "auth-id",
    "auth-token",
}  # fmt: skip


class FakeSmarty(Fake):
    """One account at Smarty. It delivers to even house numbers, and knows no street called Nowhere."""

    system = "smarty"
    credential = "token-of-smarty"

    def values(self, url: str) -> dict[str, Any]:
        return {"auth_id": "id-1", "auth_token": self.credential, "us_url": url, "international_url": url}

    def admits(self, request: Request) -> bool:
        return (request.query.get("auth-id"), request.query.get("auth-token")) == ("id-1", self.credential)

    @route("GET", "/street-address")
    def street(self, request: Request) -> Any:
        said = request.query
        if set(said) - ASKED or not said.get("street") or not (said.get("zipcode") or said.get("city")):
            return Reply({"errors": [{"message": "bad input"}]}, 400)
        self.effect("look_up", "us", **said)
        if "nowhere" in said["street"].lower():
            return []
        number = said["street"].split()[0]
        parts = {
            "primary_number": number,
            "city_name": (said.get("city") or "Salem").title(),
            "state_abbreviation": said.get("state") or "OR",
            "zipcode": (said.get("zipcode") or "97301")[:5],
            "plus4_code": "4321",
        }
        line = said["street"].title()
        if unit := said.get("secondary"):
            parts |= {"secondary_designator": "Apt", "secondary_number": unit.split()[-1]}
            line = f"{line} Apt {unit.split()[-1]}"
        code = "Y" if number.isdecimal() and int(number) % 2 == 0 else "N"
        return [
            {
                "input_index": 0,
                "candidate_index": 0,
                "delivery_line_1": line,
                "last_line": f"{parts['city_name']} {parts['state_abbreviation']} {parts['zipcode']}-4321",
                "components": parts,
                "analysis": {"dpv_match_code": code},
            }
        ]

    @route("GET", "/verify")
    def international(self, request: Request) -> Any:
        said = request.query
        if set(said) - INTERNATIONAL or len(said.get("country", "")) != 3 or not said.get("address1"):
            return Reply({"errors": [{"message": "bad input"}]}, 400)
        self.effect("look_up", "international", **said)
        status = "None" if "nowhere" in said["address1"].lower() else "Verified"
        return [{"address1": said["address1"], "components": {}, "analysis": {"verification_status": status}}]
