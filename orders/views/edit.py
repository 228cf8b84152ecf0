"""Editing an order, giving a part of it back to its source, and notes."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import CartShipMethod
from integration_manager.kept import typed
from integration_manager.kit import clock
from integration_manager.undone import once_more
from orders import differences, editing, out_of_stock
from orders.actions import NotNow
from orders.changes import add_note
from orders.edit_forms import Editor
from orders.editing import Overtaken, Values
from orders.models import Event, Order, OrderDetail, Status
from orders.views import order_or_404

MOST_CODES = 200
MOST_NOTE = 1000  # characters


@require("orders.act")
@require_http_methods(["GET", "POST"])
@once_more
def order_edit(request: AccountRequest, order: str) -> HttpResponseBase:
    """The form. What cannot be saved comes back with all that was typed in it."""
    found = order_or_404(order)
    data: dict[str, Any] = OrderDetail.objects.values_list("data", flat=True).filter(order=found).first() or {}
    reason = editing.why_not(found)
    if reason and request.method == "GET":
        messages.error(request, reason)
        return _back(request, found)
    present = editing.values_of(data)
    if not present.lines:
        messages.error(request, "Its content was removed with its personal data.")
        return _back(request, found)
    posted = typed(request)
    editor = Editor.posted(posted, data) if posted else Editor.showing(present, present, data)
    if request.method != "POST":
        return _page(request, found, editor)
    base = editor.base()
    if "more" in request.POST:
        editor.more_rows()
        return _page(request, found, editor)
    if not editor.is_valid() or base is None:
        return _page(request, found, editor, status=422)
    wanted = editor.values()
    try:
        parts = editing.save(found, base, wanted, str(request.user))
    except NotNow as error:
        return _page(request, found, editor, status=409, reason=str(error))
    except Overtaken as error:
        return _overtaken(request, found, base, wanted, error.now, data)
    if parts:
        what = ", ".join(differences.word(part) for part in parts)
        found.refresh_from_db()  # what held it may be over, or something else stand against it
        messages.success(request, f"Saved: {what}. {_what_follows(found, saved=True)}")
    else:
        messages.info(request, "Nothing was changed: the order says that already.")
    return _back(request, found)


@require("orders.act")
@require_POST
@once_more
def order_give_back(request: AccountRequest, order: str, part: str) -> HttpResponseBase:
    """From now on a part that was edited here follows the source again."""
    found = order_or_404(order)
    if part not in editing.PARTS:
        raise Http404
    try:
        editing.give_back(found, part, request.account, str(request.user))
    except NotNow as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{differences.word(part)} is as {found.cart.name} has it, and follows it again.")
    return _back(request, found)


@require("orders.act")
@require_POST
def order_note(request: AccountRequest, order: str) -> HttpResponseBase:
    """Adds a note to the timeline, whatever the order's state."""
    found = order_or_404(order)
    text = request.POST.get("note", "").replace("\x00", "").strip()
    if not text:
        messages.error(request, "The note is empty.")
    elif len(text) > MOST_NOTE:
        messages.error(request, f"A note has at most {MOST_NOTE} characters; this one has {len(text)}.")
    elif add_note(found.pk, text, clock.now(), actor=str(request.user)):
        messages.success(request, "Your note is in the timeline.")
    else:
        messages.info(request, "That note is in the timeline already.")
    return _back(request, found)


def _overtaken(
    request: AccountRequest, order: Order, base: Values, mine: Values, now: Values, data: dict[str, Any]
) -> HttpResponse:
    """Somebody else was quicker: theirs and mine together, and what they did, before it is saved again."""
    together, both = editing.merged(base, mine, now)
    editor = Editor.showing(together, now, data)
    theirs = [
        differences.Difference(_label(editor, name), base.fields.get(name, ""), value)
        for name, value in now.fields.items()
        if value != base.fields.get(name, "")
    ]
    if base.lines != now.lines:
        theirs += differences.of_changes({"lines": [_lines(base), _lines(now)]})
    context = {
        "theirs": theirs,
        "both": [_label(editor, name) for name in both],
        "last": Event.objects.filter(order_id=order.pk, kind__in=("edited", "changed")).order_by("-id").first(),
    }
    return _page(request, order, editor, status=409, **context)


def _page(request: AccountRequest, order: Order, editor: Editor, status: int = 200, **context: Any) -> HttpResponse:
    codes = CartShipMethod.objects.filter(cart=order.cart_id, match=CartShipMethod.Match.EXACT)
    context |= {
        "order": order,
        "editor": editor,
        "form": editor.form,
        "ship": editor.form.side("ship"),
        "bill": editor.form.side("bill"),
        "rows": editor.rows(),
        "codes": codes.order_by("code").values_list("code", "wms_code")[:MOST_CODES],
        "follows": _what_follows(order),
    }
    return render(request, "orders/edit.html", context, status=status)


def _what_follows(order: Order, *, saved: bool = False) -> str:
    """What saving does, or did, in words."""
    if order.status == "held" and order.held_by == "person":
        return "It stays on Cancel Sending."
    if order.status == "held" and order.held_by != out_of_stock.HELD_BY:
        return "It stays on hold until that is over."
    if saved and order.status == Status.ERROR:
        return f"It is not sent yet: {order.error_message}"
    return "It is sent within a minute or two, if nothing else stands against it."


def _label(editor: Editor, name: str) -> str:
    if name == "lines":
        return differences.word(name)
    label = str(editor.form.fields[name].label)
    for side in editing.SIDES:
        if name.removeprefix(f"{side}_") in editing.ADDRESS:
            return f"{differences.word(side)}, {label.lower()}"
    return label


def _lines(values: Values) -> list[dict[str, str]]:
    return [{"line_id": line.key, "item": line.item, "quantity": line.quantity} for line in values.lines]


def _back(request: AccountRequest, order: Order) -> HttpResponse:
    return redirect("order", request.account.public_id, order.public_id)
