"""Files of the other side: one small interface to a folder on a server or on this machine's disk.

A path is relative, with "/" between its parts: "orders/today.csv". What goes wrong is one of the errors
of `kit.errors`: ConnectionFailed (nothing happened), AuthFailed, Permanent with one of the codes below,
Transient (disk full and the like), and OutcomeUnknown where the connection broke while something was
being changed.
"""

import contextlib
import errno
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from integration_manager.kit import clock
from integration_manager.kit.errors import (
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    OutcomeUnknown,
    Permanent,
    Transient,
)
from integration_manager.kit.fields import revealed
from integration_manager.kit.redact import MAX_TEXT

if TYPE_CHECKING:
    from integration_manager.kit.egress import Guard
    from integration_manager.kit.exchange import Exchange
    from integration_manager.kit.mail_out import Server

CHUNK = 256 * 1024  # bytes copied at a time
IN_MEMORY = 1024 * 1024  # bytes of a fetched file kept in memory; more goes to a temporary file
MAX_FILE = 200 * 1024 * 1024  # bytes
MAX_ENTRIES = 100_000  # files of one directory
LONGEST = 255  # bytes of a file's name, on most disks and servers

# The kinds of file servers, and the port that each has where none is entered.
PORTS = {"sftp": 22, "ftps": 21, "ftps_implicit": 990, "ftp": 21, "ftp_active": 21}

Journal = Callable[["Exchange"], None]


class Missing(Permanent):
    """There is no such file or directory."""

    code = "no_such_file"


class NotAllowed(Permanent):
    """The user may not do this in this directory."""

    code = "not_permitted"


class NameTaken(Permanent):
    """A file of that name is there already; it is not overwritten."""

    code = "name_taken"


class TooLarge(Permanent):
    """The file is larger than what is read here."""

    code = "file_too_large"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in a directory. `size` in bytes; `modified` aware, by the clock of the other side."""

    name: str
    size: int
    modified: datetime


class Folder(Protocol):
    """Files and directories of the other side. Safe to use from several threads at once."""

    def entries(self, directory: str) -> list[Entry]:
        """The regular files of a directory, oldest first. Raises Missing where there is none.

        Of some the name is not `usable`: they are there, and nothing can be done with them.
        """

    def stat(self, path: str) -> Entry | None:
        """Size and time of a file; None where there is none."""

    def fetch(self, path: str, limit: int = MAX_FILE) -> IO[bytes]:
        """A copy of a file, at its start, to be closed. Raises Missing, TooLarge (`limit` in bytes)."""

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        """The content of a small file. Raises like `fetch`."""

    def write(self, path: str, data: bytes | IO[bytes]) -> None:
        """Writes a whole file. One of the same name is replaced, so give it a name of ours."""

    def rename(self, old: str, new: str) -> None:
        """Moves a file. Raises Missing, and NameTaken rather than overwrite another."""

    def remove(self, path: str) -> bool:
        """Deletes a file. False where there was none."""

    def make(self, directory: str) -> None:
        """Creates a directory with its parents; one that exists is fine. Raises NotAllowed."""

    def close(self) -> None:
        """Ends the connection. The next call would open another."""


def parts(path: str) -> list[str]:
    """The parts of a path. Raises Permanent for one that leads upwards or cannot be a name."""
    found = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    for part in found:
        if part == ".." or any(ord(char) < 32 or ord(char) == 127 for char in part):
            raise Permanent(f"{path!r} cannot be used as a path.", code="bad_path")
    return found


def join(*paths: str) -> str:
    """Directories and a name as one path; empty ones are left out. Absolute if the first one is.

    Spaces at the ends of a name belong to it: without them it is another file's.
    """
    given = [path for path in paths if path]
    start = "/" if given and given[0].startswith("/") else ""
    return start + "/".join(part for path in given for part in parts(path))


def entered(*directories: str) -> str:
    """Directories as people enter them, as one path: spaces at their ends are slips."""
    return join(*(directory.strip() for directory in directories))


def listable(name: str) -> bool:
    """Whether a name that a server lists can be a file's name in its directory (a hostile server lists others)."""
    return name not in ("", ".", "..") and "/" not in name


def why_unusable(name: str) -> str:
    """Why a file of this name cannot be taken, in plain words; "" if it can: as a path, and to be stored."""
    if not listable(name) or any(char == "\\" or ord(char) < 32 or ord(char) == 127 for char in name):
        return "its name has characters that no name may have"
    if len(name) > LONGEST:
        return f"its name is longer than {LONGEST} characters"
    # Bytes of a name that are no UTF-8 come as halves of characters, which no database keeps.
    return "its name is not in UTF-8" if any("\ud800" <= char <= "\udfff" for char in name) else ""


def usable(name: str) -> bool:
    """Whether a name that a server lists can be worked with: as a path, and to be stored."""
    return not why_unusable(name)


def open_folder(
    values: Mapping[str, Any],
    *,
    guard: "Guard | None" = None,
    local_root: str | Path | None = None,
    mail_server: "Server | None" = None,
    merchant: str = "",
    journal: Journal | None = None,
    timeout: float = 30.0,
) -> Folder:
    """The folder that the values of a connection describe: for connectors with `uses = "folder"`.

    `values` are those of the fields of `kit.folder_system.FolderSystem`: place, host, port, user, password
    and so on; secrets may be wrapped. `guard` decides where a connection may go. For the disk `local_root`
    is the directory that is given to *this connection*: whoever shares it can read one another's files.
    `mail_server`: the installation's own; `merchant`: whose files they are, for the subject of mails.
    `timeout` in seconds, for one answer. Opens no connection yet. Raises AuthFailed where the values do
    not make a connection.
    """
    value = {name: revealed(v) for name, v in values.items()}
    place = value.get("place") or "sftp"
    if place == "disk":
        if local_root is None:
            raise AuthFailed(
                "Folders on this server's disk are not enabled. Use SFTP, or ask the operator.",
                code="disk_not_enabled",
            )
        from integration_manager.kit.disk import LocalFolder

        return LocalFolder(local_root, journal=journal)
    if place == "email":
        from integration_manager.kit.mail_place import open_mails

        return open_mails(value, guard, mail_server, merchant, journal, timeout)
    if place not in PORTS:
        raise AuthFailed(f"{place!r} is no kind of connection.", code="bad_place")
    if guard is None:
        raise ValueError("a connection to a server needs an egress guard")
    way: dict[str, Any] = {"guard": guard, "journal": journal, "timeout": timeout}
    way |= {"port": port_of(value.get("port"), PORTS[place])}
    way |= {name: str(value.get(name) or "").strip() for name in ("host", "user")}
    way["password"] = str(value.get("password") or "")
    if place == "sftp":
        from integration_manager.kit.sftp import SftpFolder  # paramiko takes a while to load

        key = {name: str(value.get(name) or "") for name in ("private_key", "host_key")}
        return SftpFolder(**way, private_key=key["private_key"], host_key=key["host_key"].strip())
    from integration_manager.kit.ftp import FtpFolder

    return FtpFolder(
        **way,
        tls={"ftps": "explicit", "ftps_implicit": "implicit"}.get(place, ""),
        active=place == "ftp_active",
        certificate=str(value.get("certificate") or ""),
    )


def port_of(value: Any, usual: int) -> int:
    """A port as a person entered it, or the usual one. Raises AuthFailed for what is none."""
    try:
        port = int(value or usual)
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise AuthFailed("The port has to be a number from 1 to 65535.", code="bad_port")
    return port


def classified(error: OSError, path: str) -> Permanent | Transient:
    """Our error for one of the system's about a file. The machine's own paths are not repeated."""
    shown = path or "the main directory"
    match error.errno:
        case errno.ENOENT:
            return Missing(f"{shown} does not exist.")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return NotAllowed(f"The user has no right to this in {shown}.")
        case errno.ELOOP | errno.ENOTDIR | errno.EISDIR | errno.ENXIO:
            return Permanent(f"{shown} is a link, or not what it should be.", code="bad_path")
        case errno.ENAMETOOLONG | errno.EINVAL:
            return Permanent(f"{shown} cannot be used as a path.", code="bad_path")
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return Transient("There is no space left for files.", code="no_space")
    said = error.strerror or ""
    return Transient(f"The file server could not do this with {shown}.", said=said)


def crowded(directory: str) -> Permanent:
    """The error for a directory with too many files: an incomplete listing would mislead."""
    return Permanent(f"{directory} holds more than {MAX_ENTRIES:,} files. Clear it.", code="too_many_files")


def spool() -> IO[bytes]:
    """A place for a file's copy: memory while it is small, else a temporary file without a name."""
    return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)


def chunks(data: bytes | IO[bytes]) -> Iterator[bytes]:
    """Bytes or an open file, in pieces."""
    if isinstance(data, bytes):
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]
    else:
        while chunk := data.read(CHUNK):
            yield chunk


def too_large(path: str, limit: int) -> TooLarge:
    """The error for a file of more than `limit` bytes."""
    return TooLarge(f"{path} is larger than {limit // (1024 * 1024)} MB.")


@contextlib.contextmanager
def noting(journal: Journal | None, verb: str, path: str, where: str, data: bytes | IO[bytes] = b"") -> Iterator[None]:
    """Gives the journal an exchange for an operation that changes or reads a file, or that failed.

    `where`: "file:" or "sftp://host:port"; `data`: what is written, kept as an HTTP body is.
    """
    if journal is None:
        yield
        return
    from integration_manager.kit.exchange import Exchange

    begun, started_at, failure = time.monotonic(), clock.now(), ""
    answered = True
    try:
        yield
    except ConnectorError as error:
        failure, answered = type(error).__name__, not isinstance(error, ConnectionFailed | OutcomeUnknown)
        raise
    finally:
        if failure or verb not in ("list", "stat"):
            body = data if isinstance(data, bytes) else b""
            exchange = Exchange(
                method=verb.upper(),
                url=f"{where}/{path.lstrip('/')}",
                status=0 if answered else None,
                request_headers={},
                request_body=body[:MAX_TEXT].decode("utf-8", "replace"),
                response_headers={},
                response_body="",
                seconds=time.monotonic() - begun,
                error=failure,
                started_at=started_at,
                wrote=verb not in ("list", "stat", "read"),
            )
            journal(exchange)
