"""A real server on loopback for the tests of the kit's transport: plain or TLS, as well or badly behaved
as a test wants."""

import contextlib
import datetime
import gzip
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int  # the port it came from


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the test's function and notes it."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: "Server"

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked = Asked(self.command, self.path, dict(self.headers), body, self.client_address[1])
        with self.server.lock:
            self.server.asked.append(self.asked)
        self.server.play(self)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def say(self, status: int = 200, body: Any = b"", **headers: str) -> None:
        """Answers. A body that is not bytes is sent as JSON; `Retry_After=…` gives that header."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if "Date" in named:
            self.send_response_only(status)
        else:
            self.send_response(status)
        if not isinstance(body, bytes):
            named.setdefault("Content-Type", "application/json")
        named.setdefault("Content-Length", str(len(data)))
        for name, value in named.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def hang_up(self, *, reset: bool = False) -> None:
        """Closes the connection, politely or not, and says no more."""
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        else:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self.close_connection = True

    def raw(self, data: bytes) -> None:
        """Writes bytes as they are."""
        self.wfile.write(data)
        self.wfile.flush()

    def finish(self) -> None:
        """The client may be gone already; that is what many tests are about."""
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *args: Any) -> None:
        """Tests are quiet."""


class Server(ThreadingHTTPServer):
    """The server. `play` is what it does with a request; `asked` what it was asked."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Handler)
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.asked: list[Asked] = []
        self.lock = threading.Lock()
        self.play: Callable[[Handler], None] = lambda handler: handler.say(200, {"ok": True})

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def script(self, *steps: Callable[[Handler], None]) -> None:
        """One step per request, the last one for all that follow."""
        left = list(steps)

        def play(handler: Handler) -> None:
            with self.lock:
                step = left.pop(0) if len(left) > 1 else left[0]
            step(handler)

        self.play = play

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


@contextlib.contextmanager
def serving(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that runs for the length of the block."""
    server = Server(host, tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def gzipped(data: bytes) -> bytes:
    """`data`, packed as well as gzip can."""
    return gzip.compress(data, 9)


class Authority:
    """A certificate authority of our own, and the certificates it makes out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        certificate = self._make(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.ca_file = str(folder / "ca.pem")
        Path(self.ca_file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        """TLS settings of a server that these names or IP addresses are made out to."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
        certificate = self._make(subject, key, alternatives, expired=expired)
        file = self._folder / f"{names[0]}-{expired}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _make(self, subject: x509.Name, key: Any, extension: Any, *, expired: bool = False) -> x509.Certificate:
        day = datetime.timedelta(days=1)
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * day)
            .not_valid_after(now - day if expired else now + day)
            .add_extension(extension, critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
