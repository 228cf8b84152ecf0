"""Previews: real orders of a cart, read without importing them, and what would become of each.

What it shows is made by the engine's own functions: `read_raw` maps, `foresee` decides, `rules.judge` and
the WMS's `payload` and `render` make what is sent. There is no second way from a shop's order to the WMS's.
"""

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts.models import Account
from carts.models import Cart
from integration_manager.kit.canonical import Address, Order, Prepared, from_json
from integration_manager.kit.connector import CartConnector, WmsConnector
from integration_manager.kit.errors import Unmappable
from merchants import rules
from orders.connections import wms_class
from orders.foreseeing import Forecast, foresee
from orders.formats import with_formats
from orders.inserting import reference
from orders.intake import Incoming, Intake
from orders.models import Order as OrderRow
from orders.reading import Unreadable, read_raw, reader_of
from orders.services.out_files import rendered
from wms.models import Wms

NEWEST = 5
# How far back to look for the newest: a busy shop shows them at once, a quiet one after some more questions.
REACHES = (timedelta(hours=1), timedelta(days=1), timedelta(days=14), timedelta(days=365))
READING = 9.0  # seconds; of a page's time some is left for the number and the mapping
MOST_FACTS = 120  # of one form of an order; the whole stands folded below them


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that an order says. `mono`: a code or a technical name."""

    name: str
    value: str


@dataclass(slots=True)
class Previewed:
    """One order in its three forms, and what would happen to it."""

    number: str
    forecast: Forecast
    in_cart: list[Fact]
    raw: str
    ours: list[Fact] = field(default_factory=list)
    sent: list[Fact] = field(default_factory=list)
    payload: str = ""
    file: str = ""  # of a WMS that takes files: its rows as they would be written
    applied: list[rules.Applied] = field(default_factory=list)
    problems: list[rules.Problem] = field(default_factory=list)
    order: OrderRow | None = None  # loaded already


@dataclass(slots=True)
class Sample:
    """What a cart gave: raw orders, newest change first; and whether the number that was typed is unknown there."""

    raws: list[Any]
    missing: bool = False
    cut: bool = False  # there was no time to read to the end, so that newer ones may exist


def sample(connector: CartConnector, now: datetime, number: str = "") -> Sample:
    """Some orders of a cart, in as many calls as it takes. Touches no database: it runs in a thread."""
    if number:
        found = connector.order(number)
        return Sample([] if found is None else [found], missing=found is None)
    until = time.monotonic() + READING
    if getattr(connector, "by_hand", False):
        return Sample([])  # what people upload is in our database, and loads at once
    if connector.uses == "folder":  # what lies there was not read yet, whatever its date
        connector.uploads = None  # type: ignore[attr-defined]
        return _newest(connector, now, until)
    best = Sample([])
    for reach in REACHES:
        best = _newest(connector, now - reach, until)
        if len(best.raws) >= NEWEST or best.cut:
            break
    return best


def _newest(connector: CartConnector, since: datetime, until: float) -> Sample:
    last: deque[Any] = deque(maxlen=NEWEST)
    for page in connector.orders(since):  # a page's `done` is not called: nothing is archived
        last.extend(page.rows)
        if time.monotonic() > until:
            return Sample(list(reversed(last)), cut=True)
    key_of = connector.mapper("key_of")
    by_key = {_key(key_of, raw): raw for raw in last}  # the same order twice: the later version
    return Sample(list(reversed(by_key.values())))


def _key(key_of: Any, raw: Any) -> Any:
    try:
        return key_of(raw)
    except Unmappable:
        return id(raw)


def preview(cart: Cart, account: Account, raws: Sequence[Any], now: datetime) -> list[Previewed]:
    """Each raw order as it is in the cart, as ours and as the WMS would get it."""
    reader, intake = reader_of(cart), Intake(cart.merchant, cart)
    found = [read_raw(raw, reader, account.timezone) for raw in raws]
    forecasts = foresee(intake, found, now)
    known = OrderRow.objects.in_bulk([f.known for f in forecasts if f.known is not None])
    destination = Wms.objects.first()
    wms: Any = None
    if destination is not None:
        system = wms_class(destination)
        values = {**destination.options, **destination.credentials, **cart.merchant.wms_values}
        wms = system(with_formats(system, values, cart.merchant))
    return [
        _previewed(one, forecast, known.get(forecast.known or 0), intake, wms, now)
        for one, forecast in zip(found, forecasts, strict=True)
    ]


def _previewed(
    one: Incoming | Unreadable,
    forecast: Forecast,
    row: OrderRow | None,
    intake: Intake,
    wms: WmsConnector | None,
    now: datetime,
) -> Previewed:
    raw = json.dumps(one.raw, indent=2, ensure_ascii=False, default=str)
    if isinstance(one, Unreadable) or one.order is None:
        number = "" if isinstance(one, Unreadable) else one.key
        return Previewed(number, forecast, facts(one.raw), raw, order=row)
    order = from_json(Order, one.data)  # as it is stored, and read again when it is sent
    ref = row.wms_ref if row is not None else reference(intake, one)
    loaded_at = row.created_at if row is not None else now
    outcome = rules.judge(order, intake.rules, anyway=row is not None and row.anyway, loaded_at=loaded_at)
    shown = Previewed(order.cust_po_no, forecast, facts(one.raw), raw, list(of_order(order)), order=row)
    shown.applied, shown.problems = [*rules.named(order, ref), *outcome.applied], list(outcome.problems)
    if wms is not None and not outcome.problems:
        _as_sent(shown, outcome.prepared(ref), wms, now)
    return shown


def _as_sent(shown: Previewed, prepared: Prepared, wms: WmsConnector, now: datetime) -> None:
    said = wms.mapper("payload")(prepared)
    shown.sent = facts(said)
    shown.payload = json.dumps(said, indent=2, ensure_ascii=False, default=str)
    if "orders" in wms.renders:
        _, content = rendered(wms, "orders", [prepared], now)
        shown.file = content.decode("utf-8", "replace")


def facts(said: Any) -> list[Fact]:
    """What any JSON says, leaf by leaf, with where each stands in it. What is empty is left out."""
    found: list[Fact] = []
    for name, value in _leaves(said, ""):
        if len(found) == MOST_FACTS:
            found.append(Fact("…", "There is more: see the whole below."))
            break
        found.append(Fact(name, value))
    return found


def _leaves(said: Any, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(said, Mapping):
        for name, value in said.items():
            yield from _leaves(value, f"{at}.{name}" if at else str(name))
    elif isinstance(said, list | tuple):
        for index, value in enumerate(said, 1):
            yield from _leaves(value, f"{at} {index}")
    elif said is not None and said != "":
        yield at, {True: "yes", False: "no"}.get(said, str(said)) if isinstance(said, bool) else str(said)


def of_order(order: Order) -> Iterator[Fact]:
    """Our order, in the words of its page."""
    plain: tuple[tuple[str, Any], ...] = (
        ("Order number", order.cust_po_no),
        ("Short reference", order.cust_ref),
        ("Placed", f"{order.order_date:%d %b %Y}"),
        ("Customer", order.customer_id),
        ("Ship to", _address(order.ship)),
        ("Bill to", _address(order.bill) if order.bill != order.ship else "the same"),
        ("Ship method", " ".join(part for part in (order.carrier, order.ship_code) if part)),
        ("Warehouse", order.location),
        *((f"Item {n}", _line(line)) for n, line in enumerate(order.lines, 1)),
        ("Goods", order.sub_total),
        ("Discount", order.order_discount),
        ("Tax", order.sales_tax),
        ("Shipping", order.shipping_handling),
        ("Total", f"{order.grand_total} {order.currency_code or ''}" if order.grand_total is not None else None),
        ("Note", order.shipping_instructions),
        ("Gift message", order.gift_message),
        ("Tags", ", ".join(order.tags)),
        *order.extra_fields.items(),
    )
    for name, value in plain:
        if value not in (None, ""):
            yield Fact(name, str(value))


def _line(line: Any) -> str:
    price = f" at {line.price:f}" if line.price is not None else ""
    return f"{line.item or 'no SKU'} × {line.quantity.normalize():f}{price}" + (
        f", {line.description}" if line.description else ""
    )


def _address(address: Address) -> str:
    parts = (
        address.name,
        address.company if address.company != address.name else None,
        address.address_1,
        address.address_2,
        address.address_3,
        " ".join(part for part in (address.zip, address.city, address.state) if part),
        address.country,
        address.phone,
        address.e_mail,
    )
    return "\n".join(part for part in parts if part)
