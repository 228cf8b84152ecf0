"""What FTP servers mean: a number that may mean anything, and words that every server chooses for itself."""

import ftplib
import re

from integration_manager.kit.errors import AuthFailed, ConnectorError, Permanent, Transient
from integration_manager.kit.folder import Missing, NotAllowed

_MISSING = re.compile(r"no such|not found|cannot find|can't find|does(n't| not) exist|not exist|no file", re.I)
_DENIED = re.compile(r"denied|permission|not allowed|privilege|not permitted|read[- ]only|forbidden", re.I)
_FULL = re.compile(r"space|quota|disk full|storage", re.I)
_WANTS_TLS = re.compile(r"\b(ssl|tls|secure|encrypt)", re.I)


def unknown_command(error: ftplib.Error) -> bool:
    """Whether the server does not know the command at all."""
    return str(error)[:3] in ("500", "501", "502", "504")


def missing(error: ftplib.Error, path: str) -> Missing:
    """There is no such file or directory."""
    return Missing(f"{_shown(path)} does not exist.", said=str(error))


def not_allowed(error: ftplib.Error, path: str) -> NotAllowed:
    """It is there, and the user may not."""
    return NotAllowed(f"The user has no right to this in {_shown(path)}.", said=str(error))


def refused(error: ftplib.error_perm, host: str, path: str) -> ConnectorError | None:
    """Our error for a 5xx about a path; None where neither number nor words tell which it is."""
    said = str(error)
    if said[:3] == "530":
        return AuthFailed(f"{host} does not let this user do that.", said=said)
    if said[:3] == "552" or _FULL.search(said):
        return _full(said)
    if said[:3] not in ("550", "553", "521"):
        return Permanent(f"{host} does not do this with {_shown(path)}.", said=said)
    if _DENIED.search(said):
        return not_allowed(error, path)
    return missing(error, path) if _MISSING.search(said) else None


def passing(error: ftplib.error_temp, path: str) -> Transient:
    """Our error for a 4xx: it may work the next time."""
    said = str(error)
    if said[:3] == "452" or _FULL.search(said):
        return _full(said)
    return Transient(f"The file server could not do this with {_shown(path)}.", said=said)


def not_let_in(error: ftplib.error_perm, host: str, *, encrypted: bool) -> AuthFailed:
    """Our error for a login that was refused."""
    said = str(error)
    if not encrypted and _WANTS_TLS.search(said):
        return AuthFailed(f"{host} lets nobody in without encryption. Choose FTPS.", said=said)
    return AuthFailed(f"{host} does not accept this user name and password.", said=said)


def _full(said: str) -> Transient:
    return Transient("There is no space left for files.", code="no_space", said=said)


def _shown(path: str) -> str:
    return path or "the main directory"
