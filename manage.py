#!/usr/bin/env python3
"""Django's command line. Commands that change tables run as the tables' owner."""

import os
import sys

OWNER_COMMANDS = {"migrate", "makemigrations", "createcachetable", "sqlmigrate", "showmigrations", "flush"}


def main() -> None:
    """Choose the database role for the command, then hand over to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_manager.settings")
    if len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS:
        os.environ["IM_DB_ROLE"] = "im_owner"
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
