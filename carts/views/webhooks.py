"""Webhooks: where shops send them, and where people set them up."""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.http.response import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import open_to, require
from alerts.raising import raise_alert, resolve
from carts import webhooks
from carts.models import Cart, Webhook
from carts.webhooks import Outcome
from integration_manager import stale, tenancy, trying
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.errors import ConnectorError
from orders.connections import cart_class, open_cart
from orders.journal import Journal

log = logging.getLogger(__name__)

ANSWERS = {
    Outcome.WOKEN: (200, "Thank you."),
    Outcome.PING: (200, "Here we are."),
    Outcome.REFUSED: (401, "The signature does not fit."),
    Outcome.TOO_MANY: (429, "Too many at once."),
    Outcome.UNKNOWN: (404, "There is nothing here."),
}


@open_to("anyone")
@csrf_exempt
@never_cache
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """One webhook of a shop. It is answered before anything is done about it."""
    if request.method not in ("POST", "GET", "HEAD"):
        return HttpResponse(status=405, headers={"Allow": "POST, GET, HEAD"})
    found = webhooks.find(token)
    if found is None:
        return _answer(Outcome.UNKNOWN)
    if request.method != "POST":  # some shops look whether anybody lives here
        return _answer(Outcome.PING)
    if _length(request) > webhooks.MOST_BYTES:
        return HttpResponse("That is too long.", "text/plain", 413)
    try:
        body = request.body
    except UnreadablePostError:
        return HttpResponse("It ended too early.", "text/plain", 400)
    headers = {name.lower(): value for name, value in request.headers.items()}
    account, webhook_id = found
    with tenancy.activate(account):
        webhook, outcome = webhooks.receive(webhook_id, headers, body)
        if webhook is not None:
            _say(webhook, outcome)
    return _answer(outcome)


def _answer(outcome: Outcome) -> HttpResponse:
    status, text = ANSWERS[outcome]
    headers = {"Retry-After": "10"} if outcome is Outcome.TOO_MANY else {}
    return HttpResponse(text, "text/plain", status, headers=headers)


def _length(request: HttpRequest) -> int:
    said = request.META.get("CONTENT_LENGTH") or "0"
    return int(said) if said.isdecimal() else webhooks.MOST_BYTES + 1


def _say(webhook: Webhook, outcome: Outcome) -> None:
    """Wrong signatures in a row are a person's to look into; a right one ends that."""
    cart, key = webhook.cart, f"cart:{webhook.cart_id}"
    if outcome is Outcome.REFUSED and webhook.refused and webhook.refused % webhooks.WRONG == 0:
        raise_alert(
            "webhook_refused",
            key,
            f"{webhook.refused} webhooks in a row for {cart.name} were not signed with its secret, and were refused.",
            fix="Register the webhooks again on the cart’s page, or copy the secret into the shop anew. "
            "Orders are still downloaded at the set times.",
            merchant_id=cart.merchant_id,
            cart_id=cart.pk,
            now=clock.now(),
        )
    elif outcome is Outcome.WOKEN and webhook.refused >= webhooks.WRONG:
        resolve("webhook_refused", [key], clock.now())


# ── on the cart's page ──


@require("carts.edit")
@require_POST
def cart_webhooks(request: AccountRequest, cart: str, act: str) -> HttpResponseBase:
    """Sets the cart's webhooks up, or removes them."""
    found = Cart.objects.filter(public_id=cart, archived_at__isnull=True).first()
    if found is None or act not in ("on", "off"):
        raise Http404
    system = cart_class(found)
    assert issubclass(system, CartConnector)
    if not system.overrides("webhook"):
        messages.error(request, f"{system.label} sends no webhooks.")
    elif act == "on":
        _on(request, found, system)
    else:
        _off(request, found)
    return redirect(reverse("cart", args=[request.account.public_id, found.public_id]) + "#webhooks")


@require("carts.edit")
@require_POST
def cart_cancel_upload(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Whether the cart is told of cancellations made here or by the warehouse."""
    found = Cart.objects.filter(public_id=cart, archived_at__isnull=True).first()
    if found is None:
        raise Http404
    wanted = request.POST.get("cancel_upload") == "on"
    if stale.overtaken(request.POST, stale.mark(found.cancel_upload)):
        messages.error(request, f"Order Cancel Upload: {stale.is_now('on' if found.cancel_upload else 'off')}")
    elif wanted and not cart_class(found).overrides("cancel"):
        messages.error(request, "This system cannot be told of cancellations.")
    else:
        if wanted != found.cancel_upload:
            Cart.objects.filter(pk=found.pk).update(cancel_upload=wanted)
            audit.record(request.user, "cart.changed", found.name, {"Order Cancel Upload": (not wanted, wanted)})
        messages.success(request, f"Order Cancel Upload is {'on' if wanted else 'off'}.")
    return redirect(reverse("cart", args=[request.account.public_id, found.public_id]) + "#cancel-upload")


def _on(request: AccountRequest, cart: Cart, system: type[CartConnector]) -> None:
    # The address first: the shop tries it while it is being registered.
    webhook = webhooks.create(cart)
    if not system.overrides("subscribe"):
        audit.record(request.user, "cart.webhooks.on", cart.name)
        messages.success(request, "Copy the address and the secret into the shop’s settings.")
        return

    def subscribe(connector: CartConnector) -> list[str]:
        return connector.subscribe(webhooks.address(webhook), webhook.secrets["secret"].reveal())

    handles, problem = _ask(request, cart, subscribe)
    if problem:
        messages.error(request, f"The webhooks are not registered. {problem}")
        return
    Webhook.objects.filter(pk=webhook.pk).update(handles=handles, registered_at=clock.now(), refused=0)
    resolve("webhook_refused", [f"cart:{cart.pk}"], clock.now())
    audit.record(request.user, "cart.webhooks.on", cart.name)
    messages.success(request, f"{cart.name} now tells us of its orders by itself.")


def _off(request: AccountRequest, cart: Cart) -> None:
    webhook = Webhook.objects.filter(cart=cart).first()
    if webhook is None:
        return

    def unsubscribe(connector: CartConnector) -> None:
        for handle in webhook.handles:
            connector.unsubscribe(handle)

    problem = _ask(request, cart, unsubscribe)[1] if webhook.handles else ""
    webhook.delete()  # whatever still comes is nobody's
    resolve("webhook_refused", [f"cart:{cart.pk}"], clock.now())
    audit.record(request.user, "cart.webhooks.off", cart.name)
    if problem:
        messages.warning(request, f"What comes is no longer taken. Remove it in the shop too, we could not: {problem}")
    else:
        messages.success(request, "The webhooks are removed. Orders are downloaded at the set times.")


def _ask(request: AccountRequest, cart: Cart, what: Callable[[Any], Any]) -> tuple[Any, str]:
    """Calls the shop from a page: (its answer, what is wrong in words)."""
    if request.account.suspended_at:
        return None, trying.SUSPENDED.text
    if cart.merchant.archived_at:
        answer = trying.archived(cart.merchant)
        return None, f"{answer.title}. {answer.text}"
    journal = Journal()
    connector = open_cart(cart, request.account, journal)
    for way in (getattr(connector, "http", None), getattr(connector, "folder", None)):
        if way is not None and hasattr(way, "timeout"):
            way.timeout = min(way.timeout, trying.SECONDS)
    try:
        with trying.slot(request.account):
            return what(connector), ""
    except trying.Busy:
        return None, "Four pages of this account are calling out already. Try again in a moment."
    except ConnectorError as error:
        return None, str(error)
    except Exception as error:
        number = public_id()
        log.error("report %s: webhooks of %s failed", number, cart.system, exc_info=error)
        return None, f"That is our mistake: report {number}."
    finally:
        journal.store(None)
