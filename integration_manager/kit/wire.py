"""The wire under the transport: sockets that keep one deadline, connections that pass the guard.

`requests` knows a time-out per read only, so a server that drips one byte a second holds a worker for
ever. The sockets made here go by the deadline of the whole call instead: for sending, for the head of
the answer and for its body. They also note when the first byte of a request leaves, which decides
whether a failed write may be repeated.
"""

import functools
import logging
import socket
import ssl
import threading
import time
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from integration_manager.kit.egress import Guard, dial, host_of, look_up
from integration_manager.kit.errors import ConnectionFailed

# At debug level urllib3 logs whole URLs, with the keys that some systems want in them.
logging.getLogger("urllib3").setLevel(logging.INFO)


class Call:
    """One request under way in this thread.

    `deadline` and `connect_by` by `time.monotonic()`; `sent` once the first byte has left.
    """

    __slots__ = ("connect_by", "deadline", "guard", "sent")

    def __init__(self, guard: Guard | None, deadline: float, connect_by: float) -> None:
        self.guard = guard
        self.deadline = deadline
        self.connect_by = connect_by
        self.sent = False


class _Here(threading.local):
    call: Call | None = None


_here = _Here()


def begin(call: Call) -> None:
    """Makes `call` the one that this thread's sockets go by, until `end()`."""
    _here.call = call


def end() -> None:
    """The call is over; its connection may be kept for the next one."""
    _here.call = None


def _arm(sock: socket.socket) -> Call | None:
    """Gives `sock` what is left of the call's time. Raises TimeoutError when nothing is."""
    call = _here.call
    if call is not None:
        left = call.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the call has passed")
        sock.settimeout(left)
    return call


class _Socket(socket.socket):
    """A plain socket under the call's deadline."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _arm(self)
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        call = _arm(self)
        if call is not None:
            call.sent = True
        super().sendall(*args, **kwargs)


class _TlsSocket(ssl.SSLSocket):
    """A TLS socket under the call's deadline."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _arm(self)
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        # `sendall` of a TLS socket comes here too, piece by piece.
        call = _arm(self)
        if call is not None:
            call.sent = True
        return super().send(*args, **kwargs)


@functools.cache
def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """The process's TLS settings: certifi's and the system's authorities, and those in `ca_file`."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    if ca_file:
        context.load_verify_locations(ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TlsSocket
    return context


def _connect(host: str, port: int) -> socket.socket:
    call = _here.call
    assert call is not None, "connections are made within a call only"
    left = call.connect_by - time.monotonic()
    guard = call.guard
    addresses = guard.resolve(host, port, left) if guard else look_up(host_of(host), port, left)
    sock = dial(addresses, host.rstrip("."), call.connect_by, _Socket)
    sock.settimeout(max(call.connect_by - time.monotonic(), 0.001))
    return sock


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self._dns_host, self.port)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self._dns_host, self.port)

    def connect(self) -> None:
        """Connects and shakes hands. Raises ConnectionFailed: nothing of the request was sent yet."""
        failed = ""
        try:
            super().connect()
        except ssl.SSLCertVerificationError as error:
            failed = _tls_sentence(self.host, error)
        except ssl.SSLError:
            failed = f"{self.host} does not speak TLS as it should; no secure connection was possible."
        except TimeoutError:
            raise ConnectionFailed(f"{self.host} did not finish the secure connection in time.") from None
        except OSError:
            raise ConnectionFailed(f"{self.host} broke off the secure connection.") from None
        if failed:
            self.close()
            raise ConnectionFailed(failed, code="tls")


_VERIFY_SENTENCES = {  # by OpenSSL's X509_V_ERR_… numbers
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed, so nobody vouches for it",
    19: "is signed by an authority that is not known",
    20: "is signed by an authority that is not known",
    21: "is sent without the certificates between it and its authority",
    62: "is made out to another name",
    64: "is made out to another address",
}


def _tls_sentence(host: str, error: ssl.SSLCertVerificationError) -> str:
    why = _VERIFY_SENTENCES.get(error.verify_code, "cannot be verified")
    return f"The security certificate of {host} {why}."


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """Puts the connections above under `requests`, with the TLS settings of this process."""

    def __init__(self, ca_file: str | None) -> None:
        self._ca_file = ca_file
        super().__init__(pool_connections=4, pool_maxsize=2)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = PoolManager(
            num_pools=connections,
            maxsize=maxsize,
            block=block,
            ssl_context=tls_context(self._ca_file),
            **kwargs,
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        pool: HTTPConnectionPool = self.poolmanager.connection_from_url(str(request.url))
        return pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing to set: the TLS context verifies, and cannot be told otherwise."""


def new_session(ca_file: str | None) -> requests.Session:
    """A session for one thread: no proxies or passwords from the environment, no redirects."""
    session = requests.Session()
    session.trust_env = False
    adapter = _Adapter(ca_file)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
