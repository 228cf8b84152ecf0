"""Rows of incoming files that could not be read: one alert per file, which names the first of them."""

from collections.abc import Sequence

from alerts.raising import raise_alert
from integration_manager.kit.connector import Reject
from orders.run import Run


def alert(run: Run, rejects: Sequence[Reject]) -> None:
    """Tells people which rows of which file were left out, and why."""
    by_file: dict[str, list[Reject]] = {}
    for reject in rejects:
        by_file.setdefault(reject.file, []).append(reject)
    for file, rows in by_file.items():
        first = min(rows, key=lambda row: row.line)
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
