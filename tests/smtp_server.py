"""A real SMTP server for tests: keeps what it gets, and refuses what it is told to."""

import asyncio
import contextlib
import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from accounts import mail
from integration_manager.kit import clock


class Post:
    """The server's mails. `answers`: what it says to a recipient instead of taking the mail; `sender_answer`: to us.

    `trouble`: "hang" or "drop": it does not answer, or hangs up, instead of taking one.
    """

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.sender_answer = self.data_answer = ""
        self.trouble = ""

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if not self.sender_answer:
            envelope.mail_from = address
        return self.sender_answer or "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.trouble == "hang":
            await asyncio.sleep(3)
        if self.trouble:
            server.transport.abort()
            return "451 never heard"
        if self.data_answer:
            return self.data_answer
        made = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(made, EmailMessage)
        self.mails.append(made)
        return "250 taken"

    def deliver(self) -> "Post":
        """Has all that waits sent."""
        mail.send_due(clock.now())
        return self

    def last(self, to: str) -> EmailMessage:
        """The newest mail to this address."""
        return [each for each in self.mails if each["To"] == to][-1]

    def link(self, to: str) -> str:
        """The path of the link in it, the same in text and HTML."""
        made = self.last(to)
        found = re.search(r"^(https?://\S+)$", text_of(made), re.M)
        assert found, text_of(made)
        assert found[1] in html_of(made)
        return re.sub(r"^https?://[^/]+", "", found[1])


def text_of(made: EmailMessage) -> str:
    """The plain text of a mail."""
    return made.get_body(("plain",)).get_content().replace("\r\n", "\n")  # type: ignore[union-attr]


def html_of(made: EmailMessage) -> str:
    """Its HTML."""
    return made.get_body(("html",)).get_content()  # type: ignore[union-attr]


class _FreePort(Controller):
    """Listens where the system has room."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextlib.contextmanager
def serving(settings: Any) -> Iterator[Post]:
    """A server on a free port, which the settings name as the mail server."""
    post = Post()
    controller = _FreePort(post, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        settings.EMAIL_URL = f"smtp://127.0.0.1:{controller.port}"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        yield post
    finally:
        controller.stop()


@pytest.fixture
def post(settings: Any) -> Iterator[Post]:
    """See `serving`."""
    with serving(settings) as post:
        yield post
