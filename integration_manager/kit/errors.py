"""The error taxonomy, named after who acts next.

A connector raises one of these and nothing else; the engine decides what follows. `code` is stable
and for programs, `str(error)` is a sentence for a person, `said` is the other system's own words.
"""

from datetime import datetime


def storable(text: str, length: int | None = None) -> str:
    """Another system's text as any database can keep it: no NUL, no half characters, not too long."""
    return text[:length].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


class ConnectorError(Exception):
    """Base of all errors a connector may raise."""

    code = "error"

    def __init__(self, message: str = "", *, code: str | None = None, said: str = "") -> None:
        """`message`: a sentence for a person; `said`: the other system's own words, redacted."""
        super().__init__(storable(message, 2000) or type(self).__doc__ or self.code)
        if code:
            self.code = storable(code, 40)
        self.said = storable(said, 2000)


class Transient(ConnectorError):
    """The other system has a passing problem. The machine tries again by itself."""

    code = "remote_unavailable"

    def __init__(
        self,
        message: str = "",
        *,
        retry_at: datetime | None = None,
        code: str | None = None,
        said: str = "",
    ) -> None:
        super().__init__(message, code=code, said=said)
        self.retry_at = retry_at


class ConnectionFailed(Transient):
    """The other system could not be reached at all; nothing was sent."""

    code = "unreachable"


class BadAnswer(Transient):
    """The other system answered something that is not what its interface promises."""

    code = "bad_answer"


class RateLimited(Transient):
    """The other system asks us to slow down. This is a wait, not a failure."""

    code = "rate_limited"


class AuthFailed(ConnectorError):
    """The credentials are wrong or have expired. The person who owns the connection acts."""

    code = "auth_failed"


class AddressRefused(AuthFailed):
    """The address leads into a private network, where requests on a user's word may not go."""

    code = "address_refused"


class NeedsHuman(ConnectorError):
    """A person has to change something before this record can go on."""

    code = "needs_human"

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "needs_human",
        field: str = "",
        fix: str = "",
        said: str = "",
    ) -> None:
        """`field`: what is wrong, in our order's names; `fix`: what to do about it, in plain words."""
        super().__init__(message, code=code, said=said)
        self.field = field
        self.fix = fix


# As the code of a Permanent or a NeedsHuman of a send: the order is on hold and sent again every night.
OUT_OF_STOCK = "out_of_stock"


class Permanent(ConnectorError):
    """The other side refuses this record; trying it again unchanged is of no use."""

    code = "refused"


class AlreadyDone(ConnectorError):
    """The other side says that it has this already. The engine looks before it believes it."""

    code = "already_done"

    def __init__(self, remote_id: str = "", message: str = "", *, said: str = "") -> None:
        super().__init__(message, said=said)
        self.remote_id = storable(remote_id, 100)


class OutcomeUnknown(ConnectorError):
    """The request was sent and no answer came: it may or may not have been carried out."""

    code = "outcome_unknown"


class Unmappable(ConnectorError):
    """The other side's order cannot be expressed as ours. The only error of `to_order`."""

    code = "unmappable"

    def __init__(self, field: str, why: str) -> None:
        """`field`: the source's field; `why`: what is wrong with it, in plain words."""
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why
