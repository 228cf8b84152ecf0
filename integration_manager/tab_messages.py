"""What a page says once (“Saved.”) is said on a page of the account where it was done.

Tabs of one browser share the place where messages wait. Without this, the tab that asks next would show them,
also where it looks at another account.
"""

from typing import Any

from django.contrib.messages.storage.base import Message
from django.contrib.messages.storage.fallback import FallbackStorage


class PerAccount(FallbackStorage):
    """Messages of another account wait on. Outside any account all are shown: something led there from one."""

    def __init__(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self._of_others: list[Message] = []

    def add(self, level: int, message: str, extra_tags: str | None = "") -> None:
        """Notes whose it is; nothing else uses these tags."""
        super().add(level, message, self._account() or extra_tags)

    def _account(self) -> str:
        account = getattr(self.request, "account", None)
        return account.public_id if account is not None else ""

    def _get(self, *args: Any, **kwargs: Any) -> Any:
        found, complete = super()._get(*args, **kwargs)  # type: ignore[misc]  # its stubs leave it out
        here = ("", None, self._account())
        shown = [not self._account() or one.extra_tags in here for one in found]
        self._of_others = [one for one, now in zip(found, shown, strict=True) if not now]
        return [one for one, now in zip(found, shown, strict=True) if now], complete

    def _store(self, messages: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._store([*self._of_others, *messages], response, *args, **kwargs)  # type: ignore[misc]  # as above
