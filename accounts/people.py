"""The users of an account: who they are, and what is done to them. Forms and pages: accounts/people_views.py.

Rules that hold whoever asks: nobody changes themselves, nobody changes the primary user (who hands the role
over), and only who has billing access gives it, to somebody who has verified their address. What is refused
raises Refused with the reason in words.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import IntegrityError, transaction
from django.db.models import Exists, ManyToOneRel, OuterRef, Q, QuerySet

from accounts import audit
from accounts.models import Membership, User
from accounts.two_step import STEPS
from integration_manager import tenancy
from integration_manager.tenancy import TenantModel

Role = Membership.Role


class Refused(Exception):
    """What was asked for is not done; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """What somebody is to be: a role, and for a merchant user which merchants."""

    role: str
    merchants: list[Any] = field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """As Membership and Invitation keep it."""
        first = self.merchants[0] if self.merchants else None
        return {"role": self.role, "merchant": first, "further": [one.pk for one in self.merchants[1:]]}

    def __str__(self) -> str:
        label = Role(self.role).label
        return f"{label} of {', '.join(one.name for one in self.merchants)}" if self.merchants else label


def merchants() -> QuerySet[Any]:
    """The merchants of the active account, by name. Their app lies above this one, so it is asked by the key."""
    model: Any = Membership._meta.get_field("merchant").related_model
    found: QuerySet[Any] = model.objects.order_by("name")
    return found


def members(seen_by: Collection[int] | None = None) -> QuerySet[Membership]:
    """The users of the active account, by name; for who sees some merchants only (`seen_by`) those of these."""
    own = EmailAddress.objects.filter(user=OuterRef("user"), email=OuterRef("user__email"), verified=True)
    steps = Authenticator.objects.filter(user=OuterRef("user"), type__in=STEPS)
    found = Membership.objects.select_related("user").annotate(verified=Exists(own), two_step=Exists(steps))
    if seen_by is not None:
        found = found.filter(Q(merchant__in=seen_by) | Q(further__overlap=list(seen_by)))
    return found.order_by("user__name", "user__email")


def name_merchants(rows: Iterable[Any], seen_by: Collection[int] | None = None) -> None:
    """Puts the names of their merchants on memberships or invitations (`merchant_names`), by one query."""
    rows = list(rows)
    ids = {pk for row in rows if row.merchant_id for pk in (row.merchant_id, *row.further)}
    if seen_by is not None:
        ids &= set(seen_by)
    names = dict(merchants().filter(pk__in=ids).values_list("pk", "name")) if ids else {}
    for row in rows:
        mine = (row.merchant_id, *row.further) if row.merchant_id else ()
        row.merchant_names = sorted((names[pk] for pk in mine if pk in names), key=str.casefold)


def status(member: Any) -> str:
    """One of active, pending (address not verified), deactivated, blocked (by the operator)."""
    if member.deactivated_at:
        return "deactivated"
    if not member.user.is_active:
        return "blocked"
    return "active" if member.verified else "pending"


def place_of(row: Any) -> Place:
    """What a membership or an invitation says, with the merchants that are still there."""
    wanted = [row.merchant_id, *row.further] if row.merchant_id else []
    found = {one.pk: one for one in merchants().filter(pk__in=wanted)} if wanted else {}
    return Place(row.role, [found[pk] for pk in wanted if pk in found])


def change(member: Membership, by: User, place: Place) -> bool:
    """Gives a user another role, or other merchants. False where that is what they have.

    Who becomes a user of some merchants does not take the account's bills along.
    """
    with transaction.atomic():
        row = _locked(member, by)
        before = place_of(row)
        if str(before) == str(place) and before.merchants == place.merchants:
            return False
        changes: audit.Changes = {"role": (str(before), str(place))}
        fields = place.fields()
        if row.billing and place.role == Role.MERCHANT and before.role != Role.MERCHANT:
            fields["billing"], changes["billing access"] = False, (True, False)
        _set(row, **fields)
        audit.record(by, "user.changed", row.user.email, changes)
    return True


def set_billing(member: Membership, by: User, wanted: bool) -> bool:
    """Gives or takes billing access. Ask only where `by` has it."""
    with transaction.atomic():
        row = _locked(member, by)
        if wanted and not is_verified(row.user):
            raise Refused(f"{row.user} has not verified the address yet. Billing access comes after that.")
        if row.billing == wanted:
            return False
        _set(row, billing=wanted)
        audit.record(by, "user.billing", row.user.email, {"billing access": (not wanted, wanted)})
    return True


def deactivate(member: Membership, by: User, now: datetime) -> bool:
    """From now on this user does not get into the account. What they are, and whom alerts go to, is kept."""
    with transaction.atomic():
        row = _locked(member, by)
        if row.deactivated_at:
            return False
        _set(row, deactivated_at=now)
        audit.record(by, "user.deactivated", row.user.email, {"active": (True, False)})
    if not _elsewhere(row):
        end_sessions(row.user)
    return True


def reactivate(member: Membership, by: User) -> bool:
    """The inverse."""
    with transaction.atomic():
        row = _locked(member, by)
        if not row.deactivated_at:
            return False
        _set(row, deactivated_at=None)
        audit.record(by, "user.reactivated", row.user.email, {"active": (False, True)})
    return True


def remove(member: Membership, by: User) -> None:
    """Takes a user out of this account. Who is in no other one is deleted."""
    with transaction.atomic():
        row = _locked(member, by)
        place = str(place_of(row))
        for relation in User._meta.get_fields(include_hidden=True):  # what this account keeps about them
            if isinstance(relation, ManyToOneRel) and issubclass(relation.related_model, TenantModel):
                relation.related_model.objects.filter(**{relation.field.name: row.user}).delete()
        audit.record(by, "user.removed", row.user.email, {"role": (place, None)})
    if _elsewhere(row, deactivated=True):
        return
    end_sessions(row.user)
    if row.user.is_staff or row.user.is_superuser:
        return
    try:
        with transaction.atomic():
            row.user.delete()
    except IntegrityError:  # they have joined another account in this moment
        pass


def make_primary(member: Membership, by: User) -> None:
    """Hands the primary role over: `by`, who has it, becomes an admin user and keeps billing access."""
    with transaction.atomic():
        both = Membership.objects.select_for_update(of=("self",)).select_related("user").order_by("pk")
        rows = {row.user_id: row for row in both.filter(Q(pk=member.pk) | Q(user=by))}
        old, new = rows.get(by.pk), rows.get(member.user_id)
        if old is None or old.role != Role.PRIMARY:
            raise Refused("You are not the primary user any more.")
        if new is None or new.pk == old.pk:
            raise Refused("Choose somebody else.")
        _ready_for_primary(new)
        before = str(place_of(new))
        _set(old, role=Role.ADMIN)
        _set(new, role=Role.PRIMARY, merchant=None, further=[], billing=True)
        audit.record(
            by,
            "user.primary",
            new.user.email,
            {"primary user": (old.user.email, new.user.email), "role": (before, Role.PRIMARY.label)},
        )


def appoint(member: Membership, by: User) -> None:
    """Makes somebody the primary user in the place of one who is gone: by an operator, inside `everyone`."""
    with transaction.atomic():
        mine = Membership.objects.select_for_update(of=("self",)).select_related("user")
        new = mine.get(pk=member.pk)
        old = mine.filter(account_id=new.account_id, role=Role.PRIMARY).exclude(pk=new.pk).first()
        if new.role == Role.PRIMARY:
            return
        _ready_for_primary(new)
        if old is not None:
            _set(old, role=Role.ADMIN)
        _set(new, role=Role.PRIMARY, merchant=None, further=[], billing=True)
        changes = {"primary user": (old.user.email if old else None, new.user.email)}
        audit.record_of(new.account_id, by, "user.primary", new.user.email, changes)


def is_verified(user: User) -> bool:
    """Whether this person has read a mail at the address that they sign in by."""
    return EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists()


def end_sessions(user: User) -> None:
    """Signs this person out everywhere."""
    for session in UserSession.objects.filter(user=user):
        session.end()


def _locked(member: Membership, by: User) -> Membership:
    """The row, locked, where `by` may change it."""
    found = Membership.objects.select_for_update(of=("self",)).select_related("user").filter(pk=member.pk).first()
    if found is None:
        raise Refused("This user has been removed meanwhile.")
    if found.user_id == by.pk:
        raise Refused("Nobody changes what they are themselves. Ask another admin user.")
    if found.role == Role.PRIMARY:
        raise Refused("The primary user stays what they are, unless they hand the role over.")
    row: Membership = found
    return row


def _ready_for_primary(member: Membership) -> None:
    if member.deactivated_at or not member.user.is_active:
        raise Refused(f"{member.user} is deactivated. Reactivate them first.")
    if not is_verified(member.user):
        raise Refused(f"{member.user} has not verified the address yet.")


def _set(member: Membership, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(member, name, value)
    member.save(update_fields=list(fields))


def _elsewhere(member: Membership, *, deactivated: bool = False) -> bool:
    """Whether this user is in another account too: where they get in, or (`deactivated`) at all."""
    with tenancy.everyone("other accounts of a user"):
        others = Membership.objects.filter(user_id=member.user_id).exclude(account_id=member.account_id)
        return bool((others if deactivated else others.filter(deactivated_at=None)).exists())
