"""Files that leave as mails: one mail a file, its identity fixed, and the moment known after which it may have arrived.

Nobody can ask a mail server whether it took a mail. So the last step, the dot that ends the mail, is told
before it is done: what breaks earlier has certainly not arrived, what breaks later nobody knows.
"""

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses, parseaddr
from typing import TYPE_CHECKING, Any

from integration_manager.kit.certificates import Trust
from integration_manager.kit.errors import (
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    OutcomeUnknown,
    Permanent,
    Transient,
)
from integration_manager.kit.folder import Journal, noting

if TYPE_CHECKING:
    from integration_manager.kit.egress import Guard

MOST_RECIPIENTS = 20
MAX_LINES = 1000  # of one answer
LARGEST = 20 * 1024 * 1024  # bytes of a file; most mail servers take no more
PLACEHOLDERS = ("kind", "file", "merchant", "date")
_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.I)


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server. `security`: "tls", "starttls", or "" for one of the operator's own network."""

    host: str
    port: int
    sender: str  # an address, or a name with one: Shop <orders@shop.example>
    security: str = "starttls"
    user: str = ""
    password: str = ""
    certificate: str = ""


def addresses(text: str) -> list[str]:
    """The addresses in a text, in lower case where that makes no difference. Raises AuthFailed for what is none."""
    found = [part.strip() for part in re.split(r"[,;\s]+", text) if part.strip()]
    for address in found:
        if not is_address(address):
            raise AuthFailed(f"{address[:100]!r} is no e-mail address.", code="bad_address")
    return list(dict.fromkeys(found))


def is_address(text: str) -> bool:
    """Whether a text is one plain e-mail address, with nothing in it that means more to a mail server."""
    return text.isascii() and text.isprintable() and _ADDRESS.fullmatch(text) is not None


def subject_of(template: str, values: dict[str, str]) -> str:
    """A subject from its template. Raises AuthFailed for a placeholder that there is not."""
    unknown = [name for name in re.findall(r"\{([^{}]*)\}", template) if name not in PLACEHOLDERS]
    if unknown:
        names = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise AuthFailed(f"There is no placeholder {{{unknown[0]}}} for the subject; there are {names}.")
    text = re.sub(r"\{(\w+)\}", lambda found: values.get(found.group(1), ""), template)
    return " ".join(text.split())[:200]


class Sender:
    """Sends files to fixed recipients. Opens a connection for each."""

    def __init__(
        self,
        server: Server | None,
        *,
        to: str,
        subject: str,
        merchant: str = "",
        guard: "Guard | None",
        journal: Journal | None = None,
        timeout: float = 30.0,
    ) -> None:
        """`server` None: this installation has none. `guard` None: the operator's own, which goes anywhere."""
        self._server, self._to, self._subject, self._merchant = server, to, subject, merchant
        self._guard, self._journal, self.timeout = guard, journal, timeout

    def __repr__(self) -> str:
        return f"<Sender {self._server.host if self._server else None}>"

    def check(self) -> None:
        """Looks at what was entered and logs in; sends nothing. Raises AuthFailed, ConnectionFailed."""
        server, _, _ = self._settings()
        subject_of(self._subject, {})
        with self._reading_errors(server), self._opened(server) as link:
            link.noop()

    def send(self, kind: str, name: str, data: bytes, key: str, at: datetime, sending: Callable[[], None]) -> None:
        """Sends one file. `key` makes the Message-ID; `sending` is called right before the last step.

        All recipients get it or none. Raises OutcomeUnknown if it broke after that step, else what says
        that it has certainly not arrived: Transient, Permanent, AuthFailed, ConnectionFailed.
        """
        server, to, sender = self._settings()
        if len(data) > LARGEST:
            raise Permanent(f"{name} is too large for a mail.", code="file_too_large")
        message = self._message(server, to, kind, name, data, key, at)
        where = f"smtp://{server.host}:{server.port}"
        noted = noting(self._journal, "mail", f"{', '.join(to)}/{name}", where, data)
        with noted, self._reading_errors(server), self._opened(server) as link:
            _each(link.mail(sender), sender)
            for address in to:
                _each(link.rcpt(address), address)
            link.deliver(message.as_bytes(), sending)

    def _settings(self) -> tuple[Server, list[str], str]:
        if self._server is None or not self._server.host:
            raise AuthFailed(
                "This installation has no mail server. Choose one of your own, or ask the operator.",
                code="no_mail_server",
            )
        to = addresses(self._to)
        if not to:
            raise AuthFailed("Enter the recipients of the files.", code="no_recipients")
        if len(to) > MOST_RECIPIENTS:
            raise AuthFailed(f"There may be {MOST_RECIPIENTS} recipients at most.", code="bad_address")
        sender = parseaddr(self._server.sender)[1]
        if not is_address(sender):
            raise AuthFailed("The sender's address is no e-mail address.", code="bad_address")
        return self._server, to, sender

    def _message(
        self, server: Server, to: list[str], kind: str, name: str, data: bytes, key: str, at: datetime
    ) -> EmailMessage:
        message = EmailMessage()
        (shown, sender), *_ = getaddresses([server.sender])
        values = {"kind": kind, "file": name, "merchant": self._merchant, "date": f"{at:%Y-%m-%d}"}
        message["From"] = Address(shown, addr_spec=sender)
        message["To"] = ", ".join(to)
        message["Subject"] = subject_of(self._subject, values) or name
        message["Date"] = format_datetime(at)
        message["Message-ID"] = f"<{key}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(f"Attached: {name}\n\nThis mail was sent by a program.\n")
        message.add_attachment(data, maintype="text", subtype="csv", filename=name)
        return message

    # ── the connection ──

    @contextlib.contextmanager
    def _opened(self, server: Server) -> Iterator["_Link"]:
        trust = Trust(server.host, server.certificate) if server.security else None
        try:
            link = _Link(server, trust, self._guard, self.timeout)
        except ssl.SSLCertVerificationError as error:
            assert trust is not None
            raise trust.explain(error, self._ready_for_tls(server)) from None
        try:
            link.ehlo_or_helo_if_needed()
            if server.user:
                link.login(server.user, server.password)
            yield link
            with contextlib.suppress(smtplib.SMTPException, OSError):
                link.quit()  # it is sent by then, whatever becomes of the good-bye
        finally:
            link.close()

    def _ready_for_tls(self, server: Server) -> socket.socket:
        """A second connection, ready for the handshake, to look at the certificate only."""
        if server.security == "tls":
            return _dial(server, self._guard, self.timeout)
        link = _Link(server, None, self._guard, self.timeout)
        link.ehlo_or_helo_if_needed()
        code, _ = link.docmd("STARTTLS")
        sock = link.sock
        if code != 220 or sock is None:
            raise ConnectionFailed(f"{server.host} does not offer TLS here, or broke off.", code="no_tls")
        link.sock = None
        return sock

    @contextlib.contextmanager
    def _reading_errors(self, server: Server) -> Iterator[None]:
        host = server.host
        try:
            yield
        except ConnectorError:
            raise
        except smtplib.SMTPAuthenticationError as error:
            raise AuthFailed(f"{host} does not accept this user name and password.", said=_said(error)) from None
        except smtplib.SMTPNotSupportedError as error:
            raise AuthFailed(f"{host} does not offer what is needed: {error}", code="not_supported") from None
        except smtplib.SMTPResponseException as error:
            if isinstance(error, smtplib.SMTPConnectError) or error.smtp_code == 421:
                raise ConnectionFailed(f"{host} takes no mails at the moment.", said=_said(error)) from None
            raise _answer(host, error.smtp_code, _said(error)) from None
        except (smtplib.SMTPException, OSError, EOFError, ValueError):
            raise ConnectionFailed(f"{host} does not answer as a mail server, or broke off.") from None


class _Link(smtplib.SMTP):
    """One SMTP session, over a connection that the guard has made."""

    def __init__(self, server: Server, trust: Trust | None, guard: "Guard | None", timeout: float) -> None:
        self._server, self._guard = server, guard
        self._implicit = trust if server.security == "tls" else None
        super().__init__(timeout=timeout, local_hostname="[127.0.0.1]")
        try:
            code, words = self.connect(server.host, server.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, words)
            if trust and not self._implicit:
                self._start_tls(trust)
        except BaseException:
            self.close()
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = _dial(self._server, self._guard, timeout)
        return self._implicit.wrap(sock) if self._implicit else sock

    def _start_tls(self, trust: Trust) -> None:
        self.ehlo_or_helo_if_needed()
        if not self.has_extn("starttls") or self.docmd("STARTTLS")[0] != 220:
            raise ConnectionFailed(f"{self._server.host} does not offer TLS here, or broke off.", code="no_tls")
        assert self.sock is not None
        self.sock = trust.wrap(self.sock)
        # Whatever was said before the encryption counts no more.
        self.file = None
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features, self.does_esmtp = {}, False

    def deliver(self, message: bytes, sending: Callable[[], None]) -> None:
        """The mail itself. What breaks before `sending` is called has not arrived."""
        self.putcmd("data")
        code, words = self.getreply()
        if code != 354:
            raise smtplib.SMTPDataError(code, words)
        lines = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
        lines = re.sub(rb"(?m)^\.", b"..", lines)
        self.send(lines if lines.endswith(b"\r\n") else lines + b"\r\n")
        sending()
        try:
            self.send(b".\r\n")
            code, words = self.getreply()
        except (OSError, smtplib.SMTPException):
            raise OutcomeUnknown(
                f"{self._server.host} broke off at the end of a mail. It may have taken it, or not."
            ) from None
        if 400 <= code < 600:
            raise smtplib.SMTPDataError(code, words)
        if not 200 <= code < 300:
            raise OutcomeUnknown(
                f"{self._server.host} answered the end of a mail with neither yes nor no. It may have taken it, or not."
            )

    def getreply(self) -> tuple[int, bytes]:
        """One answer, which may not go on without end."""
        if self.file is None and self.sock is not None:
            self.file = self.sock.makefile("rb")
        if not isinstance(self.file, _Answers):
            self.file = _Answers(self.file)
        self.file.left = MAX_LINES
        return super().getreply()


class _Answers:
    """The lines that a mail server says; `left` of them may still come."""

    def __init__(self, file: Any) -> None:
        self._file, self.left = file, MAX_LINES

    def readline(self, size: int) -> bytes:
        """The next line."""
        self.left -= 1
        if self.left < 0:
            raise smtplib.SMTPServerDisconnected("the answer has too many lines")
        line: bytes = self._file.readline(size)
        return line

    def close(self) -> None:
        """Ends the reading."""
        self._file.close()


def _dial(server: Server, guard: "Guard | None", timeout: float) -> socket.socket:
    if guard is not None:
        return guard.connect(server.host, server.port, timeout)
    try:
        return socket.create_connection((server.host, server.port), timeout)
    except OSError:
        raise ConnectionFailed(f"{server.host} cannot be reached on port {server.port}.") from None


def _each(answer: tuple[int, bytes], address: str) -> None:
    code, words = answer
    if code not in (250, 251):
        raise _answer(address, code, f"{code} {words.decode('utf-8', 'replace')}")


def _answer(who: str, code: int, said: str) -> ConnectorError:
    """Our error for an answer that is no yes: nothing of the mail was taken."""
    if code in (530, 535):
        return AuthFailed("The mail server wants another user name or password.", said=said)
    if 400 <= code < 500:
        return Transient(f"The mail server does not take a mail for {who} at the moment.", said=said)
    return Permanent(f"The mail server refuses a mail for {who}.", said=said)


def _said(error: smtplib.SMTPResponseException) -> str:
    words = error.smtp_error
    return f"{error.smtp_code} {words.decode('utf-8', 'replace') if isinstance(words, bytes) else words}"
