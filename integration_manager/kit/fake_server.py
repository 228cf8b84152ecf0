"""The HTTP/1.1 server under the fake systems: lean, keep-alive, one thread, with faults on the wire.

One server carries several fakes, each under a path of its own, so the demo is one process.
"""

import asyncio
import contextlib
import functools
import signal
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

from integration_manager.kit.faults import Fault, Injected
from integration_manager.kit.simulator import Fake, Reply, Request

ELSEWHERE = "127.0.0.2"  # the other host that Fault.REDIRECT leads to
TICK = 0.25
HTML = b"<!DOCTYPE html><html><body><h1>Bad Gateway</h1></body></html>"
HUGE = 30
ROUNDS = 4  # of the loop, in which a connection is taken, its request read and answered
REASONS = {status.value: status.phrase for status in HTTPStatus}


class _Connection(asyncio.Protocol):
    def __init__(self, server: "Server") -> None:
        self.server = server
        self.buffer = b""
        self.busy = False  # a request is being answered; the next one waits in the buffer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.proceed()

    def proceed(self) -> None:
        """Answers what is whole in the buffer."""
        while not self.busy and not self.transport.is_closing():
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            length = int(headers.get("content-length") or 0)
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            method, target, _ = first.split(" ", 2)
            path, _, query = target.partition("?")
            found = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
            path = unquote(path) if "%" in path else path
            self.busy = True
            self.server.handle(self, Request(method, path, found, headers, body))

    def send(self, reply: Reply, *, content: bytes | None = None) -> None:
        """Writes an answer and goes on with the next request."""
        body = reply.content() if content is None else content
        self.transport.write(self.server.head(reply, len(body)) + body)
        self.busy = False

    def drop(self) -> None:
        """Cuts the connection without another word."""
        self.transport.abort()


class Server:
    """Serves fakes on loopback: `fakes` by path prefix ("" or "/name")."""

    def __init__(
        self,
        fakes: Mapping[str, Fake],
        *,
        port: int = 0,
        ticking: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.fakes = dict(sorted(fakes.items(), key=lambda pair: -len(pair[0])))
        self.port = port
        self.ticking = ticking
        self.tls = tls
        self.connections: set[_Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._failed: Exception | None = None
        self._date = (0, "")
        self._late = 0  # requests that a fault lets be carried out later

    @property
    def url(self) -> str:
        """Where it stands."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    # ── life ──

    def start(self) -> None:
        """Starts a thread that serves."""
        self._thread = threading.Thread(target=self._run, name="fake-server", daemon=True)
        self._thread.start()
        self._ready.wait(10)
        if self._failed:
            raise self._failed

    def stop(self) -> None:
        """Ends the thread and every connection."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(10)

    def settle(self, seconds: float = 30) -> None:
        """Waits until all that has been asked is carried out, late requests too. Raises TimeoutError."""
        until = time.monotonic() + seconds
        while True:
            read = threading.Event()
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._after, ROUNDS, read)
            if not read.wait(seconds) or time.monotonic() > until:
                raise TimeoutError(f"{self._late} requests are not carried out after {seconds} s")
            if not self._late:
                return
            time.sleep(0.002)

    def _after(self, rounds: int, event: threading.Event) -> None:
        """Says that the loop has looked at its sockets so often."""
        if not rounds:
            event.set()
        elif self._loop is not None:
            self._loop.call_soon(self._after, rounds - 1, event)

    def run(self, started: Callable[[], None] | None = None) -> None:
        """Serves in this process until SIGINT or SIGTERM."""
        asyncio.run(self._main(signals=True, started=started))

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:  # handed to the thread that started this one
            self._failed = error
        finally:
            self._ready.set()

    async def _main(self, signals: bool = False, started: Callable[[], None] | None = None) -> None:
        loop = self._loop = asyncio.get_running_loop()
        stop = self._stop = asyncio.Event()
        made = functools.partial(_Connection, self)
        server = await loop.create_server(made, "127.0.0.1", self.port, backlog=512, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        servers = [server]
        with contextlib.suppress(OSError):  # not every system has more than one loopback address
            servers.append(await loop.create_server(made, ELSEWHERE, self.port, ssl=self.tls))
        if signals:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop.set)
        if self.ticking:
            loop.call_later(TICK, self._tick)
        self._ready.set()
        if started:
            started()
        await stop.wait()
        for one in servers:
            one.close()
        for connection in list(self.connections):
            connection.drop()
        await asyncio.sleep(0)

    def _tick(self) -> None:
        for fake in self.fakes.values():
            with fake.lock:
                fake.tick()
        if self._loop is not None:
            self._loop.call_later(TICK, self._tick)

    # ── one request ──

    def handle(self, connection: _Connection, request: Request) -> None:
        """Finds the fake, and answers or fails as its faults say."""
        began = time.time()
        prefix = next((one for one in self.fakes if request.path.startswith(one + "/")), None)
        if prefix is None:
            connection.send(Reply({"message": "Nobody lives here."}, 404))
            return
        fake = self.fakes[prefix]
        request.path, request.prefix, request.secure = request.path[len(prefix) :], prefix, self.tls is not None
        if request.headers.get("host", "").startswith(ELSEWHERE):
            fake.led_away.append(request)
            connection.send(Reply({}))
            return
        injected = None
        if not request.path.startswith("/_sim/"):
            name = f"{request.method} {request.path}"
            injected = fake.faults.pick(name, fake.writes(request))
        if injected is None:
            reply = fake.answer(request)
            fake.note(request, reply.status, None, began)
            connection.send(reply)
            return
        self._fail(connection, fake, request, injected, began)

    def _fail(self, link: _Connection, fake: Fake, request: Request, injected: Injected, began: float) -> None:
        fault, seconds = injected.fault, injected.seconds
        assert self._loop is not None
        status = 0
        if fault is Fault.ERROR:
            status = 500
            link.send(fake.refuse(500, "internal", "Something went wrong on our side."))
        elif fault is Fault.BAD_GATEWAY:
            status = 502
            link.send(Reply(HTML, 502, {"Content-Type": "text/html"}))
        elif fault in (Fault.LIMITED, Fault.LIMITED_BARE):
            status = 429
            reply = fake.refuse(429, "too_many_requests", "Slow down.")
            wait = {"Retry-After": str(max(1, round(seconds)))} if fault is Fault.LIMITED else {}
            link.send(Reply(reply.body, 429, {**reply.headers, **wait}))
        elif fault is Fault.REDIRECT:
            status = 302
            where = f"http://{ELSEWHERE}:{self.port}{request.path}"
            link.send(Reply(b"", 302, {"Location": where}))
        elif fault is Fault.ECHO:
            status = 400
            link.send(fake.refuse(400, "bad_request", f"Not understood: {request.headers}"))
        elif fault is Fault.DROP:
            link.drop()
        elif fault in (Fault.LATE, Fault.LATE_HANG):
            self._late += 1
            self._loop.call_later(seconds, self._answer_late, fake, request)
            if fault is Fault.LATE:
                link.drop()
        elif fault is not Fault.HANG:  # which says nothing and keeps the connection busy
            reply = fake.answer(request)
            status = self._spoil(link, fake, fault, reply)
        fake.note(request, status, fault, began)

    def _answer_late(self, fake: Fake, request: Request) -> None:
        fake.answer(request)
        self._late -= 1

    def _spoil(self, link: _Connection, fake: Fake, fault: Fault, reply: Reply) -> int:
        """The work is done; its answer does not arrive as it should. Gives the status sent."""
        body = reply.content()
        if fault is Fault.ERROR_AFTER:
            link.send(fake.refuse(500, "internal", "Something went wrong on our side."))
            return 500
        if fault is Fault.DROP_AFTER:
            link.drop()
            return 0
        if fault is Fault.TRUNCATED:
            link.send(reply, content=body[: len(body) // 2])
        elif fault is Fault.CUT:
            link.transport.write(self.head(reply, len(body)) + body[: len(body) // 2])
            link.transport.close()
        elif fault is Fault.GARBAGE:
            link.send(Reply(HTML, 200, {"Content-Type": "text/html"}))
            return 200
        elif fault is Fault.ALIEN:
            link.send(Reply({"status": "ok", "items": None}))
            return 200
        elif fault is Fault.TWICE:
            whole = self.head(reply, len(body)) + body
            link.transport.write(whole + whole)
            link.busy = False
        elif fault is Fault.HUGE:
            link.transport.write(self.head(reply, HUGE * 1_000_000 + len(body)))
            self._flood(link, HUGE, body)
        elif fault is Fault.SLOW:
            self._drip(link, self.head(reply, len(body)) + body)
        return reply.status

    def _flood(self, link: _Connection, left: int, body: bytes) -> None:
        if link.transport.is_closing() or self._loop is None:
            return
        if not left:
            link.transport.write(body)
            link.busy = False
            return
        if link.transport.get_write_buffer_size() < 1_000_000:
            link.transport.write(b" " * 1_000_000)
            left -= 1
        self._loop.call_later(0.001, self._flood, link, left, body)

    def _drip(self, link: _Connection, rest: bytes) -> None:
        if rest and not link.transport.is_closing() and self._loop is not None:
            link.transport.write(rest[:1])
            self._loop.call_later(0.1, self._drip, link, rest[1:])

    def head(self, reply: Reply, length: int) -> bytes:
        """Status line and headers."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        lines = [
            f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Unknown')}",
            f"Date: {self._date[1]}",
            f"Content-Length: {length}",
        ]
        if "Content-Type" not in reply.headers:
            lines.append("Content-Type: application/json")
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
