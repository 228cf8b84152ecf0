"""*Share setup link*: the page that makes links for merchants, lists those that still work, and revokes them."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import audit, reauth, tries
from accounts.models import Account
from accounts.requests import AccountRequest
from accounts.roles import require
from carts import setup_links
from carts.models import Cart
from carts.views.lookup import live_cart_or_404, merchant_of_query, to_archived
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from integration_manager.systems import may_be_chosen, system_or_404
from merchants.models import Merchant
from orders.connections import cart_class

LIMIT = tries.Limit("setup links", 30, timedelta(hours=1))  # of one user, since they are mailed


class ShareForm(forms.Form):
    """What a link is for, and to whom it goes."""

    name = forms.CharField(
        label="Name",
        max_length=100,
        help_text="What the cart is called on our pages. Example: Alder & Finch, main shop.",
    )
    email = forms.EmailField(
        label="Merchant’s e-mail",
        required=False,
        max_length=254,
        help_text="The link is mailed there. Empty: you pass it on yourself. Example: ops@alder.example.",
    )

    def __init__(self, *args: Any, cart: Cart | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if cart is not None:  # it has a name
            del self.fields["name"]


@require("carts.edit")
@never_cache
@require_http_methods(["GET", "POST"])
def share_new(request: AccountRequest, system: str) -> HttpResponseBase:
    """A link by which a merchant connects a shop that is not connected yet."""
    merchant = merchant_of_query(request.GET.get("merchant", ""))
    return _share(request, shareable_or_404(system_or_404("cart", system)), merchant, None)


@require("carts.edit")
@never_cache
@require_http_methods(["GET", "POST"])
def share(request: AccountRequest, cart: str) -> HttpResponseBase:
    """A link by which a merchant gives the credentials of this cart anew."""
    found = live_cart_or_404(cart)
    return _share(request, shareable_or_404(cart_class(found)), found.merchant, found)


@require("carts.edit")
@require_POST
def share_revoke(request: AccountRequest, cart: str, link: str) -> HttpResponseBase:
    """From now on the link opens nothing. `cart`: its cart, or the merchant of a link that is to make one."""
    now = clock.now()
    found = setup_links.good(now).select_related("cart", "merchant").filter(public_id=link).first()
    if found is None or cart not in (found.merchant.public_id, getattr(found.cart, "public_id", "")):
        raise Http404
    setup_links.good(now).filter(pk=found.pk).update(revoked_at=now)
    audit.record(request.user, "setup_link.revoked", found.name)
    messages.success(request, "The link is revoked: it opens nothing any more.")
    if found.cart is not None:
        return redirect("share", request.account.public_id, found.cart.public_id)
    new = reverse("share_new", args=[request.account.public_id, found.system])
    return redirect(f"{new}?merchant={found.merchant.public_id}")


def shareable_or_404(system: type[Connector]) -> type[Connector]:
    """Systems whose credentials a merchant has; where files lie is not theirs alone to say."""
    if system.uses != "http" or not may_be_chosen(system):
        raise Http404
    return system


def address(account: Account, cart: Cart, system: type[Connector]) -> str:
    """The page that makes a link for the merchant; "" where the system is connected by us alone."""
    if system.uses != "http":
        return ""
    if cart.pk:
        return reverse("share", args=[account.public_id, cart.public_id])
    new = reverse("share_new", args=[account.public_id, system.key])
    return f"{new}?merchant={cart.merchant.public_id}"


def _share(request: AccountRequest, system: type[Connector], merchant: Merchant, cart: Cart | None) -> HttpResponse:
    if merchant.archived_at is not None:
        return to_archived(request, merchant)
    form = ShareForm(request.POST if request.method == "POST" else None, cart=cart)
    context: dict[str, Any] = {
        "form": form,
        "label": system.label,
        "system": system.key,
        "cart": cart,
        "shown": merchant,
    }
    now, status = clock.now(), 200
    if request.method == "POST":
        status = 422
        if form.is_valid() and not reauth.is_recent(request):  # whoever has the link sets credentials
            return reauth.ask(request)
        if form.is_valid() and tries.take(LIMIT, str(request.user.pk), now) < 0:
            form.add_error(None, "That were many links: wait an hour.")
            status = 429
        if form.is_valid():
            name, email, by = form.cleaned_data.get("name", ""), form.cleaned_data["email"], request.user.email
            name = cart.name if cart else name
            _, url = setup_links.create(request.account, merchant, cart, system.key, system.label, name, email, by, now)
            audit.record(request.user, "setup_link.made", name, {"to": ("", email or "passed on by hand")})
            # Shown by this answer alone: the token is kept nowhere, so there is no page to lead to.
            context |= {"url": url, "sent_to": email, "form": ShareForm(cart=cart)}
            status = 200
    mine = setup_links.good(now).filter(merchant=merchant, system=system.key, cart=cart).order_by("-created_at")
    context["links"] = list(mine[:50])
    return render(request, "carts/share.html", context, status=status)
