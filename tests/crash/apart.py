"""One run in a process of its own, which can be killed."""

import os
import subprocess
import sys

from integration_manager.embedded import CLONE
from merchants.models import Schedule

KILLED = -9


def run_apart(account: int, schedule: Schedule, *naive: str, crash_at: str = "") -> int:
    """A run of a schedule by its token; how the process ended. `crash_at`: where it kills itself by SIGKILL."""
    numbers = (str(number) for number in (account, schedule.pk, schedule.token))
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "integration_manager.settings",
        "IM_EGRESS_ALLOW": "127.0.0.1",
        "IM_CRASH_AT": crash_at,
    }
    return subprocess.run([sys.executable, "-m", "tests.crash.once", *numbers, *naive], env=env, cwd=CLONE).returncode
