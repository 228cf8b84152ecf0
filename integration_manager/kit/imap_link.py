"""A connection to a mailbox: to a checked address, encrypted, its certificate verified or pinned."""

import contextlib
import imaplib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.parser import BytesFeedParser
from typing import TYPE_CHECKING, Any

from imap_tools.errors import ImapToolsError
from imap_tools.mailbox import BaseMailBox
from imap_tools.message import MailMessage

from integration_manager.kit.certificates import Trust
from integration_manager.kit.errors import AuthFailed, ConnectionFailed, ConnectorError
from integration_manager.kit.folder import CHUNK

if TYPE_CHECKING:
    from integration_manager.kit.egress import Guard


LARGEST_ANSWER = 64 * 1024 * 1024  # bytes of all that comes for one command
LINE = 200  # bytes that a line takes in memory, however short it is


@dataclass(frozen=True, slots=True)
class Account:
    """How to get into a mailbox. `security`: "tls" or "starttls"."""

    host: str
    port: int
    user: str
    password: str
    security: str = "tls"
    certificate: str = ""


class _Client(imaplib.IMAP4):
    """IMAP over a connection that the guard has made."""

    _heard = 0  # bytes since the last command

    def __init__(self, account: Account, trust: Trust, guard: "Guard", timeout: float) -> None:
        self._dial: Callable[[], socket.socket] = lambda: guard.connect(account.host, account.port, timeout)
        self._trust, self._implicit = trust, account.security == "tls"
        super().__init__(account.host, account.port, timeout)
        if not self._implicit:
            self._start_tls()

    def _create_socket(self, timeout: float | None) -> socket.socket:
        sock = self._dial()
        return self._trust.wrap(sock) if self._implicit else sock

    def _command(self, name: str, *args: Any) -> Any:
        self._heard = 0
        return super()._command(name, *args)  # type: ignore[misc]  # unknown to the types

    def read(self, size: int) -> bytes:
        """Part of an answer, of which the server says how long it is."""
        self._hear(size)
        return super().read(size)

    def readline(self) -> bytes:
        """A line of an answer, which may have any number of them."""
        line = super().readline()
        self._hear(len(line) + LINE)
        return line

    def _hear(self, size: int) -> None:
        self._heard += size
        if self._heard > LARGEST_ANSWER:
            raise imaplib.IMAP4.abort("the answer is too long")

    def _start_tls(self) -> None:
        if "STARTTLS" not in self.capabilities or self._simple_command("STARTTLS")[0] != "OK":
            self.shutdown()
            raise ConnectionFailed(f"{self.host} does not offer TLS here, or broke off.", code="no_tls")
        self.sock = self._trust.wrap(self.sock)
        self.file = self.sock.makefile("rb")  # whatever was said before counts no more
        self._tls_established = True
        self._get_capabilities()


class Mail(MailMessage):
    """A mail that is parsed a piece at a time: all at once a large one takes eight times its size of memory."""

    def __init__(self, fetch_data: list[Any]) -> None:
        raw, self._raw_uid_data, self._raw_flag_data = self._get_message_data_parts(fetch_data)
        parser = BytesFeedParser()
        for start in range(0, len(raw), CHUNK):
            parser.feed(raw[start : start + CHUNK])
        self.obj = parser.close()


class _Box(BaseMailBox):
    email_message_class = Mail

    def __init__(self, client: imaplib.IMAP4) -> None:
        self._made = client
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return self._made


def opened(account: Account, guard: "Guard", timeout: float) -> BaseMailBox:
    """The mailbox, logged in. Raises AuthFailed, CertificateUnknown, CertificateChanged, ConnectionFailed."""
    host = account.host
    if not host or not account.user:
        raise AuthFailed("Server and user name of the mailbox are needed.", code="incomplete")
    if any(ord(char) < 32 or ord(char) == 127 for char in account.user + account.password):
        raise AuthFailed("User name and password of the mailbox have characters that cannot be.", code="bad_value")
    trust = Trust(host, account.certificate)
    with _reading_errors(host):
        try:
            client = _Client(account, trust, guard, timeout)
        except ssl.SSLCertVerificationError as error:
            raise trust.explain(error, _ready_for_tls(account, guard, timeout)) from None
        box = _Box(client)
        try:
            plain = (account.user + account.password).isascii()
            log_in = box.login if plain else box.login_utf8
            log_in(account.user, account.password, initial_folder=None)
        except (ImapToolsError, imaplib.IMAP4.error) as error:
            client.shutdown()
            if isinstance(error, imaplib.IMAP4.abort):
                raise
            raise AuthFailed(
                f"{host} does not accept this user name and password for the mailbox.", said=str(error)[:500]
            ) from None
        except BaseException:
            client.shutdown()
            raise
        client._get_capabilities()  # some tell what they can do only after the login
        return box


def _ready_for_tls(account: Account, guard: "Guard", timeout: float) -> socket.socket:
    """A second connection, ready for the handshake, to look at the certificate only."""
    sock = guard.connect(account.host, account.port, timeout)
    if account.security == "tls":
        return sock
    file = sock.makefile("rwb", 0)
    file.readline(1000)
    file.write(b"a STARTTLS\r\n")
    if b" OK" not in file.readline(1000).upper():
        sock.close()
        raise ConnectionFailed(f"{account.host} does not offer TLS here, or broke off.", code="no_tls")
    return sock


@contextlib.contextmanager
def _reading_errors(host: str) -> Iterator[None]:
    try:
        yield
    except ConnectorError:
        raise
    except (imaplib.IMAP4.error, OSError, EOFError, ValueError):
        raise ConnectionFailed(f"{host} does not answer as a mailbox (IMAP), or broke off.") from None
