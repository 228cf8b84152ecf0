"""`im migrate`: roles, migrations and the cache table, in one process; safe to repeat."""

from typing import Any

from django.core.management import call_command

from integration_manager.im import migrate_roles

HELP = "bring roles and tables up to date (before every start of a new version)"

arguments = migrate_roles.arguments


def run(options: dict[str, Any]) -> None:
    """The subcommand."""
    migrate_roles.run(options)
    call_command("migrate", interactive=False, verbosity=options.get("verbosity", 1))
    call_command("createcachetable", verbosity=0)
