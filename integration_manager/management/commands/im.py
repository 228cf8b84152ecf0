"""`manage.py im <subcommand>`: each subcommand is one module in integration_manager/im/.

A module has `HELP` (one line), `run(options)`, and where it takes arguments
`arguments(parser)`. A dash in the subcommand is an underscore in the file's name.
"""

import importlib
import pkgutil
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integration_manager import im


def subcommands() -> list[str]:
    """The names of all subcommands, as typed."""
    return sorted(
        module.name.replace("_", "-") for module in pkgutil.iter_modules(im.__path__) if not module.name.startswith("_")
    )


class Command(BaseCommand):
    """Dispatches to integration_manager/im/<subcommand>.py."""

    help = "The product's own commands: " + ", ".join(subcommands())
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One sub-parser for each module."""
        choices = parser.add_subparsers(dest="subcommand", required=True, metavar="subcommand")
        every, typed = subcommands(), sys.argv[2:3]
        # Only the one that was typed is imported: the others may be slow, or broken.
        for name in typed if sys.argv[1:2] == ["im"] and typed[0:1] and typed[0] in every else every:
            module = importlib.import_module(f"integration_manager.im.{name.replace('-', '_')}")
            sub = choices.add_parser(name, help=module.HELP, description=module.HELP)
            if hasattr(module, "arguments"):
                module.arguments(sub)
            sub.set_defaults(_run=module.run)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the chosen module."""
        from integration_manager.embedded import CannotStart

        try:
            options["_run"](options)
        except CannotStart as error:
            raise CommandError(str(error)) from error
