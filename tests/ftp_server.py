"""A real FTP server for tests: pyftpdlib in a thread, plain or with TLS, also as servers are that lack things."""

import contextlib
import logging
import os
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from tests.certificates import self_made

logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)


class DosFiles(AbstractedFS):
    """Lists as Windows servers do."""

    def format_list(self, basedir: str, listing: list[str], ignore_err: bool = True) -> Any:
        for name in listing:
            path = Path(basedir) / name
            with contextlib.suppress(OSError):
                seen = path.stat()
                at = time.strftime("%m-%d-%y  %I:%M%p", time.gmtime(seen.st_mtime))
                what = "<DIR>         " if path.is_dir() else f"{seen.st_size:>20}"
                yield f"{at} {what} {name}\r\n".encode()


class FarFiles(AbstractedFS):
    """Lists its times in a zone seven and a half hours ahead, and hides what begins with a dot."""

    def format_list(self, basedir: str, listing: list[str], ignore_err: bool = True) -> Any:
        for name in listing:
            path = Path(basedir) / name
            with contextlib.suppress(OSError):
                seen = path.stat()
                at = time.strftime("%b %d %H:%M", time.gmtime(seen.st_mtime + 7.5 * 3600))
                kind = "d" if path.is_dir() else "-"
                yield f"{kind}rw-r--r--    1 1000     1000     {seen.st_size:>8} {at} {name}\r\n".encode()


class OneSession(TLS_DTPHandler):
    """Data connections have to go on with the control connection's TLS session, as vsftpd demands."""

    def handle_ssl_established(self) -> None:
        if not SSL._lib.SSL_session_reused(self.socket._ssl):
            self.cmd_channel.respond("522 SSL connection failed: session reuse required")
            self.close()


class Implicit(TLS_FTPHandler):
    """TLS from the first byte on."""

    def handle(self) -> None:
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self) -> None:
        FTPHandler.handle(self)


class FtpServer:
    """One server. `files` is the folder in which its user lands."""

    user, password = "ftpuser", "p4ss word"

    def __init__(
        self,
        *,
        tls: str = "",
        machine_lists: bool = True,
        files_as: type[AbstractedFS] = AbstractedFS,
        epsv: bool = True,
        times: bool = True,
    ) -> None:
        """`tls`: "" none, "explicit", "implicit". `machine_lists`: has MLSD. `times`: has MDTM.

        `files_as`: how LIST looks.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="im-ftp-"))
        self.files = self.folder / "files"
        self.files.mkdir()
        self.tls, self.certificate, self.port = tls, "", 0
        self.uid, self.gid = os.geteuid(), os.getegid()
        without = set() if machine_lists else {"MLSD", "MLST"}
        without |= (set() if epsv else {"EPSV"}) | (set() if times else {"MDTM"})
        base: type[FTPHandler] = {"": FTPHandler, "explicit": TLS_FTPHandler, "implicit": Implicit}[tls]
        authorizer = DummyAuthorizer()
        authorizer.add_user(self.user, self.password, str(self.files), perm="elradfmwMT")
        members: dict[str, Any] = {
            "authorizer": authorizer,
            "abstracted_fs": files_as,
            "proto_cmds": {name: how for name, how in base.proto_cmds.items() if name not in without},
            "auth_failed_timeout": 0.01,
            "use_sendfile": False,
            "timeout": 60,
        }
        if tls:
            path, self.certificate = self_made(self.folder)
            context = SSL.Context(SSL.TLS_SERVER_METHOD)
            context.use_certificate_file(str(path))
            context.use_privatekey_file(str(path))
            context.set_session_id(b"ftp")
            context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
            members |= {
                "ssl_context": context,
                "dtp_handler": OneSession,
                "tls_control_required": True,
                "tls_data_required": True,
            }
        self.handler = type("Handler", (base,), members)

    def start(self) -> "FtpServer":
        """Listens on a free port of loopback, or on the port it had before."""
        loop = IOLoop()
        self._server = FTPServer(("127.0.0.1", self.port), self.handler, ioloop=loop)
        self._loop, self.port = loop, self._server.address[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._loop.loop(timeout=0.02, blocking=False)
        self._server.close_all()

    def stop(self) -> None:
        """Ends the server and every connection."""
        self._stopping.set()
        self._thread.join()

    def cut(self) -> None:
        """Breaks the connections under way, in the middle of whatever they do."""
        for handler in list(self._loop.socket_map.values()):
            if handler is not self._server and hasattr(handler, "socket"):
                with contextlib.suppress(OSError, AttributeError):
                    file = socket.socket(fileno=os.dup(handler.socket.fileno()))
                    file.shutdown(socket.SHUT_RDWR)
                    file.close()

    def close(self) -> None:
        """Ends it for good, with its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def make(self, *names: str) -> Path:
        """Creates directories; gives the last one."""
        path = self.files.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def values(self, **changes: str) -> dict[str, str]:
        """What a person enters to connect to this server."""
        place = {"": "ftp", "explicit": "ftps", "implicit": "ftps_implicit"}[self.tls]
        values = {
            "place": place,
            "host": "127.0.0.1",
            "port": str(self.port),
            "user": self.user,
            "password": self.password,
            "certificate": self.certificate,
        }
        return values | changes
