"""Paging: nothing is left out while the list changes under our hands."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_manager.kit.connector import Page
from integration_manager.kit.errors import BadAnswer
from integration_manager.kit.paging import by_modified, by_offset, by_token, together

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
Row = dict[str, Any]


class Shop:
    """A shop's list by modified time; `edit` moves an order to its end."""

    def __init__(self, times: list[int], size: int = 10) -> None:
        self.rows: list[Row] = [{"id": i, "at": T0 + at * SECOND, "v": 0} for i, at in enumerate(times)]
        self.size, self.requests = size, 0
        self.clock = max(times, default=0)
        self.before: Callable[[], None] = lambda: None

    def edit(self, number: int) -> None:
        self.clock += 1
        self.rows[number] = {**self.rows[number], "at": T0 + self.clock * SECOND, "v": self.rows[number]["v"] + 1}

    def fetch(self, since: datetime, page: int) -> list[Row]:
        self.before()
        self.requests += 1
        found = sorted((row for row in self.rows if row["at"] >= since), key=lambda row: (row["at"], row["id"]))
        return found[(page - 1) * self.size :][: self.size]

    def at(self, offset: int) -> list[Row]:
        self.before()
        self.requests += 1
        return sorted(self.rows, key=lambda row: (-row["at"].timestamp(), row["id"]))[offset:][: self.size]

    def pages(self, since: datetime = T0, **more: Any) -> Iterator[Page]:
        return by_modified(self.fetch, since, lambda row: row["at"], self.size, **more)


def rows_of(pages: Iterator[Page]) -> list[Row]:
    return [row for page in pages for row in page.rows]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 25, 30])
def test_every_row_comes_once_and_in_order(count: int) -> None:
    shop = Shop(list(range(count)))
    pages = list(shop.pages())
    assert [row["id"] for page in pages for row in page.rows] == list(range(count))
    assert all(page.cursor == page.rows[-1]["at"] for page in pages)
    assert shop.requests <= count // 9 + 1


@pytest.mark.parametrize("count", [10, 25, 1000])
def test_many_orders_with_the_same_time(count: int) -> None:
    shop = Shop([0, *[5] * count, 6, 7])
    rows = rows_of(shop.pages())
    assert [row["id"] for row in rows] == list(range(count + 3))
    assert list(shop.pages())[-1].cursor == T0 + 7 * SECOND
    shop = Shop([5] * count)
    assert len(rows_of(shop.pages(T0 + 5 * SECOND))) == count


def test_the_cursor_stays_until_a_stretch_of_one_time_is_complete() -> None:
    shop = Shop([5] * 25 + [6] * 3)
    steps = iter([None, None, None, 0])  # before the stretch's last page; one of its orders slips away
    shop.before = lambda: shop.edit(number) if (number := next(steps, None)) is not None else None
    cursors, seen = [], set()
    for page in shop.pages():
        seen |= {row["id"] for row in page.rows}
        cursors.append(page.cursor)
        assert page.cursor == T0 + 5 * SECOND or seen == set(range(28))
    assert cursors == sorted(cursors)
    assert cursors[-1] > T0 + 6 * SECOND


def test_an_edit_while_paging_loses_nothing() -> None:
    shop = Shop(list(range(35)))
    edits = iter([3, 12, 20])
    shop.before = lambda: shop.edit(number) if (number := next(edits, None)) is not None else None
    rows = rows_of(shop.pages())
    assert {(row["id"], row["v"]) for row in rows} >= {(row["id"], row["v"]) for row in shop.rows}


def test_an_edit_within_a_stretch_of_one_time_loses_nothing() -> None:
    """The trap: order 0 moves away after page 1 was read, and the first of page 2 slips to page 1."""
    shop = Shop([5] * 40)
    steps = iter([None, None, 0, None, 15, None])
    shop.before = lambda: shop.edit(number) if (number := next(steps, None)) is not None else None
    for key_of in (repr, lambda row: row["id"]):
        shop = Shop([5] * 40)
        steps = iter([None, None, 0, None, 15, None])
        shop.before = lambda shop=shop, steps=steps: (
            shop.edit(number) if (number := next(steps, None)) is not None else None
        )
        assert {row["id"] for row in rows_of(shop.pages(key_of=key_of))} == set(range(40))


@settings(max_examples=150)
@given(
    times=st.lists(st.integers(0, 6), max_size=60),
    size=st.integers(2, 9),
    seed=st.integers(0, 10_000),
    edits=st.integers(0, 8),
)
def test_a_changing_shop_is_read_whole(times: list[int], size: int, seed: int, edits: int) -> None:
    """Whatever is edited and added meanwhile, each order's last form is had, or is left for the next run."""
    shop, chance, left = Shop(sorted(times), size), random.Random(seed), [edits]

    def change() -> None:
        if left[0] and shop.rows and chance.random() < 0.5:
            left[0] -= 1
            shop.edit(chance.randrange(len(shop.rows)))

    shop.before = change
    have: set[tuple[int, int]] = set()
    for page in shop.pages():
        have |= {(row["id"], row["v"]) for row in page.rows}
        # A worker may die after any page: the next run starts at this cursor.
        assert page.cursor
        assert all((row["id"], row["v"]) in have or row["at"] >= page.cursor for row in shop.rows)
    assert shop.requests < 20 * (len(times) + edits + 1)


def test_a_filter_that_is_coarser_than_the_times_ends_and_loses_nothing() -> None:
    shop = Shop(list(range(70)))
    exact = shop.fetch
    shop.fetch = lambda since, page: exact(since.replace(second=0), page)  # type: ignore[method-assign]
    assert {row["id"] for row in rows_of(shop.pages())} == set(range(70))


def test_a_server_that_ignores_the_page_number_is_found_out() -> None:
    shop = Shop([5] * 40)
    exact = shop.fetch
    shop.fetch = lambda since, page: exact(since, 1)  # type: ignore[method-assign]
    with pytest.raises(BadAnswer, match="again and again"):
        list(shop.pages())


def test_by_offset_reads_until_a_pass_brings_nothing_new() -> None:
    shop = Shop(list(range(35)))
    assert len(rows_of(by_offset(shop.at, 10))) == 35
    assert shop.requests == 8
    shop = Shop(list(range(7)))
    assert len(rows_of(by_offset(shop.at, 10))) == 7
    assert shop.requests == 1
    shop = Shop(list(range(35)))
    edits = iter([None, 0, None, 17, 5])
    shop.before = lambda: shop.edit(number) if (number := next(edits, None)) is not None else None
    rows = rows_of(by_offset(shop.at, 10))
    assert {(row["id"], row["v"]) for row in rows} >= {(row["id"], row["v"]) for row in shop.rows}
    with pytest.raises(BadAnswer):
        list(by_offset(lambda offset: [1, 2, 3], 3))


def test_by_token_follows_and_does_not_go_round() -> None:
    lists: dict[str | None, tuple[list[int], str | None]] = {None: ([1, 2], "b"), "b": ([], "c"), "c": ([3], None)}
    pages = list(by_token(lists.__getitem__, lambda row: T0 + row * SECOND))
    assert [page.rows for page in pages] == [[1, 2], [3]]
    assert pages[-1].cursor == T0 + 3 * SECOND
    with pytest.raises(BadAnswer):
        list(by_token(lambda token: ([1], "same")))


@pytest.mark.parametrize("seed", range(20))
def test_of_lists_that_are_read_together_none_is_passed_by_the_cursor(seed: int) -> None:
    """While either changes under our hands, and whichever of them is longer."""
    dice = random.Random(seed)
    shops = [Shop([dice.randrange(60) for _ in range(dice.choice((0, 5, 45)))]) for _ in range(2)]
    shops[1].rows = [{**row, "id": row["id"] + 1000} for row in shops[1].rows]
    edits = 25

    def edit() -> None:
        nonlocal edits
        edited = dice.choice(shops)
        if edits and edited.rows and dice.random() < 0.5:
            edits -= 1
            edited.clock = max(shop.clock for shop in shops)
            edited.edit(dice.randrange(len(edited.rows)))

    def now() -> datetime:
        return T0 + max(shop.clock for shop in shops) * SECOND

    for shop in shops:
        shop.before = edit
    given, cursor = set[tuple[int, int]](), T0
    for _ in range(2):
        for page in together([shop.pages(cursor) for shop in shops], cursor, now):
            given |= {(row["id"], row["v"]) for row in page.rows}
            assert page.cursor is not None and page.cursor >= cursor
            cursor = page.cursor
            there = [row for shop in shops for row in shop.rows]
            assert not [row for row in there if row["at"] < cursor and (row["id"], row["v"]) not in given]
        edits = 0  # the next run finds what is left
    assert {(row["id"], row["v"]) for shop in shops for row in shop.rows} <= given
    assert cursor == max([row["at"] for shop in shops for row in shop.rows], default=T0)


def test_a_list_is_not_taken_for_whole_where_the_other_side_tells_no_time() -> None:
    pages = list(together([Shop([5]).pages(), Shop([]).pages()], T0, lambda: None))
    assert [page.cursor for page in pages] == [T0], "it is read again"
