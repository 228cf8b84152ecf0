"""How a cart's addresses are verified, as plain data, and what a look-up came to."""

from collections.abc import Callable
from dataclasses import dataclass

from integration_manager.kit.canonical import Address
from integration_manager.kit.verifier import Answer
from merchants.rules.address_check import is_domestic

SHIPPING, BOTH = "ship", "both"
DOMESTIC, FOREIGN, EVERYWHERE = "us", "other", "all"


@dataclass(frozen=True, slots=True)
class Verify:
    """The settings. `answer`: what a look-up of an address said, None before it was made; None: nobody is asked."""

    sides: str = ""  # "": off
    which: str = EVERYWHERE
    hold: bool = False
    answer: Callable[[Address], Answer | None] | None = None
    provider: str = ""  # who answers, in a sentence

    def covers(self, side: str, address: Address) -> bool:
        """Whether this address is verified. `side`: ship or bill."""
        if not self.sides or (side == "bill" and (self.sides != BOTH or not has_street(address))):
            return False
        return self.which == EVERYWHERE or is_domestic(address) is (self.which == DOMESTIC)


def has_street(address: Address) -> bool:
    """Whether it is an address at all: a shop may give a name and an e-mail alone for whom is billed."""
    return bool(address.address_1 or address.city or address.zip)


def can_be_asked(address: Address) -> bool:
    """Whether it has enough to be looked up."""
    return bool(address.address_1 and address.country and (address.city or address.zip))
