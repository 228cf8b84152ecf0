"""What every connector has whose other side is a folder: how to get in, where files lie, how they go out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from integration_manager.kit.connector import Field
from integration_manager.kit.errors import AuthFailed
from integration_manager.kit.filefields import Kind
from integration_manager.kit.fileformat import Format
from integration_manager.kit.filepresets import chosen
from integration_manager.kit.folder import Missing, entered, join
from integration_manager.kit.folder_places import ELSEWHERE, FILES, MailPlace
from integration_manager.kit.inbox import Book, Inbox
from integration_manager.kit.page import Place

if TYPE_CHECKING:
    from integration_manager.kit.folder import Folder
    from integration_manager.kit.mailbox import Mailbox

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
PROBE = ".integration-manager.check.tmp"


class FolderSystem(MailPlace):
    """A system reached by files. `places` names the field of each kind's directory.

    A kind that comes in may have a field `<kind>_subject`: of mails, what their subject has to contain.
    """

    uses: ClassVar[Literal["http", "folder"]] = "folder"
    settle: ClassVar[timedelta] = timedelta(minutes=1)
    places: ClassVar[dict[str, str]] = {}
    uploads: "Folder | None" = None  # what people upload in the browser, wherever else the files come from
    book: Book | None = None  # the files read before
    # What the engine makes of a page of orders: asked where it is read, which may be while another one is stored.
    making: "Callable[[Sequence[Any]], Any] | None" = None
    beat: "Callable[[], object] | None" = None  # called again and again while one call takes long
    begun: Place | None = None  # up to where an earlier run has stored a file

    directory = Field("Main directory", required=False, when=("place", FILES), help="Empty: where the login leads.")
    archive_dir = Field(
        "Directory (or mail folder) for files that were read", default="archive", when=("place", ELSEWHERE)
    )
    errors_dir = Field(
        "Directory (or mail folder) for files and rows with errors", default="errors", when=("place", ELSEWHERE)
    )
    after = Field(
        "Files that were read",
        kind="choice",
        choices=(("archive", "move to the archive"), ("delete", "delete")),
        default="archive",
        option=True,
        when=("place", FILES),
    )
    quiet = Field(
        "Leave a file alone until it has been unchanged for (seconds)",
        kind="int",
        default=60,
        option=True,
        when=("place", FILES),
        help="Nobody sees that a file is still being written, except by its age.",
    )
    header = Field(
        "The first row names the columns",
        kind="bool",
        default=True,
        option=True,
        help="Of files that we read in one of our own formats; one that you mapped says so itself.",
    )
    delimiter = Field(
        "Delimiter of files that we write",
        kind="choice",
        choices=tuple((name, f"{name} ({sign})" if sign != "\t" else name) for name, sign in DELIMITERS.items()),
        default="comma",
        option=True,
        help="In one of our own formats; one that you mapped says so itself.",
    )

    @classmethod
    def format_of(cls, kind: Kind, options: Mapping[str, Any]) -> Format:
        """The format of a kind of file, by the field for it. Raises NoFormat."""
        field = next(field for field in cls.fields.values() if field.files == kind)
        value = options.get(field.name) or field.default
        if kind in cls.renders:
            return chosen(value, delimiter=DELIMITERS[str(options.get("delimiter") or "comma")])
        return chosen(value, header=options.get("header") is not False)

    def ready(self, kind: str) -> None:
        """Raises NoFormat where files of this kind have no format."""
        self.format_of(cast(Kind, kind), self.options())

    def where(self, directory: str) -> str:
        """The path of one of the directories. "." is the main directory. Mail folders stand for themselves."""
        return directory if self.posts else entered(str(self.directory or ""), directory)

    def directory_of(self, kind: str) -> str:
        """The directory of a kind of file: orders, confirmations, inventory. Raises KeyError."""
        if self.posts:
            return str(self.mail_folder)
        return self.where(str(getattr(self, self.places[kind])))

    def inbox(self, kind: str) -> Inbox:
        """The directory from which files of a kind come in; before them what people uploaded."""
        uploads = None
        if self.uploads is not None:
            places = upload_places(kind)
            uploads = Inbox(
                self.uploads, *places, timedelta(0), kind=kind, book=self.book, by_hand=True, begun=self.begun
            )
        if uploads is not None and (self.by_hand or (self.posts and kind not in self.subjects())):
            return uploads
        self.distinct(kind)
        after, quiet = (self.mail_after, 0) if self.posts else (self.after, int(self.quiet))
        if self.posts:
            own = self.subjects().pop(kind)
            words = [own] if own else []
            others = [word for other, word in self.subjects().items() if other != kind]
            mails = self._mails()
            mails.filter = replace(
                mails.filter, words=tuple(words), not_words=tuple(others), names=tuple(self.mail_names())
            )
        return Inbox(
            self.folder,
            self.directory_of(kind),
            self.where(str(self.archive_dir)) if after == "archive" else "",
            self.where(str(self.errors_dir)),
            timedelta(seconds=quiet),
            uploads,
            kind,
            self.book,
            beat=self.beat,
            begun=self.begun,
        )

    @property
    def by_hand(self) -> bool:
        """Whether there is no other side: files are kept with us, and people upload and download them."""
        return bool(self.place == "browser")

    def subjects(self) -> dict[str, str]:
        """What the subject of a mail has to contain, for each kind of file that comes in."""
        kinds = [kind for kind in self.places if kind not in self.renders]
        return {kind: str(getattr(self, f"{kind}_subject", "") or "").strip() for kind in kinds}

    def mail_names(self) -> list[str]:
        """What else the subject has to contain, as whole words."""
        return []

    def _mails(self) -> "Mailbox":
        return cast("Mailbox", self.folder)

    def distinct(self, kind: str = "") -> list[str]:
        """The directories. Raises AuthFailed where two are the same: we would read our own files.

        `kind`: what is about to be read; only what that one would be mixed up with counts.
        """
        if self.posts:
            return self._distinct_mails()
        found = {name: self.directory_of(name) for name in self.places}
        found["archive"], found["errors"] = self.where(str(self.archive_dir)), self.where(str(self.errors_dir))
        seen: dict[str, str] = {}
        for name, path in found.items():
            if path in seen and (not kind or {kind, "archive", "errors"} & {name, seen[path]}):
                raise AuthFailed(
                    f"The directories for {seen[path]} and for {name} are the same. Give each its own.",
                    code="same_directory",
                )
            seen[path] = name
        return list(seen)

    def _distinct_mails(self) -> list[str]:
        folders = [str(self.mail_folder), str(self.archive_dir), str(self.errors_dir)]
        if len({name.casefold() for name in folders}) < len(folders):
            raise AuthFailed("Mails are read from one mail folder and put into two others.", code="same_directory")
        words = [word.casefold() for word in self.subjects().values()]
        if any(one in other for one in words for other in words if one is not other):
            raise AuthFailed(
                "Each kind of file needs words of its own in the subject, and none that contain the other's.",
                code="same_subject",
            )
        return folders

    def check(self) -> None:
        """Logs in, makes the directories that are missing, and tries to write and delete in each.

        Raises AuthFailed (HostKeyUnknown and CertificateUnknown say what to pin), ConnectionFailed, NotAllowed.
        """
        for kind in self.places:
            self.ready(kind)
        if self.by_hand:
            return
        if self.posts:
            self._check_mails()
            return
        for path in self.distinct():
            try:
                self.folder.entries(path)
            except Missing:
                self.folder.make(path)
            self.folder.write(join(path, PROBE), b"")
            self.folder.remove(join(path, PROBE))

    def _check_mails(self) -> None:
        """What has to work: sending where orders go out, reading where they come in; the other if it is set up."""
        inbound, archive, errors = self.distinct()
        mails, sends_orders = self._mails(), "orders" in self.renders
        if mails.sender is not None and (sends_orders or self.mail_to):
            mails.sender.timeout = mails.timeout
            mails.sender.check()
        if mails.account is None and not sends_orders:
            raise AuthFailed("Enter the mailbox that the files come to.", code="incomplete")
        if mails.account is not None:
            if not mails.filter.senders:
                raise AuthFailed("Enter whose mails are read: the allowed senders.", code="incomplete")
            mails.check(inbound)
            for folder in (archive, errors):
                mails.make(folder)

    # ── files that go out; the engine says what when ──

    @property
    def posts(self) -> bool:
        return bool(self.place == "email")

    def post(self, kind: str, name: str, data: bytes, key: str, at: datetime, sending: Callable[[], None]) -> None:
        sender = self._mails().sender
        assert sender is not None
        sender.send(kind, name, data, key, at, sending)

    def put(self, kind: str, name: str, data: bytes) -> None:
        """Writes a file into the directory of `kind`; a half one of the same name is replaced."""
        directory = self.directory_of(kind)
        try:
            self.folder.write(join(directory, name), data)
        except Missing:
            self.folder.make(directory)
            self.folder.write(join(directory, name), data)

    def rename(self, kind: str, old: str, new: str) -> None:
        """Renames a file within the directory of `kind`; if `old` is gone it was done before.

        Raises NameTaken rather than overwrite a file.
        """
        directory = self.directory_of(kind)
        try:
            self.folder.rename(join(directory, old), join(directory, new))
        except Missing:
            self.folder.entries(directory)  # the directory itself must be there

    def remove(self, kind: str, name: str) -> None:
        """Deletes a file of ours from the directory of `kind`; it may be gone already."""
        self.folder.remove(join(self.directory_of(kind), name))

    def listing(self, kind: str) -> list[str]:
        """The names in the directory of `kind`; none where it is not there yet."""
        try:
            return [entry.name for entry in self.folder.entries(self.directory_of(kind))]
        except Missing:
            return []

    def has(self, kind: str, name: str) -> bool:
        """Whether there is a file of this name in the directory of `kind`."""
        return self.folder.stat(join(self.directory_of(kind), name)) is not None


def upload_places(kind: str) -> tuple[str, str, str]:
    """Where uploaded files of a kind lie, where they go once they are read, and where what was refused goes."""
    return f"uploads/{kind}/in", f"uploads/{kind}/read", f"uploads/{kind}/errors"


def file_name(kind: str, stamp: str) -> str:
    """What a file that we write is called. `stamp` makes it unique."""
    return f"{kind}-{stamp}.csv"
