"""The contract of an online address verifier: a class, a file, like a connector.

    class Acorn(Verifier):
        key, label = "acorn", "Acorn Addresses"
        token = Field("Token", secret=True)

        def look_up(self, address):
            said = self.http.get("verify", params={...}).json()
            return Answer(...)

It gets `self.http` as connectors do: with the egress guard, rate limit, time-out and careful repetition. It
raises the errors of `kit.errors`, and decides nothing: what becomes of the order is the rules' business. A
look-up is a question, so it goes out by GET, or by a POST that is declared safe.
"""

from typing import Any

from msgspec import Struct, structs

from integration_manager.kit.canonical import Address, from_json, to_json
from integration_manager.kit.connector import Connector
from integration_manager.kit.errors import BadAnswer, storable

LONGEST = 1000  # characters of a text in an answer


class Answer(Struct, frozen=True):
    """What a look-up came to. `address` has street lines, city, state and postal code; what it has not stays.

    `sure`: it is deliverable as `address` has it. Else `address` is what may have been meant; None: nothing like
    it was found. `unasked`: nobody was asked, so the built-in rules decide alone; `said` tells why.
    """

    sure: bool
    address: Address | None = None
    said: str = ""  # why it is not sure, for people
    unasked: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        known: dict[str, Any] = to_json(self)
        return known

    def checked(self) -> "Answer":
        """The same as any database can keep it. Raises BadAnswer where it is none, whatever the provider sent."""
        where = self.address
        parts = {} if where is None else {one.name: getattr(where, one.name) for one in structs.fields(where)}
        for text in (self.said, *parts.values()):
            if text is not None and (not isinstance(text, str) or len(text) > LONGEST):
                raise BadAnswer("The answer about an address has something else in it than short texts.")
        if where is not None:
            where = Address(**{name: storable(text) or None for name, text in parts.items() if text})
        return structs.replace(self, address=where, said=storable(self.said))

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Answer":
        """The inverse."""
        return from_json(cls, raw)


class Verifier(Connector):
    """One provider. Its `Field`s are the operator's to set, in the environment: IM_ADDRESS_VERIFIER_<FIELD>."""

    timeout = 10.0

    def serves(self, country: str) -> bool:
        """Whether addresses of this country (alpha-2) can be looked up."""
        return True

    def look_up(self, address: Address) -> Answer:
        """Asks about one address, once. Every answer that comes back is counted, and may be billed."""
        raise NotImplementedError
