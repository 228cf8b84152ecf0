"""A person changes an order before it is sent: what may be changed, by whom it was changed meanwhile, and back again.

A form carries the values that it was made of (its base). If somebody else has saved in between, nothing is
saved: theirs and mine are put together, and the person sees what differs before saving again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import Account
from alerts.raising import resolve
from integration_manager.kit import clock
from integration_manager.kit.canonical import Order as Canonical
from integration_manager.kit.canonical import from_json, to_json
from integration_manager.kit.errors import Unmappable
from merchants.models import Service
from merchants.rules import address, judge
from merchants.schedules import wake
from orders import differences
from orders.actions import NotNow
from orders.changes import here_and_there
from orders.intake import ADDED, Intake, check
from orders.models import Order, OrderDetail, Status
from orders.reading import source_of
from orders.rewriting import place, rewrite
from orders.states import UNSENT

ADDRESS = (
    "company", "first_name", "last_name", "address_1", "address_2", "address_3", "city", "state", "zip", "country",
    "phone", "e_mail",
)  # fmt: skip
SIDES = ("ship", "bill")
DATES = ("requested_ship_date", "latest_ship_date", "expected_delivery_date")
PLAIN = ("ship_code", *DATES, "shipping_instructions", "gift_message")
# What a person may change, as parts of the stored form. An address is a unit: half of one from here and half from
# the source would be neither's.
PARTS = (*SIDES, *PLAIN, "lines")
MOST_LINES = 200  # more cannot be edited in one form


@dataclass(frozen=True, slots=True)
class LineValue:
    """A line in a form. `key`: the line's id, "" for a new one."""

    key: str
    item: str
    quantity: str


@dataclass(frozen=True, slots=True)
class Values:
    """What a form shows: texts by name ("ship_zip", "shipping_instructions"), and the lines."""

    fields: Mapping[str, str]
    lines: tuple[LineValue, ...]

    def to_json(self) -> dict[str, Any]:
        """For a form to carry."""
        return {"fields": dict(self.fields), "lines": [[ln.key, ln.item, ln.quantity] for ln in self.lines]}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Values":
        """The inverse."""
        return cls(raw["fields"], tuple(LineValue(*line) for line in raw["lines"]))


class Overtaken(Exception):
    """Somebody else has changed the order since the form was made. `now`: its values as they stand."""

    def __init__(self, now: Values) -> None:
        super().__init__("The order was changed meanwhile.")
        self.now = now


def why_not(order: Order) -> str:
    """Why an order cannot be edited now, in words; "" where it can."""
    status = Status(order.status)
    if status is Status.SENDING and order.error_code == "file_unknown":
        return "The order left in a file, and nobody has said yet whether that arrived."
    if status is Status.SENDING:
        return "The order is being sent to the WMS right now. Try again in a minute."
    if status not in UNSENT:
        return "The WMS has it, so it can only be read. Notes can still be added to its timeline."
    if order.cancel_requested_at is not None:
        return "It was canceled, so there is nothing to change."
    if order.error_code == "outcome_unknown":
        return "First say whether the order arrived at the WMS."
    if order.error_code == "unmappable":
        return "It could not be read from the shop. Correct it there: it is read again as soon as it changes."
    return ""


def values_of(data: Mapping[str, Any]) -> Values:
    """The values of a stored form."""
    fields = {f"{side}_{name}": _text((data.get(side) or {}).get(name)) for side in SIDES for name in ADDRESS}
    fields |= {name: _text(data.get(name)) for name in PLAIN}
    lines = [
        LineValue(str(line["line_id"]), _text(line.get("item")), _number(line.get("quantity")))
        for line in data.get("lines") or []
    ]
    return Values(fields, tuple(lines))


def merged(base: Values, mine: Values, now: Values) -> tuple[Values, list[str]]:
    """Mine where I changed something, else theirs; and the names of the fields that we both changed."""
    both: list[str] = []
    fields = {}
    for name, value in now.fields.items():
        my, old = mine.fields.get(name, ""), base.fields.get(name, "")
        fields[name] = value if my == old else my
        if my != old and value not in (old, my):
            both.append(name)
    old_lines, my_lines = _by_key(base), _by_key(mine)
    lines = []
    for line in now.lines:
        was, wish = old_lines.get(line.key), my_lines.get(line.key)
        if was is None:
            lines.append(line)  # theirs is new
        elif wish is not None:
            kept = replace(
                line,
                item=line.item if wish.item == was.item else wish.item,
                quantity=line.quantity if wish.quantity == was.quantity else wish.quantity,
            )
            if wish != was and line not in (was, wish):
                both.append("lines")
            lines.append(kept)
        elif line != was:
            both.append("lines")  # I took it out, they changed it
    there = {line.key for line in now.lines}
    lines += [ln for ln in mine.lines if not ln.key or (ln.key not in there and ln != old_lines.get(ln.key))]
    return Values(fields, tuple(lines)), sorted(set(both))


def save(order: Order, base: Values, wanted: Values, actor: str) -> list[str]:
    """Changes an order and sends it if it waited for that. Gives the parts that were changed.

    Raises NotNow, or Overtaken where it is not any more what `base` says.
    """
    now = clock.now()
    with transaction.atomic():
        intake, row, detail = _locked(order)
        data = detail.data
        present = values_of(data)
        if _says_so(present, wanted):
            return []
        if base != present:
            raise Overtaken(present)
        changed = _with(data, present, wanted)
        parts = [name for name in PARTS if changed.get(name) != data.get(name)]
        if parts:
            edited = sorted({*row.edited_fields, *parts})
            _store(intake, row, detail, changed, now, actor, "", edited)
    return parts


def use_suggested(order: Order, shown: Sequence[str], actor: str) -> None:
    """Puts the addresses in place that the rules suggest. `shown`: those that the person saw. Raises NotNow."""
    now = clock.now()
    with transaction.atomic():
        intake, row, detail = _locked(order)
        source = from_json(Canonical, detail.data)
        found = judge(
            source,
            intake.rules,
            anyway=row.anyway,
            address_right=detail.address_right,
            loaded_at=row.created_at,
        ).suggested
        if not found or [address.in_a_line(where) for where in found.values()] != list(shown):
            raise NotNow("That is not what is suggested any more. Look at it again.")
        data = {**detail.data, **{side: to_json(where) for side, where in found.items()}}
        edited = sorted({*row.edited_fields, *found})
        _store(intake, row, detail, data, now, actor, "The suggested address is used.", edited)


def give_back(order: Order, part: str, account: Account, actor: str) -> None:
    """Lets a part of an order follow its source again, beginning with what the source says now. Raises NotNow."""
    now = clock.now()
    with transaction.atomic():
        intake, row, detail = _locked(order)
        if part not in row.edited_fields:
            raise NotNow("It follows the shop already.")
        source = source_of(detail, account.timezone)
        if source is None:
            raise NotNow("What the shop says is not known any more. It is taken over when the order changes there.")
        data = {name: value for name, value in detail.data.items() if name != part}
        if part in source:
            data[part] = source[part]
        edited = [name for name in row.edited_fields if name != part]
        message = f"{differences.word(part)} given back to {row.cart.name}."
        _store(intake, row, detail, data, now, actor, message, edited)


def _locked(order: Order) -> tuple[Intake, Order, OrderDetail]:
    """The order as it stands, which nobody else can change or send until the transaction ends. Raises NotNow."""
    cart = Order.objects.select_related("cart__merchant").get(pk=order.pk).cart
    intake = Intake(cart.merchant, cart)
    intake.keep_rules()
    row: Order = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("cart").get(pk=order.pk)
    reason = why_not(row)
    if reason:
        raise NotNow(reason)
    detail: OrderDetail = OrderDetail.objects.get(order=row)
    detail.order = row
    if not detail.data.get("lines"):
        raise NotNow("Its content was removed with its personal data, so it cannot be changed any more.")
    return intake, row, detail


def _store(
    intake: Intake,
    row: Order,
    detail: OrderDetail,
    data: dict[str, Any],
    now: datetime,
    actor: str,
    message: str,
    edited: Sequence[str],
) -> None:
    try:
        check(from_json(Canonical, data))
    except Unmappable as error:
        raise NotNow(f"It cannot be saved like this: {error}.") from None
    touched = {name for name in PARTS if data.get(name) != detail.data.get(name)} | {*row.edited_fields} - {*edited}
    # Where these differed, that is decided.
    resolve("changed_here_and_there", [here_and_there(row.pk, part) for part in touched], now)
    judged = rewrite(
        intake, row, detail, data, now, kind="edited", actor=actor, message=message, edited_fields=list(edited)
    )
    place(intake, row, judged, Status(row.status), now, message="Edited; it is sent again.", actor=actor)
    wake(Service.DELIVER, now, merchant_id=row.merchant_id)


def _with(data: Mapping[str, Any], present: Values, wanted: Values) -> dict[str, Any]:
    """The stored form with the values that differ put in; what is empty is left out, as everywhere in it."""
    new = dict(data)
    for side in SIDES:
        names = [name for name in ADDRESS if _differs(present, wanted, f"{side}_{name}")]
        if names:
            address = dict(new.get(side) or {})
            for name in names:
                _put(address, name, wanted.fields[f"{side}_{name}"])
            new[side] = address
    for name in PLAIN:
        if _differs(present, wanted, name):
            _put(new, name, wanted.fields[name])
            if name == "ship_code":
                new.pop("ship_code_description", None)  # that of the other one
    if wanted.lines != present.lines:
        new["lines"] = _lines(data["lines"], present, wanted)
    return new


def _lines(lines: Sequence[Mapping[str, Any]], present: Values, wanted: Values) -> list[dict[str, Any]]:
    by_key = {str(line["line_id"]): dict(line) for line in lines}
    shown = _by_key(present)
    numbers = [int(key[len(ADDED) :]) for key in by_key if key.startswith(ADDED) and key[len(ADDED) :].isdigit()]
    found, number = [], max(numbers, default=0)
    for value in wanted.lines:
        line, was = by_key.pop(value.key, None), shown.get(value.key)  # each once
        if line is None:
            number += 1
            line, was = {"line_id": f"{ADDED}{number}"}, None
        if was is None or was.item != value.item:
            line["item"] = value.item
        if was is None or was.quantity != value.quantity:
            line["quantity"] = value.quantity
        found.append(line)
    return found


def _says_so(present: Values, wanted: Values) -> bool:
    """Whether the order is as it is wanted: a form that is sent twice adds its new lines once."""
    if wanted.fields != present.fields or len(wanted.lines) != len(present.lines):
        return False
    return all(
        (mine.item, mine.quantity) == (there.item, there.quantity)
        and (mine.key == there.key or (not mine.key and there.key.startswith(ADDED)))
        for mine, there in zip(wanted.lines, present.lines, strict=True)
    )


def _differs(present: Values, wanted: Values, name: str) -> bool:
    return wanted.fields.get(name, "") != present.fields.get(name, "")


def _put(into: dict[str, Any], name: str, value: str) -> None:
    if value:
        into[name] = value
    else:
        into.pop(name, None)


def _by_key(values: Values) -> dict[str, LineValue]:
    return {line.key: line for line in values.lines if line.key}


def _text(value: Any) -> str:
    return "" if value is None else str(value).replace("\r\n", "\n").strip()


def _number(value: Any) -> str:
    return "" if value in (None, "") else f"{Decimal(str(value)).normalize():f}"
