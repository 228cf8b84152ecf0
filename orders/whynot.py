"""Why don't I see order X? What we know of it, and what its cart says, in plain words."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from accounts.models import Account
from carts.models import Cart, DryOrder
from integration_manager.kit import clock
from merchants.models import Schedule, Service
from orders.content import fold
from orders.foreseeing import foresee
from orders.intake import Intake
from orders.models import Order, OrderDetail, SkippedOrder
from orders.reading import GONE, read_raw, reader_of

V = DryOrder.Verdict
MOST = 100  # characters of a number


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer: a title, the reason, what to do about it; and the order or the skipped row, where we have one."""

    title: str
    text: str = ""
    fix: str = ""
    order: Order | None = None
    skipped: SkippedOrder | None = None


def known_here(cart: Cart, number: str) -> Explanation | None:
    """What we know of an order of this cart's shop without asking the shop."""
    order = loaded(cart, number)
    if order is not None:
        return Explanation("It is here", "Its page says where it stands and what comes next.", order=order)
    same = Q(key__iexact=number) | Q(number__iexact=number)
    skipped = SkippedOrder.objects.filter(same, cart=cart).order_by("-seen_at").first()
    if skipped is not None:
        title = "It was here once" if skipped.reason == GONE else "It was skipped"
        return Explanation(title, skipped.message, skipped=skipped)
    return None


def loaded(cart: Cart, number: str) -> Order | None:
    """The order of this cart's shop with this number or key that is loaded, its latest revision."""
    key = fold(number)
    mine = Order.objects.filter(merchant=cart.merchant_id, source=cart.source)
    named = OrderDetail.objects.filter(Q(number_key=key) | Q(ref_key=key), order__in=mine)
    found = mine.filter(Q(cart_key=number) | Q(pk__in=named.values("order_id")))
    order: Order | None = found.order_by("-revision", "-pk").first()
    return order


def of_the_cart(cart: Cart, raw: Any, account: Account) -> Explanation:
    """What the shop's own answer means. `raw` None: it has no such order."""
    if raw is None:
        return Explanation(
            f"{cart.name} has no such order",
            "Asked by this number, the shop knows no order.",
            "Compare the number with the one in the shop, with all its signs.",
        )
    incoming = read_raw(raw, reader_of(cart), account.timezone)
    intake = Intake(cart.merchant, cart)
    forecast = foresee(intake, [incoming], clock.now())[0]
    if forecast.known is not None:
        return Explanation("It is here", "Under another number.", order=Order.objects.get(pk=forecast.known))
    if forecast.verdict == V.SEND:
        return Explanation("The shop has it, and it is ready to be loaded", when_read(cart))
    if forecast.verdict == V.HOLD:
        return Explanation("The shop has it, and it would be loaded and held", forecast.message, when_read(cart))
    if forecast.verdict == V.ERROR:
        return Explanation("The shop has it, and it would stop with an error", forecast.message, forecast.fix)
    return Explanation("The shop has it, and it is not loaded", forecast.message, forecast.fix)


def when_read(cart: Cart) -> str:
    """When the cart is read next, or why it is not, in words."""
    schedule = Schedule.objects.filter(cart=cart, service=Service.DOWNLOAD).first()
    if cart.archived_at is not None:
        return "The cart is deleted here, so nothing is read from it."
    if schedule is None or not schedule.every:
        return "Order Download is off. Switch it on, and it is loaded."
    if schedule.paused == Schedule.Paused.PERSON:
        return "Order Download is paused. Resume it, and it is loaded."
    if schedule.paused == Schedule.Paused.AUTH:
        return "The shop refuses our credentials at the moment. Correct them, and it is loaded."
    if schedule.failures:
        return f"The last Order Download failed: {schedule.problem} It is tried again by itself."
    return (
        "It is loaded at the next Order Download. Should that have passed it by, which can be when the shop did "
        "not note the change, re-pull from the day it was placed."
    )


def not_asked(cart: Cart) -> Explanation:
    """For a system that cannot be asked for one order."""
    return Explanation(
        "It was neither loaded nor skipped", "This system cannot be asked for a single order.", when_read(cart)
    )
