"""What a person does to one order from its page. Each answers in words what happened, or why it cannot be now."""

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager.undone import once_more
from orders import actions, cancelling, editing, parcel_actions
from orders.models import Order
from orders.views import order_or_404

Act = Callable[[Order, AccountRequest], None]


def _actor(request: AccountRequest) -> str:
    return str(request.user)


def _key(request: AccountRequest) -> str:
    """The WMS's own number, as typed."""
    return request.POST.get("wms_key", "").replace("\x00", "").strip()[:100]


def _parcel(request: AccountRequest) -> str:
    """Which of the order's parcels, by the WMS's key."""
    return request.POST.get("parcel", "").replace("\x00", "")[:150]


# action → what to call, and what to say once it is done
ACTIONS: dict[str, tuple[Act, str]] = {
    "resend": (lambda o, r: actions.resend(o, _actor(r)), "The order goes to the WMS within a minute or two."),
    "cancel_sending": (
        lambda o, r: actions.cancel_sending(o, _actor(r)),
        "The order will not be sent. It stays on record, and you can send it after all.",
    ),
    "undo_cancel": (lambda o, r: actions.undo_cancel(o, _actor(r)), "The order will be sent after all."),
    "it_arrived": (lambda o, r: actions.it_arrived(o, _key(r), _actor(r)), "Noted: the WMS has the order."),
    "it_did_not": (lambda o, r: actions.it_did_not(o, _actor(r)), "The order is sent again."),
    "same_order": (lambda o, r: actions.same_order(o, _key(r), _actor(r)), "Noted: the WMS has the order."),
    "new_reference": (
        lambda o, r: actions.new_reference(o, _actor(r)),
        "The order goes to the WMS under a new reference within a minute or two.",
    ),
    "use_address": (
        lambda o, r: editing.use_suggested(o, r.POST.getlist("shown"), _actor(r)),
        "The suggested address is used. The order goes to the WMS, unless something else holds it.",
    ),
    "address_is_right": (
        lambda o, r: actions.address_is_right(o, _actor(r)),
        "Noted. The order goes to this address as it is, unless something else holds it.",
    ),
    "seen": (lambda o, r: cancelling.seen(o), "Noted. The order stays as the WMS has it."),
    "resend_parcel": (
        lambda o, r: parcel_actions.resend(o, _parcel(r), _actor(r)),
        "The tracking of this parcel goes to the cart again within a minute or two.",
    ),
    "tracking_there": (
        lambda o, r: parcel_actions.is_there(o, _parcel(r), _actor(r)),
        "Noted: the cart has the tracking.",
    ),
    "resend_tracking": (
        lambda o, r: actions.resend_tracking(o, _actor(r)),
        "The tracking goes to the cart again within a minute or two.",
    ),
}


@require("orders.act")
@require_POST
@once_more
def order_act(request: AccountRequest, order: str, action: str) -> HttpResponseBase:
    """Does one of the actions to one order."""
    found = order_or_404(order)
    if action not in ACTIONS:
        raise Http404
    act, done = ACTIONS[action]
    try:
        act(found, request)
    except actions.NotNow as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, done)
    return redirect("order", request.account.public_id, found.public_id)
