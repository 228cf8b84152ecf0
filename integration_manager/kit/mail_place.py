"""Opens what the values of a connection by e-mail describe: a mailbox to read, and a way to send."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from integration_manager.kit.errors import AuthFailed
from integration_manager.kit.folder import Journal, port_of
from integration_manager.kit.imap_link import Account
from integration_manager.kit.mail_filter import Filter, senders_of
from integration_manager.kit.mail_out import Sender, Server
from integration_manager.kit.mailbox import Mailbox

if TYPE_CHECKING:
    from integration_manager.kit.egress import Guard

SMTP_PORTS = {"starttls": 587, "tls": 465}
IMAP_PORTS = {"starttls": 143, "tls": 993}


def open_mails(
    value: Mapping[str, Any],
    guard: "Guard | None",
    mail_server: Server | None,
    merchant: str,
    journal: Journal | None,
    timeout: float,
) -> Mailbox:
    """The mailbox of the values (see `kit.folder_places`), with its sender. Opens no connection yet.

    `mail_server`: the installation's own. Raises AuthFailed for values that cannot be used.
    """
    if guard is None:
        raise ValueError("a connection to a server needs an egress guard")
    own = value.get("mail_by") == "own"
    sender = Sender(
        _own_server(value) if own else mail_server,
        to=str(value.get("mail_to") or ""),
        subject=str(value.get("mail_subject") or "{kind} {file}"),
        merchant=merchant,
        guard=guard if own else None,
        journal=journal,
        timeout=timeout,
    )
    return Mailbox(
        _account(value),
        Filter(senders_of(str(value.get("mail_senders") or ""))),
        mark=value.get("mail_after") == "mark",
        errors=str(value.get("errors_dir") or "errors"),
        sender=sender,
        guard=guard,
        journal=journal,
        timeout=timeout,
    )


def _own_server(value: Mapping[str, Any]) -> Server:
    security = _one_of(value.get("smtp_security") or "starttls", SMTP_PORTS)
    return Server(
        host=str(value.get("smtp_host") or "").strip(),
        port=port_of(value.get("smtp_port"), SMTP_PORTS[security]),
        sender=str(value.get("smtp_from") or "").strip(),
        security=security,
        user=str(value.get("smtp_user") or "").strip(),
        password=str(value.get("smtp_password") or ""),
        certificate=str(value.get("smtp_certificate") or ""),
    )


def _account(value: Mapping[str, Any]) -> Account | None:
    host = str(value.get("imap_host") or "").strip()
    if not host:
        return None
    security = _one_of(value.get("imap_security") or "tls", IMAP_PORTS)
    return Account(
        host=host,
        port=port_of(value.get("imap_port"), IMAP_PORTS[security]),
        user=str(value.get("imap_user") or "").strip(),
        password=str(value.get("imap_password") or ""),
        security=security,
        certificate=str(value.get("imap_certificate") or ""),
    )


def _one_of(value: Any, known: Mapping[str, int]) -> str:
    if value not in known:  # never without encryption, whatever was stored
        raise AuthFailed(f"{value!r} is no kind of encryption.", code="bad_place")
    return str(value)
