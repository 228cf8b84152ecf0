"""What the hosts of self-made shops put before and in place of their data.

PHP prints its notices before the JSON, editors leave a byte order mark, and a firewall, a maintenance
page or a password of the web server answers with a page for people, under whatever status it likes.
"""

import re
from typing import TYPE_CHECKING, TypeVar

from integration_manager.kit.answer import Answer, is_html, retry_at
from integration_manager.kit.errors import AuthFailed, BadAnswer, ConnectorError, OutcomeUnknown, Transient

if TYPE_CHECKING:
    from typing import Any

T = TypeVar("T")

# Where data may begin: where PHP's own words have ended. They end with a line, or with its mark-up.
_BEGIN = re.compile(r"(?:^|\n|<br ?/?>)[ \t\r\n]*(?=[{\[])")
_MOST = 50  # places tried


def told(answer: Answer, kind: type[T], member: str = "") -> T:
    """The answer's JSON, which has to be a `kind` (list, dict), freed of what a PHP server says before it.

    member: what an object has to have. Raises BadAnswer, or OutcomeUnknown where a request was accepted
    that must not be repeated.
    """
    value = _value(answer)
    if isinstance(value, kind) and (not member or (isinstance(value, dict) and value.get(member) is not None)):
        return value
    why = f"{answer.host} answered something else than was asked for."
    if not answer.sure and answer.status < 300:
        raise OutcomeUnknown(f"{why} It may have carried out the request all the same.", said=answer.said)
    raise BadAnswer(why, said=answer.said)


def _value(answer: Answer) -> "Any":
    try:
        return answer.json()
    except (BadAnswer, OutcomeUnknown):
        text = answer.text.lstrip("\ufeff \t\r\n")
        noise = not text.startswith(("{", "[")) or answer.text.startswith("\ufeff")
        # What begins like data and cannot be read was cut off: a piece of it must not pass for the whole.
        for found in list(_BEGIN.finditer(text))[:_MOST] if noise else ():
            rest = Answer(answer.method, answer.url, answer.status, {}, text[found.end() :].encode(), sure=answer.sure)
            try:
                return rest.json()
            except (BadAnswer, OutcomeUnknown):
                continue
        raise


def page_error(answer: Answer) -> ConnectorError | None:
    """What a page for people stands for where data was asked for; None where it is for others to say.

    A firewall blocks us, not the record: it is tried again, and the connection stays.
    """
    if answer.status < 400 or not is_html(answer.text):
        return None
    host = answer.host
    if answer.status == 401:
        return AuthFailed(f"The web server of {host} asks for a password of its own.", code="web_server_password")
    if answer.status == 404:
        return AuthFailed(f"{host} has no such interface at this address.", code="no_interface", said=answer.said)
    if answer.status in (403, 405, 406, 415, 418):
        return Transient(
            f"A firewall in front of {host} does not let us through ({answer.status}). Its owner or the "
            "hosting company has to allow our requests.",
            code="firewall",
            retry_at=retry_at(answer),
            said=answer.said,
        )
    if answer.status == 503:
        return Transient(
            f"{host} shows a page for people instead of answering (503): maintenance, or a firewall.",
            code="firewall",
            retry_at=retry_at(answer),
            said=answer.said,
        )
    return None
