"""GraphQL over HTTP: a connector's documents, its calls, and what the errors of answers with status 200 mean.

The documents stand in a file beside the connector, where each operation has a name:

    DOCUMENTS = documents(Path(__file__).with_suffix(".graphql"))

    def connect(self, http):
        self.graph = GraphQL(http, "/graphql.json", DOCUMENTS)

    def classify(self, answer):
        return error_of(answer, self.label)
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration_manager.kit import clock
from integration_manager.kit.errors import (
    AuthFailed,
    BadAnswer,
    ConnectionFailed,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    Transient,
)
from integration_manager.kit.reading import pick

if TYPE_CHECKING:
    from integration_manager.kit.transport import Answer, Http

_PART = re.compile(r"^(query|mutation|fragment) (\w+)", re.M)
_USED = re.compile(r"\.\.\.\s*(?!on\b)(\w+)")
SHORTEST = 1.0  # seconds of a wait
LONGEST = 600.0  # seconds: what an answer says of its budget may not park a connection for longer


def documents(path: Path) -> dict[str, str]:
    """The operations of a file by their names, each with the fragments that it uses."""
    text = path.read_text("utf-8")
    starts = [*_PART.finditer(text)]
    ends = [found.start() for found in starts[1:]] + [len(text)]
    parts = {found[2]: text[found.start() : end].strip() for found, end in zip(starts, ends, strict=True)}
    whole = {}
    for found in starts:
        if found[1] == "fragment":
            continue
        needed = [found[2]]
        for name in needed:
            needed += [used for used in dict.fromkeys(_USED.findall(parts[name])) if used not in needed]
        whole[found[2]] = "\n".join(parts[name] for name in needed)
    return whole


class Gone(BadAnswer):
    """What a list was asked of is not there, or not any more."""


class GraphQL:
    """Calls by the names of their documents."""

    def __init__(self, http: "Http", path: str, texts: Mapping[str, str]) -> None:
        self._http, self._path, self._texts = http, path, texts

    def ask(self, name: str, **variables: Any) -> "Answer":
        """A query."""
        return self._call(name, variables, safe=True)

    def nodes(self, name: str, at: str, **variables: Any) -> Iterator[Any]:
        """All rows of the connection at `at`, such as "data.order.lineItems", by pages. The query takes $after.

        Raises Gone where the system says that there is no such order.
        """
        after: str | None = None
        while True:
            answer = self.ask(name, after=after, **variables)
            if _is_gone(answer, at):
                raise Gone("The system does not have any more what it has just told of.", said=answer.said)
            yield from pick(answer, f"{at}.nodes", list)
            if not pick(answer, f"{at}.pageInfo.hasNextPage", bool):
                return
            before, after = after, pick(answer, f"{at}.pageInfo.endCursor", str)
            if after == before:
                raise BadAnswer("The system gives the same page of its list again and again.")

    def change(
        self, name: str, field: str, made: str, *, safe: bool = False, errors: str = "userErrors", **variables: Any
    ) -> str:
        """A mutation: what its `field` has made, text at `made` ("order.id"). Raises Permanent where it says why not.

        safe: its repetition does no harm.
        """
        answer, wrong = self.reasons(name, field, errors, safe=safe, **variables)
        if wrong:
            raise _refused(wrong)
        return pick(answer, f"data.{field}.{made}", str)

    def change_each(
        self, name: str, field: str, made: str, bodies: Sequence[Mapping[str, Any]], *, errors: str = "userErrors"
    ) -> list[str]:
        """The same mutation several times. Raises Transient where one got no answer after another was carried out.

        Then it is no call that never went out: whoever tries it again has to look first.
        """
        found: list[str] = []
        for variables in bodies:
            try:
                found.append(self.change(name, field, made, errors=errors, **variables))
            except (RateLimited, ConnectionFailed, AuthFailed) as error:
                if not found:
                    raise
                raise Transient(str(error)) from None
        return found

    def tried(
        self, name: str, field: str, errors: str = "userErrors", *, safe: bool = False, **variables: Any
    ) -> Permanent | None:
        """A mutation that may be refused: the error that says why; None where it was carried out."""
        wrong = self.reasons(name, field, errors, safe=safe, **variables)[1]
        return _refused(wrong) if wrong else None

    def reasons(
        self, name: str, field: str, errors: str = "userErrors", *, safe: bool = False, **variables: Any
    ) -> tuple["Answer", list[dict[str, Any]]]:
        """A mutation: its answer, and all that it says against it."""
        answer = self._call(name, variables, safe=safe)
        wrong = pick(answer, f"data.{field}.{errors}", list)
        return answer, [row for row in wrong if isinstance(row, dict)]

    def _call(self, name: str, variables: Mapping[str, Any], *, safe: bool) -> "Answer":
        body = {"query": self._texts[name], "operationName": name, "variables": dict(variables)}
        return self._http.post(self._path, json=body, safe=safe)


def _is_gone(answer: "Answer", at: str) -> bool:
    """Whether an answer has null, and no error, in the place of what has the connection at `at`."""
    _, *owner, _ = at.split(".")
    return bool(owner) and pick(answer, "data", dict).get(owner[0], answer) is None


def _refused(wrong: list[dict[str, Any]]) -> Permanent:
    text = str(wrong[0].get("message") or "It was refused.")
    return Permanent(text, code=str(wrong[0].get("code") or "refused").lower(), said=text)


def error_of(answer: "Answer", label: str) -> Exception | None:
    """The error that the `errors` of an answer stand for, by the codes that are usual; None where it has none."""
    body = answer.json() if answer.status < 300 else None
    errors = body.get("errors") if isinstance(body, dict) else None
    if not errors:
        return None
    first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {"message": errors}
    told = first.get("extensions")
    marks = told if isinstance(told, dict) else {}
    code, said = str(marks.get("code") or "").upper(), answer.said
    words = " ".join(str(first.get("message") or "").split())[:300].rstrip(".")
    if code == "THROTTLED":
        wait = timedelta(seconds=wait_of(body) or SHORTEST)
        return RateLimited(f"{label} asks us to slow down.", retry_at=clock.now() + wait, said=said)
    if code in ("INTERNAL_SERVER_ERROR", "INTERNAL_ERROR", "TIMEOUT", ""):
        if code and not answer.sure:
            return OutcomeUnknown(f"{label} failed in the middle; it may have carried out the request.", said=said)
        if code:
            return Transient(f"{label} has a problem at the moment.", said=said)
    if code == "ACCESS_DENIED":
        return Permanent(f"{label} does not allow this: {words}.", code="forbidden", said=said)
    return Permanent(f"{label} refused the request: {words}.", code=(code or "refused").lower(), said=said)


def wait_of(body: Any) -> float:
    """Seconds until the budget suffices for a call like this one; 0 where it does now, or nothing is told of it."""
    try:
        cost = body["extensions"]["cost"]
        status = cost["throttleStatus"]
        needed = min(Decimal(cost["requestedQueryCost"]), Decimal(status["maximumAvailable"]))
        missing = needed - Decimal(status["currentlyAvailable"])
        if missing <= 0:
            return 0.0
        return max(SHORTEST, min(float(missing / Decimal(status["restoreRate"])), LONGEST))
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return 0.0
