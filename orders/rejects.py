"""Rows of incoming files that could not be read: one alert per file, which names the first of them.

Records of a list that was asked for have one alert in all.
"""

from collections.abc import Sequence

from alerts.models import Alert
from alerts.raising import raise_alert, resolve
from integration_manager.kit.connector import Reject
from orders.run import Run

MOST_SAID = 50
LEFT = "left_alone"  # in the schedule's state: what was said last


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
    """Tells people which rows of which file were left out, and why. `of`: what a list is of."""
    by_file: dict[str, list[Reject]] = {}
    for reject in rejects:
        by_file.setdefault(reject.file, []).append(reject)
    unread = by_file.pop("", [])
    if unread:
        _of_list(run, unread, of)
    for file, rows in by_file.items():
        first = rows[0]  # the one at fault, where others were left out with it
        what = "One row" if len(rows) == 1 else f"{len(rows)} rows"
        raise_alert(
            "bad_rows",
            f"{run.cart.pk if run.cart else run.merchant.pk}:{run.schedule.service}:{file}",
            f"{what} of {file} could not be read. Line {first.line}: {first.reason}",
            fix="Have these rows corrected and sent again in another file. They also lie in the folder for errors.",
            said=first.raw,
            merchant_id=run.merchant.pk,
            cart_id=run.cart.pk if run.cart else None,
            now=run.now,
            count=len(rows),
        )
    run.counts["rejected"] += len(rejects)


def _of_list(run: Run, rows: Sequence[Reject], of: str) -> None:
    """Such are read again and again as they are: they are said once."""
    key = f"{run.cart.pk if run.cart else run.merchant.pk}:{of or run.schedule.service}"
    what = "One record" if len(rows) == 1 else f"{len(rows)} records"
    message = f"{what} could not be read. {rows[0].reason}"
    if Alert.objects.filter(kind="bad_rows", key=key, message=message, resolved_at=None).exists():
        return
    raise_alert(
        "bad_rows",
        key,
        message,
        fix="Have it corrected there: it is read again once it has changed. All others are loaded.",
        said=rows[0].raw,
        merchant_id=run.merchant.pk,
        cart_id=run.cart.pk if run.cart else None,
        now=run.now,
        total=len(rows),
    )
