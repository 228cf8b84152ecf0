"""Files by e-mail: out by a real SMTP server with its accidents, in from a real mailbox."""

import contextlib
import imaplib
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from carts.systems.csv_cart import CsvCart
from integration_manager.kit import imap_link
from integration_manager.kit.certificates import CertificateChanged, CertificateUnknown
from integration_manager.kit.connector import Connector
from integration_manager.kit.disk import LocalFolder
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import (
    AddressRefused,
    AuthFailed,
    ConnectionFailed,
    OutcomeUnknown,
    Permanent,
    Transient,
)
from integration_manager.kit.folder import open_folder
from integration_manager.kit.mail_out import LARGEST, Sender, Server
from tests.mail_servers import MailboxServer, SmtpServer, mail, why_not
from wms.systems.csv_wms import CsvWms

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
HEAD = (
    "Cust-ref,Ship code,Company,first-name,last-name,address-1,address-2,city,state,zip,country,phone,E-mail,"
    "Order-date,Item,Quantity\r\n"
)


def row(number: str, quantity: str = "1") -> str:
    return f"{number},GROUND,,Ada,Okafor,12 Mill Lane,,Portland,OR,97201,US,,,03/01/26,MUG,{quantity}\r\n"


@pytest.fixture(scope="module")
def dovecot() -> Iterator[MailboxServer]:
    if why_not():
        pytest.skip(why_not())
    server = MailboxServer().start()
    yield server
    server.close()


@pytest.fixture
def box(dovecot: MailboxServer) -> MailboxServer:
    dovecot.clear()
    return dovecot


@pytest.fixture(scope="module", params=["starttls", "tls"])
def secure(request: pytest.FixtureRequest) -> Iterator[SmtpServer]:
    server = SmtpServer(request.param).start()
    yield server
    server.close()


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    server = SmtpServer().start()
    yield server
    server.close()


def connected(system: type[Connector], values: dict[str, str], **more: Any) -> Any:
    folder = open_folder(values, guard=Guard(["127.0.0.1"]), timeout=10, **more)
    return system(values, folder=folder)


def send(system: Any, name: str = "orders-1.csv", data: bytes = b"a,b\r\n1,2\r\n", key: str = "file1") -> list[str]:
    steps: list[str] = []
    system.post("orders", name, data, key, AT, lambda: steps.append("sending"))
    return steps


# ── out ──


def test_a_file_goes_out_as_one_mail_to_all(secure: SmtpServer) -> None:
    wms = connected(CsvWms, secure.values(mail_subject="{merchant}: {kind} of {date} ({file})"), merchant="Paper & Co")
    wms.check()
    assert secure.taken == []
    content = "sku,née\r\n.\r\n..x\r\n".encode() + b"\xff\x00"
    assert send(wms, data=content) == ["sending"]
    (message,) = secure.taken
    assert secure.files() == [("orders-1.csv", content)]
    assert secure.envelopes == [("shop@example.com", ["orders@warehouse.example", "office@warehouse.example"])]
    assert message["Subject"] == "Paper & Co: orders of 2026-03-02 (orders-1.csv)"
    assert message["Message-ID"] == "<file1@example.com>" and message["From"] == "Shop <shop@example.com>"
    secure.taken.clear()
    secure.envelopes.clear()


def test_the_installations_mail_server_is_used_by_default() -> None:
    server = SmtpServer("").start()
    try:
        own = Server("127.0.0.1", server.port, "Integration Manager <im@example.org>", security="")
        # The operator's server stands where the guard lets nobody else go.
        values = {"place": "email", "mail_to": "a@example.com"}
        wms = CsvWms(values, folder=open_folder(values, guard=Guard(), mail_server=own))
        wms.check()
        send(wms)
        assert server.taken[0]["From"] == "Integration Manager <im@example.org>"
    finally:
        server.close()
    with pytest.raises(AuthFailed, match="no mail server"):
        connected(CsvWms, {"place": "email", "mail_to": "a@example.com"}).check()


def test_a_product_list_that_somebody_uploads_is_read_where_mails_bring_none(tmp_path: Path) -> None:
    wms = connected(CsvWms, {"place": "email", "mail_to": "a@example.com"})
    wms.uploads = LocalFolder(str(tmp_path))
    there = tmp_path / "uploads/catalog/in"
    there.mkdir(parents=True)
    (there / "list.csv").write_text("sku,name\r\nMUG,Mug\r\n")
    assert [one.name for page in wms.products(None) for one in page.rows] == ["Mug"]


@pytest.mark.parametrize(
    ("accident", "error", "steps"),
    [
        ("before", ConnectionFailed, []),
        ("unread", OutcomeUnknown, ["sending"]),
        ("taken", OutcomeUnknown, ["sending"]),
        ("busy", Transient, ["sending"]),
        ("refused", Permanent, ["sending"]),
    ],
)
def test_what_breaks_before_the_last_step_is_certain(
    smtp: SmtpServer, accident: str, error: type[Exception], steps: list[str]
) -> None:
    wms = connected(CsvWms, smtp.values())
    smtp.accident = accident
    seen: list[str] = []
    with pytest.raises(error) as caught:
        # Large enough that the connection's buffers do not hold it: the break is felt while it is sent.
        wms.post(
            "orders",
            "x.csv",
            b"x" * (6_000_000 if accident == "before" else 10),
            "k",
            AT,
            lambda: seen.append("sending"),
        )
    assert type(caught.value) is error and seen == steps
    assert len(smtp.taken) == (accident == "taken")


class Gibberish:
    """A mail server that answers as told to each command, and to the end of a mail."""

    def __init__(self, **answers: bytes) -> None:
        self.answers = {"helo": b"250 hi", "data": b"354 go on", "end": b"250 taken"} | answers
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.talk, daemon=True).start()

    def talk(self) -> None:
        conn, _ = self.listener.accept()
        with conn, conn.makefile("rb") as lines, contextlib.suppress(OSError):
            conn.sendall(b"220 here\r\n")
            in_mail = False
            for line in lines:
                verb = line[:4].decode().strip().lower()
                if in_mail and line != b".\r\n":
                    continue
                name = "end" if in_mail else {"ehlo": "helo"}.get(verb, verb)
                in_mail = verb == "data"
                conn.sendall(self.answers.get(name, b"250 fine") + b"\r\n")

    def sender(self) -> Sender:
        server = Server("127.0.0.1", self.listener.getsockname()[1], "shop@example.com", security="")
        return Sender(server, to="a@example.com", subject="x", guard=Guard(["127.0.0.1"]), timeout=10)


@pytest.mark.parametrize("answer", [b"what?", b"354 more", b"999 x", b""])
def test_an_answer_that_says_neither_yes_nor_no_leaves_it_unknown(answer: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        Gibberish(end=answer).sender().send("orders", "x.csv", b"1", "k", AT, lambda: None)


def test_an_answer_without_end_is_given_up() -> None:
    sender = Gibberish(helo=b"250-more\r\n" * 100_000 + b"250 done").sender()
    with pytest.raises(ConnectionFailed):
        sender.send("orders", "x.csv", b"1", "k", AT, lambda: None)


def test_a_senders_name_may_have_a_comma(smtp: SmtpServer) -> None:
    send(connected(CsvWms, smtp.values(smtp_from='"Finch, Alder & Co" <shop@example.com>')))
    (address,) = getaddresses([smtp.taken[0]["From"]])
    assert address == ("Finch, Alder & Co", "shop@example.com")


def test_all_recipients_get_it_or_none(smtp: SmtpServer) -> None:
    smtp.refused = {"office@warehouse.example"}
    with pytest.raises(Permanent, match="office@"):
        send(connected(CsvWms, smtp.values()))
    assert smtp.taken == []


def test_wrong_settings_are_said_before_anything_is_sent(smtp: SmtpServer) -> None:
    for changes, code in (
        ({"smtp_password": "wrong"}, "auth_failed"),
        ({"mail_to": ""}, "no_recipients"),
        ({"mail_to": "nobody"}, "bad_address"),
        ({"mail_to": "a@example.com\r\nBcc: b@example.com>"}, "bad_address"),
        ({"mail_to": ",".join(f"a{n}@example.com" for n in range(21))}, "bad_address"),
        ({"smtp_from": "nobody"}, "bad_address"),
        ({"mail_subject": "{secret}"}, "auth_failed"),
        ({"smtp_security": "none"}, "bad_place"),
        ({"smtp_host": ""}, "no_mail_server"),
    ):
        with pytest.raises(AuthFailed) as caught:
            connected(CsvWms, smtp.values(**changes)).check()
        assert caught.value.code == code and "wrong" not in str(caught.value), changes
    with pytest.raises(Permanent):
        send(connected(CsvWms, smtp.values()), data=b"x" * (LARGEST + 1))
    assert smtp.taken == []


def test_a_self_made_certificate_is_shown_and_nothing_sent(secure: SmtpServer) -> None:
    with pytest.raises(CertificateUnknown) as caught:
        connected(CsvWms, secure.values(smtp_certificate="")).check()
    assert caught.value.fingerprint == secure.certificate
    other = secure.certificate[:-2] + ("00" if secure.certificate[-2:] != "00" else "11")
    with pytest.raises(CertificateChanged):
        connected(CsvWms, secure.values(smtp_certificate=other)).check()


def test_a_server_without_encryption_gets_no_password() -> None:
    server = SmtpServer("").start()
    try:
        for security in ("starttls", "tls"):
            with pytest.raises(ConnectionFailed, match="TLS"):
                connected(CsvWms, server.values(smtp_security=security)).check()
    finally:
        server.close()


def test_private_addresses_are_refused(smtp: SmtpServer) -> None:
    values = smtp.values(imap_host="127.0.0.1", imap_user="x", mail_senders="a@example.com")
    wms = CsvWms(values, folder=open_folder(values, guard=Guard(), timeout=5))
    with pytest.raises(AddressRefused):
        wms.check()
    with pytest.raises(AddressRefused):
        wms.folder.entries("INBOX")


# ── in ──


def run(pages: Any) -> tuple[list[Any], list[Any], list[str]]:
    """What the engine does with pages: rows, rejects and notes."""
    rows, rejects, notes = list[Any](), list[Any](), list[str]()
    for page in pages:
        rows += page.rows
        rejects += page.rejects
        notes += page.notes or []
        if page.done:
            page.done()
    return rows, rejects, notes


def numbers(rows: list[Any]) -> list[str]:
    return [raw["rows"][0]["cust_ref"] for raw in rows]


def test_the_mailbox_is_checked_and_its_folders_made(box: MailboxServer) -> None:
    for security, port in (("tls", box.port), ("starttls", box.plain)):
        connected(CsvCart, box.values(imap_security=security, imap_port=str(port))).check()
    with box.box() as client:
        names = b" ".join(line for line in client.list()[1] if isinstance(line, bytes))
    assert b"archive" in names and b"errors" in names
    for changes, code in (
        ({"imap_password": "wrong"}, "auth_failed"),
        ({"imap_user": ""}, "incomplete"),
        ({"imap_host": ""}, "incomplete"),
        ({"mail_senders": ""}, "incomplete"),
        ({"mail_senders": "everybody"}, "bad_address"),
        ({"archive_dir": "inbox"}, "same_directory"),
        ({"imap_security": "none"}, "bad_place"),
    ):
        with pytest.raises(AuthFailed) as caught:
            connected(CsvCart, box.values(**changes)).check()
        assert caught.value.code == code, changes


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_mailbox_with_a_self_made_certificate_is_shown(box: MailboxServer, security: str) -> None:
    port = str(box.port if security == "tls" else box.plain)
    with pytest.raises(CertificateUnknown) as caught:
        connected(CsvCart, box.values(imap_certificate="", imap_security=security, imap_port=port)).check()
    assert caught.value.fingerprint == box.certificate


def test_attachments_of_allowed_senders_are_orders(box: MailboxServer) -> None:
    box.deliver(mail("Orders", {"monday.csv": HEAD + row("1"), "logo.png": b"\x89PNG", "more.TXT": HEAD + row("2")}))
    box.deliver(mail("Orders", {"x.csv": HEAD + row("3")}, sender='"shop@example.com" <eve@evil.example>'))
    box.deliver(mail("Orders", {"x.csv": HEAD + row("4")}, sender="Hall <out@WAREHOUSE.example>"))
    box.deliver(mail("Orders", {"x.csv": HEAD + row("5")}, sender="eve@notwarehouse.example"))
    box.deliver(mail("Orders", {}, body="5 mugs please"))
    cart = connected(CsvCart, box.values())
    rows, rejects, notes = run(cart.orders(SINCE))
    assert sorted(numbers(rows)) == ["1", "2", "4"] and rejects == []
    assert sorted(notes) == [
        "The mail “Orders”: eve@evil.example is no allowed sender",
        "The mail “Orders”: eve@notwarehouse.example is no allowed sender",
        "The mail “Orders”: it has no file attached that ends in .csv, .txt, .tsv",
    ]
    assert len(box.mails()) == 3 and len(box.mails("archive")) == 2
    assert run(cart.orders(SINCE))[0] == []


@pytest.mark.parametrize(("after", "left"), [("delete", 0), ("mark", 1)])
def test_a_mail_that_was_read_is_deleted_or_marked(box: MailboxServer, after: str, left: int) -> None:
    box.deliver(mail("Orders", {"a.csv": HEAD + row("1"), "b.csv": HEAD + row("2")}))
    cart = connected(CsvCart, box.values(mail_after=after))
    cart.check()
    assert numbers(run(cart.orders(SINCE))[0]) == ["1", "2"]
    assert len(box.mails()) == left and box.mails("archive") == []
    assert run(connected(CsvCart, box.values(mail_after=after)).orders(SINCE))[0] == []


def test_only_what_a_person_deleted_stays_theirs(box: MailboxServer) -> None:
    box.deliver(mail("Private", {}, sender="friend@example.net"))
    box.deliver(mail("Orders", {"a.csv": HEAD + row("1")}))
    with box.box() as client:
        client.select("INBOX")
        client.store("1", "+FLAGS", r"(\Deleted)")
    run(connected(CsvCart, box.values(mail_after="delete")).orders(SINCE))
    assert [message["Subject"] for message in box.mails()] == ["Private"]


def test_rows_and_files_with_errors_are_kept_in_the_mailbox(box: MailboxServer) -> None:
    box.deliver(mail("Orders", {"a.csv": HEAD + row("1") + row("2", "many"), "b.csv": b"PK\x03\x04 and so on"}))
    rows, rejects, _ = run(connected(CsvCart, box.values()).orders(SINCE))
    assert numbers(rows) == ["1"] and len(rejects) == 2
    assert box.mails() == [] and box.mails("archive") == []
    kept = box.mails("errors")
    names = sorted(str(part.get_filename()) for m in kept for part in m.walk() if part.get_filename())
    assert sorted(name.split(" ")[-1].split(".")[0] for name in names) == ["a", "a", "b", "b"], names
    assert sum(".errors.csv" in name for name in names) == 1 and sum(".why.txt" in name for name in names) == 1


def test_a_mail_stays_until_all_its_files_are_stored(box: MailboxServer) -> None:
    """The worker dies between two attachments: the mail is read again, whole."""
    box.deliver(mail("Orders", {"a.csv": HEAD + row("1"), "b.csv": HEAD + row("2")}))
    pages = connected(CsvCart, box.values()).orders(SINCE)
    done = 0
    for page in pages:
        if page.done:
            page.done()
            done += 1
            break
    pages.close()
    assert done == 1 and len(box.mails()) == 1
    assert numbers(run(connected(CsvCart, box.values()).orders(SINCE))[0]) == ["1", "2"]
    assert box.mails() == []


def test_subjects_tell_the_kinds_and_the_merchants_apart(box: MailboxServer) -> None:
    confirmed = "cust_ref,carrier,ship_code,tracking,ship_date,item,qty\r\nA-1,UPS,GROUND,1Z1,2026-03-01,MUG,1\r\n"
    who = "out@warehouse.example"
    box.deliver(mail("ACME confirmation", {"c.csv": confirmed}, sender=who))
    box.deliver(mail("acme INVENTORY", {"i.csv": "sku,warehouse,qty\r\nMUG,,5\r\n"}, sender=who))
    box.deliver(mail("ACME confirmation and inventory", {"x.csv": confirmed}, sender=who))
    box.deliver(mail("OTHER confirmation", {"o.csv": confirmed}, sender=who))
    box.deliver(mail("confirmation for ACME2, Macmeister", {"p.csv": confirmed}, sender=who))
    wms = connected(CsvWms, box.values(client_dir="ACME", mail_to="a@example.com"))
    parcels, _, notes = run(wms.shipments(SINCE))
    assert [parcel.ref for parcel in parcels] == ["A-1"]
    assert notes == ["The mail “ACME confirmation and inventory”: its subject fits two kinds of file"]
    levels, _, _ = run(wms.stock(None))
    assert [level.sku for level in levels] == ["MUG"]
    assert len(box.mails()) == 3
    with pytest.raises(AuthFailed) as caught:
        connected(CsvWms, box.values(confirmations_subject="stock", inventory_subject="Stock list")).check()
    assert caught.value.code == "same_subject"


def test_a_warehouse_without_a_mailbox_sends_nothing_back(smtp: SmtpServer) -> None:
    wms = connected(CsvWms, smtp.values(client_dir="."))
    wms.check()
    assert run(wms.shipments(SINCE)) == ([], [], []) and run(wms.stock(None)) == ([], [], [])


def test_a_mailbox_that_breaks_off_is_tried_again(box: MailboxServer) -> None:
    box.deliver(mail("Orders", {"a.csv": HEAD + row("1")}))
    cart = connected(CsvCart, box.values())
    (page,) = [page for page in cart.orders(SINCE) if page.rows]
    box.stop()
    with pytest.raises(OutcomeUnknown):
        page.done()
    with pytest.raises(ConnectionFailed):
        cart.folder.entries("INBOX")
    box.start()
    assert numbers(run(cart.orders(SINCE))[0]) == ["1"]
    assert box.mails() == [] and len(box.mails("archive")) == 1


def test_the_time_of_a_file_is_its_mails(box: MailboxServer) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    box.deliver(mail("Orders", {"a.csv": HEAD}), at=at)
    (entry,) = connected(CsvCart, box.values()).folder.entries("INBOX")
    assert entry.modified == at and entry.size == len(HEAD)


def test_a_mailbox_that_talks_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_link, "LARGEST_ANSWER", 100_000)
    ours, theirs = socket.socketpair()

    def talk() -> None:
        with theirs, contextlib.suppress(OSError):
            said = theirs.makefile("rb")
            theirs.sendall(b"* OK hello\r\n")
            theirs.sendall(b"* CAPABILITY IMAP4rev1\r\n%s OK done\r\n" % said.readline().split()[0])
            said.readline()
            while True:  # each line is short, and there is no last one
                theirs.sendall(b"* 1 EXISTS\r\n" * 100)

    talker = threading.Thread(target=talk)
    talker.start()
    guard = SimpleNamespace(connect=lambda *given: ours)
    trust = SimpleNamespace(wrap=lambda sock: sock)
    client = imap_link._Client(imap_link.Account("mail.test", 993, "u", "p"), trust, guard, 30.0)  # type: ignore[arg-type]
    with pytest.raises(imaplib.IMAP4.abort, match="too long"):
        client.noop()
    client.shutdown()
    talker.join(30)
    assert not talker.is_alive()
