"""Which mails of a mailbox bring files for a connection: by their sender, and by words of their subject."""

import re
from dataclasses import dataclass
from email.utils import getaddresses

from imap_tools.message import MailMessage

from integration_manager.kit.errors import AuthFailed
from integration_manager.kit.mail_out import is_address

TABLES = (".csv", ".txt", ".tsv")
LARGEST_MAIL = 28 * 1024 * 1024  # bytes, as it is sent: a file of 20 MB, which most mail servers let through
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which mails are meant. Case plays no part."""

    senders: tuple[str, ...]  # addresses, or @domain, in lower case
    words: tuple[str, ...] = ()  # all of them have to be in the subject
    not_words: tuple[str, ...] = ()  # of other kinds of file: none of them may be
    names: tuple[str, ...] = ()  # of a merchant: all of them have to be in the subject, as whole words

    def why_not(self, mail: MailMessage) -> str:
        """Why a mail is not meant: OTHER where its subject says that it is for somebody else; "" if it is meant."""
        senders = getaddresses([str(value) for value in mail.obj.get_all("From", [])])
        subject = mail.subject.casefold()
        if any(word.casefold() not in subject for word in self.words) or not self._named(subject):
            return OTHER
        if len(senders) != 1:
            return "it has not exactly one sender"
        address = senders[0][1].lower()
        domain = "@" + address.rpartition("@")[2]
        if address not in self.senders and domain not in self.senders:
            return f"{address[:100] or 'its sender'} is no allowed sender"
        if any(word.casefold() in subject for word in self.not_words):
            return "its subject fits two kinds of file"
        if mail.size_rfc822 > LARGEST_MAIL:
            return f"it is larger than {LARGEST_MAIL // (1024 * 1024)} MB"
        return ""

    def _named(self, subject: str) -> bool:
        """Whether the names stand in a subject as whole words: ACME2 is another merchant than ACME."""
        names = (re.escape(name.casefold()) for name in self.names)
        return all(re.search(rf"(?<![^\W_]){name}(?![^\W_])", subject) for name in names)

    def search(self) -> str:
        """What a server is to look for: the senders, and what it can understand of the subject."""
        senders = [f'FROM "{sender}"' for sender in self.senders]
        wanted = senders[-1] if senders else "NOT ALL"
        for sender in senders[:-1]:
            wanted = f"OR {sender} {wanted}"
        words = [
            word
            for word in (*self.words, *self.names)
            if word.isascii() and word.isprintable() and not set(word) & set('"\\\\')
        ]
        return " ".join([f"({wanted})", *(f'SUBJECT "{word}"' for word in words)])


def senders_of(text: str) -> tuple[str, ...]:
    """Allowed senders as a person enters them. Raises AuthFailed for what is neither address nor @domain."""
    found = [part.lower() for part in re.split(r"[,;\s]+", text) if part]
    for part in found:
        if not is_address(f"x{part}" if part.startswith("@") else part):
            raise AuthFailed(f"{part[:100]!r} is neither an e-mail address nor @ and a domain.", code="bad_address")
    return tuple(dict.fromkeys(found))


def shown(mail: MailMessage) -> str:
    """A mail as a person would name it."""
    subject = " ".join(mail.subject.split())[:80]
    return f"The mail “{subject}”" if subject.isprintable() and subject else "A mail"
