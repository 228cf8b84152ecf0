"""Sections of a cart's page that see to themselves: webhooks, and Order Cancel Upload."""

from typing import Any

from django import template

from carts import webhooks
from carts.models import Cart, Webhook, WebhookDelivery
from carts.systems import registry
from integration_manager import stale
from merchants.models import Schedule, Service

register = template.Library()
SHOWN = 5


@register.inclusion_tag("carts/webhooks.html", takes_context=True)
def webhooks_section(context: dict[str, Any], cart: Cart) -> dict[str, Any]:
    """Address, secret, what came last. Empty for systems that send none."""
    system = registry().systems.get(cart.system)
    if system is None or not system.overrides("webhook"):
        return {"shown": False}
    webhook = Webhook.objects.filter(cart=cart).first()
    return {
        "shown": True,
        "cart": cart,
        "account": context["account"],
        "may_edit": context["may"]["carts_edit"],
        "csrf_token": context.get("csrf_token"),
        "label": system.label,
        "runs": Schedule.objects.filter(cart=cart, service=Service.DOWNLOAD, every__gt=0, paused="").exists(),
        "registers": system.overrides("subscribe"),
        "webhook": webhook,
        "address": webhooks.address(webhook) if webhook else "",
        "secret": webhook.secrets["secret"].reveal() if webhook else "",
        "deliveries": list(WebhookDelivery.objects.filter(cart=cart).order_by("-id")[:SHOWN]) if webhook else [],
    }


@register.inclusion_tag("carts/cancel_upload.html", takes_context=True)
def cancel_upload_section(context: dict[str, Any], cart: Cart) -> dict[str, Any]:
    """Whether the cart is told of cancellations. Empty for systems that cannot be told."""
    system = registry().systems.get(cart.system)
    return {
        "shown": system is not None and system.overrides("cancel"),
        "cart": cart,
        "account": context["account"],
        "may_edit": context["may"]["carts_edit"],
        "mark": stale.mark(cart.cancel_upload),
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_tag
def takes_test_orders(cart: Cart) -> bool:
    """Whether test orders can be made for a cart."""
    system = registry().systems.get(cart.system)
    return system is not None and system.overrides("place_tests")


@register.simple_tag
def gives_products(cart: Cart) -> str:
    """How a cart gives products: "asked" for them, or by "files" as they come; "" where it gives none."""
    system = registry().systems.get(cart.system)
    if system is None or not system.overrides("products"):
        return ""
    return "files" if system.uses == "folder" else "asked"
