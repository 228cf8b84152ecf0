"""A cart's ship-method map as plain data: exact codes first, then patterns in their order, then a default."""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

MOST = 100  # characters of a code
MOST_CODES = 5000  # of a cart: more are no ship codes


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the WMS: its code, and its carrier where the WMS's list names one."""

    code: str
    carrier: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Codes that begin with a text, or have it anywhere in them. `key`: the text, as `code_key` makes it."""

    key: str
    method: Method
    anywhere: bool = False

    def fits(self, key: str) -> bool:
        """Whether a code's key is one of these."""
        return self.key in key if self.anywhere else key.startswith(self.key)


@dataclass(frozen=True, slots=True)
class Decided:
    """What a code becomes, and what decided it: "code", "default", or the pattern's number from 1."""

    method: Method
    by: str


@dataclass(frozen=True, slots=True)
class ShipMethods:
    """The map. `reject`: an order whose code nothing decides is held; else its code is sent as it is."""

    reject: bool = False
    exact: Mapping[str, Method] = field(default_factory=dict)  # by key
    patterns: tuple[Pattern, ...] = ()
    default: Method | None = None
    listed: frozenset[str] = frozenset()  # keys of all codes that the cart's page has, mapped or not

    def decide(self, key: str) -> Decided | None:
        """What becomes of a code, by its key; None: nothing decides it."""
        found = self.exact.get(key)
        if found is not None:
            return Decided(found, "code")
        for number, pattern in enumerate(self.patterns, 1):
            if pattern.fits(key):
                return Decided(pattern.method, str(number))
        return Decided(self.default, "default") if self.default is not None else None


def folded(text: str) -> str:
    """A text as it is compared: no matter in which case, with which spaces, or in which form of its letters."""
    text = text.replace("\x00", "")
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


@lru_cache(1_000)  # a shop's orders have but a few
def code_key(code: str | None) -> str:
    """A code as it is compared, as far as codes are."""
    return folded(code or "")[:MOST]


def cause_of(cart: str, key: str) -> str:
    """What all orders of a cart have in common that wait for this code: also their alert's key."""
    return f"ship_method:{cart}:{hashlib.sha256(key.encode()).hexdigest()[:20]}"
