"""A large mail does not take many times its size of memory."""

import tracemalloc
from email.message import EmailMessage

from integration_manager.kit.imap_link import Mail

ROWS = b"1001;Ada;Portland;MUG-BLUE;2\n" * 100_000


def test_a_mail_is_parsed_in_a_few_times_its_size() -> None:
    message = EmailMessage()
    message["Subject"] = "Orders"
    message.set_content("Attached.")
    message.add_attachment(ROWS, maintype="text", subtype="csv", filename="orders.csv")
    raw = message.as_bytes()
    tracemalloc.start()
    try:
        mail = Mail([(b"7 (UID 42 FLAGS (\\Seen) BODY[] {%d}" % len(raw), raw), b")"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(raw), f"{peak / len(raw):.1f} times its size"
    assert (mail.uid, mail.subject, mail.flags) == ("42", "Orders", ("\\Seen",))
    assert [(part.filename, part.payload) for part in mail.attachments] == [("orders.csv", ROWS)]
