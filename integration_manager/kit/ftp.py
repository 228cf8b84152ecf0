"""A folder on an FTP server, plain or with TLS: one connection, every wait limited.

Files are listed by MLSD where the server has it. Else by LIST, whose times are turned to UTC by asking one
file's time with MDTM (or, where there is no MDTM, by the time of a probe that is written and deleted).
"""

import contextlib
import ftplib
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING

from integration_manager.kit import clock
from integration_manager.kit.certificates import Trust
from integration_manager.kit.errors import (
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    OutcomeUnknown,
    Transient,
)
from integration_manager.kit.folder import (
    CHUNK,
    MAX_ENTRIES,
    MAX_FILE,
    Entry,
    Journal,
    Missing,
    NameTaken,
    chunks,
    crowded,
    join,
    noting,
    parts,
    spool,
    too_large,
    usable,
)
from integration_manager.kit.ftp_errors import missing, not_allowed, not_let_in, passing, refused, unknown_command
from integration_manager.kit.ftp_link import Link
from integration_manager.kit.ftp_listing import listed, machine_entry, machine_time

if TYPE_CHECKING:
    from integration_manager.kit.egress import Guard

SLOWEST = 20_000  # bytes per second; a transfer slower than this is given up
IDLE = 5.0  # seconds; a connection unused for longer is tried before it is relied on
QUARTER = timedelta(minutes=15)  # time zones differ by multiples of it
MAX_LISTING = 64 * 1024 * 1024  # bytes
CLOCK_PROBE = ".integration-manager.clock.tmp"

_WRONG = (OSError, EOFError, ftplib.Error, ValueError)


class FtpFolder:
    """A folder on an FTP server. One connection, opened at the first call and used in turn."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str,
        password: str,
        guard: "Guard",
        tls: str = "",
        active: bool = False,
        certificate: str = "",
        journal: Journal | None = None,
        timeout: float = 30.0,
    ) -> None:
        """`tls`: "" none, "explicit" or "implicit". `certificate`: see `kit.certificates.Trust`.

        `timeout` in seconds, for one answer of the server. Raises AuthFailed for a certificate that is none.
        """
        self.host, self.port, self.user = host, port, user
        self.tls, self.active = tls, active
        self._password = password
        self._trust = Trust(host, certificate) if tls else None
        self._guard, self.journal, self.timeout = guard, journal, timeout
        self.until: float | None = None  # by time.monotonic(): no operation begins after it
        self._lock = threading.RLock()
        self._link: Link | None = None
        self._features: set[str] = set()
        self._home = ""  # where the login leads
        self._offset: timedelta | None = None  # of the times in LIST, ahead of UTC
        self._used = 0.0  # when the connection last answered, by time.monotonic()

    def __repr__(self) -> str:
        return f"<FtpFolder {self.user}@{self.host}:{self.port}>"

    # ── what a Folder does ──

    def entries(self, directory: str) -> list[Entry]:
        with self._doing("list", directory) as link:
            found = list(self._entries(link, directory))
        return sorted(found, key=lambda entry: (entry.modified, entry.name))

    def stat(self, path: str) -> Entry | None:
        with self._doing("stat", path) as link:
            return self._stat(link, path)

    def fetch(self, path: str, limit: int = MAX_FILE) -> IO[bytes]:
        copy = spool()
        try:
            with self._doing("read", path) as link:
                size = self._size(link, path)
                if size is not None and size > limit:
                    raise too_large(path, limit)
                deadline = time.monotonic() + self.timeout + (limit if size is None else size) / SLOWEST
                conn = link.transfercmd(f"RETR {path}")
                with conn:
                    while chunk := conn.recv(CHUNK):
                        copy.write(chunk)
                        if copy.tell() > limit:
                            raise too_large(path, limit)
                        _in_time(deadline)
                    link.over(conn)
                if size is not None and copy.tell() != size:
                    raise ConnectionFailed(f"Of {path} {copy.tell()} of {size} bytes arrived.", code="short_read")
        except BaseException as error:
            copy.close()
            if isinstance(error, ConnectorError) and getattr(error, "code", "") in ("file_too_large", "short_read"):
                self.close()  # in the middle of a transfer nothing else can be said on it
            raise
        copy.seek(0)
        return copy

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        with self.fetch(path, limit) as copy:
            return copy.read()

    def write(self, path: str, data: bytes | IO[bytes]) -> None:
        size = 0
        with self._doing("write", path, data, changes=True) as link:
            begun = time.monotonic()
            try:
                conn = link.transfercmd(f"STOR {path}")
            except ftplib.error_perm:
                if not self._is_directory(link, path.rpartition("/")[0]):
                    raise Missing(f"{path.rpartition('/')[0]} does not exist.") from None
                raise
            with conn:
                for chunk in chunks(data):
                    conn.sendall(chunk)
                    size += len(chunk)
                    _in_time(begun + self.timeout + size / SLOWEST)
                link.over(conn)
            there = self._size(link, path)
            if there is None:
                seen = self._stat(link, path)
                there = seen.size if seen else None
        if there != size:
            raise Transient(f"Of {path} {there or 0} of {size} bytes arrived.", code="short_write")

    def rename(self, old: str, new: str) -> None:
        with self._doing("rename", old, changes=True) as link:
            if self._stat(link, new) is not None:
                if self._stat(link, old) is None:
                    raise Missing(f"{old} does not exist.")
                raise NameTaken(f"There is a file {new!r} already.")
            link.sendcmd(f"RNFR {old}")
            link.voidcmd(f"RNTO {new}")

    def remove(self, path: str) -> bool:
        with self._doing("remove", path, changes=True) as link:
            try:
                link.voidcmd(f"DELE {path}")
            except ftplib.error_perm:
                if self._stat(link, path) is None:
                    return False
                raise
            return True

    def make(self, directory: str) -> None:
        with self._doing("make", directory, changes=True) as link:
            start = "/" if directory.startswith("/") else ""
            names = parts(directory)
            for depth in range(1, len(names) + 1):
                below = start + "/".join(names[:depth])
                try:
                    link.voidcmd(f"MKD {below}")
                except ftplib.error_perm:
                    if not self._is_directory(link, below):
                        raise

    def close(self) -> None:
        with self._lock:
            self._drop()

    # ── looking ──

    def _entries(self, link: Link, directory: str) -> Iterator[Entry]:
        if "MLSD" in self._features or "MLST" in self._features:
            try:
                return self._capped(filter(None, map(machine_entry, self._lines(link, "MLSD", directory))), directory)
            except ftplib.error_perm as error:
                if not unknown_command(error):
                    raise
            self._features -= {"MLSD", "MLST"}
        return self._capped(self._listed(link, directory), directory)

    def _capped(self, entries: Iterator[Entry], directory: str) -> Iterator[Entry]:
        found = []
        for entry in entries:
            found.append(entry)
            if len(found) > MAX_ENTRIES:
                raise crowded(directory)
        return iter(found)

    def _listed(self, link: Link, directory: str) -> Iterator[Entry]:
        lines = self._list_lines(link, directory)
        now = clock.now()
        if self._offset is None and any(usable(entry.name) for entry in listed(lines, now)):
            self._offset = self._find_offset(link, directory, lines, now)
        return listed(lines, now, self._offset or timedelta(0))

    def _list_lines(self, link: Link, directory: str) -> list[str]:
        """What LIST says, with the files whose names begin with a dot: ours do while they are written."""
        try:
            lines = self._lines(link, "LIST -a", directory)
        except ftplib.error_perm:
            lines = []
        return lines or self._lines(link, "LIST", directory)

    def _find_offset(self, link: Link, directory: str, lines: list[str], now: datetime) -> timedelta:
        newest = max((e for e in listed(lines, now) if usable(e.name)), key=lambda entry: entry.modified)
        at = self._time(link, join(directory, newest.name))
        if at is None:
            probe = join(directory, CLOCK_PROBE)
            with contextlib.suppress(ftplib.error_perm):
                link.over(link.transfercmd(f"STOR {probe}"))
                at = clock.now()
                seen = [e for e in listed(self._list_lines(link, directory), at) if e.name == CLOCK_PROBE]
                link.voidcmd(f"DELE {probe}")
                newest = seen[0] if seen else newest
                at = at if seen else None
        if at is None:
            return timedelta(0)
        return round((newest.modified - at) / QUARTER) * QUARTER

    def _lines(self, link: Link, command: str, directory: str) -> list[str]:
        """A listing's lines. The directory is gone into: of one that is missing many servers list nothing."""
        try:
            self._go(link, directory)
            conn = link.transfercmd(command)
            text, deadline = bytearray(), time.monotonic() + 4 * self.timeout
            with conn:
                while chunk := conn.recv(CHUNK):
                    text += chunk
                    if len(text) > MAX_LISTING:
                        raise crowded(directory)
                    _in_time(deadline)
                link.over(conn)
        finally:
            self._go(link, "")
        # Only these end a line: in the letters of a name other bytes may stand for what Python takes for a line end.
        lines = text.decode(link.encoding, "surrogateescape").split("\n")
        return [line for line in (line.rstrip("\r") for line in lines) if line]

    def _go(self, link: Link, directory: str) -> None:
        if self._home:
            link.voidcmd(f"CWD {self._home}")
        if directory:
            try:
                link.voidcmd(f"CWD {directory}")
            except ftplib.error_perm as error:
                raise (refused(error, self.host, directory) or missing(error, directory)) from None

    def _is_directory(self, link: Link, directory: str) -> bool:
        try:
            self._go(link, directory)
        except ConnectorError:
            return False
        finally:
            self._go(link, "")
        return True

    def _stat(self, link: Link, path: str) -> Entry | None:
        """A file as its directory lists it."""
        directory, _, name = path.rpartition("/")
        if "MLST" in self._features:
            try:
                lines = link.sendcmd(f"MLST {path}").split("\n")
            except ftplib.error_perm as error:
                if not unknown_command(error):
                    return None
                self._features -= {"MLST"}
            else:
                return machine_entry(lines[1]) if len(lines) > 1 else None
        directory = directory or ("/" if path.startswith("/") else "")
        try:
            return next((entry for entry in self._entries(link, directory) if entry.name == name), None)
        except Missing:
            return None

    def _size(self, link: Link, path: str) -> int | None:
        """A file's size; None where the server does not say. Raises error_perm where there is no such file."""
        if "SIZE" not in self._features:
            return None
        answer = link.sendcmd(f"SIZE {path}")
        return int(answer[3:]) if answer[:3] == "213" and answer[3:].strip().isdecimal() else None

    def _time(self, link: Link, path: str) -> datetime | None:
        try:
            answer = link.sendcmd(f"MDTM {path}")
        except ftplib.Error:
            return None
        return machine_time(answer[4:]) if answer[:3] == "213" else None

    # ── the connection ──

    @contextlib.contextmanager
    def _doing(self, verb: str, path: str, data: bytes | IO[bytes] = b"", *, changes: bool = False) -> Iterator[Link]:
        """The connection for one operation; what the server says becomes one of our errors."""
        parts(path)
        where = f"{'ftps' if self.tls else 'ftp'}://{self.host}:{self.port}"
        with self._lock, noting(self.journal, verb, path, where, data):
            link = self._connected()
            try:
                yield link
                self._used = time.monotonic()
            except ConnectorError:
                raise
            except ftplib.error_perm as error:
                raise self._refused(link, error, path) from None
            except ftplib.error_temp as error:
                if str(error)[:3] in ("421", "425", "426"):
                    raise self._broken(verb, changes and str(error)[:3] != "425") from None
                raise passing(error, path) from None
            except _WRONG:
                raise self._broken(verb, changes) from None

    def _broken(self, verb: str, changes: bool) -> ConnectorError:
        self._drop()
        if changes:
            return OutcomeUnknown(f"The connection to {self.host} broke during {verb}.")
        return ConnectionFailed(f"The connection to {self.host} broke.")

    def _refused(self, link: Link, error: ftplib.error_perm, path: str) -> ConnectorError:
        found = refused(error, self.host, path)
        if found is None:  # the words do not tell: whether the file is there does
            with contextlib.suppress(*_WRONG, ConnectorError):
                if self._stat(link, path) is not None:
                    return not_allowed(error, path)
            return missing(error, path)
        if isinstance(found, AuthFailed):
            self._drop()
        return found

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            with contextlib.suppress(OSError, EOFError):
                link.close()

    def _connected(self) -> Link:
        if self.until is not None and time.monotonic() > self.until:
            raise ConnectionFailed(f"{self.host} took too long.")
        if self._link is not None:
            # Servers and firewalls drop an idle connection; found out by a write, its outcome is unknown.
            with contextlib.suppress(*_WRONG):
                if time.monotonic() - self._used > IDLE:
                    self._link.voidcmd("NOOP")
                return self._link
        self._drop()
        if not self.host or not self.user:
            raise AuthFailed("Host and user name are needed.", code="incomplete")
        try:
            self._link = self._opened()
        except ftplib.Error as error:
            raise ConnectionFailed(f"{self.host} does not answer as an FTP server.", said=str(error)) from None
        except (OSError, EOFError, ValueError):
            raise ConnectionFailed(f"{self.host} does not answer as an FTP server.") from None
        return self._link

    def _opened(self) -> Link:
        link = Link(
            self.host,
            self.port,
            self._guard,
            self.timeout,
            trust=self._trust,
            implicit=self.tls == "implicit",
            active=self.active,
        )
        try:
            try:
                link.login(self.user, self._password)
            except ftplib.error_perm as error:
                raise not_let_in(error, self.host, encrypted=self._trust is not None) from None
            link.voidcmd("TYPE I")
            self._features = link.features()
            if "UTF8" not in self._features:
                link.encoding = "latin-1"  # whatever the names are in, they go back as they came
            elif "CLNT" not in self._features:
                with contextlib.suppress(ftplib.Error):
                    link.sendcmd("OPTS UTF8 ON")
            self._home = ftplib.parse257(link.sendcmd("PWD")) or ""
        except BaseException:
            link.close()
            raise
        return link


def _in_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError("the deadline of the transfer has passed")
