"""Rows of one order, wherever they stand in a file: grouped in bounded memory.

The rows wait in a private database of SQLite without a name, which moves to disk by itself when it grows:
a file of 200 MB must not need as much memory.
"""

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import orjson

from integration_manager.kit.csvfile import Record

MAX_TOGETHER = 2_000  # rows of one group; with more the order number is surely no order number
TOTALS = {"total", "totals", "grand total", "sum", "subtotal"}


class Group(NamedTuple):
    """The rows that belong together, in the file's order. `overflow`: rows beyond the limit, not kept."""

    key: str
    records: list[Record]
    overflow: int


def groups(records: Iterable[Record], key: Callable[[Mapping[str, str]], str], what: str) -> Iterator[Group]:
    """The rows grouped by `key`, in the order of each group's first row. Reads all of them first.

    `key`: of a row's cells; "" where it has none: such a row may belong to the one before it, so neither
    is used. `what`: the key's name for people. Rows that only carry a total are left out.
    """
    store = sqlite3.connect("", check_same_thread=False, isolation_level=None)
    try:
        store.execute("PRAGMA journal_mode=OFF")
        store.execute("PRAGMA synchronous=OFF")
        store.execute("PRAGMA temp_store=FILE")  # what is sorted goes to disk too
        store.execute("CREATE TABLE rows (key TEXT, line INTEGER, record BLOB)")
        store.execute("BEGIN")
        store.executemany("INSERT INTO rows VALUES (?, ?, ?)", _keyed(records, key, what))
        store.execute("COMMIT")
        found = store.execute(
            "SELECT key, record FROM (SELECT key, line, record, min(line) OVER (PARTITION BY key) AS first FROM rows)"
            " ORDER BY first, line"
        )
        for name, rows in itertools.groupby(found, key=lambda row: row[0]):
            kept = [Record(*orjson.loads(text)) for _, text in itertools.islice(rows, MAX_TOGETHER)]
            yield Group(name, kept, sum(1 for _ in rows))
    finally:
        store.close()


def _keyed(
    records: Iterable[Record], key: Callable[[Mapping[str, str]], str], what: str
) -> Iterator[tuple[str, int, bytes]]:
    before = ""
    for record in records:
        name = key(record.cells)
        if _is_total(name, record):
            continue
        if not name:
            record.problem = record.problem or f"The row has no {what}"
            # Some exports leave it out in the second row of an order, which would then go out short.
            name = before or f"\0{record.line}"
        else:
            before = name
        yield name, record.line, orjson.dumps((record.line, record.cells, record.problem, record.raw))


def _is_total(name: str, record: Record) -> bool:
    """Whether a row only sums up the others."""
    words = {text.lower().rstrip(":") for text in record.cells.values()}
    numbers = [word for word in words if word.replace(".", "").replace(",", "").isdigit()]
    return bool(words & TOTALS) and len(words) - len(numbers) == 1 and len(record.cells) <= 4 and not record.raw
