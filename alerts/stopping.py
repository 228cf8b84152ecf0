"""Mails about alerts that nobody wants, or that do not arrive: by a link without a login, and by the mail server."""

from datetime import datetime
from typing import Any

from django.core import signing
from django.db.models import QuerySet
from django.urls import reverse

from accounts import mail
from accounts.audit import record
from accounts.models import Membership, User
from alerts.models import Preference, Silenced

SALT = "alerts.stop"  # of the links; they are good as long as the mails may lie around


def token(account_id: int, user: User | None, address: str) -> str:
    """Of the link that stops one person's mails about one account."""
    return signing.dumps({"a": account_id, "u": user.pk if user else None, "e": address}, salt=SALT, compress=True)


def link(account_id: int, user: User | None, address: str) -> str:
    """The address that is in the mail."""
    return mail.link(reverse("alerts_stop", args=[token(account_id, user, address)]))


def read(text: str) -> dict[str, Any] | None:
    """Whom a link is about: account, user, address; None where it is none of ours."""
    try:
        found: dict[str, Any] = signing.loads(text, salt=SALT)
    except signing.BadSignature:
        return None
    return found


def stopped(user_id: int | None, address: str) -> bool:
    """Whether these mails of the active account are stopped."""
    if user_id is not None:
        return Preference.objects.filter(user=user_id, frequency=Preference.Frequency.NEVER).exists()
    return Silenced.objects.filter(address=address, why=Silenced.Why.STOPPED).exists()


def never() -> QuerySet[Preference]:
    """Those of the users of the active account who want none; who has left it has no say in it any more."""
    return Preference.objects.filter(frequency=Preference.Frequency.NEVER, user__in=_members().values("user"))


def still(user_id: int | None) -> int | None:
    """The user whose mails a link is about; None: they are those of an address, also where its user has left."""
    return user_id if user_id is not None and _members().filter(user=user_id).exists() else None


def stop(user_id: int | None, address: str, now: datetime) -> None:
    """No more mails of the active account about alerts."""
    if stopped(user_id, address):
        return
    if user_id is not None:
        Preference.objects.update_or_create(user_id=user_id, defaults={"frequency": Preference.Frequency.NEVER})
    else:
        Silenced.objects.get_or_create(address=address, why=Silenced.Why.STOPPED, defaults={"at": now})
    record(address, "alerts.mails_stopped", address)


def start(user_id: int | None, address: str) -> None:
    """They are wanted again: by the person's own link. An address that was refused is tried again, too."""
    if not stopped(user_id, address):
        return
    if user_id is not None:
        Preference.objects.filter(user=user_id).update(frequency=Preference.Frequency.HOURLY)
    Silenced.objects.filter(address=address).delete()
    record(address, "alerts.mails_started", address)


def refused(address: str, said: str, now: datetime) -> None:
    """The mail server takes nothing for this address, for good."""
    values = {"said": said, "at": now}
    Silenced.objects.get_or_create(address=address.lower(), why=Silenced.Why.REFUSED, defaults=values)


def try_again(address: str) -> bool:
    """Somebody wants a refused address tried again. One that was unsubscribed stays so: False."""
    return bool(Silenced.objects.filter(address=address.lower(), why=Silenced.Why.REFUSED).delete()[0])


def _members() -> QuerySet[Membership]:
    return Membership.objects.filter(user__is_active=True, deactivated_at=None)
