"""Orders out of a file: which cart they are of is chosen here, the rest is the cart's own upload."""

from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from integration_manager.converters import looks_like_one
from integration_manager.files import views as files
from integration_manager.files.place import of_cart
from integration_manager.kit.folder_system import FolderSystem
from orders.connections import cart_class

MOST = 500
PERMISSION = "carts.edit"
_upload = of_cart(PERMISSION)(files.upload)


@require(PERMISSION)
@require_http_methods(["GET", "POST"])
def orders_import(request: AccountRequest) -> HttpResponseBase:
    """The carts that take order files; posted, the file goes to the one that was chosen."""
    live = Cart.objects.filter(archived_at__isnull=True).select_related("merchant").order_by("merchant__name", "name")
    carts = [cart for cart in live[:MOST] if _takes_orders(cart)]
    asked = request.POST.get("cart", "") or request.GET.get("cart", "")
    if request.method == "POST" and looks_like_one(asked) and any(cart.public_id == asked for cart in carts):
        return _upload(request, request.account.public_id, cart=asked)
    refused = "Choose the cart that the orders are of." if request.method == "POST" else ""
    context = {"carts": carts, "asked": asked, "refused": refused}
    return render(request, "orders/import.html", context, status=422 if refused else 200)


def _takes_orders(cart: Cart) -> bool:
    """Whether order files can be loaded into this cart."""
    try:
        system = cart_class(cart)
    except KeyError:
        return False
    return issubclass(system, FolderSystem) and "orders" in system.places and "orders" not in system.renders
