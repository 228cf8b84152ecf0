"""The part *Error Contacts* of a page: two lists with arrows between them, and Additional Error Emails."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse

from accounts.audit import record
from accounts.requests import AccountRequest
from alerts import contacts
from alerts.forms import EmailsForm
from alerts.models import Preference, Silenced
from integration_manager import spreadsheet, stale
from merchants.models import Merchant

ALL = "All merchants"
HEAD = ["Address", "Name", "Who", "Alerted", "Gets mails"]


def context(request: AccountRequest, merchant: Merchant | None, form: EmailsForm | None = None) -> dict[str, Any]:
    """What templates/parts/contacts.html shows, of a merchant or (None) of the account."""
    people = contacts.contacts(merchant, own_only=request.merchants is not None)
    addresses = contacts.addresses(merchant)
    quiet = [*addresses, *((c.user.email, c.silenced) for c in people if c.alerted)]
    return {
        "silenced": [_shown(address, silenced) for address, silenced in quiet if silenced],
        "contact_lists": [
            ("quiet", "Users Not Alerted", [c for c in people if not c.alerted]),
            ("alerted", "Users to Alert", [c for c in people if c.alerted]),
        ],
        "contacts_mark": stale.mark([address for address, _ in addresses]),
        "emails_form": form or EmailsForm(initial={"emails": ", ".join(address for address, _ in addresses)}),
    }


def as_file(request: AccountRequest, merchant: Merchant | None) -> StreamingHttpResponse:
    """The same as a file: users, then additional addresses, each with whether mails go there."""

    def cells() -> Iterator[list[str]]:
        for one in contacts.contacts(merchant, own_only=request.merchants is not None):
            told = "Yes" if one.alerted else "For all merchants" if one.everywhere else "No"
            yield [one.user.email, one.user.name, "User", told, _mailed(one.silenced)]
        for address, silenced in contacts.addresses(merchant):
            yield [address, "", "Additional address", "Yes", _mailed(silenced)]

    return spreadsheet.streamed(request, f"error-contacts {_name(merchant)}", HEAD, cells)


def _mailed(silenced: dict[str, Any] | None) -> str:
    return f"No: {_why(silenced)}" if silenced else "Yes"


def _why(silenced: dict[str, Any]) -> str:
    chose_never = silenced["why"] == Preference.Frequency.NEVER
    return "Chose Never as how often" if chose_never else Silenced.Why(silenced["why"]).label


def change(request: AccountRequest, merchant: Merchant | None) -> tuple[str, EmailsForm | None]:
    """Carries out what was posted. Returns what that did, in words, and the form where it has an error."""
    posted: Mapping[str, Any] = request.POST
    if "move" in posted:
        return _move(request, merchant, alerted=posted["move"] == "alert"), None
    if "again" in posted:
        return _again(request, merchant), None
    form = EmailsForm(posted)
    if not form.is_valid():
        return "", form
    stored = contacts.emails(merchant)
    before, after = ", ".join(stored), form.cleaned_data["emails"]
    if stale.overtaken(posted, stale.mark(stored)):
        form.add_error("emails", stale.is_now(before or "empty"))
        return "", form
    contacts.set_emails(merchant, after)
    if before != (now := ", ".join(sorted(after))):
        record(request.user, "contacts.changed", _name(merchant), {"Additional Error Emails": (before, now)})
    return f"Saved: {len(after)} additional address{'' if len(after) == 1 else 'es'}.", None


def _move(request: AccountRequest, merchant: Merchant | None, *, alerted: bool) -> str:
    chosen = request.POST.getlist("quiet" if alerted else "alerted")
    wanted = {int(pk) for pk in chosen if pk.isascii() and pk.isdigit() and len(pk) < 18}
    shown = {c.user.pk for c in contacts.contacts(merchant, own_only=request.merchants is not None)}
    changed = contacts.choose(merchant, wanted & shown, alerted=alerted)
    if not changed:
        return "Choose one or more users in a list first, then an arrow."
    names = ", ".join(str(user) for user in changed)
    for user in changed:
        words = ("alerted", "not alerted")
        change = words[::-1] if alerted else words
        record(request.user, "contacts.changed", _name(merchant), {user.email: change})
    verb = "is" if len(changed) == 1 else "are"
    return f"{names} {verb} alerted from now on." if alerted else f"{names} {verb} no longer alerted here."


def _shown(address: str, silenced: dict[str, Any]) -> dict[str, Any]:
    at = datetime.fromisoformat(silenced["at"]) if "at" in silenced else None
    return {**silenced, "address": address, "label": _why(silenced), "at": at}


def _again(request: AccountRequest, merchant: Merchant | None) -> str:
    address = str(request.POST["again"]).lower()
    people = contacts.contacts(merchant, own_only=request.merchants is not None)
    if address not in {*contacts.emails(merchant), *(c.user.email.lower() for c in people)}:
        return ""
    if not contacts.try_again(address):
        return f"{address} has unsubscribed: only a link in one of the mails starts them again."
    record(request.user, "contacts.changed", _name(merchant), {address: ("refused", "tried again")})
    return f"{address} is mailed again from now on."


def _name(merchant: Merchant | None) -> str:
    return merchant.name if merchant else ALL
