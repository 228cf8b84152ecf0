"""Files that were read to their end: entered in the book, taken away, and said where one came twice."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from alerts.raising import raise_alert, resolve
from integration_manager.kit.connector import FileRead, Page, Reject
from integration_manager.kit.crash import crash_here
from integration_manager.kit.folder_system import FolderSystem
from integration_manager.kit.page import Place
from merchants.read_files import ReadBook
from orders import rejects
from orders.content import plain
from orders.run import Run

KIND = "file_again"  # of the alert
BEGUN = "begun"  # in the schedule's state: up to where the runs so far have stored a file


def go_on(run: Run, connector: FolderSystem) -> None:
    """Lets a file that takes several runs be read on from where the last one stopped, if it is still read alike."""
    begun = run.state.get(BEGUN)
    if begun is not None and begun["by"] == _way(connector.options()):
        connector.begun = Place(begun["sha256"], begun["records"])


def got_to(run: Run, page: Page, *, whole: bool) -> None:
    """Notes how far a file is, once the page is stored.

    `whole`: all of the file so far is stored. What was not is looked at again by each run, so that none of it is
    missing from what is said in the end.
    """
    place, begun = page.progress.place if page.progress else None, run.state.get(BEGUN)
    if page.done is None and place is not None and whole:
        run.state[BEGUN] = {"sha256": place.sha256, "records": place.records, "by": _way(run.connector.options())}
    elif page.file is not None and begun is not None and begun["sha256"] == page.file.sha256:
        del run.state[BEGUN]  # it is read to its end


def _way(options: Mapping[str, Any]) -> str:
    """Stands for how files are read."""
    return hashlib.sha256(orjson.dumps(plain(dict(options)), option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def note(run: Run, page: Page, left_out: int = 0) -> None:
    """Enters the file that ends with this page. Call it in the transaction that stores the page.

    `left_out`: what of the file could be read and was not stored, so that another look may be worth while.
    """
    book = _book(run)
    if page.file is None or book is None:
        return
    if book.note(page.file, left_out, run.now) and page.file.same:
        run.counts["files_again"] += 1
        _alert(run, page.file, book)


def finish(run: Run, page: Page, more: Sequence[Reject] = (), of: str = "") -> None:
    """All that is on the page is stored: what could not be read is said, and the file that ends with it goes away.

    In this order, since nobody would read a file that is gone again to say so. `more`: what was refused here.
    `of`: what else than its levels, orders … a service reads.
    """
    rejects.alert(run, [*page.rejects, *more], of)
    rejects.say(run, page.notes, of)
    if page.file is not None:
        rejects.ended(run, page.file, of)
    if page.done is None:
        return
    crash_here("after_stored")
    run.call(page.done)
    crash_here("after_archived")


def _book(run: Run) -> ReadBook | None:
    connector = run.connector
    book = connector.book if isinstance(connector, FolderSystem) else None
    return book if isinstance(book, ReadBook) else None


def _alert(run: Run, file: FileRead, book: ReadBook) -> None:
    before = book.before(file.kind, file.size, file.sha256)
    name = before.name if before is not None else file.name
    raise_alert(
        KIND,
        key_of(book),
        f"{file.name} was not loaded: it is the same, byte by byte, as "
        + (f"{name}, which was read before." if name != file.name else "a file of this name that was read before."),
        fix="Usually there is nothing to do. If it has to be loaded all the same, do so here or on the page of files.",
        merchant_id=run.merchant.pk,
        cart_id=run.cart.pk if run.cart else None,
        now=run.now,
    )


def key_of(book: ReadBook) -> str:
    """Of the alert: one for each connection."""
    return f"cart:{book.cart_id}" if book.cart_id else f"wms:{book.merchant_id}"


def settle(book: ReadBook, now: datetime) -> None:
    """A person has decided: with the last file that waited for it, the alert ends."""
    if not book.held().exists():
        resolve(KIND, [key_of(book)], now)
