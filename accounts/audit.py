"""The record of who changed the configuration, and who looked at what is worth keeping.

What a page does came through the web, or, where an operator has opened the account, through staff; a task's
entries came through the system. Whoever serves another way says so: `with audit.through("api"): …`.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from accounts.models import AuditEntry, User
from integration_manager.crypto import Secret

Changes = dict[str, tuple[Any, Any]]
_via: ContextVar[str] = ContextVar("audit_via", default="")


@contextlib.contextmanager
def through(via: str) -> Iterator[None]:
    """Entries written inside came through this: one of AuditEntry.Via."""
    mark = _via.set(AuditEntry.Via(via))
    try:
        yield
    finally:
        _via.reset(mark)


def record(actor: object, verb: str, target: str, changes: Changes | None = None) -> None:
    """Writes one entry into the active account's record. `changes`: field → (before, after)."""
    AuditEntry.objects.create(**_entry(actor, verb, target, changes))


def record_of(account_id: int, actor: object, verb: str, target: str, changes: Changes | None = None) -> None:
    """The same into the record of an account that is not active: for operators, inside `everyone`."""
    AuditEntry.objects.create(account_id=account_id, **_entry(actor, verb, target, changes))


def difference(before: dict[str, Any], after: dict[str, Any]) -> Changes:
    """What differs between two dictionaries, as `record` wants it. Secrets say only that they changed."""
    names = sorted({*before, *after})
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _entry(actor: object, verb: str, target: str, changes: Changes | None) -> dict[str, Any]:
    return {
        "actor": str(getattr(actor, "email", actor))[:254],
        "verb": verb[:40],
        "target": target[:120],
        "changes": {name: [_plain(before), _plain(after)] for name, (before, after) in (changes or {}).items()},
        "via": _via.get() or (AuditEntry.Via.WEB if isinstance(actor, User) else AuditEntry.Via.SYSTEM),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return "•••" if value else ""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
