"""Rows of one order, wherever they stand in a file: grouped in bounded memory.

The rows wait in a private database of SQLite without a name, which moves to disk by itself when it grows:
a file of 200 MB must not need as much memory.
"""

import itertools
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple, Self

import orjson

from integration_manager.kit.csvfile import Record, Table

MAX_TOGETHER = 2_000  # rows of one group; with more the order number is surely no order number
MAX_SIZE = 8_000_000  # bytes of one group, which is held in memory
BATCH = 1_000  # rows read in one go
TOTALS = {"total", "totals", "grand total", "sum", "subtotal"}


class Group(NamedTuple):
    """The rows that belong together, in the file's order. `overflow`: rows beyond the limit, not kept."""

    key: str
    records: list[Record]
    overflow: int


class Groups:
    """The rows of a table by a key, in the order of each group's first row. Fill it first, then go through it."""

    def __init__(self, table: Table, key: tuple[str, ...], what: str) -> None:
        """`key`: fields. A row without the first may belong to the one before it, so neither is used.

        `what`: the key's name for people. Rows that only carry a total are left out.
        """
        self._table, self._key, self._what = table, key, what
        self._store = store = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        store.execute("PRAGMA journal_mode=OFF")
        store.execute("PRAGMA synchronous=OFF")
        store.execute("PRAGMA temp_store=FILE")  # what is sorted goes to disk too
        store.execute("CREATE TABLE rows (key TEXT, line INTEGER, row BLOB)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._store.close()

    def fill(self) -> Iterator[int]:
        """Reads the table; yields after every BATCH rows how many there were. Raises Broken."""
        rows = self._keyed()
        self._store.execute("BEGIN")
        while batch := list(itertools.islice(rows, BATCH)):
            self._store.executemany("INSERT INTO rows VALUES (?, ?, ?)", batch)
            if len(batch) == BATCH:
                yield self._table.rows
        self._store.execute("COMMIT")

    def __iter__(self) -> Iterator[Group]:
        found = self._store.execute(
            "SELECT key, line, row FROM (SELECT key, line, row, min(line) OVER (PARTITION BY key) AS first FROM rows)"
            " ORDER BY first, line"
        )
        for name, rows in itertools.groupby(found, key=lambda row: row[0]):
            kept: list[Record] = []
            size = 0
            for _, line, text in rows:
                size += len(text)
                if kept and (len(kept) == MAX_TOGETHER or size > MAX_SIZE):
                    yield Group(name, kept, 1 + sum(1 for _ in rows))
                    break
                kept.append(self._table.record(line, *orjson.loads(text)))
            else:
                yield Group(name, kept, 0)

    def _keyed(self) -> Iterator[tuple[str, int, bytes]]:
        before = ""
        for line, row, problem, raw in self._table.rows_as_they_are():
            name = self._table.key(self._key, row, raw)
            if not raw and _is_total(row, name.partition("\x1f")[0]):
                continue
            if not name:
                problem = problem or f"The row has no {self._what}"
                # Some exports leave it out in the second row of an order, which would then go out short.
                name = before or f"\0{line}"
            else:
                before = name
            yield name, line, orjson.dumps((row, problem, raw))


def _is_total(row: list[str], key: str) -> bool:
    """Whether a row only sums up the others: one with an order's number is the order's, also of an item "Total"."""
    if len(row) - row.count("") > 4 or (key and key.lower().rstrip(":") not in TOTALS):
        return False
    cells = [cell.strip() for cell in row if cell.strip()]
    words = {cell.lower().rstrip(":") for cell in cells}
    numbers = [word for word in words if word.replace(".", "").replace(",", "").isdigit()]
    return bool(words & TOTALS) and len(words) - len(numbers) == 1
