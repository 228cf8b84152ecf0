"""*Grant API Access*: the way from a form to the system's own consent page."""

import secrets

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from accounts import tries
from accounts.models import User
from carts import grants
from carts.models import Cart, SetupLink
from integration_manager.connector_form import ConnectorForm
from integration_manager.kit import clock
from integration_manager.kit.errors import AddressRefused
from merchants.models import Merchant
from orders.connections import guard

TYPED = "grant_typed"  # in the session: what stood in the form that was left for the consent page
LIMIT = tries.Limit("grants", 30, grants.LIVES)  # of one browser


def leave(
    request: HttpRequest, form: ConnectorForm, merchant: Merchant, cart: Cart | None, link: SetupLink | None = None
) -> HttpResponse | str:
    """Leads to the consent page of the address in this form, or says what is wrong with that.

    A form's answer may not lead to another site (CSP), so it is a page that goes on by itself; our script,
    which has opened a window for it, gets the address alone.
    """
    system = form.system
    if system.keys is not None:
        form.without(system.keys.fields)
    if not form.is_valid():
        return ""
    if system.oauth is not None and not system.by_consent(form.values()):
        return "Choose Grant API Access above first: this way in is another one."
    values = {**form.values(), **grants.app_of(system, form.values())}
    declared = system.oauth or system.keys
    assert declared is not None
    try:
        # A connector may refuse an address too: an app's secret goes to that system alone.
        for address in (declared.authorize(values), *([system.oauth.token(values)] if system.oauth else [])):
            guard().check_url(address)
    except AddressRefused as error:
        return str(error)
    browser = request.session.get(grants.BROWSER) or secrets.token_urlsafe(24)
    request.session[grants.BROWSER] = browser
    if tries.take(LIMIT, browser, clock.now()) < 0:
        return "That was often enough: wait ten minutes."
    if link is None:
        secret = {f"c-{name}" for name, field in system.fields.items() if field.secret} | {"csrfmiddlewaretoken"}
        typed = {name: text[:500] for name, text in request.POST.items() if name not in secret}
        request.session[TYPED] = {"page": request.path, "typed": typed}
    user = request.user if isinstance(request.user, User) and link is None else None
    url = grants.begin(
        system, values, merchant=merchant, cart=cart, link=link, user=user, browser=browser, now=clock.now()
    )
    if request.headers.get("X-Popup"):
        return JsonResponse({"url": url})
    there = url.split("/")[2]
    return render(request, "carts/leaving.html", {"url": url, "label": system.label, "there": there})
