"""The pages on which people import a list: choose a file, see what it would change and what is wrong, then do it.

Nothing is stored in between: the rows travel in the form, signed for this person and this page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.contrib import messages
from django.core import signing
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from accounts.requests import AccountRequest
from integration_manager.list_files import Broken, Column, Row, read

MOST_SHOWN = 100  # changes, and problems, that a preview lists
HOURS = 12 * 3600  # that a preview is good for


@dataclass(frozen=True, slots=True)
class Change:
    """What importing a row would change; `before` None: it is new."""

    what: str
    before: str | None
    after: str


@dataclass(slots=True)
class Plan:
    """What importing rows would do. `warnings`: what would be done all the same: (line, why).

    `whole`: nothing is done at all while a row is wrong; else such rows are left out.
    """

    good: list[Row] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    same: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    whole: bool = False

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
        """What these rows would do."""

    def carry_out(self, rows: Sequence[Row]) -> str:
        """Does it, and says what was done."""


def importing(request: AccountRequest, importer: Importer, context: dict[str, Any]) -> HttpResponseBase:
    """The page, and its two steps. `context`: for its crumbs."""
    context = {**context, "importer": importer}
    salt = f"list:{request.path}:{request.user.pk}"
    if request.method != "POST":
        return render(request, "parts/list_import.html", context)
    if "rows" in request.POST:
        rows = _unsigned(request.POST["rows"], salt)
        if rows is None:
            return _refused(request, context, "This preview is too old. Choose the file again.")
        plan = importer.plan(rows)
        if plan.stopped:
            line, why = plan.problems[0]
            said = f"Nothing was changed, since something is different by now. Line {line}: {why}"
            return _refused(request, context, said)
        messages.success(request, importer.carry_out(plan.good) if plan.good else "Nothing was changed.")
        return redirect(importer.back)
    upload = request.FILES.get("file")
    if upload is None or upload.file is None or not upload.size:
        return _refused(request, context, "Choose a file that is not empty.")
    try:
        found = read(upload.file, upload.size, importer.columns)
    except Broken as why:
        return _refused(request, context, str(why))
    plan = importer.plan(found.rows)
    plan.problems = sorted([*plan.problems, *found.problems])
    signed = signing.dumps([[row.line, row.cells] for row in plan.good], salt=salt, compress=True)
    context |= {
        "plan": plan,
        "name": upload.name,
        "signed": signed,
        "changes": plan.changes[:MOST_SHOWN],
        "problems": plan.problems[:MOST_SHOWN],
        "warnings": plan.warnings[:MOST_SHOWN],
    }
    return render(request, "parts/list_import.html", context)


def _unsigned(text: str, salt: str) -> list[Row] | None:
    try:
        return [Row(line, cells) for line, cells in signing.loads(text, salt=salt, max_age=HOURS)]
    except signing.BadSignature:
        return None


def _refused(request: AccountRequest, context: dict[str, Any], why: str) -> HttpResponse:
    return render(request, "parts/list_import.html", {**context, "refused": why}, status=422)
