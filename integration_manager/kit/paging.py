"""Paging through another system's lists while they change under our hands.

Each function takes a `fetch` that makes one request and gives its rows, and yields pages for
`CartConnector.orders` and the like. A row may come twice (an edit moves it to the end, where it comes in
its new form); none is left out. Rows are told apart by `key_of`, by default by all that is in them.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from integration_manager.kit.connector import Page
from integration_manager.kit.errors import BadAnswer, Unmappable

R = TypeVar("R")

MAX_PASSES = 10  # over a list that changes all the time; the rest comes with the next run

_SAME_AGAIN = "The system gives the same page of its list again and again."


def by_modified(
    fetch: Callable[[datetime, int], Sequence[R]],
    since: datetime,
    time_of: Callable[[R], datetime | None],
    size: int,
    *,
    key_of: Callable[[R], Hashable] = repr,
) -> Iterator[Page]:
    """Pages through rows by the time of their last change, oldest first.

    fetch(since, page): the rows changed at or after `since`, at most `size`, by page number from 1.
    time_of: a row's time, as exact as the other side's filter is. Each request starts at the last row's
    time, so an edit, which moves a row to the end, shifts nothing. Only where a whole page has one and
    the same time (an import) the page number grows; such a stretch is gone through until a pass brings
    nothing new, because in it an edit does shift the rest, and the cursor stays at its time until then.
    The last page may be empty and only move the cursor. Raises BadAnswer when the other side ignores the
    page number.
    """
    page = 1
    seen: set[Hashable] = set()
    before: list[Hashable] = []
    dated = _dated(time_of)
    while True:
        rows = fetch(since, page)
        # With its time, so that a row that was edited is not taken for its old form.
        keys: list[Hashable] = [(dated(row), key_of(row)) for row in rows]
        if page > 1 and keys and keys == before:
            raise BadAnswer(_SAME_AGAIN)
        new = [row for row, key in zip(rows, keys, strict=True) if key not in seen]
        last = dated(rows[-1]) if rows else since
        if new:
            yield Page(new, cursor=last if page == 1 else since)
        whole = len(rows) >= size
        if whole and last <= since:
            seen.update(keys)
            before, page = keys, page + 1
            continue
        if page > 1:
            seen.update(keys)
            yield from _once_more(fetch, since, dated, size, key_of, seen)
            if last > since:
                yield Page((), cursor=last)
        if not whole:
            return
        since, page, seen = last, 1, set(keys)


def _dated(time_of: Callable[[R], datetime | None]) -> Callable[[R], datetime]:
    def dated(row: R) -> datetime:
        try:
            at = time_of(row)
        except (KeyError, TypeError, ValueError, AttributeError, Unmappable):
            at = None
        if at is None:
            raise BadAnswer("A row of the system's list does not tell when it was last changed.")
        return at

    return dated


def _once_more(
    fetch: Callable[[datetime, int], Sequence[R]],
    since: datetime,
    time_of: Callable[[R], datetime],
    size: int,
    key_of: Callable[[R], Hashable],
    seen: set[Hashable],
) -> Iterator[Page]:
    """Goes through the rows of the one time `since` until a pass brings none that was not `seen`."""
    for _ in range(MAX_PASSES):
        page, found = 1, False
        while True:
            rows = fetch(since, page)
            new = [row for row in rows if (time_of(row), key_of(row)) not in seen]
            seen.update((time_of(row), key_of(row)) for row in new)
            if new:
                yield Page(new, cursor=since)
                found = found or time_of(new[0]) <= since
            if len(rows) < size or time_of(rows[-1]) > since:
                break
            page += 1
        if not found:
            return


def by_offset(
    fetch: Callable[[int], Sequence[R]], size: int, *, key_of: Callable[[R], Hashable] = repr
) -> Iterator[Page]:
    """Pages through a list that can only be asked for by position, until a pass brings nothing new.

    fetch(offset): at most `size` rows from position `offset` (from 0). A list that fits into one page
    came in one piece and is read once. Pages have no cursor. Raises BadAnswer when the other side
    ignores the position.
    """
    seen: set[Hashable] = set()
    for _ in range(MAX_PASSES):
        offset, found = 0, False
        before: list[Hashable] = []
        while True:
            rows = fetch(offset)
            keys = [key_of(row) for row in rows]
            if keys and keys == before:
                raise BadAnswer(_SAME_AGAIN)
            new = [row for row, key in zip(rows, keys, strict=True) if key not in seen]
            seen.update(keys)
            if new:
                found = True
                yield Page(new)
            if len(rows) < size:
                break
            before, offset = keys, offset + len(rows)
        if not found or offset == 0:
            return


class Counted:
    """Pages of lists that say how many rows they have, of a system that may give fewer at once than it is asked for."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}  # what it gives, by the lists' names

    def page(self, name: str, most: int, page: int, fetch: Callable[[int, int], tuple[Sequence[R], int]]) -> list[R]:
        """Page `page` (from 1) of `most` rows, by as many calls as it takes; shorter at the end of the list only.

        fetch(size, number): the rows of a page of this size, and how many there are in all. It may count rows that it
        never gives: a page that is too short is its end where smaller ones bring no more. Raises BadAnswer where it
        gives none of what it counts.
        """
        before, size, had = (page - 1) * most, self._sizes.get(name, most), 0
        while True:
            found = list[R]()
            while len(found) < most:
                rows, total = fetch(size, (before + len(found)) // size + 1)
                found += rows
                if before + len(found) >= total or len(rows) < size:
                    break
            whole = len(found) >= most or before + len(found) >= total
            if not whole and not found:
                raise BadAnswer("The system says that its list has more rows than it gives.")
            if len(found) > had > 0:
                self._sizes[name] = size
            if whole or not rows or len(found) <= had:
                return found
            had, size = len(found), next(size for size in range(len(rows), 0, -1) if most % size == 0)


def together(feeds: Sequence[Iterator[Page]], since: datetime, now: Callable[[], datetime | None]) -> Iterator[Page]:
    """Pages of several lists that are one for the engine, each of them by the time of its rows' last change.

    The list that is furthest behind is read on, and the cursor stands where all of them have come to. One that is at
    its end is whole up to when it gave its last page. now: the other side's time in its latest answer.
    """
    left, reached, looked = dict(enumerate(feeds)), dict.fromkeys(range(len(feeds)), since), dict[int, Any]()
    newest = cursor = since
    while left:
        at = min(left, key=reached.__getitem__)
        page = next(left[at], None)
        if page is None:
            del left[at]
            page, passed = Page(()), looked.get(at, now())
        else:
            looked[at], passed = now(), page.cursor
            newest = max(newest, page.cursor or newest)
        reached[at] = max(reached[at], passed or since)
        before, cursor = cursor, max(cursor, min(newest, *reached.values()))
        if page.rows or cursor > before:
            yield Page(page.rows, cursor=cursor)


def by_token(
    fetch: Callable[[str | None], tuple[Sequence[R], str | None]],
    time_of: Callable[[R], datetime] | None = None,
) -> Iterator[Page]:
    """Follows the other side's own "next page" tokens or addresses.

    fetch(token): the rows, and the next page's token or None at the end; the first token is None.
    `time_of` gives the pages their cursor, where rows come oldest change first. Raises BadAnswer when a
    token comes a second time.
    """
    token: str | None = None
    used: set[str] = set()
    time_of = _dated(time_of) if time_of else None
    while True:
        rows, token = fetch(token)
        if rows:
            yield Page(rows, cursor=time_of(rows[-1]) if time_of else None)
        if not token:
            return
        if token in used:
            raise BadAnswer(_SAME_AGAIN)
        used.add(token)
