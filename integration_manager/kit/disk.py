"""A folder on this machine's disk, for operators: below a root that nothing leads out of."""

import contextlib
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from integration_manager.kit.errors import Permanent
from integration_manager.kit.folder import (
    CHUNK,
    MAX_ENTRIES,
    MAX_FILE,
    Entry,
    Journal,
    NameTaken,
    chunks,
    classified,
    crowded,
    listable,
    noting,
    parts,
    spool,
    too_large,
)


class LocalFolder:
    """A folder on this machine's disk, from a root that the operator gave.

    Each part of a path is opened below the one before and without following links, so that neither
    "..", nor an absolute path, nor a symbolic link put there meanwhile leads out of the root.
    """

    def __init__(self, root: str | Path, *, journal: Journal | None = None) -> None:
        """`root`: an existing directory; it may itself be a link. Nothing is opened yet."""
        self.root, self.journal = Path(root), journal

    def __repr__(self) -> str:
        return "<LocalFolder>"

    def entries(self, directory: str) -> list[Entry]:
        found: list[Entry] = []
        with (
            self._doing("list", directory),
            self._directory(parts(directory)) as fd,
            os.scandir(fd) as listing,
        ):
            for item in listing:
                if listable(item.name) and item.is_file(follow_symlinks=False):
                    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                        found.append(_entry(item.name, item.stat(follow_symlinks=False)))
                if len(found) > MAX_ENTRIES:
                    raise crowded(directory)
        return sorted(found, key=lambda entry: (entry.modified, entry.name))

    def stat(self, path: str) -> Entry | None:
        with self._doing("stat", path):
            try:
                with self._parent(path) as (fd, name):
                    seen = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                return None
            return _entry(name, seen) if stat.S_ISREG(seen.st_mode) else None

    def fetch(self, path: str, limit: int = MAX_FILE) -> IO[bytes]:
        copy = spool()
        try:
            with self._doing("read", path), self._file(path, os.O_RDONLY) as source:
                while chunk := source.read(CHUNK):
                    copy.write(chunk)
                    if copy.tell() > limit:
                        raise too_large(path, limit)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return copy

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        with self.fetch(path, limit) as copy:
            return copy.read()

    def write(self, path: str, data: bytes | IO[bytes]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with self._doing("write", path, data), self._file(path, flags) as target:
            for chunk in chunks(data):
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())  # the engine records the phase next: the bytes must be there

    def rename(self, old: str, new: str) -> None:
        with (
            self._doing("rename", old),
            self._parent(old) as (from_fd, from_name),
            self._parent(new) as (to_fd, to_name),
        ):
            os.stat(from_name, dir_fd=from_fd, follow_symlinks=False)
            try:
                os.stat(to_name, dir_fd=to_fd, follow_symlinks=False)
            except FileNotFoundError:
                os.rename(from_name, to_name, src_dir_fd=from_fd, dst_dir_fd=to_fd)
                os.fsync(to_fd)
                return
        raise NameTaken(f"There is a file {new!r} already.")

    def remove(self, path: str) -> bool:
        with self._doing("remove", path):
            try:
                with self._parent(path) as (fd, name):
                    os.unlink(name, dir_fd=fd)
            except FileNotFoundError:
                return False
            return True

    def make(self, directory: str) -> None:
        names = parts(directory)
        with self._doing("make", directory):
            self.root.mkdir(parents=True, exist_ok=True)  # the operator gives where accounts and merchants have theirs
            for depth in range(len(names)):
                with self._directory(names[:depth]) as fd, contextlib.suppress(FileExistsError):
                    os.mkdir(names[depth], dir_fd=fd)
            with self._directory(names):
                pass  # it is a directory, and not a file or a link of that name

    def close(self) -> None:
        """Nothing is kept open."""

    @contextlib.contextmanager
    def _directory(self, names: list[str]) -> Iterator[int]:
        """An open descriptor of a directory below the root."""
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in names:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                below = os.open(name, flags, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        names = parts(path)
        if not names:
            raise Permanent("A file needs a name.", code="bad_path")
        with self._directory(names[:-1]) as fd:
            yield fd, names[-1]

    @contextlib.contextmanager
    def _file(self, path: str, flags: int) -> Iterator[IO[bytes]]:
        # O_NONBLOCK: a pipe of that name must not make us wait for its other end.
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK
        with self._parent(path) as (parent, name):
            fd = os.open(name, flags, 0o660, dir_fd=parent)
        with os.fdopen(fd, "rb" if flags & 3 == os.O_RDONLY else "wb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise Permanent(f"{path!r} is not a file.", code="bad_path")
            yield file

    @contextlib.contextmanager
    def _doing(self, verb: str, path: str, data: bytes | IO[bytes] = b"") -> Iterator[None]:
        """Turns the system's errors into ours and notes the operation in the journal."""
        with noting(self.journal, verb, path, "file:", data):
            try:
                yield
            except OSError as error:
                raise classified(error, path) from None


def _entry(name: str, seen: os.stat_result) -> Entry:
    return Entry(name, seen.st_size, datetime.fromtimestamp(seen.st_mtime, UTC))
