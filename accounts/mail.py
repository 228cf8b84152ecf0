"""Mails to a person: written as rows with what they are about, sent afterwards by a task.

A mail server that is away loses nothing: the row waits and is tried again, with longer and longer pauses.
A row is claimed with a lease before it is sent, so two senders never send one mail; a sender that dies
between sending and recording costs one repetition, with the same Message-ID.
"""

import json
import logging
import re
import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection, transaction
from django.template.loader import render_to_string

from accounts.models import Mail
from integration_manager.kit import clock
from integration_manager.kit.fields import revealed

log = logging.getLogger(__name__)

# Pauses between tries, the last one again and again until GIVE_UP has passed.
PAUSES = [timedelta(seconds=s) for s in (10, 30, 60, 180, 600, 1800, 3600)]
GIVE_UP = timedelta(hours=12)
LEASE = timedelta(minutes=2)  # longer than one conversation with a slow server may take
AT_ONCE = 50
FORMS = ("subject.txt", "txt", "html")

# What a permanent answer is about (RFC 3463), where the server says so.
SAYS_WHAT = re.compile(r"5\.\d+\.\d+\b")
NO_MAILBOX = re.compile(r"5\.1\.(?![78]\b)\d+\b|5\.2\.1\b")  # 5.1.7 and 5.1.8 are about the sender's address
ABOUT_US = re.compile(r"5\.[47]\.\d+\b")  # its network and its policy: quota, relaying, blocklists
# The same in the words of servers that do not say it so; an address among them may be called anything.
US = re.compile(
    r"relay|sender|black|block|spam|quota|limit|polic|reputation|not permitted|denied|verif|prohibit|authenti|\bhelo\b",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"\S+@\S+")


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes the mails of a kind, of an app above this one, at the moment when they are sent.

    `write` gives what the templates mail/<kind>.subject.txt, .txt and .html say, as JSON could, or None where
    nothing is left to say; it changes the mail's `to` where its reader has another address by now. With `unsubscribe`
    in it, an address of ours, mail programs offer that. `refused` is told what the mail server said where it takes no
    mail for this address; `given_up` is told of a mail that could not be sent for so long that it is tried no more.
    """

    write: Callable[[Mail], dict[str, Any] | None]
    refused: Callable[[Mail, str], None]
    given_up: Callable[[Mail], None]


WRITERS: dict[str, Writer] = {}
WRITTEN = "written"  # in the context of such a mail: how it was when it was due and nobody could send it


def queue(
    kind: str,
    to: str,
    context: Mapping[str, Any],
    *,
    lives: timedelta | None = None,
    send_at: datetime | None = None,
) -> Mail:
    """Writes a mail of templates/mail/<kind>.html; it is sent as soon as this transaction is committed.

    `context`: what the template says besides `to`; kept encrypted until it is sent. `lives`: how long
    the mail's link works: a mail that is older is not sent any more. `send_at`: not before that.
    """
    now = clock.now()
    mail = Mail.objects.create(
        kind=kind, to=to, context=dict(context), created_at=send_at or now,
        retry_at=send_at or now, expires_at=now + lives if lives else None,
    )  # fmt: skip
    transaction.on_commit(_hint)
    return mail


def link(path: str) -> str:
    """The address of a page of ours, for a mail: never made from a request, whose Host anybody can write."""
    return settings.IM_BASE_URL.rstrip("/") + path


def possible() -> bool:
    """Whether there is a mail server (EMAIL_URL). Without one mails wait; the demo shows them (accounts/outbox.py)."""
    return bool(settings.EMAIL_URL)


def send_due(now: datetime) -> int:
    """Sends what is due, at most AT_ONCE. Returns how many the mail server took."""
    _drop_expired(now)
    if not possible():
        _keep_written(now)
        return 0
    sent = 0
    server = get_connection()
    try:
        for _ in range(AT_ONCE):
            mail = _claim(now)
            if mail is None:
                break
            if WRITTEN in mail.context:  # it says what was so then; what still is goes with the next one
                WRITERS[mail.kind].given_up(mail)
                _done(mail, problem="there was no mail server when it was due")
                continue
            try:
                made = message(mail)
                if made is None:
                    _done(mail, problem="nothing was left to say")
                    continue
                server.open()
                server.send_messages([made])
            except (OSError, smtplib.SMTPException) as error:
                if not _failed(mail, error, now):
                    break  # the server, not this mail: the others would wait for the same
            else:
                sent += 1
                _done(mail, sent_at=clock.now())
    finally:
        server.close()
    return sent


def message(mail: Mail) -> EmailMultiAlternatives | None:
    """The mail as it goes out, text and HTML; None where nothing is left to say."""
    context: dict[str, Any] = {name: revealed(value) for name, value in mail.context.items()}
    templates = dict.fromkeys(FORMS, f"mail/{mail.kind}.html")
    if mail.kind in WRITERS:
        written = json.loads(context[WRITTEN]) if WRITTEN in context else WRITERS[mail.kind].write(mail)
        if written is None:
            return None
        context, templates = written, {form: f"mail/{mail.kind}.{form}" for form in FORMS}
    context = {"to": mail.to, "base_url": settings.IM_BASE_URL} | context
    subject, text, html = (render_to_string(templates[form], context | {"base": f"mail/base.{form}"}) for form in FORMS)
    made = EmailMultiAlternatives(" ".join(subject.split()), _tidy(text), settings.DEFAULT_FROM_EMAIL, [mail.to])
    made.attach_alternative(html, "text/html")
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    # The same in every try, so that a repetition can be told from another mail; and no robot answers.
    made.extra_headers = {"Message-ID": f"<{mail.key}@{domain}>", "Auto-Submitted": "auto-generated"}
    if "unsubscribe" in context:  # one press in the mail program, without opening a page (RFC 8058)
        made.extra_headers["List-Unsubscribe"] = f"<{context['unsubscribe']}>"
        made.extra_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return made


def _keep_written(now: datetime) -> None:
    """Without a mail server what is due is written all the same, so that the demo's mailbox shows it as it was."""
    for mail in Mail.objects.filter(kind__in=WRITERS, retry_at__lte=now, tries=0)[:AT_ONCE]:
        written = WRITERS[mail.kind].write(mail)
        if written is None:
            _done(mail, problem="nothing was left to say")
        else:
            mail.context = {**mail.context, WRITTEN: json.dumps(written)}
            mail.tries = 1
            mail.save(update_fields=["context", "tries"])


def _hint() -> None:
    from accounts.jobs import hint

    hint()


def _tidy(text: str) -> str:
    """Paragraphs with one blank line between them."""
    paragraphs = "\n".join(line.strip() for line in text.splitlines()).split("\n\n")
    return "\n\n".join(part.strip() for part in paragraphs if part.strip()) + "\n"


def _claim(now: datetime) -> Mail | None:
    """The next mail that nobody else is sending. Leases go by PostgreSQL's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_mail SET tries = tries + 1, lease_until = now() + make_interval(secs => %s) WHERE id = ("
            " SELECT id FROM accounts_mail WHERE retry_at <= %s AND (lease_until IS NULL OR lease_until < now())"
            # Somebody who signs in waits for none of the many that tell of alerts.
            " ORDER BY kind = ANY(%s), retry_at, id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id",
            [LEASE.total_seconds(), now, list(WRITERS)],
        )
        row = cursor.fetchone()
    return Mail.objects.get(pk=row[0]) if row else None


def _failed(mail: Mail, error: Exception, now: datetime) -> bool:
    """Records it. True where the server may take others."""
    code, said = _answer(error)
    log.warning("mail %s (%s): %s %s", mail.key, mail.kind, code or type(error).__name__, said)
    over = now - mail.created_at > GIVE_UP
    # Who gives no reason at all is believed once that has lasted.
    refused = _refused(error, code, said) and (over or bool(said.strip()))
    if mail.kind in WRITERS and refused and isinstance(error, smtplib.SMTPRecipientsRefused):
        WRITERS[mail.kind].refused(mail, f"{code} {said}".strip()[:200])
    elif mail.kind in WRITERS and (refused or over):
        WRITERS[mail.kind].given_up(mail)
    if refused or over:
        _done(mail, problem=f"{code} {said}"[:200] if code else said[:200])
    else:
        pause = PAUSES[min(mail.tries, len(PAUSES)) - 1]
        _mine(mail).update(retry_at=now + pause, lease_until=None, problem=f"{code or ''} {said}".strip()[:200])
    return refused or isinstance(error, smtplib.SMTPRecipientsRefused)


def _refused(error: Exception, code: int, said: str) -> bool:
    """Whether it never takes this mail: there is no such mailbox, or it does not want what the mail says.

    All else is between the server and us, whatever its code, and passes once somebody has seen to it.
    """
    about_us = ABOUT_US.match(said) if SAYS_WHAT.match(said) else US.search(ADDRESS.sub("", said))
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return bool(NO_MAILBOX.match(said)) if SAYS_WHAT.match(said) else code in (550, 551, 553) and not about_us
    return isinstance(error, smtplib.SMTPDataError) and code >= 500 and not about_us


def _answer(error: Exception) -> tuple[int, str]:
    """(SMTP code or 0, what was said)."""
    said: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused) and error.recipients:
        code, said = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPSenderRefused):
        code, said = error.smtp_code, error.smtp_error
    else:
        return 0, f"{type(error).__name__}: {error}"
    return int(code), said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _done(mail: Mail, **fields: Any) -> None:
    """Sent or given up: what it said is blanked, links included."""
    _mine(mail).update(retry_at=None, lease_until=None, context="", **({"problem": ""} | fields))


def _mine(mail: Mail) -> Any:
    return Mail.objects.filter(pk=mail.pk, tries=mail.tries)


def _drop_expired(now: datetime) -> None:
    late = Mail.objects.filter(retry_at__isnull=False, expires_at__lte=now)
    late.update(retry_at=None, context="", problem="not sent while its link worked")
