"""Invitations: somebody is offered a place in an account, by a mail with a link that is good for 7 days.

`invite` writes the row and its mail; opening the link changes nothing, the button on its page accepts. Who
is signed in joins as they are; who is new chooses a name and a password. The link is the proof that the
mail was read, so a new person's address counts as verified.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse

from accounts import addresses, audit, mail
from accounts.models import Account, Invitation, Membership, User
from integration_manager import tenancy
from integration_manager.kit import clock

LIVES = timedelta(days=7)


def invite(account: Account, email: str, role: str, *, by: User, merchant: object = None) -> Invitation:
    """Offers a place in the active account: of a role, for a merchant user at `merchant`. Mails the link.

    An invitation of the same address that still waits is replaced: its link works no longer.
    """
    now, token = clock.now(), secrets.token_urlsafe(32)
    email = email.strip().lower()
    with transaction.atomic():
        found, _ = Invitation.objects.update_or_create(
            email=email,
            accepted_at=None,
            defaults={
                "role": role,
                "merchant": merchant,
                "invited_by": by.email,
                "token_hash": _hash(token),
                "created_at": now,
                "expires_at": now + LIVES,
            },
        )
        place = f"{found.get_role_display()} of {merchant}" if merchant else found.get_role_display()
        audit.record(by, "user.invited", email, {"role": (None, place)})
        url = mail.link(reverse("invitation", args=[token]))
        context = {"url": url, "account": account.name, "by": str(by), "place": place}
        mail.queue("invitation", email, context, lives=LIVES)
    return found


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


def join(invitation: Invitation, user: User, now: datetime) -> bool:
    """Takes the place. False where somebody else has just taken it, or it no longer works.

    Who is a member already stays what they are: an invitation takes no rights away, and adds none to them.
    """
    with tenancy.activate(invitation.account_id), transaction.atomic():
        if not _take(invitation, now):
            return False
        _, new = Membership.objects.get_or_create(
            user=user, defaults={"role": invitation.role, "merchant": invitation.merchant}
        )
        audit.record(user, "user.joined" if new else "invitation.accepted", user.email)
    return True


def join_as_new(invitation: Invitation, name: str, password: str, now: datetime) -> User | None:
    """Makes the invited person's user and takes the place. None where it no longer works."""
    with tenancy.activate(invitation.account_id), transaction.atomic():
        if not _take(invitation, now):
            return None
        zone = Account.objects.get(pk=invitation.account_id).timezone
        user = User.objects.create_user(invitation.email, password, name=name, timezone=zone)
        addresses.confirm(user)
        Membership.objects.create(user=user, role=invitation.role, merchant=invitation.merchant)
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
