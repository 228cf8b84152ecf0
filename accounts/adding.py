"""Somebody new in an account: invited by a link, or made with a password that is handed over.

A password is set only for an address that nobody signs in by: who is known here keeps theirs, and is invited.
Made users verify their address before anything else, so nobody gets hold of an address that is not theirs, and
then choose a password of their own (accounts/own_password.py).
"""

from datetime import timedelta
from enum import Enum

from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts import audit, invitations, mail, people, tries
from accounts.models import Account, Invitation, Membership, User
from integration_manager.kit import clock

PER_ACCOUNT = tries.Limit("new users", 100, timedelta(hours=1))  # nobody's mailbox is flooded through us
PER_PERSON = tries.Limit("mailed again", 3, timedelta(minutes=10))
VERIFY = timedelta(days=2)  # how long the link of a verification mail works


class Added(Enum):
    """What came of it."""

    INVITED = "invited"
    MADE = "made"
    INVITED_INSTEAD = "invited instead"  # the address is known here, so no password was set


def add(account: Account, email: str, name: str, place: people.Place, password: str, by: User) -> Added:
    """Adds a user to the active account. Raises people.Refused where they are in it already."""
    there = Membership.objects.select_related("user").filter(user__email=email).first()
    if there is not None:
        more = ", deactivated: reactivate them instead" if there.deactivated_at else " already"
        raise people.Refused(f"{email} is a user of this account{more}.")
    if tries.take(PER_ACCOUNT, account.public_id, clock.now()) < 0:
        raise people.Refused("That were very many new users within an hour. Go on a little later.")
    if password and not User.objects.filter(email=email).exists():
        try:
            _make(account, email, name, place, password, by)
            return Added.MADE
        except IntegrityError:  # they signed up in this moment
            pass
    invitations.invite(account, email, place, by=by, name=name)
    return Added.INVITED_INSTEAD if password else Added.INVITED


def ask_again(account: Account, member: Membership, by: User) -> None:
    """Mails a made user once more to verify the address. Raises people.Refused where that was often enough."""
    if tries.take(PER_PERSON, member.user.email, clock.now()) < 0:
        raise people.Refused(f"{member.user} was mailed three times. Look into the mailbox, or wait ten minutes.")
    with transaction.atomic():
        _ask_to_verify(account, member.user, people.place_of(member), by)
        audit.record(by, "user.invited", member.user.email, {"mailed again": (None, True)})


def _make(account: Account, email: str, name: str, place: people.Place, password: str, by: User) -> None:
    with transaction.atomic():
        user = User.objects.create_user(email, password, name=name, timezone=account.timezone)
        User.objects.filter(pk=user.pk).update(password_handed_over=True)
        Membership.objects.create(user=user, **place.fields())
        Invitation.objects.filter(email=email, accepted_at=None).delete()
        audit.record(by, "user.added", email, {"role": (None, str(place))})
        _ask_to_verify(account, user, place, by)


def _ask_to_verify(account: Account, user: User, place: people.Place, by: User) -> None:
    address, _ = EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"primary": True})
    url = mail.link(reverse("account_confirm_email", args=[EmailConfirmationHMAC.create(address).key]))
    context = {"url": url, "account": account.name, "by": str(by), "place": str(place)}
    mail.queue("user_added", user.email, context, lives=VERIFY)
