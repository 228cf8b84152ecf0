"""Test orders for a cart: how many, of what; and making them."""

import re
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts import audit
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart, CartShipMethod
from carts.views.lookup import label_of, live_cart_or_404
from integration_manager import trying
from integration_manager.kept import typed
from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from integration_manager.systems import wms_system
from merchants.models import Schedule, Service
from orders import made_up
from orders.connections import cart_class
from orders.models import OrderLine, Status

MOST_SKUS = 50
LONGEST = 100  # characters of a SKU or a ship method
SUGGESTED = 5


class TestOrdersForm(forms.Form):
    """What the test orders are made of."""

    count = forms.IntegerField(
        label="How many", min_value=1, max_value=made_up.MOST, initial=3, help_text=f"1 to {made_up.MOST}.",
        widget=forms.NumberInput(attrs={"class": "w-num"}),
    )  # fmt: skip
    skus = forms.CharField(
        label="SKUs",
        max_length=5000,
        help_text="As the cart has them, one on a line. They are used in turn. Example: MUG-BLUE.",
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono-in"}),
    )
    methods = forms.CharField(
        label="Ship methods",
        required=False,
        max_length=2000,
        help_text="The cart’s codes, one on a line; one that is not mapped shows you what happens then.",
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono-in"}),
    )
    hold = forms.BooleanField(
        label="Keep them here",
        required=False,
        help_text="They are loaded with Cancel Sending, and go to the WMS when you release them.",
    )

    def clean_skus(self) -> list[str]:
        """At least one."""
        found = _words(self.cleaned_data["skus"])
        if not found:
            raise forms.ValidationError("Name at least one SKU.")
        return found

    def clean_methods(self) -> list[str]:
        """Perhaps none."""
        return _words(self.cleaned_data["methods"])


@require("orders.act")
@require_http_methods(["GET", "POST"])
def cart_test_orders(request: AccountRequest, cart: str) -> HttpResponseBase:
    """The form; posted, the orders are made, and the list shows them."""
    found = live_cart_or_404(cart)
    system = _system_or_404(found)
    form = TestOrdersForm(typed(request), initial=_suggested(found))
    wms = wms_system()
    context: dict[str, Any] = {
        "cart": found,
        "label": label_of(found),
        "form": form,
        "wms_label": wms.label if wms else "",
        "sends": Schedule.objects.filter(
            merchant=found.merchant, service=Service.DELIVER, every__gt=0, paused=""
        ).exists(),
    }
    if request.method != "POST" or not form.is_valid():
        return render(request, "carts/test_orders.html", context, status=422 if request.method == "POST" else 200)
    now, said = clock.now(), form.cleaned_data
    wanted = made_up.orders_of(said["count"], said["skus"], said["methods"], now)
    values = {**found.options, **found.credentials}
    answer, raws = trying.answer_of(
        system, values, request.account, found.merchant, lambda connector: connector.place_tests(wanted)
    )
    if raws is None:
        return render(request, "carts/test_orders.html", context | {"answer": answer}, status=422)
    made = made_up.load(found, raws, request.account, now, actor=str(request.user), hold=said["hold"])
    audit.record(request.user, "orders.test", found.name, {"orders": (None, ", ".join(o.cust_po_no for o in made))})
    number = f"{len(made)} test order{'' if len(made) == 1 else 's'}"
    then = "They stay here until you release them." if said["hold"] else "They go the way of every order."
    late = sum(one.status not in (Status.HELD, Status.ERROR) for one in made)
    if said["hold"] and late:
        then = f"{late} of them had left before that could be stopped; the others stay here until you release them."
    messages.success(
        request, f"{number} made: {made[0].cust_po_no} to {made[-1].cust_po_no}. {then}" if made else number
    )
    batch = made[0].cust_po_no.rpartition("-")[0] if made else made_up.PREFIX
    response = redirect("orders", request.account.public_id)
    response["Location"] += f"?q={batch}"
    return response


def _system_or_404(cart: Cart) -> type[Connector]:
    try:
        system = cart_class(cart)
    except KeyError:
        raise Http404 from None
    if not system.overrides("place_tests"):
        raise Http404
    return system


def _suggested(cart: Cart) -> dict[str, Any]:
    """What the cart's orders have been of, to begin with."""
    items = OrderLine.objects.filter(order__cart=cart).exclude(item="").order_by("-pk").values_list("item", flat=True)
    codes = CartShipMethod.objects.filter(cart=cart, match=CartShipMethod.Match.EXACT).exclude(code="")
    return {
        "skus": "\n".join(list(dict.fromkeys(items[:100]))[:SUGGESTED]),
        "methods": "\n".join(codes.order_by("code").values_list("code", flat=True)[:SUGGESTED]),
    }


def _words(text: str) -> list[str]:
    found = list(dict.fromkeys(word.strip() for word in re.split(r"[\n,;]+", text) if word.strip()))
    if len(found) > MOST_SKUS:
        raise forms.ValidationError(f"At most {MOST_SKUS}.")
    if any(len(word) > LONGEST for word in found):
        raise forms.ValidationError(f"At most {LONGEST} characters each.")
    return found
