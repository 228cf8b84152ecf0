#!/usr/bin/env python3
"""Django's command line. Commands that change tables run as the tables' owner."""

import os
import sys

OWNER_COMMANDS = {
    "createcachetable",
    "dbshell",
    "makemigrations",
    "migrate",
    "showmigrations",
    "sqlmigrate",
}


def main() -> None:
    """Choose database and role for the command, then hand over to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_manager.settings")
    words = sys.argv[1:3]
    if words[:1] == ["im"] and words[1:] == ["run"]:
        # The supervisor needs no settings; it makes those of its children.
        from integration_manager.im.run import main as run

        sys.exit(run())
    if set(words[:1]) & OWNER_COMMANDS or words == ["im", "migrate"]:
        os.environ["IM_DB_ROLE"] = "im_owner"
    if not {"DATABASE_URL", "SECRET_KEY", "DEBUG"} & os.environ.keys():
        from integration_manager.embedded import known_environment

        os.environ.update(known_environment())  # the services that `make run` started here
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
