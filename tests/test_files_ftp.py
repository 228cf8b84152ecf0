"""FTP and FTPS against a real server: what only they have. What every folder does: test_files_folder.py."""

import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integration_manager.kit import clock, ftp
from integration_manager.kit.certificates import CertificateChanged, CertificateUnknown, Trust
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import (
    AddressRefused,
    AuthFailed,
    ConnectionFailed,
    ConnectorError,
    OutcomeUnknown,
    Transient,
)
from integration_manager.kit.folder import Entry, Missing, NotAllowed, open_folder
from integration_manager.kit.ftp_listing import listed, machine_entry
from tests.ftp_server import DosFiles, FarFiles, FtpServer


@pytest.fixture(scope="module")
def plain() -> Iterator[FtpServer]:
    server = FtpServer().start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def secure() -> Iterator[FtpServer]:
    server = FtpServer(tls="explicit").start()
    yield server
    server.close()


def opened(server: FtpServer, **values: str) -> Any:
    return open_folder(server.values(**values), guard=Guard(["127.0.0.1"]), timeout=10)


# ── getting in ──


def test_wrong_credentials_are_said_in_plain_words(plain: FtpServer) -> None:
    for values in ({"password": "wrong"}, {"user": "nobody"}, {"user": ""}, {"host": ""}):
        with pytest.raises(AuthFailed) as caught:
            opened(plain, **values).entries("")
        assert "wrong" not in str(caught.value) and caught.value.__cause__ is None


def test_a_server_that_wants_encryption_is_said_so(secure: FtpServer) -> None:
    with pytest.raises(AuthFailed, match="Choose FTPS"):
        opened(secure, place="ftp").entries("")


def test_a_server_without_encryption_is_said_so(plain: FtpServer) -> None:
    with pytest.raises(ConnectionFailed, match="TLS"):
        opened(plain, place="ftps").entries("")


@pytest.mark.parametrize("tls", ["explicit", "implicit"])
def test_a_self_made_certificate_is_shown_and_nothing_sent_until_it_is_pinned(tls: str) -> None:
    server = FtpServer(tls=tls).start()
    logins: list[str] = []
    server.handler.ftp_USER = lambda self, line: logins.append(line)  # type: ignore[attr-defined]
    try:
        with pytest.raises(CertificateUnknown) as caught:
            opened(server, certificate="").entries("")
        assert caught.value.fingerprint == server.certificate and server.certificate in str(caught.value)
        other = server.certificate[:-2] + ("00" if server.certificate[-2:] != "00" else "11")
        with pytest.raises(CertificateChanged) as changed:
            opened(server, certificate=other).entries("")
        assert changed.value.fingerprint == server.certificate
        assert logins == []
    finally:
        server.close()


def test_a_fingerprint_is_taken_as_people_have_it(secure: FtpServer) -> None:
    digits = secure.certificate.removeprefix("SHA256 ")
    for text in (secure.certificate, digits, digits.replace(":", "").lower(), f"sha256 Fingerprint={digits}"):
        opened(secure, certificate=text).entries("")
    for text in ("certificate", digits[:-2], digits + ":AB"):
        with pytest.raises(AuthFailed) as caught:
            opened(secure, certificate=text)
        assert caught.value.code == "bad_certificate"


def test_a_certificate_is_verified_for_this_host(secure: FtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vouched for, and for another name: the system's check, with our own certificate as its authority."""
    (path,) = secure.folder.glob("*.pem")
    trust = Trust.__init__

    def vouched(self: Trust, host: str, pin: str = "") -> None:
        trust(self, host, pin)
        self.context.load_verify_locations(path)

    monkeypatch.setattr(Trust, "__init__", vouched)
    opened(secure, certificate="").entries("")
    with pytest.raises(CertificateUnknown):
        opened(secure, certificate="", host="localhost").entries("")


def test_private_addresses_are_refused(plain: FtpServer) -> None:
    with pytest.raises(AddressRefused):
        open_folder(plain.values(), guard=Guard()).entries("")


def test_no_server_and_no_ftp() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        values = {"place": "ftp", "host": "127.0.0.1", "port": str(mute.getsockname()[1]), "user": "x", "password": "y"}
        for place in ("ftp", "ftps_implicit"):
            with pytest.raises(ConnectionFailed):
                open_folder(values | {"place": place}, guard=Guard(["127.0.0.1"]), timeout=0.5).entries("")
    with pytest.raises(ConnectionFailed):
        open_folder(values, guard=Guard(["127.0.0.1"]), timeout=0.5).entries("")


# ── the data connection ──


class Script:
    """A server that says what it is told to, and notes what it hears."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers, self.heard = answers, list[str]()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.talk, daemon=True)
        self.thread.start()

    def talk(self) -> None:
        usual = {
            "USER": "331 go on", "PASS": "230 in", "TYPE": "200 ok", "FEAT": "500 what?", "PWD": '257 "/"',
            "CWD": "250 ok", "QUIT": "221 bye", "EPSV": "500 what?",
        }  # fmt: skip
        try:
            sock, _ = self.listener.accept()
            with sock, sock.makefile("rwb", 0) as line:
                line.write(b"220 hello\r\n")
                while text := line.readline().decode().strip():
                    self.heard.append(text)
                    line.write((usual | self.answers)[text.split()[0]].encode() + b"\r\n")
        except (OSError, KeyError):
            pass

    def folder(self, place: str = "ftp") -> Any:
        values = {"place": place, "host": "127.0.0.1", "port": str(self.port), "user": "x", "password": "y"}
        return open_folder(values, guard=Guard([f"127.0.0.1:{self.port}"]), timeout=5)


def test_the_address_in_an_answer_to_pasv_is_ignored() -> None:
    """The server names an address of another network: the data connection goes to the server itself."""
    with socket.create_server(("127.0.0.1", 0)) as data:
        port = data.getsockname()[1]
        script = Script({"PASV": f"227 Entering (169,254,169,254,{port // 256},{port % 256})", "LIST": "550 no"})
        data.settimeout(5)
        with pytest.raises(ConnectorError):
            script.folder().entries("")
        conn, peer = data.accept()
        conn.close()
        assert peer[0] == "127.0.0.1"


def test_data_of_other_services_is_not_fetched() -> None:
    script = Script({"PASV": "227 Entering (127,0,0,1,0,25)"})
    with pytest.raises(ConnectionFailed):
        script.folder().entries("")
    assert "LIST -a" not in script.heard


def test_active_mode_listens_on_the_control_connections_address() -> None:
    script = Script({"PORT": "200 ok", "LIST": "550 no"})
    with pytest.raises(ConnectorError):
        script.folder("ftp_active").entries("")
    assert any(line.startswith("PORT 127,0,0,1,") for line in script.heard)


def test_answers_without_end_are_given_up() -> None:
    script = Script({"FEAT": "211-" + "\r\n x" * 2000})
    with pytest.raises(ConnectionFailed):
        script.folder().entries("")


# ── listings and times ──

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (
            "-rw-r--r-- 1 ftp ftp 120 Mar  1 11:58 a b.csv",
            Entry("a b.csv", 120, NOW - timedelta(minutes=2, seconds=-59)),
        ),
        (
            "-rw-rw-rw-   1 owner group 7 Dec 31 23:00 x.csv",
            Entry("x.csv", 7, datetime(2025, 12, 31, 23, 0, 59, tzinfo=UTC)),
        ),
        (
            "-rw-r--r--. 1 1000 2000 0 Sep 02  2019 old.csv",
            Entry("old.csv", 0, datetime(2019, 9, 2, 23, 59, 59, tzinfo=UTC)),
        ),
        (
            "-rw-r--r-- 1 u g 5 Feb 29 10:00 leap.csv",
            Entry("leap.csv", 5, datetime(2024, 2, 29, 10, 0, 59, tzinfo=UTC)),
        ),
        (
            "-rw-r--r-- 1 u g 5 2026-02-03 04:05 i.csv",
            Entry("i.csv", 5, datetime(2026, 2, 3, 4, 5, 59, tzinfo=UTC)),
        ),
        (
            "02-03-26  12:05AM               1,024 dos.csv",
            Entry("dos.csv", 1024, datetime(2026, 2, 3, 0, 5, 59, tzinfo=UTC)),
        ),
        ("02-03-2026  04:05PM  7 pm.csv", Entry("pm.csv", 7, datetime(2026, 2, 3, 16, 5, 59, tzinfo=UTC))),
        ("02-03-26  04:05PM       <DIR>          orders", None),
        ("drwxr-xr-x 2 u g 4096 Mar  1 11:58 orders", None),
        ("lrwxrwxrwx 1 u g 8 Mar  1 11:58 x.csv -> /etc/passwd", None),
        ("-rw-r--r-- 1 u g 8 Mar  1 11:58 ../x.csv", None),
        ("-rw-r--r-- 1 u g 8 Xyz  1 11:58 x.csv", None),
        ("-rw-r--r-- 1 u g 8 Feb 30 11:58 x.csv", None),
        ("total 17", None),
    ],
)
def test_lines_of_list(line: str, entry: Entry | None) -> None:
    assert list(listed([line], NOW)) == ([entry] if entry else [])


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("type=file;size=5;modify=20260301115800; a b.csv", Entry("a b.csv", 5, NOW - timedelta(minutes=2))),
        (" Type=file;Size=5;Modify=20260301115800.5; /in/x.csv", Entry("x.csv", 5, NOW - timedelta(seconds=119.5))),
        ("type=dir;modify=20260301115800; orders", None),
        ("type=OS.unix=symlink;size=5;modify=20260301115800; x.csv", None),
        ("type=file;modify=20260301115800; x.csv", None),
        ("type=file;size=5;modify=20261301115800; x.csv", None),
        ("type=file;size=5;modify=20260301115800; ..", None),
        ("nothing", None),
    ],
)
def test_lines_of_mlsd(line: str, entry: Entry | None) -> None:
    assert machine_entry(line) == entry


@pytest.mark.parametrize("line", ["-rw-r--r-- 1 " + "1" * 300_000, "-rw-r--r-- 1 1" + " " * 300_000 + "x"])
def test_a_line_made_to_keep_us_busy_is_passed_over(line: str) -> None:
    assert list(listed([line], NOW)) == []


@pytest.mark.parametrize("machine", [True, False], ids=["MLSD", "LIST"])
def test_a_letter_that_ends_lines_elsewhere_is_part_of_a_name(machine: bool) -> None:
    """Bytes of "Å" in UTF-8 are such letters where a server does not tell its encoding."""
    server = FtpServer(machine_lists=machine).start()
    try:
        for name in ("a\u0085b.csv", "c\u2028d.csv"):
            (server.files / name).write_text("1")
        found = opened(server)
        assert sorted(entry.name for entry in found.entries("")) == ["a\u0085b.csv", "c\u2028d.csv"]
        assert found.read("a\u0085b.csv") == b"1" and found.stat("c\u2028d.csv") is not None
    finally:
        server.close()


@pytest.mark.parametrize("times", [True, False], ids=["MDTM", "a probe"])
def test_a_listing_in_another_zone_tells_our_time(times: bool) -> None:
    """Without its zone a file from seven and a half hours ahead would be left alone for as long."""
    server = FtpServer(machine_lists=False, files_as=FarFiles, times=times).start()
    try:
        path = server.files / "x.csv"
        path.write_text("1")
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        found = opened(server)
        (entry,) = found.entries("")
        assert written <= entry.modified < written + timedelta(minutes=1)
        assert found.stat("x.csv") == entry
        os.utime(path, (path.stat().st_mtime - 300,) * 2)
        assert found.entries("")[0].modified == entry.modified - timedelta(minutes=5)
        assert [p.name for p in server.files.iterdir()] == ["x.csv"]
    finally:
        server.close()


def test_a_file_never_looks_older_than_it_is() -> None:
    server = FtpServer(machine_lists=False, files_as=DosFiles).start()
    try:
        path = server.files / "x.csv"
        path.write_text("1")
        at = NOW.timestamp() + 30
        os.utime(path, (at, at))
        with clock.frozen(NOW + timedelta(minutes=10)):
            (entry,) = opened(server).entries("")
        assert entry.modified == NOW + timedelta(seconds=59)
    finally:
        server.close()


# ── trouble ──


def test_what_may_not_be_is_told_from_what_is_not_there(plain: FtpServer) -> None:
    there = opened(plain)
    there.write("mine.csv", b"1")
    rights = plain.handler.authorizer.user_table[plain.user]
    before, rights["perm"] = rights["perm"], "elr"
    try:
        for call in (lambda: there.write("new.csv", b""), lambda: there.remove("mine.csv"), lambda: there.make("dir")):
            with pytest.raises(NotAllowed):
                call()
        with pytest.raises(Missing):
            there.read("none.csv")
    finally:
        rights["perm"] = before
        there.remove("mine.csv")


@pytest.mark.parametrize("kind", ["plain", "secure"])
def test_a_break_while_changing_leaves_the_outcome_unknown(kind: str, request: pytest.FixtureRequest) -> None:
    server: FtpServer = request.getfixturevalue(kind)
    there = opened(server)
    there.write("x.csv", b"1")
    server.cut()
    with pytest.raises(OutcomeUnknown):
        there.rename("x.csv", "y.csv")
    there.rename("x.csv", "y.csv")
    server.cut()
    with pytest.raises(ConnectionFailed):
        there.read("y.csv")
    assert there.read("y.csv") == b"1" and there.remove("y.csv")


def test_a_break_in_the_middle_of_an_upload(plain: FtpServer) -> None:
    there = opened(plain)
    there.entries("")

    class Slow:
        pieces = 0

        def read(self, size: int) -> bytes:
            self.pieces += 1
            if self.pieces == 20:
                plain.cut()
            return b"x" * size if self.pieces < 200 else b""

    with pytest.raises(OutcomeUnknown):
        there.write(".half.tmp", Slow())
    assert there.remove(".half.tmp") is True


def test_an_idle_connection_that_broke_is_replaced(plain: FtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    there = opened(plain)
    there.write("before.csv", b"1")
    plain.cut()
    monkeypatch.setattr(ftp, "IDLE", 0.0)
    there.write("after.csv", b"2")
    assert there.remove("before.csv") and there.remove("after.csv")


def test_a_full_disk_is_tried_again() -> None:
    script = Script({"PASV": "452 Insufficient storage space"})
    with pytest.raises(Transient) as caught:
        script.folder().write("x.csv", b"1")
    assert caught.value.code == "no_space"


def test_the_journal_names_the_server_and_no_secret(secure: FtpServer) -> None:
    notes: list[Any] = []
    there = open_folder(secure.values(), guard=Guard(["127.0.0.1"]), journal=notes.append)
    there.write("x.tmp", b"cust_ref\r\n1\r\n")
    there.remove("x.tmp")
    assert [(n.method, n.url) for n in notes] == [
        ("WRITE", f"ftps://127.0.0.1:{secure.port}/x.tmp"),
        ("REMOVE", f"ftps://127.0.0.1:{secure.port}/x.tmp"),
    ]
    assert secure.password not in f"{notes} {there!r}"
