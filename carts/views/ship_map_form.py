"""What a person may do on the page of a cart's ship methods, read from the form and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carts.models import Cart, CartShipMethod
from integration_manager import stale
from orders.ship_methods import Entry
from wms.models import WmsShipMethod

Match = CartShipMethod.Match
MOST_IN_SELECT = 60  # methods; of a longer list a person types the code, which the browser completes
MOST_PROPOSED = 1000
UNMAPPED = "not mapped"


@dataclass(frozen=True, slots=True)
class WmsMethods:
    """The WMS's list. `active`: what it lists now."""

    active: tuple[WmsShipMethod, ...]
    codes: frozenset[str]

    @classmethod
    def current(cls) -> "WmsMethods":
        """The list of the account's WMS, by one query."""
        rows = WmsShipMethod.objects.filter(wms__archived_at__isnull=True, active=True).order_by("code")
        found = tuple(rows)
        return cls(found, frozenset(row.code for row in found))

    @property
    def proposed(self) -> tuple[WmsShipMethod, ...]:
        """What a box to type in proposes."""
        return self.active[:MOST_PROPOSED]

    @property
    def short(self) -> bool:
        """Whether it fits into a drop-down."""
        return len(self.active) <= MOST_IN_SELECT


class MapForm:
    """One of the page's forms, by its button. Valid, `changes` are what `orders.ship_methods.change` takes."""

    def __init__(self, data: Any, methods: WmsMethods) -> None:
        self.data, self.methods = data, methods
        self.what, _, self.of = str(data.get("do", "")).partition(":")
        self.errors: dict[str, str] = {}
        self.changes: dict[str, Any] = {}

    @property
    def at(self) -> str:
        """Where an error of the whole form stands."""
        return {"add": "code", "pattern": "text"}.get(self.what, "rest")

    def typed(self, name: str, stored: str = "") -> str:
        """What was typed into a field, else what is stored."""
        return str(self.data.get(name, stored))[:200].replace("\x00", "")

    def is_valid(self, cart: Cart) -> bool:
        """Reads it. False: `errors` say which field, and why."""
        rows = CartShipMethod.objects.filter(cart=cart).order_by("position", "id")
        if self.what == "save":
            self.changes["put"] = self._codes(rows.filter(match=Match.EXACT))
        elif self.what == "add":
            self.changes["put"] = self._added(rows)
        elif self.what == "pattern":
            self.changes["put"] = self._pattern(rows)
        elif self.what == "rest":
            self._rest()
        elif self.what in ("delete", "up"):
            self._row(rows)
        else:
            self.errors["do"] = "Press one of the buttons."
        return not self.errors

    def _codes(self, rows: Any) -> list[Entry]:
        """The drop-downs that were changed. One that somebody else has changed meanwhile is not overwritten."""
        put = []
        for row in rows:
            name = f"m{row.pk}"
            try:
                wanted = stale.in_list(self.data, name, row.wms_code, _read, UNMAPPED)
            except stale.Overtaken as why:
                self.errors[name] = str(why)
            else:
                if wanted is not None and self._known(name, wanted, empty=True):
                    put.append(Entry(Match.EXACT, row.code, wanted))
        return put

    def _added(self, rows: Any) -> list[Entry]:
        code, wanted = self.typed("code").strip(), self.typed("code_method").strip()
        new = Entry(Match.EXACT, code, wanted)
        if not code or len(code) > 100:
            self.errors["code"] = "Write the code as the cart does, in at most 100 letters."
        elif rows.filter(match=Match.EXACT, key=new.at[1]).exists():
            self.errors["code"] = "This code is in the list already, perhaps with other spaces or capitals."
        self._known("code_method", wanted, empty=True)
        return [new]

    def _pattern(self, rows: Any) -> list[Entry]:
        text, wanted, match = self.typed("text").strip(), self.typed("text_method").strip(), self.typed("match")
        if match not in (Match.STARTS, Match.CONTAINS):
            match = Match.STARTS
        new = Entry(match, text, wanted)
        if not new.at[1] or len(text) > 100:
            self.errors["text"] = "Write a text of at most 100 letters."
        elif rows.filter(match=match, key=new.at[1]).exists():
            self.errors["text"] = "There is such a pattern already. Delete it first."
        self._known("text_method", wanted)
        return [new]

    def _rest(self) -> None:
        chosen, wanted = self.typed("rest"), self.typed("rest_method").strip()
        if chosen not in ("hold", "default", "pass"):
            self.errors["rest"] = "Choose one."
        elif chosen == "default":
            self._known("rest_method", wanted)
            self.changes["put"] = [Entry(Match.DEFAULT, "", wanted)]
        else:
            self.changes |= {"remove": [(Match.DEFAULT, "")], "reject": chosen == "hold"}

    def _row(self, rows: Any) -> None:
        places: Mapping[str, tuple[str, str]] = {str(row.pk): (row.match, row.key) for row in rows}
        if self.of not in places:
            return  # somebody else was quicker: nothing is left to do
        place = places[self.of]
        if self.what == "delete":
            stored = next(row.wms_code for row in rows if str(row.pk) == self.of)
            try:
                stale.as_shown(self.data, f"m{self.of}", stored, _read, UNMAPPED)
            except stale.Overtaken as why:
                self.errors[f"m{self.of}"] = str(why)
            self.changes["remove"] = [place]
            return
        order = [at for at in places.values() if at[0] in (Match.STARTS, Match.CONTAINS)]
        if place in order and (index := order.index(place)):
            order[index - 1 : index + 1] = [place, order[index - 1]]
        self.changes["order"] = order

    def _known(self, name: str, code: str, *, empty: bool = False) -> bool:
        """Whether a code is of the WMS's list."""
        if code in self.methods.codes or (empty and not code):
            return True
        self.errors[name] = f"The WMS's list has no {code}. Add it there first." if code else "Choose a ship method."
        return False


def _read(text: str) -> str:
    return text[:200].replace("\x00", "").strip()
