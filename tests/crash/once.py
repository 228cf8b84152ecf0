"""`python -m tests.crash.once ACCOUNT SCHEDULE TOKEN [resend]`: one run in a process that can be killed.

`resend` is the naive engine that takes an expired lease for a failed send, and sends again.
"""

import sys
from dataclasses import replace
from typing import Any

import django

django.setup()

from integration_manager import tenancy  # noqa: E402
from orders import jobs  # noqa: E402
from orders.services import deliver  # noqa: E402


def resend() -> None:
    """Takes every start for the first one: no look-up."""
    send = deliver._send

    def naive(connector: Any, item: Any) -> Any:
        return send(connector, replace(item, claimed=replace(item.claimed, starts=1)))

    deliver._send = naive


if __name__ == "__main__":
    if "resend" in sys.argv[4:]:
        resend()
    account, schedule, token = (int(argument) for argument in sys.argv[1:4])
    with tenancy.activate(account):
        jobs.run_schedule(schedule, token)
