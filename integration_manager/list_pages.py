"""The pages on which people import a list: choose a file, see what it would change and what is wrong, then do it.

Nothing is stored in between: the rows travel in the form, signed for this person and this page, with a mark of what
the preview showed. They are planned anew behind a lock, and carried out where that comes to the same.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Protocol

from django.contrib import messages
from django.core import signing
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from accounts.requests import AccountRequest
from integration_manager import stale
from integration_manager.list_files import Broken, Column, Row, read

MOST_SHOWN = 100  # changes, and problems, that a preview lists
HOURS = 12 * 3600  # that a preview is good for
OVERTAKEN = (
    "Nothing was changed: somebody else has changed some of it since this preview was made. "
    "Choose the file again, to see what it would change now."
)


class NothingDone(Exception):
    """What was confirmed cannot be done, and nothing of it was; the message says why, for the person who asked."""


@dataclass(frozen=True, slots=True)
class Change:
    """What importing a row would change; `before` None: it is new."""

    what: str
    before: str | None
    after: str


@dataclass(slots=True)
class Plan:
    """What importing rows would do. `warnings`: what would be done all the same: (line, why).

    `good`: the rows that are planned anew when they are carried out, and then come to the same changes where nobody
    has changed anything. A row that changes nothing is not among them, unless the others depend on it: it is not to
    undo what somebody else makes of it meanwhile. `whole`: nothing is done at all while a row is wrong; else such
    rows are left out. `rest`: what is to be done about rows that were not looked at, in words.
    """

    good: list[Row] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    same: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    whole: bool = False
    rest: str = ""

    @property
    def stopped(self) -> bool:
        """Whether nothing of it may be done."""
        return self.whole and bool(self.problems)


class Importer(Protocol):
    """A kind of list."""

    title: str
    back: str  # the address of the list

    @property
    def columns(self) -> Sequence[Column]:
        """What its file has."""

    @property
    def example(self) -> Sequence[Sequence[str]]:
        """Some rows, for people."""

    def plan(self, rows: Sequence[Row]) -> Plan:
        """What these rows would do. Raises Broken where the file is none that can be taken up."""

    def lock(self, rows: Sequence[Row]) -> None:
        """Keeps what these rows are about as it is until the transaction ends, and reads it again.

        By the lock, and in the order, of the function behind `carry_out`, so that no two wait for each other.
        """

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Does it, in the same transaction, and says what was done. Raises NothingDone."""


def importing(request: AccountRequest, importer: Importer, context: dict[str, Any]) -> HttpResponseBase:
    """The page, and its two steps. `context`: for its crumbs."""
    context = {**context, "importer": importer}
    salt = f"preview:{request.path}:{request.user.pk}"
    if request.method != "POST":
        return render(request, "parts/list_import.html", context)
    if "rows" in request.POST:
        try:
            messages.success(request, _done(importer, *_unsigned(request.POST["rows"], salt)))
        except signing.BadSignature:
            return _refused(request, context, "This preview is too old. Choose the file again.")
        except stale.Overtaken as why:
            return _refused(request, context, str(why))
        except NothingDone as why:
            messages.warning(request, f"Nothing was changed. {why}".strip())
        return redirect(importer.back)
    upload = request.FILES.get("file")
    if upload is None or upload.file is None or not upload.size:
        return _refused(request, context, "Choose a file that is not empty.")
    try:
        found = read(upload.file, upload.size, importer.columns)
        plan = importer.plan(found.rows)
    except Broken as why:
        return _refused(request, context, str(why))
    plan.problems = sorted([*plan.problems, *found.problems])
    good = [] if plan.stopped else [[row.line, row.cells] for row in plan.good]
    signed = signing.dumps([good, _mark(plan)], salt=salt, compress=True)
    context |= {
        "plan": plan,
        "name": upload.name,
        "signed": signed,
        "changes": plan.changes[:MOST_SHOWN],
        "problems": plan.problems[:MOST_SHOWN],
        "warnings": plan.warnings[:MOST_SHOWN],
    }
    return render(request, "parts/list_import.html", context)


def _done(importer: Importer, rows: Sequence[Row], shown: str) -> str:
    """Does what a preview showed, and says what was done. `shown`: its mark. Raises Overtaken, NothingDone."""
    with transaction.atomic():
        importer.lock(rows)
        plan = importer.plan(rows)
        if plan.stopped:
            line, why = plan.problems[0]
            raise stale.Overtaken(f"Nothing was changed, since something is different by now. Line {line}: {why}")
        if _mark(plan) != shown:
            raise stale.Overtaken(OVERTAKEN)
        if not plan.good:
            raise NothingDone
        return importer.carry_out(plan.good)


def _mark(plan: Plan) -> str:
    """Of all that a plan would change, as a preview shows it."""
    return stale.mark([astuple(change) for change in plan.changes])


def _unsigned(text: str, salt: str) -> tuple[list[Row], str]:
    """The rows of a preview and its mark. Raises BadSignature."""
    rows, shown = signing.loads(text, salt=salt, max_age=HOURS)
    return [Row(line, cells) for line, cells in rows], shown


def _refused(request: AccountRequest, context: dict[str, Any], why: str) -> HttpResponse:
    return render(request, "parts/list_import.html", {**context, "refused": why}, status=422)
