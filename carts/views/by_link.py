"""What a setup link opens, for its holder who does not sign in: one cart's credentials, and nothing else."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts import audit, mail, tries
from accounts.models import Account
from accounts.roles import open_to
from carts import grants, setup_links
from carts.models import Attempt, Cart, SetupLink
from carts.systems import registry
from carts.views.adding import add
from carts.views.leaving import leave
from carts.views.lookup import today
from integration_manager import tenancy, trying, trying_pages
from integration_manager.connector_form import ConnectorForm
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from integration_manager.kit.oauth import ACCESS
from integration_manager.trying import Answer

PER_IP = tries.Limit("setup link ip", 60, timedelta(minutes=10))
CALLS = tries.Limit("setup link calls", 20, timedelta(minutes=10))


class GetInForm(ConnectorForm):
    """The fields for getting in alone; nothing of what is stored is in it."""

    def __init__(self, system: type[Connector], *args: Any, **kwargs: Any) -> None:
        super().__init__(system, "account", {}, *args, **kwargs)
        for name in [name for name, field in self.of_level.items() if field.option]:
            del self.of_level[name]
            del self.fields[name]


@open_to("anyone")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("token")
@sensitive_post_parameters()
def setup_link(request: HttpRequest, token: str) -> HttpResponseBase:
    """The page of a link. One that is not good (any more) says so, and nothing else."""
    now = clock.now()
    ip = get_adapter().get_client_ip(request)
    found = setup_links.find(token, now) if tries.take(PER_IP, ip, now) >= 0 else None
    if found is None:
        return render(request, "carts/link_gone.html", status=410)
    account_id, merchant_id, link_id = found
    account = Account.objects.get(pk=account_id)
    with tenancy.activate(account_id, [merchant_id]):
        link = SetupLink.objects.select_related("merchant", "cart").get(pk=link_id)
        return _page(request, account, link)


def _page(request: HttpRequest, account: Account, link: SetupLink) -> HttpResponse:
    system = registry().get(link.system)
    form = GetInForm(system, request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"link": link, "account": account, "label": system.label, "guide": system.guide}
    when = grants.shown_when(system)
    context |= {"values": form, "by_keys": grants.gives_keys(system), "when": when}
    # By consent alone, or besides what can be typed in.
    context["consent"] = system.oauth is not None and when is None
    context["either"] = grants.may_grant(system) or context["by_keys"]
    if request.method != "POST":
        return render(request, "carts/link.html", context)
    if context["consent"] or (context["either"] and "grant" in request.POST):
        said = leave(request, form, link.merchant, link.cart, link)
        if isinstance(said, HttpResponse):
            return said
        context["problem"] = said
    elif form.is_valid():
        if tries.take(CALLS, str(link.pk), clock.now()) < 0:
            context["answer"] = Answer(False, "That was often enough", "Wait ten minutes, then try again.")
            return render(request, "carts/link.html", context, status=429)
        answer = trying.check(system, {**_options(link, system), **form.credentials()}, account, link.merchant)
        # Into which shop they lead is not told: the holder of the credentials knows.
        context["answer"] = Answer(answer.works, answer.title, "" if answer.works else answer.text, "", answer.seconds)
        if answer.works and "test" not in request.POST:
            problem = finish(link, account, system, form.credentials(), answer.identity)
            if problem is None:
                return render(request, "carts/granted.html", {"label": system.label, "link": link, "account": account})
            context["answer"] = problem
        elif answer.works:
            return render(request, "carts/link.html", context)
    return render(request, "carts/link.html", context, status=422)


def finish(
    link: SetupLink,
    account: Account,
    system: type[Connector],
    credentials: Mapping[str, Any],
    identity: str | None,
    *,
    token: Mapping[str, Any] | None = None,
    attempt: Attempt | None = None,
) -> Answer | None:
    """Stores what works, once: for the link's cart, or as a new cart whose services are off. None: done."""
    now, who = clock.now(), setup_links.holder(link)
    if link.cart is not None and identity not in (None, link.cart.shop):
        return Answer(False, "That is another shop", "Give the credentials of the shop that is connected already.")
    with transaction.atomic():
        cart = link.cart or Cart(merchant=link.merchant, system=link.system, name=link.name)
        if link.cart is None:
            cart.public_id, cart.earliest_order_date = public_id(), today(account)
            cart.credentials, cart.options = dict(credentials), _options(link, system)
            cart.shop = identity or cart.public_id
            if add(cart) is not None:
                return Answer(False, "This shop is connected already", f"Ask {account.name} about it.")
        if not setup_links.use(link, now):
            transaction.set_rollback(True)
            return Answer(False, "This link was used already", "Nothing was changed.")
        stored = dict(credentials)
        if token is not None and attempt is not None:
            stored[ACCESS] = grants.keep(attempt, token, identity, who, now, cart).public_id
        cart.credentials = grants.credentials(cart, system, stored)
        cart.save(update_fields=["credentials"])
        audit.record(who, "cart.credentials", cart.name)
        setup_links.tell(
            link, account, system.label, mail.link(reverse("cart", args=[account.public_id, cart.public_id]))
        )
    trying_pages.let_in_again(cart=cart)
    return None


def _options(link: SetupLink, system: type[Connector]) -> dict[str, Any]:
    if link.cart is not None:
        return dict(link.cart.options)
    return {name: field.default for name, field in system.fields.items() if field.option and field.default is not None}
