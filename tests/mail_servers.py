"""Real mail servers for tests: Dovecot for mails that come in, aiosmtpd for mails that go out and for its accidents."""

import contextlib
import imaplib
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from tests.certificates import self_made

DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{certificate}
disable_plaintext_auth = yes
auth_failure_delay = 0
mail_location = maildir:{folder}/mail
mail_max_userip_connections = 100
mail_plugins =
passdb {{
  driver = static
  args = user={user} password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail
}}
first_valid_uid = {uid}
first_valid_gid = {gid}
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
"""


def dovecot() -> str | None:
    """Where Dovecot is, with IMAP; it stands outside a plain user's PATH."""
    found = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    return found if found and os.access("/usr/lib/dovecot/imap", os.X_OK) else None


def why_not() -> str:
    """What is missing for a real mailbox; "" if nothing is."""
    return "" if dovecot() else "no Dovecot: apt-get install dovecot-imapd"


class MailboxServer:
    """One Dovecot with one mailbox, which is this machine's to look into."""

    user, password = "box@example.com", "m4il-secret"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="im-imap-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.path, self.certificate = self_made(self.folder)
        self.port, self.plain = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "MailboxServer":
        """Starts Dovecot as a child of ours."""
        program = dovecot()
        assert program is not None
        mine = os.geteuid()
        # Mails belong to nobody where that is possible: Dovecot serves none as root.
        owner = pwd.getpwnam("nobody") if mine == 0 else pwd.getpwuid(mine)
        (self.folder / "mail").mkdir(exist_ok=True)
        if mine == 0:
            os.chown(self.folder / "mail", owner.pw_uid, owner.pw_gid)
        internal = "dovecot" if mine == 0 else owner.pw_name
        login = "dovenull" if mine == 0 else owner.pw_name
        import grp

        group = grp.getgrgid(pwd.getpwnam(internal).pw_gid).gr_name
        config = self.folder / "dovecot.conf"
        config.write_text(
            DOVECOT.format(
                folder=self.folder,
                certificate=self.path,
                user=self.user,
                password=self.password,
                uid=owner.pw_uid,
                gid=owner.pw_gid,
                internal=internal,
                group=group,
                login=login,
                plain=self.plain,
                port=self.port,
            )
        )
        self.process = subprocess.Popen(
            [program, "-F", "-c", config], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        for _ in range(200):
            with contextlib.suppress(OSError, imaplib.IMAP4.error), self.box():
                return self  # it listens before it can answer
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"Dovecot did not start: {self.log()}")

    def log(self) -> str:
        """What it has written down."""
        path = self.folder / "log"
        said = self.process.stderr.read().decode() if self.process and self.process.stderr else ""
        return (path.read_text() if path.exists() else "") + said

    def stop(self) -> None:
        """Ends it, with its connections."""
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # it would let its clients finish
            self.process.wait()
            self.process = None

    def close(self) -> None:
        """Ends it for good, with its mails."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def box(self) -> Iterator[imaplib.IMAP4_SSL]:
        """The mailbox as somebody else sees it, by Python's own client."""
        context = ssl.create_default_context(cafile=str(self.path))
        with imaplib.IMAP4_SSL("127.0.0.1", self.port, ssl_context=context, timeout=10) as client:
            client.login(self.user, self.password)
            yield client

    def deliver(self, message: EmailMessage, folder: str = "INBOX", at: datetime | None = None) -> None:
        """Puts a mail into the mailbox."""
        with self.box() as client:
            status, said = client.append(folder, "", at or datetime.now(UTC), message.as_bytes())  # type: ignore[arg-type]
            assert status == "OK", said

    def mails(self, folder: str = "INBOX") -> list[Message]:
        """All mails of a mail folder; none where there is no such folder."""
        with self.box() as client:
            if client.select(f'"{folder}"', readonly=True)[0] != "OK":
                return []
            found = []
            for number in client.search(None, "ALL")[1][0].split():
                part: Any = client.fetch(number, "(RFC822)")[1][0]
                found.append(message_from_bytes(part[1]))
            return found

    def clear(self) -> None:
        """Empties the mailbox."""
        with self.box() as client:
            names = [line.decode().rpartition(' "/" ')[2].strip('"') for line in client.list()[1] if line]
            for name in names:
                if name != "INBOX":
                    client.delete(f'"{name}"')
            _, (number,) = client.select("INBOX")
            if number and int(number):
                client.store("1:*", "+FLAGS", r"(\Deleted)")
                client.expunge()

    def values(self, **changes: str) -> dict[str, str]:
        """What a person enters to read this mailbox."""
        values = {
            "place": "email",
            "imap_host": "127.0.0.1",
            "imap_port": str(self.port),
            "imap_security": "tls",
            "imap_user": self.user,
            "imap_password": self.password,
            "imap_certificate": self.certificate,
            "mail_senders": "shop@example.com, @warehouse.example",
        }
        return values | changes


def mail(
    subject: str, files: dict[str, bytes | str], sender: str = "shop@example.com", body: str = "See attached."
) -> EmailMessage:
    """A mail with files."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, MailboxServer.user, subject
    message.set_content(body)
    for name, data in files.items():
        data = data.encode() if isinstance(data, str) else data
        message.add_attachment(data, maintype="text", subtype="csv", filename=name)
    return message


class MailTaker(SMTP):
    """An SMTP session that may meet with an accident."""

    async def smtp_DATA(self, arg: str) -> None:
        if self.event_handler.accident == "before":
            await self.push("354 go on")
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


class SmtpServer:
    """A mail server that keeps what it took. `accident`, for one mail at a time:

    "before": it dies before the mail's end; "unread": right after its end, and took nothing; "taken": it
    takes the mail and dies before it says so; "busy" and "refused": it says no, for now or for good.
    """

    user, password = "sender", "smtp secret"

    def __init__(self, security: str = "starttls") -> None:
        """`security`: "starttls", "tls" or "" none."""
        self.folder = Path(tempfile.mkdtemp(prefix="im-smtp-"))
        self.path, self.certificate = self_made(self.folder)
        self.security, self.accident, self.port = security, "", free_port()
        self.taken: list[Message] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.refused: set[str] = set()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        accident, self.accident = self.accident, ""
        if accident in ("busy", "refused"):
            return "451 later" if accident == "busy" else "554 not this"
        if accident != "unread":
            self.taken.append(message_from_bytes(envelope.content))
            self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        if accident in ("unread", "taken"):
            server.transport.abort()
        return "250 taken"

    def start(self) -> "SmtpServer":
        """Listens on loopback."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        secure = {
            "starttls": {"tls_context": context, "require_starttls": True, "auth_require_tls": True},
            "tls": {"auth_require_tls": False},
            "": {"auth_require_tls": False},
        }[self.security]

        def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            good = (data.login, data.password) == (self.user.encode(), self.password.encode())
            return AuthResult(success=good, handled=False)

        taker = self

        class One(Controller):
            def factory(self) -> SMTP:
                return MailTaker(taker, authenticator=login, hostname="127.0.0.1", **secure)

        extra = {"ssl_context": context} if self.security == "tls" else {}
        self.controller = One(self, hostname="127.0.0.1", port=self.port, ready_timeout=20, **extra)
        self.controller.start()
        return self

    def stop(self) -> None:
        """Ends it."""
        self.controller.stop()

    def close(self) -> None:
        """Ends it for good."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def files(self) -> list[tuple[str, bytes]]:
        """The files of the mails that it took: names and contents."""
        found = []
        for message in self.taken:
            for part in message.walk():
                if part.get_filename():
                    found.append((str(part.get_filename()), bytes(part.get_payload(decode=True))))  # type: ignore[arg-type]
        return found

    def values(self, **changes: str) -> dict[str, str]:
        """What a person enters to send by this server."""
        values = {
            "place": "email",
            "mail_by": "own",
            "mail_to": "orders@warehouse.example, office@warehouse.example",
            "smtp_host": "127.0.0.1",
            "smtp_port": str(self.port),
            "smtp_security": self.security,
            "smtp_user": self.user,
            "smtp_password": self.password,
            "smtp_from": "Shop <shop@example.com>",
            "smtp_certificate": self.certificate,
        }
        return values | changes


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
