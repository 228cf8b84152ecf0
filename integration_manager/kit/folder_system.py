"""What every connector has whose other side is a folder: how to get in, where files lie, how they go out."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal

from integration_manager.kit.connector import Connector, Field
from integration_manager.kit.errors import AuthFailed
from integration_manager.kit.folder import Missing, join
from integration_manager.kit.inbox import Inbox

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
PROBE = ".integration-manager.check.tmp"


class FolderSystem(Connector):
    """A system reached by files. `places` names the field of each kind's directory."""

    uses: ClassVar[Literal["http", "folder"]] = "folder"
    settle: ClassVar[timedelta] = timedelta(minutes=1)
    places: ClassVar[dict[str, str]] = {}

    place = Field(
        "The files are on",
        kind="choice",
        choices=(("sftp", "an SFTP server"), ("disk", "a folder of this server (set up by its operator)")),
        default="sftp",
    )
    host = Field("Server", kind="host", required=False, example="sftp.example.com")
    port = Field("Port", kind="int", default=22)
    user = Field("User name", required=False)
    password = Field("Password", secret=True, required=False, help="Or the passphrase of the private key.")
    private_key = Field(
        "Private key",
        kind="textarea",
        secret=True,
        required=False,
        help="Instead of a password: the whole text of an OpenSSH or PEM key.",
    )
    host_key = Field(
        "Host key",
        required=False,
        help="Leave it empty at first: the connection test then shows the server's key. Compare it with the"
        " one that its operator names, and enter it here. Nothing secret is sent before.",
        example="ssh-ed25519 SHA256:…",
    )
    directory = Field("Main directory", required=False, help="Empty: where the login leads.")
    archive_dir = Field("Directory for files that were read", default="archive")
    errors_dir = Field("Directory for files and rows with errors", default="errors")
    after = Field(
        "Files that were read",
        kind="choice",
        choices=(("archive", "move to the archive"), ("delete", "delete")),
        default="archive",
        option=True,
    )
    quiet = Field("Leave a file alone until it has been unchanged for (seconds)", kind="int", default=60, option=True)
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

    def where(self, directory: str) -> str:
        """The path of one of the directories. "." is the main directory."""
        return join(str(self.directory or ""), directory)

    def directory_of(self, kind: str) -> str:
        """The directory of a kind of file: orders, confirmations, inventory. Raises KeyError."""
        return self.where(str(getattr(self, self.places[kind])))

    def inbox(self, kind: str) -> Inbox:
        """The directory from which files of a kind come in."""
        self.distinct()
        return Inbox(
            self.folder,
            self.directory_of(kind),
            self.where(str(self.archive_dir)) if self.after == "archive" else "",
            self.where(str(self.errors_dir)),
            timedelta(seconds=int(self.quiet)),
        )

    def distinct(self) -> list[str]:
        """The directories. Raises AuthFailed where two are the same: we would read our own files."""
        found = {name: self.directory_of(name) for name in self.places}
        found["archive"], found["errors"] = self.where(str(self.archive_dir)), self.where(str(self.errors_dir))
        seen: dict[str, str] = {}
        for name, path in found.items():
            if path in seen:
                raise AuthFailed(
                    f"The directories for {seen[path]} and for {name} are the same. Give each its own.",
                    code="same_directory",
                )
            seen[path] = name
        return list(seen)

    def check(self) -> None:
        """Logs in, makes the directories that are missing, and tries to write and delete in each.

        Raises AuthFailed (HostKeyUnknown says which host key to pin), ConnectionFailed, NotAllowed.
        """
        for path in self.distinct():
            try:
                self.folder.entries(path)
            except Missing:
                self.folder.make(path)
            self.folder.write(join(path, PROBE), b"")
            self.folder.remove(join(path, PROBE))

    # ── files that go out; the engine says what when ──

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


def delimiter_of(options: Mapping[str, Any]) -> str:
    """The delimiter that the options ask for."""
    return DELIMITERS[str(options.get("delimiter") or "comma")]


def file_name(kind: str, stamp: str) -> str:
    """What a file that we write is called. `stamp` makes it unique."""
    return f"{kind}-{stamp}.csv"
