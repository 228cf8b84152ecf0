"""Keeps what was said to other systems: exchanges that wrote, failed, or were asked for."""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from integration_manager.kit.transport import Exchange as Said
from orders import bulk
from orders.models import Exchange

LIMIT = 16_000  # characters of a request or an answer that are kept


class Journal:
    """Collects exchanges from the threads of a run; the run's own thread stores them."""

    def __init__(self) -> None:
        self._said: deque[tuple[int | None, Said]] = deque()
        self._subject = threading.local()
        self.calls = 0

    def __call__(self, said: Said) -> None:
        """The transport's journal. Called in the thread that made the call."""
        self._said.append((getattr(self._subject, "order_id", None), said))

    @contextlib.contextmanager
    def about(self, order_id: int | None) -> Iterator[None]:
        """What is said inside is about this order."""
        before = getattr(self._subject, "order_id", None)
        self._subject.order_id = order_id
        try:
            yield
        finally:
            self._subject.order_id = before

    def take(self) -> list[tuple[int | None, Said]]:
        """What has been collected, and forgets it."""
        taken = []
        while self._said:
            taken.append(self._said.popleft())
        return taken

    def store(self, schedule_id: int | None) -> None:
        """Writes what has been collected, in one statement."""
        taken = self.take()
        if not taken:
            return
        each = bulk.PerRow
        bulk.insert(
            Exchange,
            {
                "order_id": each(order for order, _ in taken),
                "schedule_id": schedule_id,
                "at": each(said.started_at for _, said in taken),
                "method": each(said.method[:8] for _, said in taken),
                "url": each(said.url for _, said in taken),
                "status": each(said.status for _, said in taken),
                "seconds": each(said.seconds for _, said in taken),
                "error": each(said.error for _, said in taken),
                "request": each(_text(said.request_headers, said.request_body) for _, said in taken),
                "response": each(_text(said.response_headers, said.response_body) for _, said in taken),
            },
        )


def _text(headers: dict[str, str], body: str) -> str:
    """Headers and body as they stood, without what PostgreSQL cannot keep."""
    lines: list[Any] = [f"{name}: {value}" for name, value in headers.items()]
    return ("\n".join([*lines, "", body]))[:LIMIT].replace("\x00", "\ufffd")
