"""Where a fake system keeps its rows: in memory, and in an append-only file if it is to survive."""

import threading
from bisect import bisect_left, insort
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson

Row = dict[str, Any]


class Table:
    """Rows by key. `sort` names the field that `since` goes by, with ties in order of the keys."""

    def __init__(self, store: "Store", name: str, sort: str = "") -> None:
        self.store, self.name, self.sort = store, name, sort
        self.rows: dict[str, Row] = {}
        self._order: list[tuple[str, str]] = []

    def put(self, key: str, row: Row) -> Row:
        """Stores a row whole, in place of an earlier one."""
        with self.store.lock:
            self.load(key, row)
            self.store.log(self.name, key, row)
        return row

    def change(self, key: str, **fields: Any) -> Row:
        """Changes some fields of a row."""
        with self.store.lock:
            return self.put(key, {**self.rows[key], **fields})

    def remove(self, key: str) -> None:
        """Forgets a row."""
        with self.store.lock:
            old = self.rows.pop(key, None)
            if old is not None and self.sort:
                self._order.pop(bisect_left(self._order, (old.get(self.sort, ""), key)))
            self.store.log(self.name, key, None)

    def load(self, key: str, row: Row) -> None:
        """Stores a row in memory only."""
        old = self.rows.get(key)
        if self.sort and old is not None:
            self._order.pop(bisect_left(self._order, (old.get(self.sort, ""), key)))
        self.rows[key] = row
        if self.sort:
            insort(self._order, (row.get(self.sort, ""), key))  # of a row without it nobody asks

    def get(self, key: str) -> Row | None:
        """The row with this key, if any."""
        return self.rows.get(key)

    def since(self, value: str = "") -> "Selection":
        """The rows whose sort field is `value` or more, ascending."""
        return Selection(self, bisect_left(self._order, (value, "")))

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self.rows.values()))


class Selection:
    """The rows from one place of a table's order on; sliced without copying all of them."""

    def __init__(self, table: Table, start: int) -> None:
        self._table, self._start = table, start

    def __len__(self) -> int:
        return len(self._table._order) - self._start

    def __getitem__(self, part: slice) -> list[Row]:
        first, last, _ = part.indices(len(self))
        keys = self._table._order[self._start + first : self._start + last]
        return [self._table.rows[key] for _, key in keys]

    def __iter__(self) -> Iterator[Row]:
        return iter(self[:])


class Store:
    """The tables of one fake system and the file they come back from."""

    def __init__(self, path: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.tables: dict[str, Table] = {}
        self._path = path
        self._saved: dict[str, dict[str, Row]] = {}
        self._file: Any = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._read(path)

    def table(self, name: str, sort: str = "") -> Table:
        """The table of this name, with what the file knows of it."""
        if name not in self.tables:
            table = self.tables[name] = Table(self, name, sort)
            for key, row in self._saved.pop(name, {}).items():
                table.load(key, row)
        return self.tables[name]

    def log(self, name: str, key: str, row: Row | None) -> None:
        """Appends one change to the file; no row means that it is gone."""
        if self._file is not None:
            self._file.write(orjson.dumps([name, key, row]) + b"\n")

    def close(self) -> None:
        """Closes the file. What is stored later stays in memory."""
        with self.lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _read(self, path: Path) -> None:
        if path.exists():
            for line in path.read_bytes().splitlines():
                try:
                    name, key, row = cast(tuple[str, str, Row | None], orjson.loads(line))
                except ValueError:  # the half line of a process that was killed
                    continue
                rows = self._saved.setdefault(name, {})
                if row is None:
                    rows.pop(key, None)
                else:
                    rows[key] = row
        # Written anew, so that the file holds each row once however often it was started.
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            for name, rows in self._saved.items():
                for key, row in rows.items():
                    file.write(orjson.dumps([name, key, row]) + b"\n")
        fresh.replace(path)
        self._file = path.open("ab", buffering=0)
