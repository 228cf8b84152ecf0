"""The book of files read: by it a file that comes once more is recognised, wherever it comes from."""

from datetime import datetime
from typing import IO

from django.db import models

from integration_manager.kit import clock
from integration_manager.kit.connector import FileRead
from integration_manager.kit.inbox import Known
from merchants.models import ReadFile, StoredFile
from merchants.stored_files import StoredFolder

HELD = "uploads/held"  # the same file again, kept until a person decides
KINDS = ("orders", "confirmations")  # equal levels are news of a later time, so inventory is always read


class ReadBook:
    """The files read of one connection. Only for the thread that has the tenant."""

    def __init__(self, merchant_id: int | None, cart_id: int | None) -> None:
        self.merchant_id, self.cart_id = merchant_id, cart_id

    def __repr__(self) -> str:
        return "<ReadBook>"

    def entries(self) -> "models.QuerySet[ReadFile]":
        """All entries of the connection."""
        found: models.QuerySet[ReadFile] = ReadFile.objects.filter(merchant_id=self.merchant_id, cart_id=self.cart_id)
        return found

    def before(self, kind: str, size: int, sha256: str) -> ReadFile | None:
        """The last file with this content of which every row was loaded, if that makes another one needless."""
        if kind not in KINDS or not sha256:
            return None
        return (
            self.entries()
            .filter(kind=kind, size=size, sha256=sha256, same=False, refused=0, left_out=0, rows__gt=0)
            .order_by("-read_at", "-pk")
            .first()
        )

    def known(self, file: FileRead) -> Known:
        """Whether a file was loaded before: as the very one that stands there, or as one with the same content."""
        found = self.before(file.kind, file.size, file.sha256)
        if found is None:
            return Known.NO
        # A worker died between storing it and taking it away.
        return Known.THIS_ONE if self._standing(file).filter(same=False).exists() else Known.SAME_CONTENT

    def note(self, file: FileRead, left_out: int, now: datetime) -> bool:
        """Enters a file, in the transaction that stores the last of it. False: it had been entered already."""
        values = {"rows": file.rows, "refused": file.refused, "left_out": left_out, "read_at": now}
        if self._standing(file).filter(same=file.same).update(**values):
            return False
        ReadFile.objects.create(
            merchant_id=self.merchant_id,
            cart_id=self.cart_id,
            kind=file.kind,
            name=file.name[:255],
            size=file.size,
            sha256=file.sha256,
            modified_at=file.modified,
            same=file.same,
            by_hand=file.by_hand,
            **values,
        )
        return True

    def taken(self, file: FileRead) -> None:
        """It stands there no longer: one of the same name and time that comes after it is another one."""
        self._standing(file).update(taken_at=clock.now())

    def hold(self, file: FileRead, stream: IO[bytes]) -> None:
        """Keeps a copy of a file that was not loaded, for a person who wants it loaded all the same: the last one."""
        folder = StoredFolder(self.merchant_id, self.cart_id)
        stream.seek(0)
        folder.keep(f"{HELD}/{file.kind}/{file.sha256}", stream, title=file.name[:255])

    def held(self) -> "models.QuerySet[StoredFile]":
        """The copies that wait for a person's word; those that people uploaded are not among them."""
        folder = StoredFolder(self.merchant_id, self.cart_id)
        return folder.files().filter(directory__startswith=f"{HELD}/", by="")

    def decided(self, file: StoredFile) -> None:
        """A person wants a file that was uploaded to be loaded, whatever was read before."""
        self.entries().filter(sha256=file.sha256, taken_at=None).update(taken_at=clock.now())

    def _standing(self, file: FileRead) -> "models.QuerySet[ReadFile]":
        return self.entries().filter(
            kind=file.kind,
            name=file.name[:255],
            size=file.size,
            sha256=file.sha256,
            modified_at=file.modified,
            taken_at=None,
        )
