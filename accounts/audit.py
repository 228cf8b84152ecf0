"""The record of who changed the configuration, and who looked at what is worth keeping."""

from typing import Any

from accounts.models import AuditEntry
from integration_manager.crypto import Secret

Changes = dict[str, tuple[Any, Any]]


def record(actor: object, verb: str, target: str, changes: Changes | None = None) -> None:
    """Writes one entry into the active account's record. `changes`: field → (before, after)."""
    AuditEntry.objects.create(
        actor=str(getattr(actor, "email", actor))[:254],
        verb=verb[:40],
        target=target[:120],
        changes={name: [_plain(before), _plain(after)] for name, (before, after) in (changes or {}).items()},
    )


def difference(before: dict[str, Any], after: dict[str, Any]) -> Changes:
    """What differs between two dictionaries, as `record` wants it. Secrets say only that they changed."""
    names = sorted({*before, *after})
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return "•••" if value else ""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
