"""`manage.py rotate_keys`, the name by which operators know integration_manager/im/rotate_keys.py."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integration_manager.im import rotate_keys


class Command(BaseCommand):
    """Encrypts stored secrets anew."""

    help = rotate_keys.HELP

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it."""
        try:
            rotate_keys.run(options)
        except ValueError as error:
            raise CommandError(str(error)) from error
