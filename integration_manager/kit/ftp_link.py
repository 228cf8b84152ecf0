"""FTP's two connections, made the way that a server on a customer's word deserves.

The control connection goes through the egress guard; a data connection goes to the address that the control
connection has, whatever the server names, or is accepted from there. With TLS both are encrypted, and the
data connection goes on with the control connection's session, as many servers demand.
"""

import contextlib
import ftplib
import socket
import ssl
from typing import TYPE_CHECKING, Any

from integration_manager.kit.certificates import Trust
from integration_manager.kit.errors import ConnectionFailed

if TYPE_CHECKING:
    from integration_manager.kit.egress import Guard

MAX_LINES = 1000  # of one answer
LOWEST_PORT = 1024  # for data: below it are other services of the same machine


class Link(ftplib.FTP):
    """One FTP session. `trust`: what the certificate has to be; None speaks plain FTP."""

    def __init__(
        self,
        host: str,
        port: int,
        guard: "Guard",
        timeout: float,
        *,
        trust: Trust | None = None,
        implicit: bool = False,
        active: bool = False,
    ) -> None:
        """Opens the control connection, encrypted where there is `trust`. Nothing secret is sent yet.

        `implicit`: TLS from the first byte on; else it is asked for by AUTH TLS. `active`: the server
        connects to us for data. Raises AddressRefused, CertificateUnknown, CertificateChanged,
        ConnectionFailed; ftplib's errors for what the server says.
        """
        super().__init__(timeout=timeout, encoding="utf-8")
        self.host, self.port, self.trust = host, port, trust
        self.set_pasv(not active)
        self._guard = guard
        self._no_epsv = False
        try:
            self._begin(implicit)
        except ssl.SSLCertVerificationError as error:
            assert trust is not None
            raise trust.explain(error, self._ready_for_tls(implicit)) from None
        except BaseException:
            self.close()
            raise

    def _begin(self, implicit: bool) -> None:
        sock = self._guard.connect(self.host, self.port, float(self.timeout or 30))
        if implicit and self.trust:
            sock = self.trust.wrap(sock)
        self._speak_over(sock)
        self.welcome = self.getresp()
        if self.trust and not implicit:
            self._ask_for_tls()
            self._speak_over(self.trust.wrap(self._bare()))
        if self.trust:
            self.voidcmd("PBSZ 0")
            self.voidcmd("PROT P")

    def _speak_over(self, sock: socket.socket) -> None:
        self.sock, self.af = sock, sock.family
        self.file: Any = sock.makefile("rb")

    def _ask_for_tls(self) -> None:
        try:
            self.voidcmd("AUTH TLS")
        except ftplib.error_perm:
            raise ConnectionFailed(f"{self.host} does not offer TLS here, or broke off.", code="no_tls") from None

    def _bare(self) -> socket.socket:
        """The socket without the reader on it, which may have nothing buffered that came unencrypted."""
        assert self.sock is not None
        self.sock.setblocking(False)
        early = self.file.peek(1)
        self.sock.settimeout(float(self.timeout or 30))
        if early:
            raise ConnectionFailed(f"{self.host} said something before the encryption had begun.", code="no_tls")
        return self.sock

    def _ready_for_tls(self, implicit: bool) -> socket.socket:
        """A second connection, ready for the handshake, to look at the certificate only."""
        self.close()
        sock = self._guard.connect(self.host, self.port, float(self.timeout or 30))
        if implicit:
            return sock
        try:
            self._speak_over(sock)
            self.getresp()
            self._ask_for_tls()
        except (OSError, EOFError, ftplib.Error):
            sock.close()
            raise ConnectionFailed(f"{self.host} does not offer TLS here, or broke off.", code="no_tls") from None
        return self._bare()

    # ── answers ──

    def putline(self, line: str) -> None:
        """Sends one command; a name that the server listed goes back to it byte by byte."""
        if "\r" in line or "\n" in line or "\0" in line:
            raise ValueError("a command has one line")
        assert self.sock is not None
        self.sock.sendall((line + "\r\n").encode(self.encoding, "surrogateescape"))

    def getline(self) -> str:
        """One line of an answer. Raises EOFError where the connection has ended."""
        line: bytes = self.file.readline(self.maxline + 1)
        if len(line) > self.maxline:
            raise ftplib.Error("a line of the answer is too long")
        if not line:
            raise EOFError
        return line.decode(self.encoding, "surrogateescape").rstrip("\r\n")

    def getmultiline(self) -> str:
        """An answer of one or several lines, of which there may not be endlessly many."""
        line = self.getline()
        lines, code = [line], line[:3]
        if line[3:4] == "-":
            while lines[-1][:3] != code or lines[-1][3:4] == "-":
                if len(lines) > MAX_LINES:
                    raise ftplib.Error("the answer has too many lines")
                lines.append(self.getline())
        return "\n".join(lines)

    def features(self) -> set[str]:
        """The names of the extensions that the server says it has."""
        try:
            lines = self.sendcmd("FEAT").splitlines()
        except ftplib.Error:
            return set()
        return {line.split()[0].upper() for line in lines[1:-1] if line.split()}

    # ── data connections ──

    def makepasv(self) -> tuple[str, int]:
        """Where to connect for data: the control connection's address, and the port that the server names."""
        assert self.sock is not None
        peer = self.sock.getpeername()
        port = 0
        if not self._no_epsv:
            try:
                port = ftplib.parse229(self.sendcmd("EPSV"), peer)[1]
            except (ftplib.error_perm, ftplib.error_proto):
                self._no_epsv = True
        if not port:
            port = ftplib.parse227(self.sendcmd("PASV"))[1]
        if not LOWEST_PORT <= port < 65536:
            raise ftplib.error_proto(f"the server names port {port} for data")
        return str(peer[0]), port

    def makeport(self) -> socket.socket:
        """Listens for the server's data connection, on the control connection's own address only."""
        assert self.sock is not None
        host = str(self.sock.getsockname()[0])
        listener = socket.create_server((host, 0), family=self.af, backlog=1)
        try:
            port = listener.getsockname()[1]
            self.sendport(host, port) if self.af == socket.AF_INET else self.sendeprt(host, port)
            listener.settimeout(self.timeout)
        except BaseException:
            listener.close()
            raise
        return listener

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """A data connection on which `cmd` transfers; encrypted where the control connection is."""
        conn, size = super().ntransfercmd(cmd, rest)
        assert self.sock is not None
        if conn.getpeername()[0] != self.sock.getpeername()[0]:
            conn.close()
            raise ConnectionFailed(f"Somebody else than {self.host} has connected for data.")
        if self.trust:
            session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
            conn = self.trust.wrap(conn, session)
        return conn, size

    def over(self, conn: socket.socket) -> None:
        """Ends a data connection properly and hears what became of the transfer."""
        if isinstance(conn, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):  # many servers do not say good-bye
                conn.unwrap()
        conn.close()
        self.voidresp()
