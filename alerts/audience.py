"""Who is mailed about an account's alerts: each person once, with what they are told of and how often.

The rule is that of alerts/contacts.py, for all merchants at once.
"""

from dataclasses import dataclass
from datetime import datetime

from allauth.account.models import EmailAddress
from django.db.models import F

from accounts.middleware import zone_of
from accounts.models import Account, Membership, User
from accounts.roles import permissions_of
from alerts import stopping
from alerts.models import ErrorContact, ErrorEmail, Preference, Silenced
from alerts.slots import half_hour, next_slot
from merchants.models import Merchant


@dataclass(frozen=True, slots=True)
class Recipient:
    """A user, or an address without one. `everywhere`: told of all merchants' and of the account's own.

    `permissions`: the user's; None: nobody knows who reads it.
    """

    address: str
    zone: str
    frequency: str
    at_hour: int
    everywhere: bool
    merchants: frozenset[int]
    user: User | None = None
    permissions: frozenset[str] | None = None

    def may(self, permission: str) -> bool:
        """Whether they may open a page that takes this; "" takes nothing."""
        return not permission or self.permissions is None or permission in self.permissions

    @property
    def whom(self) -> str:
        """The same text for the same person."""
        return f"user:{self.user.pk}" if self.user else self.address

    def hears_of(self, merchant_id: int | None) -> bool:
        """Whether they are told of this merchant's alerts; None: of the account's own."""
        return self.everywhere or (merchant_id is not None and merchant_id in self.merchants)

    def slot(self, now: datetime) -> datetime | None:
        """When what is new now is mailed to them; None: never."""
        if self.user is None:
            return half_hour(now, self.whom)
        return next_slot(self.frequency, self.at_hour, self.zone, now, self.whom)


def audience(account: Account) -> list[Recipient]:
    """Everybody who is mailed about the active account; nobody of a suspended one."""
    if account.suspended_at:
        return []
    silenced = set(Silenced.objects.values_list("address", "why"))
    # A user's own choice counts for them, wherever else their address stands, and not what it chose without a login.
    users = [one for one in _users() if (one.address.lower(), Silenced.Why.REFUSED) not in silenced]
    never = stopping.never().values_list("user__email", flat=True)
    known = {address.lower() for address in [*never, *(one.address for one in users)]}
    known |= {address for address, _ in silenced}
    return users + [one for one in _addresses(account) if one.address not in known]


def shown_merchants() -> set[int]:
    """The merchants whose alerts are told at all: those that are not archived."""
    return set(Merchant.objects.filter(archived_at__isnull=True).values_list("id", flat=True))


def _users() -> list[Recipient]:
    chosen = {(row.user_id, row.merchant_id): row.alerted for row in ErrorContact.objects.all()}
    wishes = {row.user_id: row for row in Preference.objects.all()}
    verified = EmailAddress.objects.filter(verified=True, email=F("user__email"))
    members = Membership.objects.filter(
        user__is_active=True, deactivated_at=None, user__in=verified.values("user")
    ).select_related("user")
    found = []
    for member in members:
        sees, pk = member.merchant_ids, member.user_id
        own = {merchant for (user, merchant), yes in chosen.items() if user == pk and yes and merchant is not None}
        if sees is not None:
            own = {merchant for merchant in sees if chosen.get((pk, merchant), True)}
        wish = wishes.get(pk) or Preference()
        everywhere = sees is None and chosen.get((pk, None), True)
        if wish.frequency != Preference.Frequency.NEVER and (everywhere or own):
            user = member.user
            told = (everywhere, frozenset(own), user, permissions_of(member))
            found.append(Recipient(user.email, zone_of(user).key, wish.frequency, wish.at_hour, *told))
    return found


def _addresses(account: Account) -> list[Recipient]:
    told: dict[str, set[int | None]] = {}
    for address, merchant in ErrorEmail.objects.values_list("address", "merchant_id"):
        told.setdefault(address, set()).add(merchant)
    return [
        Recipient(
            address, account.timezone, Preference.Frequency.HALF_HOURLY, 0, None in of,
            frozenset(merchant for merchant in of if merchant is not None),
        )
        for address, of in sorted(told.items())
    ]  # fmt: skip
