"""Files kept in our own database: what people upload, and what they fetch from a cart or WMS without a server.

`StoredFolder` is a folder like any other (kit/folder.py), so that the engine's way with files, in and out,
is the same wherever they lie. Several web processes and workers on several machines see the same files.
"""

import hashlib
import io
from collections.abc import Iterator
from typing import IO

from django.db import IntegrityError, models, transaction

from integration_manager.kit import clock
from integration_manager.kit.connector import Page
from integration_manager.kit.errors import Permanent
from integration_manager.kit.folder import (
    MAX_ENTRIES,
    MAX_FILE,
    Entry,
    Missing,
    NameTaken,
    crowded,
    parts,
    spool,
    too_large,
)
from merchants.models import StoredFile, StoredPiece

PIECE = 1024 * 1024  # bytes of one row


class StoredFolder:
    """The files of one owner. Only for the thread that has the tenant: it asks the database."""

    def __init__(self, merchant_id: int | None, cart_id: int | None) -> None:
        self.merchant_id, self.cart_id = merchant_id, cart_id
        self._reading: StoredFile | None = None  # the uploaded file that is being loaded

    def __repr__(self) -> str:
        return "<StoredFolder>"

    def files(self) -> "models.QuerySet[StoredFile]":
        """All whole files of the owner."""
        found: models.QuerySet[StoredFile] = StoredFile.objects.filter(
            merchant_id=self.merchant_id, cart_id=self.cart_id, whole=True
        )
        return found

    def at(self, path: str) -> StoredFile | None:
        """The file that stands there, if any."""
        directory, name = _split(path)
        return self.files().filter(directory=directory, name=name).first()

    def entries(self, directory: str) -> list[Entry]:
        rows = self.files().filter(directory="/".join(parts(directory))).order_by("modified_at", "name")
        found = [_entry(row) for row in rows[: MAX_ENTRIES + 1]]
        if len(found) > MAX_ENTRIES:
            raise crowded(directory)
        return found

    def stat(self, path: str) -> Entry | None:
        row = self.at(path)
        return _entry(row) if row else None

    def fetch(self, path: str, limit: int = MAX_FILE) -> IO[bytes]:
        row = self.at(path)
        if row is None:
            raise Missing(f"{path} does not exist.")
        if row.size > limit:
            raise too_large(path, limit)
        copy = spool()
        try:
            for piece in content(row):
                copy.write(piece)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        if row.by and row.loaded_at is None:
            self._reading = row
            StoredFile.objects.filter(pk=row.pk).update(started_at=clock.now(), counts={})
        return copy

    def loaded(self, page: Page) -> None:
        """Notes how far an uploaded file is: `page` is stored. Pages of other files are none of ours."""
        row = self._reading
        name = page.progress.file if page.progress else page.rejects[0].file if page.rejects else ""
        if row is None or name != row.name:
            return
        counts = row.counts
        if page.progress:
            counts |= {"rows": page.progress.rows, "percent": page.progress.percent, "stored": page.progress.stored}
            counts["found"] = page.progress.place.records if page.progress.place else 0
        counts["refused"] = counts.get("refused", 0) + len(page.rejects)
        if page.rejects and "why" not in counts:
            first = page.rejects[0]
            counts["why"] = (f"Line {first.line}: " if first.line else "") + first.reason[:300]
        ended = {"loaded_at": clock.now()} if page.done else {}
        StoredFile.objects.filter(pk=row.pk).update(counts=counts, **ended)
        if page.done:
            self._reading = None

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        with self.fetch(path, limit) as copy:
            return copy.read()

    def write(self, path: str, data: bytes | IO[bytes]) -> None:
        self.keep(path, data)

    def keep(self, path: str, data: bytes | IO[bytes], *, limit: int = MAX_FILE, **fields: str) -> StoredFile:
        """Stores a file piece by piece, never wholly in memory, and gives its row. Raises TooLarge.

        One at the same path is replaced once this one is whole.
        """
        directory, name = _split(path)
        row: StoredFile = StoredFile.objects.create(
            merchant_id=self.merchant_id, cart_id=self.cart_id, directory=directory, name=name, **fields
        )
        digest, size = hashlib.sha256(), 0
        try:
            for number, piece in enumerate(_pieces(data)):
                digest.update(piece)
                size += len(piece)
                if size > limit:
                    raise too_large(name, limit)
                StoredPiece.objects.create(file=row, number=number, data=piece, modified_at=row.modified_at)
            with transaction.atomic():
                self.files().filter(directory=directory, name=name).delete()
                row.size, row.sha256, row.whole = size, digest.hexdigest(), True
                row.save(update_fields=["size", "sha256", "whole"])
        except BaseException:
            row.delete()
            raise
        return row

    def rename(self, old: str, new: str) -> None:
        row = self.at(old)
        if row is None:
            raise Missing(f"{old} does not exist.")
        row.directory, row.name = _split(new)
        try:
            with transaction.atomic():
                row.save(update_fields=["directory", "name"])
        except IntegrityError:
            raise NameTaken(f"There is a file {new!r} already.") from None

    def remove(self, path: str) -> bool:
        row = self.at(path)
        if row is None:
            return False
        row.delete()
        return True

    def make(self, directory: str) -> None:
        """A directory is there as soon as it is named."""
        parts(directory)

    def close(self) -> None:
        """Nothing is kept open."""


def content(file: StoredFile) -> Iterator[bytes]:
    """A file's content, a piece at a time. Raises Missing where it was deleted meanwhile."""
    for number in range(-(-file.size // PIECE)):
        data = StoredPiece.objects.filter(file=file, number=number).values_list("data", flat=True).first()
        if data is None:
            raise Missing(f"{file} does not exist any more.")
        yield bytes(data)


def _pieces(data: bytes | IO[bytes]) -> Iterator[bytes]:
    """Pieces of exactly PIECE bytes, but for the last: what `content` counts by."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    while piece := stream.read(PIECE):
        while len(piece) < PIECE and (more := stream.read(PIECE - len(piece))):
            piece += more
        yield piece


def _split(path: str) -> tuple[str, str]:
    found = parts(path)
    if not found:
        raise Permanent("A file needs a name.", code="bad_path")
    directory, name = "/".join(found[:-1]), found[-1]
    if len(directory) > 500 or len(name) > 255:
        raise Permanent("The path is too long.", code="bad_path")
    return directory, name


def _entry(row: StoredFile) -> Entry:
    return Entry(row.name, row.size, row.modified_at)
