"""*Grant API Access*: what setup pages show of it, and `callback`, where a consent page leads back to."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.models import Account
from accounts.roles import open_to
from carts import grants
from carts.models import Access, Attempt, Cart
from carts.systems import registry
from carts.views import by_link
from carts.views.leaving import TYPED
from carts.views.lookup import may_edit_carts
from integration_manager import tenancy, trying, trying_pages
from integration_manager.connector_form import ConnectorForm
from integration_manager.kit import clock, keygrant, oauth
from integration_manager.kit.connector import Connector
from integration_manager.kit.oauth import ACCESS, BadCallback, Denied
from integration_manager.kit.tokens import MemoryStore, Token
from integration_manager.trying import Answer
from orders.tokens import stored

AGAIN = "Press Grant API Access again: what was granted is for another address."
FIRST = "Press Grant API Access first."


class Consent:
    """What a setup page has to know of a system that is connected by consent; of others: nothing."""

    def __init__(self, request: HttpRequest, system: type[Connector], cart: Cart) -> None:
        """`cart`: the page's own; one without a key is being set up."""
        self.system = system
        self.needed = grants.may_grant(system)
        self.when = grants.shown_when(system)
        self.by_keys = grants.gives_keys(system)  # they can be typed in as well
        self.offered = self.needed or self.by_keys
        self.access: Access | None = None
        self.typed: dict[str, Any] = {}
        if not self.offered or (cart.pk and self.by_keys):
            return
        if cart.pk:
            self.access = Access.objects.filter(cart=cart).first()
            return
        name = (request.POST.get("grant_id") or request.GET.get("grant", "")).replace("\x00", "")
        mine = Access.objects.filter(merchant=cart.merchant, system=system.key, cart=None)
        self.access = mine.filter(public_id=name[:12], granted_by=getattr(request.user, "email", "")).first()
        kept = request.session.get(TYPED, {})
        if self.access is not None and request.method == "GET" and kept.get("page") == request.path:
            self.typed = kept["typed"]

    def stored(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the form of the connection begins with."""
        options = {name.removeprefix("c-"): text for name, text in self.typed.items() if name.startswith("c-")}
        return {**values, **options, **(self.access.address if self.access else {})}

    def fits(self, form: ConnectorForm) -> bool:
        """Whether access was granted for the address in this (valid) form; says so beside the field."""
        if not self.system.by_consent(form.values()):
            return True
        if self.access is None:
            form.add_error(None, FIRST)
            return False
        typed, granted = form.credentials(), self.access.address
        other = [name for name in form.of_level if name in {*typed, *granted} and not _same(typed, granted, name)]
        for name in other:
            form.add_error(name, AGAIN)
        return not other

    def credentials(self, form: ConnectorForm) -> dict[str, Any]:
        """What the cart's credentials have besides the fields of this (valid) form."""
        granted = self.access is not None and self.system.by_consent(form.values())
        return {ACCESS: self.access.public_id} if self.access is not None and granted else {}

    def attach(self, cart: Cart) -> None:
        """What was granted is the (new) cart's. Keys are among its credentials by now."""
        if self.access is not None and self.by_keys:
            self.access.delete()
        elif self.access is not None and self.access.cart_id is None:
            Access.objects.filter(pk=self.access.pk).update(cart=cart)


def _same(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    return oauth.plain(one, name) == oauth.plain(other, name)


@open_to("anyone")
@never_cache
@require_GET
@sensitive_variables("code", "state")
def callback(request: HttpRequest) -> HttpResponseBase:
    """What a consent page leads back to: verified, exchanged for tokens, kept."""
    state = request.GET.get("state", "")
    found = grants.find(state)
    if found is None:
        return _said(request, "This way back is not known", "It was used already, is too old, or is not ours.", 410)
    account_id, attempt_id = found
    account = Account.objects.get(pk=account_id)
    with tenancy.activate(account_id):
        attempt = grants.take(attempt_id, request.session.get(grants.BROWSER, ""), clock.now())
        if attempt is None:
            text = (
                "It works once, for ten minutes, and in the browser that pressed Grant API Access. "
                "Go back to the setup and press it again."
            )
            return _said(request, "This way back does not work", text, 410)
        if attempt.link is None and not may_edit_carts(request.user, account, attempt.merchant_id):
            return _said(request, "You may not connect carts here", "Ask an administrator of the account.", 403)
        return _back(request, account, attempt)


@open_to("anyone")
@csrf_exempt
@never_cache
@require_POST
@sensitive_variables("state", "keys")
def receive_keys(request: HttpRequest, state: str) -> HttpResponse:
    """The keys that a shop's server sends, before it leads the person back. Anything but 200 makes it drop them."""
    found = grants.find(state)
    if found is None:
        return HttpResponse("There is nothing here.", "text/plain", 404)
    account_id, attempt_id = found
    with tenancy.activate(account_id):
        system = registry().get(Attempt.objects.values_list("system", flat=True).get(pk=attempt_id))
        try:
            if system.keys is None:
                raise BadCallback("No keys are waited for.")
            keys = keygrant.keys_of(system.keys, request.body)
        except (BadCallback, UnreadablePostError, RequestDataTooBig) as error:
            return HttpResponse(str(error), "text/plain", 400)
        if not grants.take_keys(attempt_id, keys, clock.now()):
            return HttpResponse("It is too late for these.", "text/plain", 410)
    return HttpResponse("Thank you.", "text/plain")


def _back(request: HttpRequest, account: Account, attempt: Attempt) -> HttpResponse:
    system = registry().get(attempt.system)
    there = _setup_page(account, attempt)
    query = {name: values[0] for name, values in request.GET.lists() if len(values) == 1}
    address = grants.address_of(attempt) | grants.keys_of(attempt)
    if system.keys is not None:
        answer, token = _with_keys(account, attempt, system, address, query), None
    else:
        answer, token = _granted(account, attempt, system, address, query)
    if not answer.works:
        return _said(request, answer.title, answer.text, 422, back=there)
    kept = stored(token) if token is not None else None
    if attempt.link is not None:
        link = attempt.link
        problem = by_link.finish(link, account, system, address, answer.identity, token=kept, attempt=attempt)
        if problem:
            return _said(request, problem.title, problem.text, 422, back=there)
        return render(request, "carts/granted.html", {"label": system.label, "link": link, "account": account})
    by, now = request.user, clock.now()
    if attempt.cart is None:
        access = grants.keep(attempt, kept or {}, answer.identity, str(getattr(by, "email", "")), now, None)
        there = f"{there}&grant={access.public_id}"
        audit.record(by, "access.granted", f"{system.label} for {attempt.merchant.name}")
    elif answer.identity not in (None, attempt.cart.shop):
        text = "Its orders must not mix with this cart’s. Nothing was changed; add it as a cart of its own."
        return _said(request, "That is another shop", text, 422, back=there)
    else:
        if kept is not None:
            who = str(getattr(by, "email", ""))
            address[ACCESS] = grants.keep(attempt, kept, answer.identity, who, now, attempt.cart).public_id
        _give(attempt.cart, system, address)
        audit.record(by, "access.granted", attempt.cart.name)
    response = render(request, "carts/granted.html", {"label": system.label, "back": there})
    response["Cross-Origin-Opener-Policy"] = "unsafe-none"  # so that the window that our script opened can be closed
    return response


def _give(cart: Cart, system: type[Connector], granted: Mapping[str, Any]) -> None:
    """The cart uses these tokens or keys from now on."""
    cart.credentials = grants.credentials(cart, system, granted)
    cart.save(update_fields=["credentials"])
    trying_pages.let_in_again(cart=cart)


def _granted(
    account: Account, attempt: Attempt, system: type[Connector], address: Mapping[str, Any], query: Mapping[str, str]
) -> tuple[Answer, Token | None]:
    """The tokens for what came back, and whether they work."""
    declared = system.oauth
    assert declared is not None
    app = grants.app_of(system, address)
    try:
        code = oauth.code_of(declared, {**address, **app}, query)
    except Denied as error:
        return Answer(False, "Access was not granted", f"{error} Nothing was changed."), None
    except BadCallback as error:
        return Answer(False, "This answer is not believed", f"{error} Nothing was changed; try again."), None
    tokens = MemoryStore()

    def question(connector: Connector) -> str | None:
        connector.http.tokens = tokens
        connector.connect(connector.http)
        values = {**address, **app}
        oauth.exchange(connector.http, declared, values, code, grants.redirect_uri(), grants.verifier_of(attempt))
        connector.check()
        return connector.identity()

    answer, identity = trying.answer_of(system, address, account, attempt.merchant, question)
    found = Answer(answer.works, answer.title, answer.text, answer.said, answer.seconds, identity)
    return found, tokens.load()


def _with_keys(
    account: Account, attempt: Attempt, system: type[Connector], values: Mapping[str, Any], query: Mapping[str, str]
) -> Answer:
    """Whether the keys have come, and work at the address that the person gave."""
    try:
        keygrant.check_return(query)
    except Denied as error:
        return Answer(False, "Access was not granted", f"{error} Nothing was changed.")
    if not grants.keys_of(attempt):
        text = f"{system.label} sent the keys, and they have not come here. Try again, or make them there by hand."
        return Answer(False, "The keys have not come", text)
    options = {name: one.default for name, one in system.fields.items() if one.option and one.default is not None}
    return trying.check(system, {**options, **values}, account, attempt.merchant)


def _setup_page(account: Account, attempt: Attempt) -> str:
    """Where the person came from. Of a link's page we do not know the address: its token is kept nowhere."""
    if attempt.link is not None:
        return ""
    if attempt.cart is not None:
        return reverse("cart_edit", args=[account.public_id, attempt.cart.public_id])
    new = reverse("cart_new", args=[account.public_id, attempt.system])
    return f"{new}?merchant={attempt.merchant.public_id}"


def _said(request: HttpRequest, title: str, text: str, status: int, back: str = "") -> HttpResponse:
    context = {"title": title, "text": text, "back": back}
    response = render(request, "carts/not_granted.html", context, status=status)
    response["Cross-Origin-Opener-Policy"] = "unsafe-none"
    return response
