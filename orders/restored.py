"""What the restore of a backup made us forget: see `manage.py im after-restore`."""

from datetime import datetime

from orders.run import Run

KEY = "restored_at"  # in the state of every schedule, for ever: what is older may have been sent


def restored_at(run: Run) -> datetime | None:
    """When the database was last restored from a backup. What is older may have been sent already."""
    at = run.state.get(KEY)
    return datetime.fromisoformat(at) if at else None
