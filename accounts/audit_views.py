"""The audit log of an account: who did what, what it was before and after, when, and through what."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core import signing
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.audit_words import KINDS, in_words, shown
from accounts.models import AuditEntry, Membership
from accounts.requests import AccountRequest
from accounts.roles import require
from integration_manager import spreadsheet
from integration_manager.chips import chips

PAGE = 50
BATCH = 500
MOST_PEOPLE = 200  # that the box for a name proposes
HEAD = ["When (UTC)", "Who", "Through", "What", "Of what", "Field", "Before", "After"]
_SALT = "audit"


class AuditFilter(forms.Form):
    """Who, what kind, from when until when. What makes no sense filters nothing."""

    who = forms.CharField(required=False, max_length=254)
    kind = forms.ChoiceField(required=False, choices=[("", "All"), *((key, name) for key, (name, _) in KINDS.items())])
    since = forms.DateField(required=False, label="From")
    until = forms.DateField(required=False, label="Until")

    def entries(self) -> QuerySet[AuditEntry]:
        """What the filters let through, the newest first."""
        self.is_valid()
        data = self.cleaned_data
        found: QuerySet[AuditEntry] = AuditEntry.objects.order_by("-at", "-pk")
        if data.get("who"):
            found = found.filter(actor__in={data["who"].strip(), data["who"].strip().lower()})
        if data.get("kind"):
            begins = Q()
            for prefix in KINDS[data["kind"]][1]:
                begins |= Q(verb__startswith=prefix)
            found = found.filter(begins)
        if data.get("since"):
            found = found.filter(at__gte=_midnight(data["since"]))
        if data.get("until"):
            found = found.filter(at__lt=_midnight(data["until"] + timedelta(days=1)))
        return found


@require("audit.view")
@never_cache
@require_GET
def audit_log(request: AccountRequest) -> HttpResponse:
    """A page of entries."""
    form = AuditFilter(request.GET)
    page = _page(form.entries(), request.GET)
    for entry in page["items"]:
        entry.words = in_words(entry)
        entry.lines = [(name, shown(old), shown(new)) for name, old, new in _changes(entry)]
    data = form.cleaned_data
    given = [
        ("who", "Who", data.get("who", "")),
        ("kind", "What", KINDS[data["kind"]][0] if data.get("kind") else ""),
        ("since", "From", f"{data['since']:%d %b %Y}" if data.get("since") else ""),
        ("until", "Until", f"{data['until']:%d %b %Y}" if data.get("until") else ""),
    ]
    people = Membership.objects.order_by("user__email").values_list("user__email", flat=True)
    context = {
        "form": form,
        "page": page,
        "chips": chips(request, given),
        "clear_url": "?",
        "people": [*people[:MOST_PEOPLE], "system"],
        "kinds": [(key, name) for key, (name, _) in KINDS.items()],
    }
    return render(request, "accounts/audit.html", context)


@require("audit.view")
@require_GET
def audit_csv(request: AccountRequest) -> HttpResponseBase:
    """The same entries as a file, a row for each change. That it was fetched is in the log too."""
    form = AuditFilter(request.GET)
    entries = form.entries()
    audit.record(request.user, "audit.exported", request.account.name)
    return spreadsheet.streamed(request, "audit", HEAD, lambda: _rows(entries))


def _rows(entries: QuerySet[AuditEntry]) -> Iterator[list[str]]:
    """Read in parts by key: a log of years is never in memory as a whole."""
    last: AuditEntry | None = None
    while True:
        rows = entries if last is None else entries.filter(_beyond(last.at, last.pk, "lt"))
        part = list(rows[:BATCH])
        for entry in part:
            about = [
                f"{entry.at:%Y-%m-%d %H:%M:%S}",
                entry.actor,
                entry.get_via_display(),
                in_words(entry),
                entry.target,
            ]
            for name, old, new in _changes(entry) or [("", "", "")]:
                yield [*about, name, *("" if value is None else str(value) for value in (old, new))]
        if len(part) < BATCH:
            return
        last = part[-1]


def _changes(entry: AuditEntry) -> list[tuple[str, Any, Any]]:
    return [(name, *pair) for name, pair in entry.changes.items()]


def _page(entries: QuerySet[AuditEntry], asked: Any) -> dict[str, Any]:
    """A page by (time, id), found from the entry that a signed cursor names."""
    upward = bool(asked.get("before") and not asked.get("after"))
    mark = _read(asked.get("after") or asked.get("before") or "")
    if mark is None:
        upward = False
    else:
        entries = entries.filter(_beyond(*mark, "gt" if upward else "lt"))
    if upward:
        entries = entries.reverse()
    found = list(entries[: PAGE + 1])
    more, items = len(found) > PAGE, found[:PAGE]
    if upward:
        items.reverse()
    newer, older = (more if upward else mark is not None), (upward or more)
    return {
        "items": items,
        "newer": _cursor(items[0]) if items and newer else "",
        "older": _cursor(items[-1]) if items and older else "",
    }


def _beyond(at: datetime, pk: int, compare: str) -> Q:
    return Q(**{f"at__{compare}e": at}) & (Q(**{f"at__{compare}": at}) | Q(**{f"pk__{compare}": pk}))


def _cursor(entry: AuditEntry) -> str:
    return signing.dumps([entry.at.isoformat(), entry.pk], salt=_SALT)


def _read(text: str) -> tuple[datetime, int] | None:
    """Signed, so that nobody tries numbers."""
    try:
        at, pk = signing.loads(text, salt=_SALT)
    except signing.BadSignature:
        return None
    return datetime.fromisoformat(at), int(pk)


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
