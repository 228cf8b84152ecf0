"""Somebody new in an account: invited by a link in a mail, alone or with a password that is handed over.

Whether the address is somebody's who signs in here already shows nowhere to who adds them: neither in the answer
nor in the list of users, before the person has accepted. Only the mail, which they alone read, may say it.
"""

from datetime import timedelta

from accounts import invitations, people, tries
from accounts.models import Account, Membership, User
from integration_manager.kit import clock

PER_ACCOUNT = tries.Limit("new users", 100, timedelta(hours=1))  # nobody's mailbox is flooded through us


def add(account: Account, email: str, name: str, place: people.Place, password: str, by: User) -> None:
    """Invites somebody into the active account. Raises people.Refused where they are in it already.

    `password`: what somebody new has to type in when they accept; "" where they choose their own at once.
    """
    there = Membership.objects.select_related("user").filter(user__email=email).first()
    if there is not None:
        more = ", deactivated: reactivate them instead" if there.deactivated_at else " already"
        raise people.Refused(f"{email} is a user of this account{more}.")
    if tries.take(PER_ACCOUNT, account.public_id, clock.now()) < 0:
        raise people.Refused("That were very many new users within an hour. Go on a little later.")
    invitations.invite(account, email, place, by=by, name=name, password=password)
