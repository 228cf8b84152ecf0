"""Keeps what was said to other systems: exchanges that wrote, failed, or were asked for."""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from integration_manager.kit.errors import ConnectionFailed
from integration_manager.kit.transport import Exchange as Said
from orders import bulk
from orders.models import Exchange

LIMIT = 16_000  # characters of a request or an answer that are kept
OTHERS = "A file of {} orders. What is in it is not shown with one of them, since it says the same of the others."
Subject = int | tuple[int, ...] | None  # the order that an exchange is about, or those of a file


class Journal:
    """Collects exchanges from the threads of a run; the run's own thread stores them."""

    def __init__(self) -> None:
        self._said: deque[tuple[Subject, Said]] = deque()
        self._subject = threading.local()
        self.calls = 0

    def __call__(self, said: Said) -> None:
        """The transport's journal. Called in the thread that made the call."""
        self._said.append((getattr(self._subject, "orders", None), said))

    @contextlib.contextmanager
    def about(self, orders: Subject) -> Iterator[None]:
        """What is said inside is about this order, or these."""
        before = getattr(self._subject, "orders", None)
        self._subject.orders = orders
        try:
            yield
        finally:
            self._subject.orders = before

    def take(self) -> list[tuple[Subject, Said]]:
        """What has been collected, and forgets it."""
        taken = []
        while self._said:
            taken.append(self._said.popleft())
        return taken

    def store(self, schedule_id: int | None) -> None:
        """Writes what has been collected, in one statement."""
        taken = [row for subject, said in self.take() for row in _rows(subject, schedule_id, said)]
        if not taken:
            return
        each = bulk.PerRow
        bulk.insert(
            Exchange,
            {
                "order_id": each(order for order, *_ in taken),
                "schedule_id": each(schedule for _, schedule, *_ in taken),
                "at": each(said.started_at for _, _, said, *_ in taken),
                "method": each(said.method[:8] for _, _, said, *_ in taken),
                "url": each(said.url for _, _, said, *_ in taken),
                "status": each(said.status for _, _, said, *_ in taken),
                "seconds": each(said.seconds for _, _, said, *_ in taken),
                "error": each(said.error for _, _, said, *_ in taken),
                "request": each(request for *_, request, _ in taken),
                "response": each(response for *_, response in taken),
            },
        )


def _rows(
    subject: Subject, schedule_id: int | None, said: Said
) -> Iterator[tuple[int | None, int | None, Said, str, str]]:
    """The rows of an exchange: order, schedule, what was said, and the request and the answer as they are kept.

    One about a file is kept whole once; each order of it has a row that shows nothing of the others.
    """
    request = _text(said.request_headers, said.request_body)
    response = _text(said.response_headers, said.response_body)
    if not isinstance(subject, tuple):
        yield subject, schedule_id, said, request, response
        return
    if len(subject) == 1:
        yield subject[0], schedule_id, said, request, response
        return
    yield None, schedule_id, said, request, response
    if said.error == ConnectionFailed.__name__:
        return  # that may be so every minute, for days, and says nothing of any of them
    for order in subject:
        yield order, None, said, OTHERS.format(len(subject)) if said.request_body else "", ""


def _text(headers: dict[str, str], body: str) -> str:
    """Headers and body as they stood, without what PostgreSQL cannot keep."""
    lines: list[Any] = [f"{name}: {value}" for name, value in headers.items()]
    return ("\n".join([*lines, "", body]))[:LIMIT].replace("\x00", "\ufffd")
