"""*Share setup link*: a merchant gives one cart's credentials without signing in, and can do nothing else.

The token stands in the link alone; here is its hash. A link is good for 7 days, until it is revoked, for one
success, and for as long as who made it may set up this merchant's carts: it ends with their place in the account.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse

from accounts import mail
from accounts.models import Account, Membership
from accounts.roles import ROLES
from carts.models import Cart, SetupLink
from integration_manager import tenancy
from merchants.models import Merchant

LIVES = timedelta(days=7)
MAY = [role for role, allowed in ROLES.items() if "carts.edit" in allowed and role in Membership.Role.values]


def create(
    account: Account, merchant: Merchant, cart: Cart | None, system: str, label: str, name: str, email: str, by: str,
    now: datetime,
) -> tuple[SetupLink, str]:  # fmt: skip
    """Makes a link, and mails it where there is an address: (the link, its address)."""
    token = secrets.token_urlsafe(32)
    link = SetupLink.objects.create(
        digest=_digest(token),
        merchant=merchant,
        cart=cart,
        system=system,
        name=name,
        email=email,
        created_by=by,
        created_at=now,
        expires_at=now + LIVES,
    )
    url = mail.link(reverse("setup_link", args=[token]))
    if email:
        context = {"url": url, "account": account.name, "merchant": merchant.name, "system": label, "by": by}
        mail.queue("setup_link", email, context, lives=LIVES)
    return link, url


def good(now: datetime) -> QuerySet[SetupLink]:
    """The links of the active account that still open something."""
    theirs = Q(merchant=None) | Q(merchant=OuterRef("merchant")) | Q(further__contains=[OuterRef("merchant_id")])
    makers = Membership.objects.filter(
        theirs, account=OuterRef("account"), user__email=OuterRef("created_by"), user__is_active=True,
        deactivated_at=None, role__in=MAY,
    )  # fmt: skip
    found: QuerySet[SetupLink] = SetupLink.objects.filter(
        Exists(makers), used_at=None, revoked_at=None, expires_at__gt=now
    )
    return found


def find(token: str, now: datetime) -> tuple[int, int, int] | None:
    """(account, merchant, link) of a token that still opens something. Looked up before a tenant is known."""
    if not 20 <= len(token) <= 100:
        return None
    with tenancy.everyone("a setup link by its token"):
        mine = good(now).filter(digest=_digest(token), account__suspended_at=None, merchant__archived_at=None)
        found: tuple[int, int, int] | None = (
            mine.exclude(cart__archived_at__isnull=False).values_list("account_id", "merchant_id", "id").first()
        )
        return found


def use(link: SetupLink, now: datetime) -> bool:
    """Uses it up. Of two that come together one gets False."""
    return bool(good(now).filter(pk=link.pk).update(used_at=now))


def holder(link: SetupLink) -> str:
    """Who acts by it, for the record."""
    return f"holder of the link sent to {link.email}" if link.email else f"holder of the link of {link.created_by}"


def tell(link: SetupLink, account: Account, label: str, url: str) -> None:
    """Both sides hear that it was used: by mail."""
    context = {"account": account.name, "merchant": link.merchant.name, "system": label, "name": link.name, "url": url}
    mail.queue("setup_done", link.created_by, context)
    if link.email and link.email.lower() != link.created_by.lower():
        mail.queue("setup_done_merchant", link.email, context | {"url": mail.link(reverse("home"))})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
