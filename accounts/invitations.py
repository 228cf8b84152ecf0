"""Invitations: somebody is offered a place in an account, by a mail with a link that is good for 7 days.

`invite` writes the row and its mail; opening the link changes nothing, the button on its page accepts. It
is for the address that it went to: who signs in by that joins as they are, who is new chooses a name and a
password, and anybody else who comes by the link is told whom it is for. The link is the proof that the mail
was read, so a new person's address counts as verified. Where the inviter has set a password and handed it over,
somebody new types that one, and chooses their own next (accounts/own_password.py).
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from accounts import addresses, audit, mail, people, tries
from accounts.models import Account, Invitation, Membership, User
from integration_manager import tenancy
from integration_manager.kit import clock

LIVES = timedelta(days=7)
ONE_MAIL = timedelta(minutes=1)  # the same invitation again within that is the same press of a button
GUESSES = tries.Limit("password of an invitation", 10, timedelta(minutes=15))


def invite(
    account: Account, email: str, place: people.Place, *, by: User, name: str = "", password: str = ""
) -> Invitation:
    """Offers a place in the active account, and mails the link. `password`: the one that is handed over.

    An invitation of the same address that still waits is replaced: its link works no longer.
    """
    now = clock.now()
    email = email.strip().lower()
    with transaction.atomic():
        waits = Invitation.objects.select_for_update().filter(email=email, accepted_at=None)
        before: Invitation | None = waits.filter(created_at__gt=now - ONE_MAIL, expires_at__gt=now).first()
        if before is not None and not password and people.place_of(before) == place:
            return before
        token, fields = _fresh(now)
        found, _ = Invitation.objects.update_or_create(
            email=email,
            accepted_at=None,
            defaults={
                "name": name,
                "invited_by": by.email,
                "password": make_password(password) if password else "",
                **place.fields(),
                **fields,
            },
        )
        audit.record(by, "user.invited", email, {"role": (None, str(place))})
        _mail(account, found, place, by, token)
    return found


def resend(invitation: Invitation, account: Account, by: User) -> bool:
    """Mails a new link; the old one works no longer. False where it was mailed a moment ago, or is used."""
    now = clock.now()
    with transaction.atomic():
        found = Invitation.objects.select_for_update(of=("self",)).filter(pk=invitation.pk, accepted_at=None).first()
        if found is None or now - found.created_at < ONE_MAIL:
            return False
        token, fields = _fresh(now)
        Invitation.objects.filter(pk=found.pk).update(**fields)
        audit.record(by, "user.invited", found.email, {"mailed again": (None, True)})
        _mail(account, found, people.place_of(found), by, token)
    return True


def withdraw(invitation: Invitation, by: User) -> bool:
    """Takes the offer back: the link works no longer. False where it was accepted meanwhile."""
    with transaction.atomic():
        gone, _ = Invitation.objects.filter(pk=invitation.pk, accepted_at=None).delete()
        if gone:
            audit.record(by, "user.invitation_withdrawn", invitation.email)
    return bool(gone)


def waiting() -> QuerySet[Invitation]:
    """The invitations of the active account that nobody has accepted yet, the newest first."""
    found: QuerySet[Invitation] = Invitation.objects.filter(accepted_at=None).order_by("-created_at", "-pk")
    return found


def _fresh(now: datetime) -> tuple[str, dict[str, object]]:
    """A token, and what the row keeps of it."""
    token = secrets.token_urlsafe(32)
    return token, {"token_hash": _hash(token), "created_at": now, "expires_at": now + LIVES}


def _mail(account: Account, invitation: Invitation, place: people.Place, by: User, token: str) -> None:
    url = mail.link(reverse("invitation", args=[token]))
    context = {"url": url, "account": account.name, "by": str(by), "place": str(place)}
    kind = "user_added" if invitation.password and not known(invitation) else "invitation"
    mail.queue(kind, invitation.email, context, lives=LIVES)


def find(token: str, now: datetime) -> Invitation | None:
    """The invitation that this token still opens. Changes nothing."""
    with tenancy.everyone("an invitation by its token"):
        found: Invitation | None = (
            Invitation.objects.select_related("account", "merchant")
            .filter(token_hash=_hash(token), accepted_at=None, expires_at__gt=now)
            .first()
        )
    return found


def known(invitation: Invitation) -> bool:
    """Whether the invited address belongs to somebody who signs in already."""
    return User.objects.filter(email=invitation.email).exists()


def is_for(invitation: Invitation, user: User) -> bool:
    """Whether this person signs in by the address that was invited."""
    return user.email == invitation.email


def join(invitation: Invitation, user: User, now: datetime) -> bool:
    """Takes the place. False where it has just been taken, no longer works, or was offered to somebody else.

    Who is a member already stays what they are: an invitation takes no rights away, and adds none to them.
    """
    if not is_for(invitation, user):
        return False
    with tenancy.activate(invitation.account_id), transaction.atomic():
        if not _take(invitation, now):
            return False
        _, new = Membership.objects.get_or_create(user=user, defaults=people.place_of(invitation).fields())
        audit.record(user, "user.joined" if new else "invitation.accepted", user.email)
    return True


def hands_over(invitation: Invitation, password: str, now: datetime) -> bool:
    """Whether this is the password that the inviter has set. Raises people.Refused after too many guesses."""
    if tries.take(GUESSES, invitation.public_id, now) < 0:
        raise people.Refused("That was wrong too often. Try again in 15 minutes, or ask for a new invitation.")
    return check_password(password, invitation.password)


def join_as_new(invitation: Invitation, name: str, password: str, now: datetime) -> User | None:
    """Makes the invited person's user and takes the place. None where it no longer works."""
    with tenancy.activate(invitation.account_id), transaction.atomic():
        if not _take(invitation, now):
            return None
        zone = Account.objects.get(pk=invitation.account_id).timezone
        user = User.objects.create_user(invitation.email, password, name=name, timezone=zone)
        if invitation.password:  # who invited them knows it
            user.password_handed_over = True
            user.save(update_fields=["password_handed_over"])
        addresses.confirm(user)
        Membership.objects.create(user=user, **people.place_of(invitation).fields())
        audit.record(user, "user.joined", user.email)
    return user


def _take(invitation: Invitation, now: datetime) -> bool:
    """Of two that come together one waits here, and then finds it used."""
    waiting = Invitation.objects.filter(
        pk=invitation.pk, token_hash=invitation.token_hash, accepted_at=None, expires_at__gt=now
    )
    return bool(waiting.update(accepted_at=now))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
