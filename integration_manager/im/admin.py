"""`manage.py im admin EMAIL`: makes an operator of this installation, the first one too.

On a terminal it asks for a password; elsewhere, or with --link, it prints a link that signs in once, within
15 minutes. Either way two-step sign-in must be set up before any operator's page opens.
"""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings

HELP = "makes somebody an operator (superuser): asks for a password, or prints a one-time link"


def arguments(parser: ArgumentParser) -> None:
    """Whom, and how they get in."""
    parser.add_argument("email", help="the address that they sign in by")
    parser.add_argument("--link", action="store_true", help="print a link that signs in once, ask for no password")


def run(options: dict[str, Any]) -> None:
    """Makes the user, or makes one that is there an operator."""
    from django.core.exceptions import ValidationError
    from django.core.validators import validate_email

    from accounts import addresses, magic
    from accounts.models import User
    from integration_manager.embedded import CannotStart
    from integration_manager.kit import clock

    email = options["email"].strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise CannotStart(f"{email!r} is no e-mail address.") from None
    user = User.objects.filter(email=email).first() or User(email=email)
    asks = not options["link"] and sys.stdin.isatty() and not (user.pk and user.has_usable_password())
    if asks:
        user.set_password(_password(user))
    elif not user.pk:
        user.set_unusable_password()
    user.is_active = user.is_staff = user.is_superuser = True
    user.save()
    addresses.confirm(user)
    print(f"{email} is an operator.")
    if asks or (user.has_usable_password() and not options["link"]):
        print(f"Sign in at {settings.IM_BASE_URL}/login/, set up two-step sign-in,")
    else:
        print("Open this link within 15 minutes; it signs in once. Then set a password and two-step sign-in up:")
        print(magic.issue(user, "/security/", clock.now()))
    print(f"then, signed in, go to {settings.IM_BASE_URL}/{settings.IM_ADMIN_PATH}")


def _password(user: Any) -> str:
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    while True:
        typed = getpass.getpass("Password: ")
        try:
            validate_password(typed, user)
        except ValidationError as error:
            print(" ".join(error.messages))
            continue
        if typed == getpass.getpass("The same again: "):
            return typed
        print("These were two different ones.")
