"""The e-mail addresses that people sign in by, and that they are verified."""

from allauth.account.models import EmailAddress

from accounts.models import User


def confirm(user: User) -> None:
    """Notes that this person's address is theirs: an operator said so, or they read a mail that went there."""
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})


def taken_by_another(email: str, user_id: int) -> bool:
    """Whether somebody else signs in by this address."""
    return User.objects.filter(email=email).exclude(pk=user_id).exists()
