"""Country Rules of a cart: as those of a merchant, for its orders alone."""

from django.http import HttpResponseBase
from django.views.decorators.http import require_GET, require_http_methods

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.views.item_filters import crumbs
from carts.views.lookup import cart_or_404, live_cart_or_404
from integration_manager.undone import once_more
from merchants.views.country_rules import download, page, take_up


@require("carts.view")
@require_http_methods(["GET", "POST"])
@once_more
def cart_countries(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Which countries the orders of this cart are sent to."""
    found = live_cart_or_404(cart) if request.method == "POST" else cart_or_404(cart)
    return page(request, found, "cart_countries", "carts.edit", {"cart": found, "crumbs": crumbs(request, found)})


@require("carts.view")
@require_GET
def cart_countries_csv(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The list as a file that the import takes."""
    return download(request, cart_or_404(cart))


@require("carts.edit")
@require_http_methods(["GET", "POST"])
@once_more
def cart_countries_import(request: AccountRequest, cart: str) -> HttpResponseBase:
    """Takes up a file of countries."""
    found = live_cart_or_404(cart)
    return take_up(request, found, "cart_countries", crumbs(request, found))
