"""`im check`: whether a process with this environment could work now; for containers."""

from typing import Any

from integration_manager.embedded import CannotStart

HELP = "exit 0 if the database answers, is migrated, and keeps tenants apart"


def run(options: dict[str, Any]) -> None:
    """The subcommand."""
    from integration_manager import health, startup

    state = health.database_state()
    if state != "ok":
        raise CannotStart(f"The database: {state}.")
    problem = startup.role_problem()
    if problem:
        raise CannotStart(problem)
    print("ok")
