"""A mailbox as a folder: every attachment of a mail from an allowed sender is a file.

A directory is a mail folder. A file's name begins with its mail's UID and its place in the mail, so that it is
the same at every look. A mail is moved, marked or deleted once all its files were; mails of others, and those
without a file, are left alone and named in `notes`.
"""

import contextlib
import hashlib
import imaplib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import IO, TYPE_CHECKING

from imap_tools.errors import ImapToolsError
from imap_tools.mailbox import BaseMailBox
from imap_tools.message import MailMessage

from integration_manager.kit import clock
from integration_manager.kit.errors import ConnectionFailed, ConnectorError, OutcomeUnknown, Permanent, Transient
from integration_manager.kit.folder import (
    MAX_FILE,
    Entry,
    Journal,
    Missing,
    NotAllowed,
    chunks,
    noting,
    parts,
    spool,
    too_large,
    usable,
)
from integration_manager.kit.imap_link import Account, opened
from integration_manager.kit.mail_filter import OTHER, TABLES, Filter, shown
from integration_manager.kit.mail_out import Sender

if TYPE_CHECKING:
    from integration_manager.kit.egress import Guard

MOST_MAILS = 100  # with files, of one look; the next look has the next
MOST_HEADERS = 2000  # looked at for sender and subject
MOST_OTHERS = 20  # mails of others that are named
IDLE = 5.0  # seconds; a connection unused for longer is tried before it is relied on
READ = "$ImportedFile"  # the mark of a mail that was read and left where it is
_NAME = re.compile(r"(\d+)-(\d+) (.*)", re.S)


@dataclass(slots=True)
class _Mail:
    """One mail with files. `left`: those that nobody has taken yet."""

    uid: str
    files: dict[str, tuple[Entry, IO[bytes]]]
    left: set[str] = field(default_factory=set)
    target: str = ""  # the mail folder it goes to at last; "" deletes or marks it


class Mailbox:
    """The files in the mails of one mailbox (a Folder). `sender` sends files the other way, if there is one."""

    def __init__(
        self,
        account: Account | None,
        filter: Filter,
        *,
        mark: bool = False,
        errors: str = "errors",
        sender: Sender | None = None,
        guard: "Guard",
        journal: Journal | None = None,
        timeout: float = 30.0,
    ) -> None:
        """`account` None: no mails come in. `mark`: instead of deleting a mail that was read.

        `errors`: the mail folder in which our own notes about files lie.
        """
        self.account, self.filter, self.mark, self.errors, self.sender = account, filter, mark, errors, sender
        self._guard, self.journal, self.timeout = guard, journal, timeout
        self.until: float | None = None  # by time.monotonic(): no operation begins after it
        self.notes: list[str] = []  # of the last look
        self._lock = threading.RLock()
        self._box: BaseMailBox | None = None
        self._used = 0.0
        self._mails: dict[str, _Mail] = {}  # by UID, of the mail folder `_looked`
        self._looked, self._validity = "", ""
        self._drafts: dict[str, bytes] = {}  # files of ours that have no name yet

    def __repr__(self) -> str:
        return f"<Mailbox {self.account.user}@{self.account.host}>" if self.account else "<Mailbox of none>"

    # ── what a Folder does ──

    def entries(self, directory: str) -> list[Entry]:
        self.notes = []
        if self.account is None:
            return []
        with self._doing("list", directory) as box:
            self._forget()
            self._select(box, directory)
            self._looked, self._validity = directory, self._uid_validity(box)
            others: list[str] = []
            for uid in self._fitting(box, others):
                self._look(box, uid, others)
                if len(self._mails) >= MOST_MAILS:
                    break
            self.notes = others
        found = [entry for mail in self._mails.values() for entry, _ in mail.files.values()]
        return sorted(found, key=lambda entry: (entry.modified, entry.name))

    def stat(self, path: str) -> Entry | None:
        directory, _, name = path.rpartition("/")
        mail = self._mail_of(directory, name)
        if mail is not None:
            return mail.files[name][0]
        if self.account is None or directory != self.errors:
            return None
        with self._doing("stat", path) as box:
            if not box.folder.exists(directory):
                return None
            self._select(box, directory)
            there = box.uids(f'HEADER Message-ID "{_message_id(name)}"', None)
            return Entry(name, 0, clock.now()) if there else None

    def fetch(self, path: str, limit: int = MAX_FILE) -> IO[bytes]:
        directory, _, name = path.rpartition("/")
        parts(path)
        mail = self._mail_of(directory, name)
        if mail is None:
            raise Missing(f"{path} does not exist.")
        entry, stream = mail.files[name]
        if entry.size > limit:
            raise too_large(path, limit)
        with noting(self.journal, "read", path, self._where):
            copy = spool()
            stream.seek(0)
            for chunk in chunks(stream):
                copy.write(chunk)
        copy.seek(0)
        return copy

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        with self.fetch(path, limit) as copy:
            return copy.read()

    def write(self, path: str, data: bytes | IO[bytes]) -> None:
        """Keeps a file of ours until `rename` gives it its name: then it is put into the mailbox as a mail."""
        parts(path)
        self._drafts[path] = b"".join(chunks(data))

    def rename(self, old: str, new: str) -> None:
        """Takes a file out of its mail, to the mail folder of `new`; or puts a file of ours there."""
        parts(new)
        if old in self._drafts:
            self._put(new, self._drafts.pop(old))
            return
        directory, _, name = old.rpartition("/")
        mail = self._mail_of(directory, name)
        if mail is None or name not in mail.left:
            raise Missing(f"{old} does not exist.")
        target = new.rpartition("/")[0]
        # A mail of which one file was refused goes to the errors, whatever became of the others.
        if target != directory and mail.target != self.errors:
            mail.target = target
        self._taken(mail, name)

    def remove(self, path: str) -> bool:
        if self._drafts.pop(path, None) is not None:
            return True
        directory, _, name = path.rpartition("/")
        mail = self._mail_of(directory, name)
        if mail is None or name not in mail.left:
            return False
        self._taken(mail, name)
        return True

    def make(self, directory: str) -> None:
        with self._doing("make", directory, changes=True) as box:
            if not box.folder.exists(directory):
                box.folder.create(directory)

    def close(self) -> None:
        with self._lock:
            self._forget()
            self._drop()

    def check(self, directory: str) -> None:
        """Whether the mail folder is there and can be used as this connection wants to."""
        with self._doing("list", directory) as box:
            self._select(box, directory)
            _, flags = box.client.response("PERMANENTFLAGS")
            if self.mark and not any(b"\\*" in (part or b"") for part in flags):
                raise NotAllowed(
                    "This mailbox does not let mails be marked as read by us. Choose to move or to delete them."
                )

    # ── mails ──

    def _fitting(self, box: BaseMailBox, others: list[str]) -> Iterator[str]:
        """The mails with an allowed sender and a fitting subject, oldest first; `others` gets the reasons.

        The server picks them out roughly, so that any number of other mails stands in nobody's way.
        """
        waiting = f"NOT DELETED NOT KEYWORD {READ}" if self.mark else "NOT DELETED"
        ours = box.uids(f"{waiting} {self.filter.search()}", None)
        rest = [uid for uid in box.uids(waiting, None) if uid not in set(ours)]
        for uid, mail in self._headers(box, ours[:MOST_HEADERS]):
            why = self.filter.why_not(mail)
            if not why:
                yield uid
            elif why != OTHER:
                others.append(f"{shown(mail)}: {why}")
        for _, mail in self._headers(box, rest[-MOST_OTHERS:]):
            why = self.filter.why_not(mail)
            if why and why != OTHER:
                others.append(f"{shown(mail)}: {why}")

    def _headers(self, box: BaseMailBox, uids: list[str]) -> list[tuple[str, MailMessage]]:
        if not uids:
            return []
        found = box.fetch(uid_list=uids, headers_only=True, mark_seen=False, bulk=200)
        return sorted(((mail.uid, mail) for mail in found if mail.uid), key=lambda pair: int(pair[0]))

    def _look(self, box: BaseMailBox, uid: str, others: list[str]) -> None:
        mail = next(iter(box.fetch(uid_list=[uid], mark_seen=False)), None)
        if mail is None:
            return  # taken away meanwhile
        at = self._arrived(box, uid)
        found = _Mail(uid, {})
        for index, part in enumerate(mail.attachments):
            name = (part.filename or "").replace("/", "_").replace("\\", "_").strip()
            name = name.encode("utf-8", "replace").decode()  # halves of characters, which no database keeps
            if not name.lower().endswith(TABLES) or not usable(name):
                continue
            content, stream = part.payload, spool()
            for chunk in chunks(content):  # in one piece it would be kept in memory first
                stream.write(chunk)
            name = f"{uid}-{index} {name}"[-240:] if len(name) <= 200 else f"{uid}-{index} {name[-200:]}"
            found.files[name] = (Entry(name, len(content), at), stream)
            found.left.add(name)
        if found.files:
            self._mails[uid] = found
        else:
            others.append(f"{shown(mail)}: it has no file attached that ends in {', '.join(TABLES)}")

    def _arrived(self, box: BaseMailBox, uid: str) -> datetime:
        """When the mailbox got a mail, by the mail server's clock."""
        _, data = box.client.uid("FETCH", uid, "(INTERNALDATE)")
        for item in data:
            text = item[0] if isinstance(item, tuple) else item
            at = imaplib.Internaldate2tuple(text) if isinstance(text, bytes) else None
            if at is not None:
                return datetime.fromtimestamp(time.mktime(at), UTC)
        return clock.now()

    def _mail_of(self, directory: str, name: str) -> _Mail | None:
        found = _NAME.fullmatch(name)
        mail = self._mails.get(found.group(1)) if found and directory == self._looked else None
        return mail if mail is not None and name in mail.files else None

    def _taken(self, mail: _Mail, name: str) -> None:
        """One file of a mail is done with; with the last one the mail itself is."""
        mail.left.discard(name)
        if mail.left:
            return
        with self._doing("take", f"{self._looked}/{mail.uid}", changes=True) as box:
            self._select(box, self._looked)
            if self._uid_validity(box) != self._validity:
                raise Transient("The mailbox was set up anew meanwhile.", code="mailbox_changed")
            if mail.target:
                if not box.folder.exists(mail.target):
                    box.folder.create(mail.target)
                if "MOVE" in box.client.capabilities:
                    box.move(mail.uid, mail.target)
                else:
                    box.copy(mail.uid, mail.target)
                    _delete(box, mail.uid)
            elif self.mark:
                _answered(box.client.uid("STORE", mail.uid, "+FLAGS", f"({READ})"))
            else:
                _delete(box, mail.uid)

    def _put(self, path: str, data: bytes) -> None:
        directory, _, name = path.rpartition("/")
        message = EmailMessage()
        message["From"] = message["To"] = "Integration Manager <integration-manager@localhost>"
        message["Subject"] = name
        message["Message-ID"] = _message_id(name)
        message.set_content(f"Attached: {name}\n")
        message.add_attachment(
            data, maintype="text", subtype="csv" if name.endswith(".csv") else "plain", filename=name
        )
        with self._doing("write", path, data, changes=True) as box:
            if not box.folder.exists(directory):
                box.folder.create(directory)
            box.append(message.as_bytes(), directory, dt=datetime.now(UTC))

    # ── the connection ──

    @property
    def _where(self) -> str:
        return f"imap://{self.account.host}:{self.account.port}" if self.account else "imap:"

    def _select(self, box: BaseMailBox, directory: str) -> None:
        if not box.folder.exists(directory):
            raise Missing(f"There is no mail folder {directory}.")
        box.folder.set(directory)

    def _uid_validity(self, box: BaseMailBox) -> str:
        _, data = box.client.response("UIDVALIDITY")
        return b"".join(part or b"" for part in data).decode("ascii", "replace")

    @contextlib.contextmanager
    def _doing(self, verb: str, path: str, data: bytes = b"", *, changes: bool = False) -> Iterator[BaseMailBox]:
        parts(path)
        with self._lock, noting(self.journal, verb, path, self._where, data):
            box = self._connected()
            try:
                yield box
                self._used = time.monotonic()
            except ConnectorError:
                raise
            except ImapToolsError as error:
                raise Permanent(f"The mailbox does not do this with {path}.", said=str(error)[:500]) from None
            except (imaplib.IMAP4.error, OSError, EOFError, ValueError):
                self._drop()
                if changes:
                    raise OutcomeUnknown(f"The connection to the mailbox broke during {verb}.") from None
                raise ConnectionFailed("The connection to the mailbox broke.") from None

    def _connected(self) -> BaseMailBox:
        if self.until is not None and time.monotonic() > self.until:
            raise ConnectionFailed("The mailbox took too long.")
        if self._box is not None:
            with contextlib.suppress(imaplib.IMAP4.error, OSError, EOFError):
                if time.monotonic() - self._used > IDLE:
                    self._box.client.noop()
                return self._box
        self._drop()
        if self.account is None:
            raise Permanent("No mailbox was entered, so no files come in.", code="no_mailbox")
        self._box = opened(self.account, self._guard, self.timeout)
        return self._box

    def _forget(self) -> None:
        for mail in self._mails.values():
            for _, stream in mail.files.values():
                stream.close()
        self._mails = {}

    def _drop(self) -> None:
        box, self._box = self._box, None
        if box is not None:
            with contextlib.suppress(imaplib.IMAP4.error, OSError, EOFError):
                box.client.shutdown()


def _delete(box: BaseMailBox, uid: str) -> None:
    """Deletes one mail, and not what a person has marked for deletion meanwhile, where the server can."""
    _answered(box.client.uid("STORE", uid, "+FLAGS", r"(\Deleted)"))
    _answered(box.client.uid("EXPUNGE", uid) if "UIDPLUS" in box.client.capabilities else box.client.expunge())


def _answered(answer: tuple[str, object]) -> None:
    if answer[0] != "OK":
        raise Permanent("The mailbox does not let mails be changed.", code="not_permitted", said=str(answer[1])[:500])


def _message_id(name: str) -> str:
    """The identity of a file of ours in a mailbox: the same for the same name."""
    return f"<{hashlib.sha256(name.encode()).hexdigest()[:32]}@integration-manager>"
