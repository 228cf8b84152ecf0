"""Pages of files that came in: rows that belong together made into records, some at a time, and what was refused."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from integration_manager.kit.connector import Page, Progress, Reject
from integration_manager.kit.csvfile import Broken, Record, Table
from integration_manager.kit.csvgroups import Group, Groups
from integration_manager.kit.csvwriting import ErrorFile, Writer
from integration_manager.kit.errors import Unmappable
from integration_manager.kit.fileformat import Format
from integration_manager.kit.folder import Entry
from integration_manager.kit.inbox import Inbox, Incoming, Known
from integration_manager.kit.page import Place

CHUNK_ROWS = 1_000  # orders, parcels or levels of a page
MOST_ROWS = 3_000  # rows of the file on a page: fewer orders where they have many items
AHEAD = 2  # pages made before they are asked for


class BadRow(Unmappable):
    """One row of several that make a record cannot be used. `row`: which, from 0."""

    def __init__(self, row: int, field: str, why: str) -> None:
        super().__init__(field, why)
        self.row = row


def pages(
    inbox: Inbox,
    form: Format,
    key: tuple[str, ...],
    build: Callable[[list[Record], Entry], Any],
    *,
    names: tuple[str, str],
    making: Callable[[Sequence[Any]], Any] | None = None,
) -> Iterator[Page]:
    """The records of every file that came in, some at a time; the last page of a file has its `done`.

    `key`: the fields by which rows belong together, of which the first must be there. `build` makes their
    record and raises Unmappable (BadRow, to name the part: see `parts`). `names`: what the key and the record
    are called for people ("order number", "order"). `making`: see FolderSystem. While a file is being read there
    are pages without rows, which only say how far it is.
    """
    for file in inbox.files():
        try:
            if file.why:
                raise Broken(file.why)
            if (known := file.known) is not Known.NO:
                yield _unread(file, known)
                continue
            table = Table(file.stream, form)
            with Groups(table, key, names[0]) as groups:
                for rows in groups.fill():
                    yield Page((), progress=Progress(file.entry.name, rows, table.percent))
                yield from ahead(_made(_pages_of(file, table, groups, build, names[1]), making))
        except Broken as error:
            reason = str(error)
            reject = Reject(file.entry.name, 0, reason, "", digest=file.digest)
            yield Page((), rejects=[reject], done=partial(file.refuse, reason), file=file.read(refused=1))
    if (notes := inbox.notes()) is not None:
        yield Page((), notes=notes)


def _unread(file: Incoming, known: Known) -> Page:
    """The only page of a file that is not read again."""
    if known is Known.SAME_CONTENT:
        return Page((), done=file.pass_over, file=file.read(same=True))
    return Page((), done=partial(file.finish, None))


def ahead(pages: Iterator[Page]) -> Iterator[Page]:
    """The same pages, made in a thread while those before them are being stored: at most AHEAD more than were asked."""
    with ThreadPoolExecutor(1, thread_name_prefix="page") as maker:
        coming = deque(maker.submit(next, pages, None) for _ in range(AHEAD))
        while (page := coming.popleft().result()) is not None:
            coming.append(maker.submit(next, pages, None))
            yield page


def _made(pages: Iterator[Page], making: Callable[[Sequence[Any]], Any] | None) -> Iterator[Page]:
    for page in pages:
        if making is not None and page.rows:
            page.made = making(page.rows)
        yield page


def parts(records: list[Record]) -> list[tuple[Record, dict[str, str]]]:
    """Every item of some rows, with the row it stands in: what BadRow counts."""
    return [(record, part) for record in records for part in record.parts]


def _pages_of(
    file: Incoming, table: Table, groups: Groups, build: Callable[[list[Record], Entry], Any], what: str
) -> Iterator[Page]:
    rejected = ErrorFile(table)
    rows: list[Any] = []
    rejects: list[Reject] = []
    done = refused = paged = 0  # rows of the file
    name, begun = file.entry.name, file.inbox.begun
    found = stored = begun.records if begun is not None and begun.sha256 == file.sha256 else 0
    for number, group in enumerate(groups):
        if len(rows) >= CHUNK_ROWS or len(rejects) >= CHUNK_ROWS or done - paged >= MOST_ROWS:
            place = Place(file.sha256, found)
            progress = Progress(name, done, 100 * done // table.rows, stored=True, place=place)
            yield Page(rows, rejects=rejects, progress=progress)
            rows, rejects, paged = [], [], done
        done += len(group.records) + group.overflow
        if number < stored:
            paged = done
            if number % CHUNK_ROWS == 0:
                yield Page((), progress=Progress(name, done, 100 * done // table.rows, stored=True))
            continue
        bad, why = _problem(group, what)
        if bad is None:
            try:
                rows.append(build(group.records, file.entry))
                found += 1
                continue
            except Unmappable as error:
                bad = parts(group.records)[getattr(error, "row", 0)][0]
                why = f"{table.plan.header_of(error.field)}: {error.why}"
        refused += len(group.records) + group.overflow
        for record in group.records:
            reason = f"Not loaded, because line {bad.line} of the same {what} was refused"
            if record is bad:
                reason = why
            elif record.problem:
                reason = record.problem
            rejected.add(record, reason)
            raw = record.raw or Writer().text([record.row]).strip()
            along = record is not bad and not record.problem
            reject = Reject(name, record.line, reason, raw[:2000], along, file.digest)
            if record is bad:  # it is told before those that were left out with it
                rejects.insert(len(rejects) - group.records.index(record), reject)
            else:
                rejects.append(reject)
    progress = Progress(name, done, 100, stored=True, place=Place(file.sha256, found))
    read = file.read(done, refused)
    yield Page(rows, rejects=rejects, progress=progress, done=partial(file.finish, rejected), file=read)


def _problem(group: Group, what: str) -> tuple[Record | None, str]:
    if group.overflow:
        count = len(group.records) + group.overflow
        return group.records[0], f"{count:,} rows have the same {what}"
    for record in group.records:
        if record.problem:
            return record, record.problem
    return None, ""
