"""Shows the answers of tests/every_view.py in a browser: a small server that hands them out again as they were, and
the files that they load, which the browser keeps between them."""

import contextlib
import mimetypes
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from weakref import WeakKeyDictionary

from django.contrib.staticfiles import finders
from playwright.sync_api import Page

from tests.every_view import View

_themes: WeakKeyDictionary[Page, str] = WeakKeyDictionary()  # in which each is shown; setting it costs, also anew
DROPPED = {"content-length", "set-cookie", "connection"}
# What a page keeps closed: dialogs by their ids, what unfolds by its class or by its last words.
CLOSED = """() => [...document.querySelectorAll('details:not([open]), dialog')].map((part, at) => {
    part.dataset.closed = at;
    const plain = ['menu', 'menu-end', 'mt', 'pt', 'dialog'];
    const own = [...part.classList].filter(name => !plain.includes(name)).join(' ');
    const said = part.querySelector('summary')?.textContent ?? '';
    return part.id.split('-')[0] || own || said.replace(/[^A-Za-z ,]/g, '').split(',').pop().trim();
})"""
OPEN = """at => {
    const part = document.querySelector(`[data-closed="${at}"]`);
    for (let one = part.parentElement; one; one = one.parentElement) if (one.matches('details')) one.open = true;
    if (part.showModal) part.showModal(); else part.open = true;
    part.scrollIntoView({block: 'center'});
}"""
CLOSE = """() => document.querySelectorAll('[data-closed]').forEach(part => {
    if (part.close) part.close(); else part.open = false;
})"""


@contextlib.contextmanager
def shown(views: list[View]) -> Iterator[str]:
    """Serves them: the address before a view's number."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            number = path.removeprefix("/view/")
            if number.isdigit():
                view = views[int(number)]
                self._answer(200, view.body, view.headers or {"Content-Type": "text/html; charset=utf-8"})
                return
            found = finders.find(path.removeprefix("/static/")) if path.startswith("/static/") else None
            if found is None:  # what a page asks for by itself later on: nothing is new
                self._answer(204, b"", {})
                return
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            self._answer(200, Path(str(found)).read_bytes(), {"Content-Type": kind, "Cache-Control": "max-age=3600"})

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in DROPPED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the browser has gone on
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/view/"
    finally:
        server.shutdown()
        server.server_close()


def widths(view: View) -> tuple[int, int]:
    """How wide it is shown: on a desk and on a phone; a mail as wide as mail programs show it."""
    return (640, 360) if view.mail else (1280, 360)


def opened(page: Page, seen: set[str]) -> Iterator[str]:
    """Opens what this page keeps closed and no page before it had, one after the other: menus, dialogs, what unfolds.
    Gives what each is called while it is open."""
    for at, name in enumerate(page.evaluate(CLOSED)):
        if name not in seen:
            seen.add(name)
            page.evaluate(OPEN, at)
            yield name
            page.evaluate(CLOSE)


def look(page: Page, width: int, theme: str) -> None:
    """The page that is open, at this width and in this theme. Its colours change at once."""
    if page.viewport_size != {"width": width, "height": 800}:
        page.set_viewport_size({"width": width, "height": 800})
    if _themes.get(page) != theme:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        _themes[page] = theme
