"""How a fake shop sends its webhooks: from a thread of its own, in order, each once.

A real shop tries a few times more. Nothing may depend on that, so a fake does not.
"""

import queue
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import requests

PATIENCE = 5.0  # seconds that a shop waits for the answer, as the large ones do
KEPT = 1000


@dataclass(frozen=True, slots=True)
class Sent:
    """A webhook that was sent. `status`: what it was answered by; 0: by nothing."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int


class Hooks:
    """The outgoing webhooks of one fake. The thread starts with the first of them."""

    def __init__(self) -> None:
        self.sent: deque[Sent] = deque(maxlen=KEPT)
        self._waiting: queue.SimpleQueue[tuple[str, Mapping[str, str], bytes]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Hands one to the thread."""
        self._waiting.put((url, headers, body))
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="fake-hooks", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while True:
                url, headers, body = self._waiting.get()
                try:
                    status = session.post(
                        url, data=body, headers=headers, timeout=PATIENCE, allow_redirects=False
                    ).status_code
                except requests.RequestException:
                    status = 0
                self.sent.append(Sent(url, headers, body, status))
