"""What a connector reads in one go: rows of the other side, or of a file, and how far the file is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from integration_manager.kit.errors import Unmappable


@dataclass(slots=True)
class Page:
    """Some rows of the other side, in its order.

    `cursor` is the other side's modified time of the last row. `done` is called once the page is
    stored (a file is archived then, not before). `rejects` are parts that could not even be read.
    `progress`: the page is of a file, of which the next run would fetch and read all again.
    """

    rows: Sequence[Any]
    cursor: datetime | None = None
    done: Callable[[], None] | None = None
    rejects: Sequence["Reject"] = ()
    notes: Sequence[str] | None = None  # all that was left alone, and why, in plain words; None says nothing
    progress: "Progress | None" = None
    file: "FileRead | None" = None  # it ends with this page: to be noted together with what is stored of it
    made: Any = None  # what the engine made of its rows in the thread that read them (FolderSystem.making)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file is: `rows` of it, `percent` of the whole, read or (after that) stored.

    `place`: up to where it is stored with this page. Where nothing before was refused, a later run can go on there.
    """

    file: str
    rows: int
    percent: int
    stored: bool = False
    place: "Place | None" = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, which is known by its content: how many orders, parcels or levels come before it."""

    sha256: str
    records: int


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file that was read to its end. `size` in bytes, `modified` by the other side's clock.

    `sha256` is "" where the content was not read. `same`: it was not loaded, since one like it was before.
    """

    kind: str
    name: str
    size: int
    sha256: str
    modified: datetime
    rows: int = 0
    refused: int = 0
    same: bool = False
    by_hand: bool = False

    @property
    def digest(self) -> str:
        """What tells its content from that of others, in the names of files too."""
        return self.sha256[:8] or f"{self.size:08x}"


@dataclass(frozen=True, slots=True)
class Reject:
    """A part of what comes that could not be read: where it stands and why, in plain words.

    `file` is "" for a record of a list that was asked for; then `line` says nothing. `line` is 0 where the whole file
    is no table. `along`: nothing is wrong with it, it was left out together with one that is. `digest`: the file's.
    """

    file: str
    line: int
    reason: str
    raw: str
    along: bool = False
    digest: str = ""


def mapped(page: Page, read: Callable[[Any], Any]) -> Page:
    """A page of raw records as `read` gives them. One that is `Unmappable` is rejected, and stops no other."""
    rows, rejects = [], []
    for raw in page.rows:
        try:
            rows.append(read(raw))
        except Unmappable as error:
            rejects.append(Reject("", 0, str(error), orjson.dumps(raw, default=str).decode()[:2000]))
    return Page(rows, page.cursor, rejects=rejects)
