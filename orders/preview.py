"""Previews: orders of a cart, read without importing them or as they are stored, and what becomes of each.

What it shows is made by the engine's own functions: `read_raw` maps, `foresee` decides, `rules.judge` and
the WMS's `payload` and `render` make what is sent. There is no second way from a shop's order to the WMS's.
Of an order that is loaded it shows what is stored, edits included, since that is what is sent.
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
from orders import differences, following
from orders.connections import wms_class
from orders.content import payload_hash
from orders.foreseeing import Forecast, V, foresee
from orders.formats import with_formats
from orders.inserting import reference
from orders.intake import Incoming, Intake
from orders.models import Order as OrderRow
from orders.models import OrderDetail, Status
from orders.reading import Unreadable, read_raw, reader_of
from orders.services.file_batches import rendered
from orders.states import UNSENT
from wms.models import Wms

NEWEST = 5
# How far back to look for the newest: a busy shop shows them at once, a quiet one after some more questions.
REACHES = (timedelta(hours=1), timedelta(days=1), timedelta(days=14), timedelta(days=365))
READING = 9.0  # seconds; of a page's time some is left for the number and the mapping
LOADED = Forecast(V.KNOWN, "It is loaded already.")
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
    if_loaded: bool = False  # it is not loaded as things are: what the WMS would get else
    nothing: str = ""  # why the WMS gets nothing, where that is to be said
    applied: list[rules.Applied] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what stands against it or lets it wait, beside the forecast
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
    known = _details([f.known for f in forecasts if f.known is not None])
    wms = _wms(cart)
    return [
        _previewed(one, forecast, known[forecast.known], intake, wms, now)
        if forecast.known in known
        else _new(one, forecast, intake, wms, now)
        for one, forecast in zip(found, forecasts, strict=True)
    ]


def stored(cart: Cart, ids: Sequence[int], now: datetime) -> list[Previewed]:
    """Orders that are loaded, by what is stored alone: their cart is not asked."""
    intake, wms, known = Intake(cart.merchant, cart), _wms(cart), _details(ids)
    return [_previewed(None, LOADED, known[pk], intake, wms, now) for pk in ids if pk in known]


def newest_stored(cart: Cart) -> list[int]:
    """The orders that came last, of a cart which brings its orders by people's hands."""
    return list(OrderRow.objects.filter(cart=cart).order_by("-id").values_list("pk", flat=True)[:NEWEST])


def _details(ids: Sequence[int]) -> dict[int, OrderDetail]:
    return {detail.order_id: detail for detail in OrderDetail.objects.filter(order__in=ids).select_related("order")}


def _wms(cart: Cart) -> WmsConnector | None:
    destination = Wms.objects.first()
    if destination is None:
        return None
    system: Any = wms_class(destination)
    values = {**destination.options, **destination.credentials, **cart.merchant.wms_values}
    found: WmsConnector = system(with_formats(system, values, cart.merchant))
    return found


def _new(
    one: Incoming | Unreadable, forecast: Forecast, intake: Intake, wms: WmsConnector | None, now: datetime
) -> Previewed:
    """An order that we do not have."""
    raw = _whole(one.raw)
    if isinstance(one, Unreadable) or one.order is None:
        number = "" if isinstance(one, Unreadable) else one.key
        return Previewed(number, forecast, facts(one.raw), raw)
    order = from_json(Order, one.data)  # as it is stored, and read again when it is sent
    ref, outcome = reference(intake, one), rules.judge(order, intake.rules, loaded_at=now)
    shown = Previewed(order.cust_po_no, forecast, facts(one.raw), raw, list(of_order(order)))
    shown.applied = [*rules.named(order, ref), *outcome.applied]
    # The forecast says the first of all this.
    said = [outcome.refused.message] if outcome.refused else []
    said += [f"Sent, it would stop: {problem.message} {problem.fix}" for problem in outcome.problems]
    said += [f"It would wait: {hold.why}" for hold in outcome.holds]
    shown.notes = [text for text in said if not forecast.message or forecast.message not in text]
    shown.if_loaded = forecast.verdict in (V.LEAVE, V.SKIP, V.HANDLED)
    if wms is not None and not outcome.problems and outcome.refused is None:
        _as_sent(shown, outcome.prepared(ref), wms, now)
    return shown


def _previewed(
    one: Incoming | Unreadable | None,
    forecast: Forecast,
    detail: OrderDetail,
    intake: Intake,
    wms: WmsConnector | None,
    now: datetime,
) -> Previewed:
    """An order that is loaded: what is stored of it. `one`: as its cart has it now; None: it was not asked."""
    row = detail.order
    raw = one.raw if one is not None else detail.raw
    shown = Previewed(row.cust_po_no, forecast, facts(raw), _whole(raw) if raw is not None else "", order=row)
    version = detail.newer or detail.data  # one that came while it was being sent is what is sent next
    if "order_date" not in version:  # it could not be read when it was loaded
        shown.notes = [row.error_message] if row.error_message else []
        return shown
    if detail.newer:
        version = following.merged(row, detail, version)
    order = from_json(Order, version)
    shown.ours = list(of_order(order))
    waiting = row.status in (*UNSENT, Status.SENDING)
    # What is with the WMS waits for nothing any more, whatever the rules say by now.
    outcome = rules.judge(
        order,
        intake.rules,
        anyway=row.anyway or not waiting,
        address_right=detail.right_for(version) or not waiting,
        loaded_at=row.created_at if waiting else None,
    )
    shown.applied = [*rules.named(order, row.wms_ref), *outcome.applied]
    if row.status == Status.CANCELED:
        shown.nothing = "It is canceled."
    elif waiting:
        shown.notes = list(_against(row, outcome, one, now))
        if wms is not None and not outcome.problems and outcome.refused is None:
            _as_sent(shown, outcome.prepared(row.wms_ref), wms, now)
    elif wms is not None:
        prepared = outcome.prepared(row.wms_ref)
        if outcome.problems or payload_hash(wms.mapper("payload")(prepared)) != row.sent_hash:
            shown.applied = [rules.Applied(**told) for told in detail.applied]
            shown.nothing = "It was sent before, and not as it would be now. What was sent is told on its page."
        else:
            _as_sent(shown, prepared, wms, now)
    return shown


def _against(row: OrderRow, outcome: rules.Outcome, one: Incoming | Unreadable | None, now: datetime) -> Iterator[str]:
    """What stands against sending an order that is loaded, or lets it wait; and what its cart has other than we."""
    if row.error_message and all(row.error_message != problem.message for problem in outcome.problems):
        yield row.error_message
    if outcome.refused is not None:
        yield f"It is held instead of sent: {outcome.refused.message}"
    for problem in outcome.problems:
        yield f"Sent, it stops: {problem.message} {problem.fix}"
    for hold in outcome.holds:
        if hold.until is None or hold.until > now:
            yield f"It waits: {hold.why}"
    edited = ", ".join(differences.word(name) for name in row.edited_fields)
    if edited:
        yield f"Edited here, so not as the shop has it: {edited}."
    if isinstance(one, Incoming) and one.hash != row.source_hash:
        kept = " What was edited here stays." if edited else ""
        yield f"The shop has changed it since it was read; the next Order Download takes that over.{kept}"


def _whole(raw: Any) -> str:
    return json.dumps(raw, indent=2, ensure_ascii=False, default=str)


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
