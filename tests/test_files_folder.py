"""Folders: a disk that nothing leads out of, and SFTP against a real OpenSSH server."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_manager.kit import disk as disk_module
from integration_manager.kit import folder as folders
from integration_manager.kit import ftp as ftp_module
from integration_manager.kit import sftp as sftp_module
from integration_manager.kit.disk import LocalFolder
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import (
    AddressRefused,
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    OutcomeUnknown,
    Permanent,
)
from integration_manager.kit.folder import (
    Folder,
    Missing,
    NameTaken,
    NotAllowed,
    TooLarge,
    entered,
    join,
    open_folder,
    usable,
)
from integration_manager.kit.ssh_keys import HostKeyChanged, HostKeyUnknown
from tests.ftp_server import DosFiles, FtpServer
from tests.sftp_server import SftpServer, why_not


@pytest.fixture(scope="module")
def server() -> Iterator[SftpServer]:
    if why_not():
        pytest.skip(why_not())
    server = SftpServer().start()
    yield server
    server.close()


def opened(server: SftpServer | FtpServer, **values: str) -> Any:
    return open_folder(server.values(**values), guard=Guard([f"127.0.0.1:{server.port}"]), timeout=10)


FTP: dict[str, dict[str, Any]] = {
    "ftp": {},
    "ftp_active": {},
    "ftps": {"tls": "explicit"},
    "ftps_implicit": {"tls": "implicit"},
    "ftp_unix_list": {"machine_lists": False, "epsv": False},
    "ftp_dos_list": {"machine_lists": False, "files_as": DosFiles},
}


@pytest.fixture(scope="module")
def ftp_servers() -> Iterator[Callable[[str], FtpServer]]:
    """FTP servers by kind, each started when it is first asked for."""
    running: dict[str, FtpServer] = {}

    def server(kind: str) -> FtpServer:
        if kind not in running:
            running[kind] = FtpServer(**FTP[kind]).start()
        return running[kind]

    yield server
    for one in running.values():
        one.close()


@pytest.fixture(params=["disk", "sftp", *FTP])
def folder(
    request: pytest.FixtureRequest, tmp_path: Path, ftp_servers: Callable[[str], FtpServer]
) -> Iterator[tuple[Folder, Path]]:
    """A folder of each kind, and where it is on this machine."""
    if request.param == "disk":
        yield LocalFolder(tmp_path), tmp_path
        return
    place = {"place": request.param} if request.param == "ftp_active" else {}
    server = request.getfixturevalue("server") if request.param == "sftp" else ftp_servers(request.param)
    for path in sorted(server.files.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    found = opened(server, **place)
    yield found, server.files
    found.close()


def test_write_list_read_rename_remove(folder: tuple[Folder, Path]) -> None:
    there, root = folder
    there.make("a/b")
    there.make("a/b")
    there.write("a/b/.x.tmp", b"one")
    there.write("a/b/.x.tmp", b"two\n")  # a second try replaces what the first one left
    there.rename("a/b/.x.tmp", "a/b/x.csv")
    assert (root / "a/b/x.csv").read_bytes() == b"two\n"
    assert [(e.name, e.size) for e in there.entries("a/b")] == [("x.csv", 4)]
    assert there.read("a/b/x.csv") == b"two\n"
    assert there.stat("a/b/.x.tmp") is None and there.stat("a/b/x.csv") == there.entries("a/b")[0]
    assert there.remove("a/b/x.csv") is True
    assert there.remove("a/b/x.csv") is False


def test_a_file_of_others_is_not_overwritten(folder: tuple[Folder, Path]) -> None:
    there, root = folder
    there.write("mine.tmp", b"mine")
    there.write("theirs.csv", b"theirs")
    with pytest.raises(NameTaken):
        there.rename("mine.tmp", "theirs.csv")
    assert (root / "theirs.csv").read_bytes() == b"theirs"
    assert (root / "mine.tmp").exists()


def test_what_is_not_there_is_said_so(folder: tuple[Folder, Path]) -> None:
    there, _ = folder
    for call in (
        lambda: there.entries("nowhere"),
        lambda: there.read("nowhere.csv"),
        lambda: there.write("nowhere/x.csv", b""),
        lambda: there.rename("nowhere.csv", "x.csv"),
    ):
        with pytest.raises(Missing):
            call()


def test_a_file_over_the_limit_is_not_read(folder: tuple[Folder, Path]) -> None:
    there, _ = folder
    there.write("big.csv", b"x" * 2000)
    with pytest.raises(TooLarge):
        there.fetch("big.csv", 1999)
    assert len(there.read("big.csv", 2000)) == 2000


def test_only_files_are_listed(folder: tuple[Folder, Path]) -> None:
    there, root = folder
    there.make("dir")
    there.write("file.csv", b"1")
    if "Ftp" not in type(there).__name__.replace("Sftp", ""):  # what is a file an FTP server says itself
        (root / "link.csv").symlink_to(root / "file.csv")
        os.mkfifo(root / "pipe.csv")
    assert [entry.name for entry in there.entries("")] == ["file.csv"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a/..", "..\\x", "a\0b", "a\nb"])
def test_a_path_upwards_is_refused(folder: tuple[Folder, Path], path: str) -> None:
    there, _ = folder
    for call in (there.entries, there.read, there.remove, there.make, there.stat):
        with pytest.raises(Permanent) as caught:
            call(path)
        assert caught.value.code == "bad_path"


def test_nothing_leads_out_of_the_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "secret.csv").write_text("secret")
    (root / "away").symlink_to(outside)
    (root / "file.csv").symlink_to(outside / "secret.csv")
    there = LocalFolder(root)
    for call in (
        lambda: there.read(str(outside / "secret.csv")),  # absolute: below the root, where nothing is
        lambda: there.read("file.csv"),
        lambda: there.read("away/secret.csv"),
        lambda: there.entries("away"),
        lambda: there.write("file.csv", b"x"),
        lambda: there.write("away/new.csv", b"x"),
        lambda: there.make("away/new"),
        lambda: there.rename("away/secret.csv", "x.csv"),
        lambda: there.remove("away/secret.csv"),
    ):
        with pytest.raises(Permanent):
            call()
    assert sorted(path.name for path in outside.iterdir()) == ["secret.csv"]
    assert (outside / "secret.csv").read_text() == "secret"
    os.mkfifo(root / "pipe")
    with pytest.raises(Permanent):
        there.read("pipe")  # and does not wait for somebody to write into it


def test_a_folder_on_disk_needs_the_operator() -> None:
    with pytest.raises(AuthFailed, match="not enabled"):
        open_folder({"place": "disk"})


def test_join() -> None:
    assert join("", "orders", "x.csv") == "orders/x.csv"
    assert join("/in/", "/orders/", "x.csv") == "/in/orders/x.csv"
    assert join(".", ".") == ""
    assert join("in", " x.csv ") == "in/ x.csv "  # another file's name than x.csv
    assert entered(" in/ ", "orders ") == "in/orders"


@pytest.mark.parametrize("folder", ["disk", "sftp"], indirect=True)
def test_a_name_that_is_not_utf_8_hides_no_other(folder: tuple[Folder, Path]) -> None:
    there, root = folder
    (root / os.fsdecode(b"caf\xe9.csv")).write_bytes(b"1")
    (root / " good.csv").write_bytes(b"2")
    assert sorted(entry.name for entry in there.entries("") if usable(entry.name)) == [" good.csv"]
    assert there.read(" good.csv") == b"2"


# ── SFTP ──


def test_password_and_key_get_in(server: SftpServer) -> None:
    opened(server).entries("")
    opened(server, password="", private_key=server.private_key).entries("")
    windows = server.private_key.replace("\n", "\r\n")
    opened(server, password="", private_key=windows).entries("")


def test_wrong_credentials_are_said_in_plain_words(server: SftpServer) -> None:
    stranger = server._key("stranger")
    for values in (
        {"password": "wrong-password"},
        {"password": "", "private_key": stranger},
        {"password": "", "private_key": "no key at all"},
        {"password": "", "private_key": "PuTTY-User-Key-File-3: ssh-ed25519"},
        {"user": "nobody"},
        {"user": ""},
        {"host": ""},
    ):
        with pytest.raises(AuthFailed) as caught:
            opened(server, **values).entries("")
        assert "wrong-password" not in str(caught.value) and caught.value.__cause__ is None


def test_an_rsa_key_with_a_passphrase_gets_in(server: SftpServer) -> None:
    import subprocess

    file = server.folder / "protected"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "the passphrase", "-f", file], check=True)
    with (server.folder / "authorized_keys").open("a") as keys:
        keys.write(file.with_suffix(".pub").read_text())
    opened(server, password="the passphrase", private_key=file.read_text()).entries("")


def test_without_a_pin_the_host_key_is_reported_and_nothing_sent(server: SftpServer) -> None:
    with pytest.raises(HostKeyUnknown) as caught:
        opened(server, host_key="", password="never sent").entries("")
    assert caught.value.host_key == server.host_key and server.host_key in str(caught.value)
    opened(server, host_key=caught.value.host_key).entries("")
    opened(server, host_key=caught.value.host_key.split()[1]).entries("")
    opened(server, host_key=(server.folder / "host_key.pub").read_text()).entries("")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_changed_host_key_is_refused(kind: str) -> None:
    if why_not():
        pytest.skip(why_not())
    server = SftpServer()
    try:
        before = server.host_key
        server.new_host_key(kind)
        server.start()
        with pytest.raises(HostKeyChanged):
            opened(server, host_key=before).entries("")
        opened(server).entries("")
        opened(server, host_key=server.host_key.split()[1]).entries("")
    finally:
        server.close()


def test_private_addresses_are_refused(server: SftpServer) -> None:
    with pytest.raises(AddressRefused):
        open_folder(server.values(), guard=Guard()).entries("")


def test_no_server_and_no_ssh(server: SftpServer) -> None:
    import socket

    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        values = server.values(port=str(port))
        with pytest.raises(ConnectionFailed):
            open_folder(values, guard=Guard([f"127.0.0.1:{port}"]), timeout=1).entries("")
    with pytest.raises(ConnectionFailed):
        open_folder(values, guard=Guard([f"127.0.0.1:{port}"]), timeout=1).entries("")


def test_outside_the_jail_nothing_is_written(server: SftpServer) -> None:
    there = opened(server)
    with pytest.raises(NotAllowed):
        there.make("/elsewhere")
    with pytest.raises(NotAllowed):
        there.write("/top.csv", b"")


def test_an_idle_connection_that_broke_is_replaced(server: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    there = opened(server)
    there.write("before.csv", b"1")
    server.cut()
    monkeypatch.setattr(sftp_module, "IDLE", 0.0)
    there.write("after.csv", b"2")
    assert (server.files / "after.csv").read_bytes() == b"2"


def test_a_break_while_changing_leaves_the_outcome_unknown(server: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    there = opened(server)
    there.write("x.csv", b"1")
    # Where the break is noticed first, it connects anew at once, and knows the outcome.
    monkeypatch.setattr(there, "_connected", lambda: there._client)
    server.cut()
    with pytest.raises(OutcomeUnknown):
        there.rename("x.csv", "y.csv")
    monkeypatch.undo()
    there.rename("x.csv", "y.csv")
    server.cut()
    with contextlib.suppress(ConnectionFailed):  # where the break is noticed first, it connects anew at once
        assert there.read("y.csv") == b"1"
    assert there.read("y.csv") == b"1"


def test_a_break_in_the_middle_of_an_upload(server: SftpServer) -> None:
    there = opened(server)
    there.entries("")

    class Slow:
        pieces = 0

        def read(self, size: int) -> bytes:
            self.pieces += 1
            if self.pieces == 20:
                server.cut()
            return b"x" * size if self.pieces < 60 else b""

    with pytest.raises(OutcomeUnknown):
        there.write(".half.tmp", Slow())
    assert there.remove(".half.tmp") is True


def test_many_threads_use_one_connection(server: SftpServer) -> None:
    there = opened(server)
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                name = f"thread-{number}-{turn}.csv"
                there.write(name, name.encode() * 1000)
                assert there.read(name) == name.encode() * 1000
                there.remove(name)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_the_journal_has_what_was_changed_and_no_secret(server: SftpServer) -> None:
    notes: list[Any] = []
    guard = Guard([f"127.0.0.1:{server.port}"])
    there = open_folder(server.values(), guard=guard, journal=notes.append)
    there.entries("")
    there.write("x.tmp", b"cust_ref\r\n1\r\n")
    there.rename("x.tmp", "x.csv")
    with pytest.raises(ConnectorError):
        there.read("none.csv")
    assert [(n.method, n.error, n.wrote) for n in notes] == [
        ("WRITE", "", True),
        ("RENAME", "", True),
        ("READ", "Missing", False),
    ]
    assert notes[0].url == f"sftp://127.0.0.1:{server.port}/x.tmp" and "cust_ref" in notes[0].request_body
    assert server.password not in f"{notes} {there!r} {vars(notes[0].__class__)}"
    there.remove("x.csv")


def test_too_many_files_are_no_half_listing(folder: tuple[Folder, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    there, root = folder
    for number in range(6):
        (root / f"{number}.csv").touch()
    for module in (folders, sftp_module, ftp_module, disk_module):
        monkeypatch.setattr(module, "MAX_ENTRIES", 5)
    with pytest.raises(Permanent) as caught:
        there.entries("")
    assert caught.value.code == "too_many_files"
