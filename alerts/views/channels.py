"""Who is told of alerts besides by mail, and which orders are watched."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.reauth import recently_authenticated
from accounts.requests import AccountRequest
from accounts.roles import require
from alerts import contacts, posting
from alerts.channel_forms import TOPICS, ChannelForm, WatchForm
from alerts.channel_models import Channel
from alerts.channels import KINDS
from alerts.models import Watch
from integration_manager import kept, spreadsheet, stale, trying
from integration_manager.kit import clock

MOST = 50  # channels of one account
HEAD = ["Channel", "Kind", "Alerts", "Merchant", "State", "Last post (UTC)", "What went wrong"]


@require("alerts.view")
@require_GET
def channels(request: AccountRequest) -> HttpResponse:
    """Mails in one line each, the channels with their last result, the watch."""
    return render(request, "alerts/channels.html", _list(request))


@require("alerts.view")
@require_GET
def channels_csv(request: AccountRequest) -> HttpResponseBase:
    """The channels as a file: what is posted where, never what lets us in there."""
    return spreadsheet.streamed(request, "alert-channels", HEAD, _cells)


@require("alerts.edit")
@require_POST
def watch(request: AccountRequest) -> HttpResponseBase:
    """Keeps from when on orders count as stuck. For the whole account."""
    if request.merchants is not None:
        raise PermissionDenied("the watch is that of all merchants")
    stored = Watch.objects.first() or Watch()
    before = _numbers(stored)
    said = stale.said(request.POST, stale.mark(*before), "Watch", "alerts.watch_changed")
    form = WatchForm(request.POST, instance=stored)
    if not form.is_valid() or said:
        return render(request, "alerts/channels.html", _list(request, form, before) | said, status=422)
    saved = form.save()
    now = _numbers(saved)
    if now != before:
        changes = {"hours": (before[0], now[0]), "days": (before[1], now[1])}
        audit.record(request.user, "alerts.watch_changed", "Watch", changes)
    messages.success(request, "Saved. Orders are looked at every five minutes.")
    return redirect("channels", request.account.public_id)


@require("alerts.edit")
@recently_authenticated
@never_cache
@require_http_methods(["GET", "POST"])
def channel_new(request: AccountRequest, kind: str) -> HttpResponseBase:
    """Adds a channel of a kind."""
    if kind not in KINDS:
        raise Http404
    if Channel.objects.count() >= MOST:
        messages.error(request, f"{MOST} channels at most.")
        return redirect("channels", request.account.public_id)
    made = Channel(kind=kind, topics=[], created_at=clock.now(), account=request.account)
    return _form(request, made, "channel.added")


@require("alerts.edit")
@recently_authenticated
@never_cache
@require_http_methods(["GET", "POST"])
def channel(request: AccountRequest, channel: str) -> HttpResponseBase:
    """One channel: its settings, how its last post went, a test."""
    return _form(request, _channel(channel), "channel.changed")


@require("alerts.edit")
@require_POST
def channel_act(request: AccountRequest, channel: str, act: str) -> HttpResponseBase:
    """Sends a test, switches on or off, deletes."""
    found = _channel(channel)
    if act == "test":
        _test(request, found)
    elif act == "off":
        posting.switch_off(found, clock.now())
        messages.success(request, f"{found.name} is off. What is new is no longer posted there.")
    elif act == "on":
        posting.switch_on(found)
        messages.success(request, f"{found.name} is on.")
    elif act == "delete":
        posting.switch_on(found)  # its alert, if it has one, is over
        found.delete()
        messages.success(request, f"{found.name} is deleted.")
    else:
        raise Http404
    if act != "test":
        audit.record(request.user, f"channel.{act}", found.name)
    return redirect("channels", request.account.public_id)


def _test(request: AccountRequest, found: Channel) -> None:
    try:
        with trying.slot(request.account):
            problem = posting.send_test(found, request.account, clock.now())
    except trying.Busy:
        problem = "Four others of this account are trying something just now. Try again in a moment."
    if problem:
        messages.error(request, f"The test did not get to {found.name}: {problem}")
    else:
        messages.success(request, f"The test is in {found.name}.")


def _form(request: AccountRequest, found: Channel, verb: str) -> HttpResponseBase:
    start = {
        "name": found.name, "topics": found.topics or [TOPICS[0][0]],
        "merchant": found.merchant.public_id if found.merchant else "",
    }  # fmt: skip
    form = ChannelForm(kept.typed(request), channel=found, own_only=request.merchants is not None, initial=start)
    mark = stale.mark(found.name, found.merchant_id, found.topics, dict(found.credentials)) if found.pk else ""
    said = stale.said(request.POST, mark) if found.pk else {}
    if request.method == "POST" and form.is_valid() and not said:
        if found.pk is None and form.made_already():
            messages.info(request, "It was added already: here it is.")
            return redirect("channels", request.account.public_id)
        saved = form.save()
        audit.record(request.user, verb, saved.name)
        messages.success(request, f"{saved.name} is saved. Send a test next.")
        return redirect("channels", request.account.public_id)
    context = {"form": form, "channel": found, "kind": KINDS[found.kind], "new": found.pk is None, "mark": mark, **said}
    return render(request, "alerts/channel.html", context, status=422 if request.method == "POST" else 200)


def _channel(public_id: str) -> Channel:
    found = Channel.objects.select_related("merchant").filter(public_id=public_id).first()
    if found is None or found.kind not in KINDS:
        raise Http404
    return found


def _list(
    request: AccountRequest, form: WatchForm | None = None, stored: tuple[int, int] | None = None
) -> dict[str, Any]:
    """`form`: what was typed, over what is `stored`."""
    rows = _rows()
    everywhere = request.merchants is None
    form = form or WatchForm(instance=Watch.objects.first() or Watch())
    return {
        "rows": rows,
        "kinds": KINDS.values(),
        "mine": contacts.preference(request.user),
        "refused": contacts.refused(request.user),
        "watch": form if everywhere else None,
        "mark": stale.mark(*(stored or _numbers(form.instance))),
    }


def _rows() -> list[Any]:
    """The channels by name, each with its kind and its alerts in words."""
    rows: list[Any] = list(Channel.objects.select_related("merchant").order_by("name", "pk"))
    topics = {key: words.partition(":")[0].partition(",")[0] for key, words in TOPICS}
    for row in rows:
        row.label = KINDS[row.kind].label if row.kind in KINDS else row.kind
        row.about = ", ".join(topics[topic] for topic in row.topics if topic in topics)
    return rows


def _cells() -> Iterator[list[object]]:
    for row in _rows():
        state = "Off" if row.off_at else "Failing" if row.failing_since else "On"
        about = [row.name, row.label, row.about, row.merchant.name if row.merchant else "All merchants", state]
        yield [*about, spreadsheet.moment(row.sent_at), row.problem]


def _numbers(watch: Watch) -> tuple[int, int]:
    return watch.ready_hours, watch.at_wms_days
