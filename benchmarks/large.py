"""P8: a file of 200 MB, uploaded in the browser, from a folder, by FTP and SFTP: memory, and what is said of it."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any
from unittest import mock

from django.conf import settings
from django.test import override_settings

from accounts import addresses
from accounts.models import Membership, User
from benchmarks import memory
from benchmarks.files import HEAD, Files
from benchmarks.goals import Result
from benchmarks.ground import Ground
from benchmarks.simulator import Simulator
from benchmarks.tenant import LONG_AGO, Measured
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.embedded import CLONE
from merchants import schedules
from merchants.models import Service
from orders.models import Order
from tests.desk import signed_in
from tests.ftp_server import FtpServer
from tests.sftp_server import SftpServer, why_not

ROWS, TOGETHER, BLOB = 98_000, 10, 2_000  # rows of the file and of an order; bytes of a column that means nothing
BORDER = "0b0undary"
START = 300.0  # seconds that the web server has
CSRF = "a" * 32


def measure(ground: Ground, simulator: Simulator) -> list[Result]:
    """The same rows four times, each way with orders of its own."""
    results: list[Result] = []
    with TemporaryDirectory() as root, override_settings(IM_FOLDER_ROOT=root):
        files = Files(Path(root))
        files.load("warm", 2_000)
        results.append(_upload(ground, files))
        results.append(_load(files, "uploaded in the browser", "U"))
        _write(files.orders / "folder.csv", "F")
        results.append(_load(files, "from a folder", "F"))
        results.append(_from(files, FtpServer(tls="explicit").start(), "from an FTP server with TLS", "T"))
        if missing := why_not():
            print(f"  not from an SFTP server: {missing}", flush=True)
        else:
            results.append(_from(files, SftpServer().start(), "from an SFTP server", "S"))
    return results


def _row(mark: str, number: int) -> bytes:
    order = number // TOGETHER
    text = (
        f"{mark}-{order:06};27.02.2026;Müller {order % 977};Mill & Co;{order % 90} Mill Lane;Portland;OR;97201;GROUND;"
        f"blue;SKU-{number % 5000};{number % 7 + 1};12.50;red;"
    )
    return text.encode("cp1252") + b"x" * BLOB + b"\n"


def _content(mark: str) -> Iterator[bytes]:
    yield HEAD.encode() + b"\n"
    for number in range(ROWS):
        yield _row(mark, number)


def _write(path: Path, mark: str, owner: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.writelines(_content(mark))
    os.utime(path, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    if owner is not None:
        os.chown(path, owner, owner)
        os.chown(path.parent, owner, owner)


def _from(files: Files, server: SftpServer | FtpServer, how: str, mark: str) -> Result:
    """Has a file loaded from that server. The FTP server's own memory counts too: it is a thread of this process."""
    try:
        _connect(files, server)
        _write(server.files / "orders" / "large.csv", mark, server.uid)
        return _load(files, how, mark)
    finally:
        server.close()


def _connect(files: Files, server: SftpServer | FtpServer) -> None:
    """Makes the cart one whose files lie on that server."""
    with tenancy.activate(files.account.pk):
        cart = Cart.objects.get(pk=files.cart.pk)
        cart.credentials = server.values()
        cart.save()


# ── the upload: a browser's request to a gunicorn as in production ──


def _upload(ground: Ground, files: Files) -> Result:
    user = User.objects.create_user("large@bench.example", "correct horse battery", timezone="UTC")
    addresses.confirm(user)
    with tenancy.activate(files.account.pk):
        Membership.objects.create(user=user, role="primary")
    cookie = f"{settings.SESSION_COOKIE_NAME}={signed_in(user).session.session_key}; {settings.CSRF_COOKIE_NAME}={CSRF}"
    page = f"/a/{files.account.public_id}/carts/{files.cart.public_id}/files/"
    with _web() as (port, process):
        web = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        web.request("GET", page, headers={"Cookie": cookie})
        first = web.getresponse()
        first.read()
        assert first.status == 200, f"the page of files answers {first.status}"
        workers = [process.pid, *_children(process.pid)]
        before = [memory.peak(pid) for pid in workers]
        began = time.monotonic()
        size = _post(web, f"{page}upload/", cookie)
        answer = web.getresponse()
        answer.read()
        seconds = time.monotonic() - began
        assert answer.status == 302, f"the upload was answered by {answer.status}"
        grown = max(memory.peak(pid) - was for pid, was in zip(workers, before, strict=True))
    print(f"  {size / 1e6:.0f} MB uploaded in {seconds:.1f} s; web server: {grown:.0f} MB more", flush=True)
    return Result("P8", "MB more of the web server, 200 MB uploaded", f"{grown:.0f}", "", grown, 80, 40, " MB", False)


def _post(web: http.client.HTTPConnection, path: str, cookie: str) -> int:
    """Sends the form piece by piece; how many bytes the file has."""
    head = (
        f'--{BORDER}\r\nContent-Disposition: form-data; name="kind"\r\n\r\norders\r\n--{BORDER}\r\n'
        'Content-Disposition: form-data; name="file"; filename="upload.csv"\r\nContent-Type: text/csv\r\n\r\n'
    ).encode()
    tail = f"\r\n--{BORDER}--\r\n".encode()
    size = sum(map(len, _content("U")))
    web.putrequest("POST", path)
    for name, value in {
        "Cookie": cookie,
        "X-CSRFToken": CSRF,
        "Content-Type": f"multipart/form-data; boundary={BORDER}",
        "Content-Length": str(len(head) + size + len(tail)),
    }.items():
        web.putheader(name, value)
    web.endheaders(head)
    for piece in _content("U"):
        web.send(piece)
    web.send(tail)
    return size


@contextlib.contextmanager
def _web() -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", "python:integration_manager.webserver", "-b"]
    with TemporaryFile() as said:
        process = subprocess.Popen(
            [*command, f"127.0.0.1:{port}", "integration_manager.wsgi"],
            cwd=CLONE,
            env={**os.environ, "IM_PROCESS": "web"},
            stdout=said,
            stderr=said,
        )
        try:
            until = time.monotonic() + START
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > until:
                    said.seek(0)
                    raise RuntimeError(f"the web server does not start: {said.read()[-2000:].decode()}")
                time.sleep(0.2)
            yield port, process
        finally:
            process.terminate()
            process.wait(20)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        web = http.client.HTTPConnection("127.0.0.1", port, timeout=START)
        web.request("GET", "/healthz")
        return web.getresponse().status < 500
    return False


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# ── the load, in this process ──


def _load(files: Files, how: str, mark: str) -> Result:
    said: list[str] = []
    tell: Callable[..., Any] = schedules.tell

    def heard(schedule: int, token: int, words: str) -> None:
        said.append(words)
        tell(schedule, token, words)

    before = memory.settled()
    with mock.patch.object(schedules, "tell", heard):
        spent: Measured = files.run(Service.DOWNLOAD)
    grown = memory.peak() - before
    with tenancy.activate(files.account.pk):
        count = Order.objects.filter(cust_ref__startswith=f"{mark}-").count()
    assert count == ROWS // TOGETHER, f"{count} orders {how}"
    assert said, "nothing was said of how far it is"
    print(
        f"  {how}: {spent.seconds:.1f} s, {spent.cpu / ROWS * 1e6:.0f} µs of processor a row, {grown:.0f} MB more;"
        f" {len(said)} words on how far it is, as: {said[len(said) // 2]}",
        flush=True,
    )
    return Result("P8", f"MB more, 200 MB {how}", f"{grown:.0f}", "", grown, 80, 40, " MB", False)
