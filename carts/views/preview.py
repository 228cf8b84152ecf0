"""Real orders of a cart, shown without importing them; and why an order is not here."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.forms import NumberForm, WhyForm
from carts.models import Cart
from carts.views.lookup import cart_or_404, label_of, to_choose
from integration_manager import trying
from integration_manager.converters import looks_like_one
from integration_manager.kept import typed
from integration_manager.kit import clock
from integration_manager.systems import wms_system
from orders import preview, whynot
from orders.connections import cart_class
from orders.models import Order
from orders.reading import reader_of


@require("carts.edit")
@require_http_methods(["GET", "POST"])
def cart_preview(request: AccountRequest, cart: str) -> HttpResponse:
    """Reads a few orders from the cart, and shows what would become of them. Nothing is stored or sent.

    What the cart cannot be asked for, since it is deleted, say, is shown as it is stored, where it is loaded; so is
    the order that the address names.
    """
    found = cart_or_404(cart)
    gone = found.archived_at is not None
    system = None if gone else cart_class(found)
    order = _named(request, found)
    by_number = "number" in request.POST
    form = NumberForm(request.POST if by_number else None, initial={"number": order.cust_po_no if order else ""})
    wms = wms_system()
    context: dict[str, Any] = {
        "cart": found,
        "label": label_of(found),
        "wms_label": wms.label if wms else "",
        "form": form,
        "gone": gone,
        "asks": system is not None and system.overrides("order"),
        "by_hand": system is not None and getattr(reader_of(found), "by_hand", False),
        "by_files": system is not None and system.uses == "folder",
    }
    if request.method != "POST" and order is not None:
        return _shown(request, context, preview.stored(found, [order.pk], clock.now()), None, order.cust_po_no)
    if request.method != "POST" or (by_number and not form.is_valid()):
        return render(request, "carts/preview.html", context, status=422 if by_number else 200)
    number, now = form.cleaned_data["number"] if by_number else "", clock.now()
    if system is None or context["by_hand"] or (number and not context["asks"]):
        ids = _loaded(found, number) if number else preview.newest_stored(found)
        return _shown(request, context, preview.stored(found, ids, now), preview.Sample([]), number)
    answer, sample = trying.answer_of(
        system,
        {**found.options, **found.credentials},
        request.account,
        found.merchant,
        lambda connector: preview.sample(connector, now, number),
        trace=True,
    )
    if sample is None:
        orders = preview.stored(found, _loaded(found, number), now) if number else []
        return _shown(request, context | {"answer": answer}, orders, None, number, status=422)
    orders = preview.preview(found, request.account, sample.raws, now)
    if number and not orders:  # the shop does not know it any more, if it ever did
        orders = preview.stored(found, _loaded(found, number), now)
    return _shown(request, context, orders, sample, number, answer.seconds)


def _named(request: AccountRequest, cart: Cart) -> Order | None:
    """The order of this cart that the address names behind its question mark."""
    named = request.GET.get("order", "")
    if not named:
        return None
    order: Order | None = Order.objects.filter(cart=cart, public_id=named).first() if looks_like_one(named) else None
    if order is None:
        raise Http404
    return order


def _loaded(cart: Cart, number: str) -> list[int]:
    order = whynot.loaded(cart, number)
    return [] if order is None else [order.pk]


def _shown(
    request: AccountRequest,
    context: dict[str, Any],
    orders: list[preview.Previewed],
    sample: preview.Sample | None,
    number: str,
    seconds: float | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page of these orders. `seconds`: how long their cart took; None: it was not asked, or gave no answer."""
    if orders:  # somebody's name and address are on the page
        shown = ", ".join(order.number or "one without number" for order in orders)
        audit.record(request.user, "orders.previewed", context["cart"].name, {"orders": (None, shown)})
    context |= {"orders": orders, "sample": sample, "number": number, "seconds": seconds, "read_at": clock.now()}
    return render(request, "carts/preview.html", context, status=status)


@require("orders.view")
@require_http_methods(["GET", "POST"])
def why_not(request: AccountRequest) -> HttpResponse:
    """Why don't I see order X? What we know of it; else its cart is asked for that one order."""
    carts = to_choose(Cart.objects.filter(archived_at__isnull=True), (request.POST or request.GET).get("cart", ""))
    initial = {name: request.GET.get(name, "").replace("\x00", "")[:100] for name in ("cart", "number")}
    form = WhyForm(typed(request), carts=carts, initial=initial)
    context: dict[str, Any] = {"form": form, "carts": carts}
    if request.method != "POST" or not form.is_valid():
        return render(request, "carts/why.html", context, status=422 if request.method == "POST" else 200)
    number = form.cleaned_data["number"]
    cart = next(one for one in carts if one.public_id == form.cleaned_data["cart"])
    context |= {"number": number, "asked": cart}
    explanation = whynot.known_here(cart, number)
    system = cart_class(cart)
    if explanation is None and not system.overrides("order"):
        explanation = whynot.not_asked(cart)
    if explanation is None:
        answer, raw = trying.answer_of(
            system,
            {**cart.options, **cart.credentials},
            request.account,
            cart.merchant,
            lambda connector: (connector.order(number),),
            trace=True,
        )
        if raw is None:
            return render(request, "carts/why.html", context | {"answer": answer}, status=422)
        audit.record(request.user, "order.asked", f"{cart.name}: {number}")
        explanation = whynot.of_the_cart(cart, raw[0], request.account)
    return render(request, "carts/why.html", context | {"found": explanation})
