"""Who is told of alerts: of one merchant's, or of all of an account.

The rule needs no rows, so that nobody is forgotten: who sees all merchants is told of all of them, a
merchant user of their own. A row of ErrorContact says where a person wants it otherwise.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce, JSONObject, Lower

from accounts.models import Membership, User
from accounts.switching import accounts_of
from alerts.models import ErrorContact, ErrorEmail, Preference, Silenced
from alerts.planning import replan
from alerts.stopping import never, try_again
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Merchant

__all__ = [
    "Contact",
    "addresses",
    "choose",
    "contacts",
    "emails",
    "moved",
    "preference",
    "refused",
    "set_emails",
    "set_preference",
    "to_alert",
    "try_again",
]

MOST_EMAILS = 20


@dataclass(frozen=True, slots=True)
class Contact:
    """A user on a list of contacts."""

    user: User
    alerted: bool
    everywhere: bool = False  # told of this merchant's alerts because they are told of all
    silenced: dict[str, Any] | None = None  # gets no mails: why, and where that is known, said and at

    def __str__(self) -> str:
        name = f"{self.user.name} ({self.user.email})" if self.user.name else self.user.email
        return f"{name}, alerted for all merchants" if self.everywhere and not self.alerted else name


def contacts(merchant: Merchant | None, *, own_only: bool = False) -> list[Contact]:
    """The users who can be told of a merchant's alerts, or (None) of all; by name.

    `own_only`: no one but the users of this merchant alone, for viewers who are such themselves.
    """
    people = Membership.objects.filter(user__is_active=True, deactivated_at=None).select_related("user")
    found = []
    silenced = _silenced("user__email", why=Silenced.Why.REFUSED)
    for person in people.annotate(here=_chosen(merchant), overall=_chosen(None), silenced=silenced):
        sees = person.merchant_ids
        if own_only and sees is None:
            continue
        overall = sees is None and person.overall is not False
        if merchant is None:
            if sees is None:
                found.append(Contact(person.user, overall, silenced=person.silenced))
        elif sees is None or merchant.pk in sees:
            alerted = sees is not None if person.here is None else person.here
            found.append(Contact(person.user, alerted, overall, person.silenced))
    return sorted(found, key=lambda contact: str(contact).casefold())


def choose(merchant: Merchant | None, user_ids: Collection[int], *, alerted: bool) -> list[User]:
    """From now on these users are told, or not. Returns those for whom that is a change."""
    changed = [c.user for c in contacts(merchant) if c.user.pk in user_ids and c.alerted != alerted]
    with transaction.atomic():
        for user in changed:
            ErrorContact.objects.update_or_create(user=user, merchant=merchant, defaults={"alerted": alerted})
    return changed


def emails(merchant: Merchant | None) -> list[str]:
    """The Additional Error Emails of a merchant, or (None) of all."""
    return list(ErrorEmail.objects.filter(merchant=merchant).order_by("address").values_list("address", flat=True))


def set_emails(merchant: Merchant | None, wanted: Iterable[str]) -> None:
    """Makes these the Additional Error Emails."""
    wanted = set(wanted)
    with transaction.atomic():
        ErrorEmail.objects.filter(merchant=merchant).exclude(address__in=wanted).delete()
        ErrorEmail.objects.bulk_create(
            [ErrorEmail(merchant=merchant, address=address) for address in wanted], ignore_conflicts=True
        )


def addresses(merchant: Merchant | None) -> list[tuple[str, dict[str, Any] | None]]:
    """The Additional Error Emails, each with why it gets no mails (`Contact.silenced`)."""
    rows = ErrorEmail.objects.filter(merchant=merchant).annotate(silenced=_silenced("address"))
    return list(rows.order_by("address").values_list("address", "silenced"))


def to_alert(merchant: Merchant) -> tuple[list[User], list[str]]:
    """Everybody who is told of an alert of this merchant: users, and addresses without one."""
    users = {c.user.pk: c.user for c in [*contacts(None), *contacts(merchant)] if c.alerted}
    addresses = set(emails(None)) | set(emails(merchant))
    return list(users.values()), sorted(addresses)


def preference(user: User) -> Preference:
    """How often a user wants mail about the active account: as chosen, else hourly (not stored)."""
    return Preference.objects.filter(user=user).first() or Preference(user=user)


def refused(user: User) -> Silenced | None:
    """What the mail server said where it takes no mails of the active account for this user."""
    return Silenced.objects.filter(address=user.email.lower(), why=Silenced.Why.REFUSED).first()


def set_preference(user: User, frequency: str, at_hour: int) -> None:
    """Keeps how often this user wants mail about the active account; mails that wait go by it."""
    wish = {"frequency": frequency, "at_hour": at_hour}
    if not Preference.objects.filter(user=user, **wish).exists():
        Preference.objects.update_or_create(user=user, defaults=wish)
        replan(user.pk, clock.now())


def moved(user: User) -> None:
    """This user lives in another time zone: mails about each of their accounts that wait go by it."""
    for account in accounts_of(user):
        with tenancy.activate(account.pk):
            replan(user.pk, clock.now())


def _chosen(merchant: Merchant | None) -> Subquery:
    """Whether a member is to be told of this merchant's alerts, or (None) of all; null where nobody said."""
    said = ErrorContact.objects.filter(user=OuterRef("user"), merchant=merchant)
    return Subquery(said.values("alerted")[:1])


def _silenced(address: str, **which: str) -> Coalesce:
    """Why this address gets no mails; null where it gets them."""
    found = Silenced.objects.filter(address=Lower(OuterRef(address)), **which)
    found = found.order_by("-why")  # who has unsubscribed is not to be tried again, refused or not
    chosen = never().filter(user__email__iexact=OuterRef(address))
    return Coalesce(
        Subquery(found.values(json=JSONObject(why="why", said="said", at="at"))[:1]),
        Subquery(chosen.values(json=JSONObject(why="frequency"))[:1]),
    )
