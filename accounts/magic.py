"""One-time sign-in links: a mail with a link, the link opens a page, the page's button signs in.

The button is there because mail scanners open links. The token is kept as a hash, works once and for 15
minutes, and only while the address it was sent to is still the person's. It ends in allauth's login
stages, so a second step is still asked for.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.email_verification import verify_email_indirectly
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from accounts import mail, own_password, tries
from accounts.models import SignInLink, User

LIVES = timedelta(minutes=15)
PER_ADDRESS = tries.Limit("link address", 3, timedelta(minutes=10))
VOID = "The password that was set for your address is void: somebody else may know it. Choose one under Security."
PER_IP = tries.Limit("link ip", 10, timedelta(minutes=1))


def request_link(request: HttpRequest, email: str, then: str, now: datetime) -> bool:
    """Mails a link, or to an unknown address that it is unknown. False where that was asked too often.

    The answer to the browser is the same for both, and so is the work.
    """
    ip = get_adapter().get_client_ip(request)
    if tries.take(PER_IP, ip, now) < 0 or tries.take(PER_ADDRESS, email, now) < 0:
        return False
    user = User.objects.filter(email=email, is_active=True).first()
    with transaction.atomic():
        if user is None:
            mail.queue("unknown_account", email, {"url": mail.link(reverse("account_signup"))})
        else:
            safe = then if get_adapter().is_safe_url(then) and len(then) <= 500 else ""
            url = issue(user, safe, now)
            mail.queue("sign_in_link", email, {"url": url, "name": user.name}, lives=LIVES)
    return True


def issue(user: User, then: str, now: datetime) -> str:
    """Makes a link for this person, which leads to `then`, an address of ours. Returns the whole address."""
    token = secrets.token_urlsafe(32)
    SignInLink.objects.create(user=user, email=user.email, token_hash=_hash(token), next=then, expires_at=now + LIVES)
    return mail.link(reverse("account_link_open", args=[token]))


def find(token: str, now: datetime) -> SignInLink | None:
    """The link that this token still opens. Changes nothing."""
    link = SignInLink.objects.select_related("user").filter(token_hash=_hash(token), used_at=None).first()
    works = link is not None and link.expires_at > now and link.user.is_active and link.user.email == link.email
    return link if works else None


def use(request: HttpRequest, token: str, now: datetime) -> HttpResponseBase | None:
    """Signs in, or begins to where a second step follows. None where the link does not work (any more)."""
    link = find(token, now)
    if link is None:
        return None
    with transaction.atomic():
        # Of two that come together one waits here, and then finds it used.
        if not SignInLink.objects.filter(pk=link.pk, used_at=None).update(used_at=now):
            return None
        SignInLink.objects.filter(user=link.user, used_at=None).delete()  # whoever reads old mails finds nothing
        if own_password.is_doubtful(request, link.user):
            own_password.drop(link.user)
            messages.warning(request, VOID)
        verify_email_indirectly(request, link.user, link.email)  # who has the link reads the address
    record_authentication(request, link.user, "link", email=link.email)
    return perform_login(request, Login(user=link.user, email=link.email, redirect_url=link.next or None))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
