"""What the restore of a backup made us forget: see `manage.py im after-restore`."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from orders.states import UNSENT

if TYPE_CHECKING:
    from orders.run import Run

KEY = "restored_at"  # in the state of every schedule, for ever: what is older may have been sent
# What the backup shows as not done, and may be done: its name, how it is marked as begun, and the values for that.
MARK: tuple[tuple[Any, ...], ...] = (
    (
        "orders",
        "orders_order SET starts = greatest(starts, 1) WHERE account_id = %s AND status = ANY(%s)",
        [*UNSENT, "sending"],
    ),
    ("parcels", "orders_shipment SET starts = greatest(starts, 1) WHERE account_id = %s AND uploaded_at IS NULL"),
    (
        "purchase orders",  # those too that are over: they may be opened again
        "orders_purchaseorder SET starts = greatest(starts, 1), sent = CASE WHEN sent = '{}' THEN data ELSE sent END "
        "WHERE account_id = %s AND wms_key = '' AND sent_at IS NULL",
    ),
    (
        "refunds",
        "orders_effect SET starts = greatest(starts, 1) "
        "WHERE account_id = %s AND state = 'waiting' AND kind = 'refund'",
    ),
)


def restored_at(run: "Run") -> datetime | None:
    """When the database was last restored from a backup. What is older may have been sent already."""
    at = run.state.get(KEY)
    return datetime.fromisoformat(at) if at else None


def forgot(day: date | None, at: datetime | None) -> bool:
    """Whether what its source dates so may have been forgotten, by a restore at that time.

    By the day, since that is how exactly sources date; one more for the time zones.
    """
    return at is not None and (day is None or day <= (at + timedelta(days=1)).date())
