"""Rows of incoming files that could not be read: one alert per file, with their number and the first few of them.

Records of a list that was asked for have one alert in all.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from alerts.models import Alert
from alerts.raising import raise_alert, resolve
from integration_manager.kit.connector import FileRead, Reject
from merchants.models import Service
from orders.run import Run

MOST_SAID = 50
MOST_RAW = 2000  # characters of what came
FEW = 3  # that are named, of all that could not be read
LEFT = "left_alone"  # in the schedule's state: what was said last
TOLD = "unread"  # there too: which records of lists were told of last, by their hashes
MOST_TOLD = 200  # of those
_OF_ERRORS = re.compile(r"(?P<stem>.+)\.[0-9a-f]{8,}\.errors\.csv", re.DOTALL)  # kit/inbox.py names them so


def say(run: Run, notes: Sequence[str] | None) -> None:
    """Tells people what was left alone at the source: once, until that changes."""
    if notes is None or list(notes)[:MOST_SAID] == run.state.get(LEFT, []):
        return
    key = f"{run.cart.pk if run.cart else run.merchant.pk}:{run.schedule.service}"
    run.state[LEFT] = list(notes)[:MOST_SAID]
    if not notes:
        resolve("left_alone", [key], run.now)
        return
    run.counts["left_alone"] += len(notes)
    what, fix = "mail", "Add the sender to the allowed ones if these mails are meant for us; else delete or move them."
    if not run.connector.posts:
        what, fix = (
            "file",
            "Have them renamed, in UTF-8 and without control characters: they load then. Else delete them.",
        )
    raise_alert(
        "left_alone",
        key,
        f"{len(notes)} {what}{'' if len(notes) == 1 else 's'} left alone. {notes[0]}.",
        fix=fix,
        said="\n".join(notes),
        merchant_id=run.merchant.pk,
        cart_id=run.cart.pk if run.cart else None,
        now=run.now,
        count=len(notes),
    )


def alert(run: Run, rejects: Sequence[Reject], of: str = "") -> None:
    """Tells people which rows of which file were left out, and why: all so far of this run. `of`: what a list is of.

    With each page, not once in the end: whoever reads on after a worker that died begins behind what was refused.
    """
    by_file: dict[str, list[Reject]] = {}
    for reject in rejects:
        by_file.setdefault(reject.file, []).append(reject)
    for file, rows in by_file.items():
        key = _key(run, file, of)
        found: Unread = run.unread.setdefault(key, Unread())
        found.add(rows)
        if not file:
            found.news = _is_news(run, key, rows) or found.news
            if not found.news:
                continue
        raise_alert(
            "bad_rows",
            key,
            found.words(file),
            fix="Have these rows corrected and sent again in another file. They also lie in the folder for errors: "
            "put back from there as they should be, in a file of that name, they end this."
            if file
            else "Have it corrected there: it is read again once it has changed. All others are loaded.",
            said=found.said(),
            merchant_id=run.merchant.pk,
            cart_id=run.cart.pk if run.cart else None,
            now=run.now,
            total=found.number,
        )
    run.counts["rejected"] += len(rejects)


def ended(run: Run, file: FileRead) -> None:
    """A file was read to its end: the next one of its name is told by itself.

    It may be the cure of another: a count without a fault, of the one of its name before; and what holds the refused
    rows of another, put back, of that one. Which of these are refused again is told of this one.
    """
    key = _key(run, file.name, "")
    faulty = run.unread.pop(key, None)
    if file.same:
        return  # it was not looked into
    cured = [key] if run.schedule.service == Service.INVENTORY and not faulty else []
    if of := _OF_ERRORS.fullmatch(file.name):
        begin = key.removesuffix(file.name)
        told = Alert.objects.filter(kind="bad_rows", resolved_at=None, key__startswith=begin + of["stem"])
        keys = told.values_list("key", flat=True)
        cured += [one for one in keys if PurePosixPath(one.removeprefix(begin)).stem == of["stem"]]
    if cured:
        resolve("bad_rows", cured, run.now)


def all_read(run: Run) -> None:
    """A whole list was read, and nothing of it was refused."""
    resolve("bad_rows", [_key(run, "", "")], run.now)


@dataclass(slots=True)
class Unread:
    """What of a file, or of a list, could not be read in a run so far."""

    number: int = 0
    first: list[Reject] = field(default_factory=list)  # that were at fault themselves; of a list, each reason once
    news: bool = False  # whether any of a list's has not been told of before

    def add(self, rows: Sequence[Reject]) -> None:
        """Counts more of them."""
        self.number += len(rows)
        for row in rows:
            again = not row.file and any(row.reason == one.reason for one in self.first)
            if len(self.first) < FEW and not row.along and not again:
                self.first.append(row)

    def words(self, file: str) -> str:
        """How many they are in all, and what is wrong with the first of them."""
        one, where = ("row", f" of {file}") if file else ("record", "")
        many = f"One {one}" if self.number == 1 else f"{self.number:,} {one}s"
        whys = [f"line {row.line}: {row.reason}" if file else row.reason for row in self.first]
        if file:
            whys[0] = f"L{whys[0][1:]}"
        if left := self.number - len(whys):
            whys = [*(why.rstrip(".") for why in whys), f"and {left:,} more"]
        return f"{many}{where} could not be read. {'; '.join(whys)}"

    def said(self) -> str:
        """The first of them as they came: of several, the beginning of each."""
        whole = MOST_RAW if len(self.first) < 2 else MOST_RAW // FEW
        return "\n".join(row.raw[: whole - 1] for row in self.first)


def _key(run: Run, file: str, of: str) -> str:
    """Of the alert of a file, or of a list."""
    where = run.cart.pk if run.cart else run.merchant.pk
    return f"{where}:{run.schedule.service}:{file}" if file else f"{where}:{of or run.schedule.service}"


def _is_news(run: Run, key: str, rows: Sequence[Reject]) -> bool:
    """Whether there is one among them that no alert tells of, and notes that it will.

    Such are read again and again as they are: they are said once.
    """
    every = run.state.get(TOLD, {})
    told = every.get(key, [])
    new = dict.fromkeys(mark for row in rows if (mark := _mark(row)) not in told)
    if new:
        run.state[TOLD] = {**every, key: [*told, *new][-MOST_TOLD:]}
    return bool(new) or not Alert.objects.filter(kind="bad_rows", key=key, resolved_at=None).exists()


def _mark(row: Reject) -> str:
    return hashlib.sha256(f"{row.reason}\n{row.raw}".encode(errors="replace")).hexdigest()[:12]
