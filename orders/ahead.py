"""What is done with a page of a file while the one before it is being stored: read, judged, made ready to be written.

That takes our processor as long as storing takes PostgreSQL's, so both are done side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integration_manager.kit import clock
from integration_manager.kit.connector import Connector
from orders.inserting import Plan
from orders.intake import Incoming, Intake
from orders.reading import Unreadable, left_out, read_raw


@dataclass(frozen=True, slots=True)
class Made:
    """What its rows are, and what is to be written if all that seems new is new; None: nobody knows yet."""

    found: Sequence[Incoming | Unreadable]
    plan: Plan | None


def make(intake: Intake, connector: Connector, zone: str, options: dict[str, Any], rows: Sequence[Any]) -> Made:
    """Called in a thread without the database. `zone`: the account's; `options`: the connector's."""
    found = [read_raw(raw, connector, zone, options) for raw in rows]
    here = intake.for_a_thread()
    return Made(found, None if here is None else _planned(here, found, clock.now()))


def _planned(intake: Intake, found: Sequence[Incoming | Unreadable], now: datetime) -> Plan | None:
    by_key = {one.key: one for one in found if isinstance(one, Incoming)}  # as `store_page` does
    wanted = [incoming for incoming in by_key.values() if left_out(intake, incoming, now) is None]
    return Plan(intake, wanted, now) if wanted else None
