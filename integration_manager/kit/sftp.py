"""A folder on an SFTP server: pinned host key, one connection, every wait limited.

The host key is compared before anything secret is sent: without a pin the server is only asked for its
key, so that a person can pin it; a server with another key gets neither password nor signature.
"""

import contextlib
import logging
import stat
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import paramiko
from paramiko.sftp import CMD_CLOSE, CMD_OPENDIR, CMD_READDIR
from paramiko.ssh_exception import IncompatiblePeer

from integration_manager.kit.errors import (
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    OutcomeUnknown,
    Permanent,
    Transient,
)
from integration_manager.kit.folder import (
    CHUNK,
    MAX_ENTRIES,
    MAX_FILE,
    Entry,
    Journal,
    NameTaken,
    chunks,
    classified,
    crowded,
    listable,
    noting,
    parts,
    spool,
    too_large,
)
from integration_manager.kit.ssh_keys import HostKeyChanged, HostKeyUnknown, fingerprint, load_key, matches

if TYPE_CHECKING:
    from integration_manager.kit.egress import Guard

SLOWEST = 20_000  # bytes per second; a transfer slower than this is given up
IDLE = 5.0  # seconds; a connection unused for longer is tried before it is relied on
WINDOW = 8 * 1024 * 1024  # bytes asked for at once
IN_FLIGHT = 64  # read requests under way at once, of 32 kB each

# paramiko logs whole tracebacks of what is raised here anyway.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class SftpFolder:
    """A folder on an SFTP server. One connection, opened at the first call and used in turn."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str,
        password: str,
        private_key: str,
        host_key: str,
        guard: "Guard",
        journal: Journal | None = None,
        timeout: float = 30.0,
    ) -> None:
        """`private_key`: as text; `password` is then its passphrase, and tried if the key is not enough.

        `host_key`: "ssh-ed25519 SHA256:…", "SHA256:…", or a line as in a .pub file; "" pins nothing, and
        every call raises HostKeyUnknown. `timeout` in seconds, for one answer of the server.
        """
        self.host, self.port, self.user = host, port, user
        self._password, self._private_key, self._pin = password, private_key, host_key
        self._guard, self.journal, self.timeout = guard, journal, timeout
        self.until: float | None = None  # by time.monotonic(): no operation begins after it
        self._lock = threading.RLock()
        self._transport: paramiko.Transport | None = None
        self._channel: paramiko.Channel | None = None
        self._client: paramiko.SFTPClient | None = None
        self._used = 0.0  # when the connection last answered, by time.monotonic()

    def __repr__(self) -> str:
        return f"<SftpFolder {self.user}@{self.host}:{self.port}>"

    # ── what a Folder does ──

    def entries(self, directory: str) -> list[Entry]:
        found: list[Entry] = []
        with self._doing("list", directory) as client:
            deadline = time.monotonic() + 4 * self.timeout
            for item in _listing(client, path_of(directory)):
                if listable(item.filename) and stat.S_ISREG(item.st_mode or 0):
                    found.append(_entry(item.filename, item))
                if len(found) > MAX_ENTRIES:
                    raise crowded(directory)
                self._in_time(deadline)
        return sorted(found, key=lambda entry: (entry.modified, entry.name))

    def stat(self, path: str) -> Entry | None:
        with self._doing("stat", path) as client:
            try:
                seen = client.lstat(path_of(path))
            except FileNotFoundError:
                return None
            return _entry(path.rpartition("/")[2], seen) if stat.S_ISREG(seen.st_mode or 0) else None

    def fetch(self, path: str, limit: int = MAX_FILE) -> IO[bytes]:
        copy = spool()
        try:
            with self._doing("read", path) as client:
                seen = client.lstat(path_of(path))
                size = seen.st_size or 0
                if not stat.S_ISREG(seen.st_mode or 0):
                    raise Permanent(f"{path!r} is not a file.", code="bad_path")
                if size > limit:
                    raise too_large(path, limit)
                deadline = time.monotonic() + self.timeout + size / SLOWEST
                with client.open(path_of(path), "rb") as source:
                    # Asked for window by window: what has arrived and is not read yet is kept in memory.
                    for start in range(0, size, WINDOW):
                        parts = [(at, min(CHUNK, size - at)) for at in range(start, min(start + WINDOW, size), CHUNK)]
                        for chunk in source.readv(parts, IN_FLIGHT):
                            copy.write(chunk)
                            self._in_time(deadline)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return copy

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        with self.fetch(path, limit) as copy:
            return copy.read()

    def write(self, path: str, data: bytes | IO[bytes]) -> None:
        size = 0
        with self._doing("write", path, data, changes=True) as client:
            begun = time.monotonic()
            with client.open(path_of(path), "wb") as target:
                target.set_pipelined(True)
                for chunk in chunks(data):
                    target.write(chunk)
                    size += len(chunk)
                    self._in_time(begun + self.timeout + size / SLOWEST)
            there = client.stat(path_of(path)).st_size
        if there != size:
            raise Transient(f"Of {path} {there} of {size} bytes arrived.", code="short_write")

    def rename(self, old: str, new: str) -> None:
        with self._doing("rename", old, changes=True) as client:
            client.lstat(path_of(old))
            try:
                client.lstat(path_of(new))
            except FileNotFoundError:
                self._rename(client, path_of(old), path_of(new))
                return
        raise NameTaken(f"There is a file {new!r} already.")

    def _rename(self, client: paramiko.SFTPClient, old: str, new: str) -> None:
        # posix-rename is one step. The plain one may be a link and an unlink: after a break between the
        # two both names are there, and a file already taken from the new one would be renamed again.
        try:
            client.posix_rename(old, new)
        except OSError as error:
            if error.errno is not None or self._lost() or "unsupported" not in str(error).lower():
                raise
            client.rename(old, new)

    def remove(self, path: str) -> bool:
        with self._doing("remove", path, changes=True) as client:
            try:
                client.remove(path_of(path))
            except FileNotFoundError:
                return False
            return True

    def make(self, directory: str) -> None:
        with self._doing("make", directory, changes=True) as client:
            path = path_of(directory)
            start = "/" if path.startswith("/") else ""
            names = parts(path)
            for depth in range(1, len(names) + 1):
                below = start + "/".join(names[:depth])
                try:
                    client.mkdir(below)
                except OSError:
                    # Servers answer anything from "failure" to "permission denied" for one that exists.
                    if self._lost() or not _is_directory(client, below):
                        raise

    def close(self) -> None:
        with self._lock:
            self._drop()

    # ── the connection ──

    @contextlib.contextmanager
    def _doing(
        self, verb: str, path: str, data: bytes | IO[bytes] = b"", *, changes: bool = False
    ) -> Iterator[paramiko.SFTPClient]:
        """The connection for one operation; the errors of the way become ours."""
        parts(path)
        where = f"sftp://{self.host}:{self.port}"
        with self._lock, noting(self.journal, verb, path, where, data):
            client = self._connected()
            try:
                yield client
                self._used = time.monotonic()
            except ConnectorError:
                raise
            except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError) as error:
                if isinstance(error, OSError) and not self._lost() and not isinstance(error, TimeoutError):
                    raise classified(error, path) from None
                self._drop()
                if changes:
                    raise OutcomeUnknown(f"The connection to {self.host} broke during {verb}.") from None
                raise ConnectionFailed(f"The connection to {self.host} broke.") from None

    def _lost(self) -> bool:
        """Whether the connection is gone (the server's plain "failure" carries no number either)."""
        gone = self._transport is None or not self._transport.is_active()
        return gone or self._channel is None or self._channel.closed

    def _drop(self) -> None:
        transport, self._transport, self._channel, self._client = self._transport, None, None, None
        if transport is not None:
            transport.close()

    def _in_time(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise TimeoutError("the deadline of the transfer has passed")

    def _connected(self) -> paramiko.SFTPClient:
        if self.until is not None and time.monotonic() > self.until:
            raise ConnectionFailed(f"{self.host} took too long.")
        if self._client is not None and not self._lost():
            # Servers and firewalls drop an idle connection; found out by a write, its outcome is unknown.
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                if time.monotonic() - self._used > IDLE:
                    self._client.stat(".")
                return self._client
        self._drop()
        if not self.host or not self.user:
            raise AuthFailed("Host and user name are needed.", code="incomplete")
        transport = self._open_transport()
        try:
            self._compare(transport)
            self._log_in(transport)
            channel = transport.open_session(timeout=self.timeout)
            channel.settimeout(self.timeout)
            channel.invoke_subsystem("sftp")
            client = paramiko.SFTPClient(channel)
        except (paramiko.SSHException, EOFError, OSError) as error:
            transport.close()
            if isinstance(error, paramiko.AuthenticationException):
                raise self._refused(error) from None
            raise ConnectionFailed(f"{self.host} does not offer SFTP, or broke off.") from None
        except BaseException:
            transport.close()
            raise
        self._transport, self._channel, self._client = transport, channel, client
        return client

    def _open_transport(self) -> paramiko.Transport:
        sock = self._guard.connect(self.host, self.port, self.timeout)
        try:
            transport = paramiko.Transport(sock)
        except (paramiko.SSHException, OSError, EOFError):
            sock.close()
            raise ConnectionFailed(f"{self.host} does not answer as an SSH server.") from None
        transport.banner_timeout = transport.auth_timeout = self.timeout
        kind = self._pin.split()[0] if " " in self._pin else ""
        options = transport.get_security_options()
        if kind in options.key_types:
            options.key_types = (kind,)  # a server has several keys: ask for the pinned one
        elif kind == "ssh-rsa":
            options.key_types = tuple(name for name in options.key_types if name.startswith("rsa-"))
        try:
            transport.start_client(timeout=self.timeout)
        except IncompatiblePeer:
            transport.close()
            if kind:
                raise HostKeyChanged(self.host, "") from None
            raise ConnectionFailed(f"{self.host} offers no encryption that is still safe.") from None
        except (paramiko.SSHException, OSError, EOFError):
            transport.close()
            raise ConnectionFailed(f"{self.host} does not answer as an SSH server.") from None
        return transport

    def _compare(self, transport: paramiko.Transport) -> None:
        key = transport.get_remote_server_key()
        if not self._pin:
            raise HostKeyUnknown(self.host, fingerprint(key))
        if not matches(self._pin, key):
            raise HostKeyChanged(self.host, fingerprint(key))

    def _log_in(self, transport: paramiko.Transport) -> None:
        left: list[str] = []
        if self._private_key.strip():
            key = load_key(self._private_key, self._password)
            try:
                left = transport.auth_publickey(self.user, key)
            except paramiko.AuthenticationException as error:
                if not self._password or not transport.is_active():
                    raise
                left = getattr(error, "allowed_types", ["password"])
            if transport.is_authenticated():
                return
        if not self._password:
            raise AuthFailed(f"{self.host} wants more than a key; enter the password too.")
        if left and not {"password", "keyboard-interactive"} & set(left):
            raise AuthFailed(f"{self.host} does not accept this private key for {self.user}.")
        transport.auth_password(self.user, self._password)

    def _refused(self, error: paramiko.AuthenticationException) -> ConnectorError:
        types = getattr(error, "allowed_types", [])
        if types and "password" not in types and not self._private_key:
            return AuthFailed(f"{self.host} accepts no password for {self.user}, only a private key.")
        if "timeout" in str(error).lower():
            return ConnectionFailed(f"{self.host} did not finish the login in time.")
        what = "private key" if self._private_key.strip() else "password"
        return AuthFailed(f"{self.host} does not accept this user name and {what}.")


def path_of(path: str) -> str:
    """A path as the server is asked for it: "." is where the login leads."""
    return path or "."


def _is_directory(client: paramiko.SFTPClient, path: str) -> bool:
    try:
        return stat.S_ISDIR(client.stat(path).st_mode or 0)
    except FileNotFoundError:
        return False


def _listing(client: Any, path: str) -> Iterator[paramiko.SFTPAttributes]:
    """What a directory holds. paramiko's own listing breaks off at the first name that is not in UTF-8."""
    attributes: Any = paramiko.SFTPAttributes  # its types leave out what only paramiko itself was to call
    _, answer = client._request(CMD_OPENDIR, path)
    handle = answer.get_string()
    try:
        while True:
            try:
                _, answer = client._request(CMD_READDIR, handle)
            except EOFError:
                return
            for _ in range(answer.get_int()):
                name = answer.get_string().decode("utf-8", "surrogateescape")
                answer.get_string()  # the line that it would show a person
                yield attributes._from_msg(answer, name)
    finally:
        client._request(CMD_CLOSE, handle)


def _entry(name: str, seen: paramiko.SFTPAttributes) -> Entry:
    return Entry(name, seen.st_size or 0, datetime.fromtimestamp(seen.st_mtime or 0, UTC))
