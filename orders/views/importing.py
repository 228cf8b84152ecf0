"""Orders out of a file: which cart they are of is chosen here, the rest is the cart's own upload."""

from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from carts.systems import registry
from carts.views.lookup import to_choose
from integration_manager.files import views as files
from integration_manager.files.place import of_cart
from integration_manager.kit.connector import Connector
from integration_manager.kit.folder_system import FolderSystem

PERMISSION = "carts.edit"
_upload = of_cart(PERMISSION)(files.upload)


@require(PERMISSION)
@require_http_methods(["GET", "POST"])
def orders_import(request: AccountRequest) -> HttpResponseBase:
    """The carts that take order files; posted, the file goes to the one that was chosen."""
    systems = [key for key, system in registry().systems.items() if _takes_orders(system)]
    asked = request.POST.get("cart", "") or request.GET.get("cart", "")
    carts = to_choose(Cart.objects.filter(archived_at__isnull=True, system__in=systems), asked)
    if request.method == "POST" and any(cart.public_id == asked for cart in carts):
        return _upload(request, request.account.public_id, cart=asked)
    refused = "Choose the cart that the orders are of." if request.method == "POST" else ""
    context = {"carts": carts, "asked": asked, "refused": refused}
    return render(request, "orders/import.html", context, status=422 if refused else 200)


def _takes_orders(system: type[Connector]) -> bool:
    """Whether order files can be loaded into carts of this system."""
    return issubclass(system, FolderSystem) and "orders" in system.places and "orders" not in system.renders
