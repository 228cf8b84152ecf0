"""Rows of one order, wherever they stand in a file: grouped in bounded memory.

The rows wait in a private database of SQLite without a name, which moves to disk by itself when it grows:
a file of 200 MB must not need as much memory.
"""

import itertools
import operator
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple, Self

import orjson

from integration_manager.kit.csvfile import Record, Table

MAX_TOGETHER = 2_000  # rows of one group; with more the order number is surely no order number
MAX_SIZE = 8_000_000  # bytes of one group, which is held in memory
BATCH = 1_000  # rows read in one go
TAKEN = 4_000_000  # characters taken from the database in one go, at most BATCH rows
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
        store.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, key TEXT, line INTEGER, row TEXT)")
        self._largest = 1  # characters of the largest row

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._store.close()

    def fill(self) -> Iterator[int]:
        """Reads the table; yields after every BATCH rows how many there were. Raises Broken."""
        rows = self._keyed()
        self._store.execute("BEGIN")
        while batch := list(itertools.islice(rows, BATCH)):
            self._store.executemany("INSERT INTO rows (key, line, row) VALUES (?, ?, ?)", batch)
            self._largest = max(self._largest, max(len(text) for _, _, text in batch))
            if len(batch) == BATCH:
                yield self._table.rows
        self._store.execute("COMMIT")
        self._store.execute(
            "CREATE TABLE places AS SELECT id FROM (SELECT id, min(id) OVER (PARTITION BY key) AS first FROM rows)"
            " ORDER BY first, id"
        )

    def __iter__(self) -> Iterator[Group]:
        for name, rows in itertools.groupby(self._in_order(), key=operator.itemgetter(1)):
            kept: list[Record] = []
            size = 0
            for length, _, line, row, problem, raw in rows:
                size += length
                if kept and (len(kept) == MAX_TOGETHER or size > MAX_SIZE):
                    yield Group(name, kept, 1 + sum(1 for _ in rows))
                    break
                kept.append(self._table.record(line, row, problem, raw))
            else:
                yield Group(name, kept, 0)

    def _in_order(self) -> Iterator[tuple[int, str, int, list[str], str, str]]:
        """Size, key, line, cells, problem and text of each row, those of a key together.

        Many in one answer of the database: at each, this thread gives way to whoever stores the page before.
        """
        step = min(max(TAKEN // self._largest, 1), BATCH)
        for start in itertools.count(1, step):
            ((found,),) = self._store.execute(
                "SELECT group_concat('[' || length(row) || ',' || row || ']') FROM (SELECT row FROM places"
                " JOIN rows USING (id) WHERE places.rowid BETWEEN ? AND ? ORDER BY places.rowid)",
                (start, start + step - 1),
            )
            if found is None:
                return
            for size, rest in orjson.loads(f"[{found}]"):
                yield size, *rest

    def _keyed(self) -> Iterator[tuple[str, int, str]]:
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
            yield name, line, orjson.dumps((name, line, row, problem, raw)).decode()


def _is_total(row: list[str], key: str) -> bool:
    """Whether a row only sums up the others: one with an order's number is the order's, also of an item "Total"."""
    if len(row) - row.count("") > 4 or (key and key.lower().rstrip(":") not in TOTALS):
        return False
    cells = [cell.strip() for cell in row if cell.strip()]
    words = {cell.lower().rstrip(":") for cell in cells}
    numbers = [word for word in words if word.replace(".", "").replace(",", "").isdigit()]
    return bool(words & TOTALS) and len(words) - len(numbers) == 1
