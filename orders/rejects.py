"""Rows of incoming files that could not be read: one alert per file, with their number and the first few of them.

A file is known by its name and its content. Another one of its name brings other orders or parcels: what is wrong
with it is told beside the first, and it is no cure of that, however good. That is what was refused, put back mended
from the folder for errors: the name that it has there tells of which content it was.

Counts of stock are otherwise: the next one of a name takes the place of the one before. They have one alert for each
name, which tells of the last one and ends with one that has no fault; put back from the errors they end it too.

Records of a list that was asked for have one alert in all.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from django.db.models import Q

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
MOST_TOLD = 1000  # of those, first what the last run came upon first
ROWS = (
    "Have these rows corrected and sent again in another file. They also lie in the folder for errors: "
    "put back from there as they should be, under the name of the file there, they end this."
)
WHOLE = (
    "Nothing of it was loaded. Have it sent again as it should be. It also lies in the folder for errors: put back "
    "from there as a table, under the name that it has there (whatever its ending), it ends this."
)
COUNT = "Have it corrected in the next one: read under this name without a fault, that ends this."
RECORD = "Have it corrected there: it is read again once it has changed. All others are loaded."
# What lies in the folder for errors, rows or a whole file, as kit/inbox.py names them.
_PUT_BACK = re.compile(
    r"(?P<stem>.+?)(?P<whole>\.\d{8}T\d{6})?\.(?P<digest>[0-9a-f]{8,})(?(whole)(\.errors)?|\.errors)(\.[^.]*)?",
    re.DOTALL,
)


def say(run: Run, notes: Sequence[str] | None, of: str = "") -> None:
    """Tells people what was left alone at the source: once, until that changes. `of`: what else the service reads."""
    known = f"{LEFT}_{of}" if of else LEFT
    if notes is None or list(notes)[:MOST_SAID] == run.state.get(known, []):
        return
    key = _key(run, of)
    run.state[known] = list(notes)[:MOST_SAID]
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
    by_file: dict[tuple[str, str], list[Reject]] = {}
    for reject in rejects:
        by_file.setdefault((reject.file, reject.digest), []).append(reject)
    for (file, digest), rows in by_file.items():
        key = _key(run, of, file, digest)
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
            fix=RECORD if not file else COUNT if _counts(run) else ROWS if rows[0].line else WHOLE,
            said=found.said(),
            merchant_id=run.merchant.pk,
            cart_id=run.cart.pk if run.cart else None,
            now=run.now,
            total=found.number,
        )
    run.counts["rejected"] += len(rejects)


def ended(run: Run, file: FileRead, of: str = "") -> None:
    """A file was read to its end: the next one of its name is told by itself. `of`: as it was told.

    It may be the cure of another: a count without a fault, of the one of its name before; and what holds the refused
    rows of another, put back, of that one. Which of these are refused again is told of this one.
    """
    key, begin, counts = _key(run, of, file.name, file.digest), _key(run, of) + ":", _counts(run)
    faulty = run.unread.pop(key, None)
    if file.same:
        return  # it was not looked into
    cured = [key] if counts and not faulty else []
    if back := _PUT_BACK.fullmatch(file.name):
        told = Alert.objects.filter(kind="bad_rows", resolved_at=None, key__startswith=begin).exclude(key=key)
        if counts:
            keys = told.filter(key__startswith=begin + back["stem"]).values_list("key", flat=True)
            cured += [one for one in keys if PurePosixPath(one.removeprefix(begin)).stem == back["stem"]]
        else:  # of that content, or put back before under the same name
            of_it = Q(key__startswith=f"{begin}{back['digest']}:") | Q(key__endswith=f":{file.name}")
            cured += told.filter(of_it).values_list("key", flat=True)
    if cured:
        resolve("bad_rows", cured, run.now)


def all_read(run: Run, of: str = "") -> None:
    """A whole list was read, and nothing of it was refused. `of`: what it is of, as it was told."""
    resolve("bad_rows", [_key(run, of)], run.now)


@dataclass(slots=True)
class Unread:
    """What of a file, or of a list, could not be read in a run so far."""

    number: int = 0
    first: list[Reject] = field(default_factory=list)  # that were at fault themselves; of a list, each reason once
    news: bool = False  # whether any of a list's has not been told of before
    marks: dict[str, None] = field(default_factory=dict)  # of a list's

    def add(self, rows: Sequence[Reject]) -> None:
        """Counts more of them."""
        self.number += len(rows)
        for row in rows:
            again = not row.file and any(row.reason == one.reason for one in self.first)
            if len(self.first) < FEW and not row.along and not again:
                self.first.append(row)

    def words(self, file: str) -> str:
        """How many they are in all, and what is wrong with the first of them."""
        if file and not self.first[0].line:
            return f"{file} could not be read. {self.first[0].reason}"
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


def _counts(run: Run) -> bool:
    """Whether its files say how much there is: the next one of a name takes the place of the one before."""
    return run.schedule.service == Service.INVENTORY


def _key(run: Run, of: str, file: str = "", digest: str = "") -> str:
    """Of the alert of a file, or of a list. As long as an alert keeps it."""
    where = f"{run.cart.pk if run.cart else run.merchant.pk}:{of or run.schedule.service}"
    return ":".join([where, *([] if _counts(run) else [digest]), file])[:200] if file else where


def _is_news(run: Run, key: str, rows: Sequence[Reject]) -> bool:
    """Whether there is one among them that no alert tells of, and notes that it will.

    Such are read again and again as they are: they are said once.
    """
    every = run.state.get(TOLD, {})
    told, seen = every.get(key, []), run.unread[key].marks
    marks = dict.fromkeys(map(_mark, rows))
    seen.update(marks)
    run.state[TOLD] = {**every, key: list({**seen, **dict.fromkeys(told)})[:MOST_TOLD]}
    if marks.keys() - set(told) and len(seen) <= MOST_TOLD:  # beyond that nobody knows what has been told of
        return True
    return not Alert.objects.filter(kind="bad_rows", key=key, resolved_at=None).exists()


def _mark(row: Reject) -> str:
    return hashlib.sha256(f"{row.reason}\n{row.raw}".encode(errors="replace")).hexdigest()[:12]
