"""Which countries are shipped to, as plain data: those listed, or all others; and what becomes of the rest."""

from dataclasses import dataclass

from integration_manager.kit.countries import name_of

ALLOW, DENY = "allow", "deny"
REFUSE, HOLD = "refuse", "hold"


@dataclass(frozen=True, slots=True)
class Countries:
    """The rule of a merchant or of a cart. `codes`: alpha-2. `whose`: in a sentence, as in "Oak shop"."""

    kind: str = ""  # "": every country is shipped to
    codes: frozenset[str] = frozenset()
    then: str = REFUSE
    whose: str = ""

    def lets_in(self, country: str) -> bool:
        """Whether orders to this country are sent. One without a country is not this rule's business."""
        if not self.kind or not country:
            return True
        return (country in self.codes) is (self.kind == ALLOW)

    def why(self, country: str) -> str:
        """Why an order is not sent there."""
        return f"{self.whose} does not ship to {name_of(country)} ({country}), by its Country Rules."
