"""Guessing passwords: ten tries, then fifteen minutes' break.

Counted per address and network address together, and per address alone from wherever it has not been
signed in to lately, so that a stranger who guesses cannot keep the owner out of their own office. The
sign-in link goes on working. Unknown addresses count the same: the answer tells nothing.
"""

from datetime import datetime, timedelta

from allauth.core.internal.ratelimit import truncate_ip
from allauth.usersessions.models import UserSession

from accounts import tries

BREAK = timedelta(minutes=15)
HERE = tries.Limit("password here", 10, BREAK)  # one address from one place
ANYWHERE = tries.Limit("password anywhere", 10, BREAK)  # one address from places that are new to it
PLACE = tries.Limit("password place", 100, BREAK)  # one place, whatever addresses


def take(email: str, ip: str, now: datetime) -> int:
    """Counts one try; how many are left after it, -1 where it must not be made."""
    place = truncate_ip(ip)
    left = [tries.take(HERE, f"{email} {place}", now), tries.take(PLACE, place, now)]
    if not UserSession.objects.filter(user__email=email, ip=ip).exists():
        left.append(tries.take(ANYWHERE, email, now))
    return min(left)


def forget(email: str, ip: str) -> None:
    """The password was right, or is a new one."""
    tries.forget(HERE, f"{email} {truncate_ip(ip)}")
    tries.forget(ANYWHERE, email)


def warning(left: int | None) -> str:
    """How many tries are left, where it is time to say so."""
    if left is None:
        return ""
    if left == 0:
        return " That was the last try: wait 15 minutes, or use a sign-in link."
    return f" {left} {'try' if left == 1 else 'tries'} left, then a break of 15 minutes."
