"""What must be true before web, worker or beat do anything."""

import gc
import sys
import time

from django.db import OperationalError, connection

_PROBLEMS = {
    "superuser": "is a superuser, whom row-level security does not bind",
    "bypass": "has BYPASSRLS, so row-level security does not bind it",
    "owner": "owns the tables, whose owner row-level security does not bind",
}


def role_problem() -> str:
    """Why the current role must not serve tenants, in words; "" if it may."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, rolsuper, rolbypassrls, EXISTS ("
            " SELECT FROM pg_class WHERE relowner = pg_roles.oid AND relkind IN ('r', 'p')"
            " AND relnamespace = 'public'::regnamespace) FROM pg_roles WHERE rolname = current_user"
        )
        role, superuser, bypass, owner = cursor.fetchone()
    flags = {"superuser": superuser, "bypass": bypass, "owner": owner}
    found = [_PROBLEMS[name] for name, true in flags.items() if true]
    if not found:
        return ""
    return (
        f"Refusing to start: the database role {role!r} {' and '.join(found)}, so one tenant could "
        "see another's rows. Web, worker and beat run as im_app: leave IM_DB_ROLE unset, or set "
        "APP_DATABASE_URL to a login of im_app."
    )


def refuse_wrong_role(seconds: float = 20) -> None:
    """End this process, in words, where the database would not keep tenants apart."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            problem = role_problem()
            break
        except OperationalError as error:
            if time.monotonic() > deadline:
                problem = f"The database cannot be reached: {error}"
                break
            time.sleep(0.3)
    connection.close()  # what forks later must not share it
    if problem:
        sys.stderr.write(problem.strip() + "\n")
        raise SystemExit(78)


def spare_collector() -> None:
    """Keeps the garbage collector from going through all of Django again and again.

    What is there once a process has started stays. A worker's orders have no cycles, so its looks for some
    may be rare: else a fifth of the time of a large file goes into them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def give_way_sooner() -> None:
    """Lets a thread that waits for an answer go on soon after it has come.

    A worker makes pages of a file in one thread while another stores those before them, in a dozen statements.
    Python lets a thread that computes go on for 5 ms before it makes room for another: after each statement.
    """
    sys.setswitchinterval(0.0005)  # seconds
