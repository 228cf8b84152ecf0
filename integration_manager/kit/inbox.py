"""Files that come in: which are whole, what they say, and where they go once they are stored.

A file is read only when nobody writes it any more, and taken out of its directory only after what it says
is stored. A file that is no table goes to the directory for errors with its explanation; of one with some
bad rows these go there, with line number and reason, while the others load.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from pathlib import PurePosixPath
from typing import IO, Protocol

from integration_manager.kit import clock
from integration_manager.kit.connector import FileRead
from integration_manager.kit.crash import crash_here
from integration_manager.kit.csvwriting import ErrorFile
from integration_manager.kit.folder import CHUNK, Entry, Folder, Missing, NameTaken, TooLarge, join, spool, why_unusable
from integration_manager.kit.leavings import AWAY, tidy
from integration_manager.kit.page import Place

UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".uploading", ".swp", ".lock")
EMPTY_REST = timedelta(hours=1)  # an empty file may be one that a slow program has only just created
STEM = 190  # bytes of a name that are kept; what we add to it is at most 60, and names have 255
SUFFIX = 16  # bytes; a longer one is no extension
BEAT = 5.0  # seconds
FUTURE = timedelta(days=1)  # a file from so far ahead has a wrong date, so its age says nothing


class Known(Enum):
    """What is known of a file before it is read."""

    NO = "no"
    THIS_ONE = "this one"  # it was stored, and is yet to be taken away
    SAME_CONTENT = "same content"  # another one like it was stored


class Book(Protocol):
    """What was read before from one connection; the engine writes it."""

    def known(self, file: FileRead) -> Known:
        """Whether a file needs not be read."""

    def taken(self, file: FileRead) -> None:
        """It stands there no longer: one of the same name and time that comes after it is another one."""

    def hold(self, file: FileRead, stream: IO[bytes]) -> None:
        """Keeps a copy of a file that was not loaded, for a person to decide."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """A directory of files that come in. `archive` "" deletes what was read; `quiet`: how long a file
    has to have been unchanged. `kind`: what the files hold."""

    folder: Folder
    directory: str
    archive: str
    errors: str
    quiet: timedelta
    first: "Inbox | None" = None  # another one, whose files come before these
    kind: str = ""
    book: Book | None = None
    by_hand: bool = False  # people put the files there, who were asked whether the same is to be read again
    beat: Callable[[], object] | None = None  # called every BEAT seconds while a file is being fetched
    begun: Place | None = None  # up to where a file is stored already
    _left: list[str] = field(default_factory=list, init=False, compare=False)  # notes of the last look
    _missed: list[Entry] = field(default_factory=list, init=False, compare=False)  # listed, and not found

    def files(self) -> Iterator["Incoming"]:
        """The whole files, oldest first, each read to its end. Raises Missing without the directory."""
        if self.first is not None:
            yield from self.first.files()
        entries = self.folder.entries(self.directory)
        tidy(self, entries)
        why_not = [(entry.name, why_unusable(entry.name)) for entry in entries if self._resting(entry)]
        self._missed.clear()
        self._left[:] = [f"{_shown(name)}: {why}" for name, why in why_not if why]
        for entry in entries:
            if self._resting(entry) and not why_unusable(entry.name):
                found = self._read(entry)
                if found is not None:
                    with found.stream:
                        yield found
        if self._missed:  # most were taken away meanwhile; the names of others do not come back as they were listed
            there = set(self.folder.entries(self.directory))
            missed = [entry for entry in self._missed if entry in there]
            self._left.extend(
                f"{_shown(entry.name)}: it is listed, but cannot be opened by this name" for entry in missed
            )

    def notes(self) -> list[str] | None:
        """What the last look has left alone, and why; None where nothing ever is."""
        if self.by_hand:
            return None  # what people upload gets its name from us
        return [*getattr(self.folder, "notes", ()), *self._left]

    def _resting(self, entry: Entry) -> bool:
        """Whether a file seems to be finished, by its name and its age."""
        name = entry.name.lower()
        if name.startswith((".", "~", "#")) or name.endswith(UNFINISHED):
            return False
        age = clock.now() - entry.modified
        if age < -FUTURE:
            return True
        return age >= (max(self.quiet, EMPTY_REST) if entry.size == 0 and self.quiet else self.quiet)

    def _read(self, entry: Entry) -> "Incoming | None":
        path = join(self.directory, entry.name)
        why = ""
        try:
            stream = self.fetched(path)
        except Missing:
            self._missed.append(entry)
            return None
        except TooLarge as error:
            stream, why = spool(), str(error)
        digest, size, last = hashlib.sha256(), 0, b""
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size, last = size + len(chunk), chunk[-1:]
        stream.seek(0)
        # Whole files mostly end with a line end. One that does not may still be on its way.
        young = clock.now() - entry.modified < 10 * self.quiet
        half = last not in (b"", b"\n", b"\r", b"\0") and young
        if self.folder.stat(path) != entry or (size != entry.size and not why) or half:
            stream.close()
            return None
        return Incoming(self, entry, stream, digest.hexdigest() if not why else "", why)

    def fetched(self, path: str) -> IO[bytes]:
        """A copy of the file. Of a large one from a slow server it takes longer than any lease lasts."""
        if self.beat is None or self.by_hand:
            return self.folder.fetch(path)  # what people upload is here already
        with ThreadPoolExecutor(1, thread_name_prefix="fetch") as fetcher:
            coming = fetcher.submit(self.folder.fetch, path)
            while not wait([coming], timeout=BEAT).done:
                self.beat()
            return coming.result()


@dataclass(slots=True)
class Incoming:
    """One file that came in, as it was read. `why`: the reason why it was not read, "" if it was."""

    inbox: Inbox
    entry: Entry
    stream: IO[bytes]
    sha256: str
    why: str = ""

    @property
    def digest(self) -> str:
        """What tells its content from that of others in the names of files."""
        return self.read().digest

    def read(self, rows: int = 0, refused: int = 0, *, same: bool = False) -> FileRead:
        """It as it is entered in the book. `rows`, `refused`: rows of it."""
        entry, inbox = self.entry, self.inbox
        return FileRead(
            inbox.kind, entry.name, entry.size, self.sha256, entry.modified, rows, refused, same, inbox.by_hand
        )

    @property
    def known(self) -> Known:
        """Whether it needs not be read."""
        book = self.inbox.book
        found = book.known(self.read()) if book is not None and self.sha256 else Known.NO
        return Known.NO if found is Known.SAME_CONTENT and self.inbox.by_hand else found

    def pass_over(self) -> None:
        """One like it was read before: keeps a copy of it with us, and takes it away."""
        if self.inbox.book is not None:
            self.inbox.book.hold(self.read(), self.stream)
        self.finish(None)

    @property
    def path(self) -> str:
        """Where it stands."""
        return join(self.inbox.directory, self.entry.name)

    def finish(self, rejected: ErrorFile | None) -> None:
        """All of it is stored: writes the error file, if rows were refused, and takes it away.

        Repeating it changes nothing. A file that changed meanwhile stays, to be read again.
        """
        if rejected is not None and rejected.count:
            rejected.stream.seek(0)
            self._leave(f"{self._name[0]}.{self.digest}.errors.csv", rejected.stream)
            crash_here("after_errors")
        if self.inbox.archive:
            self._take_to(join(self.inbox.archive, self._kept_name))
        else:
            away = join(self.inbox.directory, self._kept_name + AWAY)
            self._take_to(away)
            crash_here("after_moved")
            self.inbox.folder.remove(away)
        self._gone()

    def refuse(self, reason: str) -> None:
        """It is no table: takes it to the errors, with a text file that says why."""
        text = f"{self.entry.name} was not loaded. {reason}\r\n"
        self._leave(f"{self._kept_name}.why.txt", text.encode())
        crash_here("after_errors")
        self._take_to(join(self.inbox.errors, self._kept_name))
        self._gone()

    def _gone(self) -> None:
        if self.inbox.book is not None:
            self.inbox.book.taken(self.read())

    @property
    def _name(self) -> tuple[str, str]:
        """Its name without the extension, and the extension. Cut so that there is room for what we add to it."""
        name = PurePosixPath(self.entry.name)
        stem, suffix = (name.stem, name.suffix) if len(name.suffix.encode()) <= SUFFIX else (name.name, "")
        if len(stem.encode()) > STEM:  # the digest tells it from others that begin alike
            digest = hashlib.sha256(name.name.encode()).hexdigest()[:8]
            stem = stem.encode()[: STEM - 9].decode(errors="ignore") + "." + digest
        return stem, suffix

    @property
    def _kept_name(self) -> str:
        """The name it is kept under: the same for the same file, another for another of the same name."""
        at = self.entry.modified.strftime("%Y%m%dT%H%M%S")
        stem, suffix = self._name
        return f"{stem}.{at}.{self.digest}{suffix}"

    def _leave(self, name: str, data: bytes | IO[bytes]) -> None:
        """Puts a file of ours among the errors, whole or not at all."""
        folder, path = self.inbox.folder, join(self.inbox.errors, name)
        if folder.stat(path) is not None:
            return  # by an earlier try of the same
        folder.make(self.inbox.errors)
        unfinished = join(self.inbox.errors, f".{name}.tmp")
        folder.write(unfinished, data)
        crash_here("after_error_file")
        try:
            folder.rename(unfinished, path)
        except (NameTaken, Missing):  # by another run that reads the same at the same time
            if folder.stat(path) is None:
                raise

    def _take_to(self, target: str) -> None:
        """Moves the file, and brings it back if what was moved is not what was read."""
        folder = self.inbox.folder
        if folder.stat(self.path) != self.entry:
            return
        folder.make(target.rpartition("/")[0])
        try:
            folder.rename(self.path, target)
        except Missing:
            return
        except NameTaken:
            folder.remove(self.path)  # the same file, name, time and content, is kept there already
            return
        moved = folder.stat(target)
        if moved is not None and (moved.size, moved.modified) != (self.entry.size, self.entry.modified):
            try:
                folder.rename(target, self.path)
            except NameTaken:
                folder.rename(target, join(self.inbox.directory, self._kept_name))


def _shown(name: str) -> str:
    """A name as it can be stored and read, whatever is in it."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name)[:100]
