"""References to the WMS: short, unique, and the same again after any restore."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.references import LENGTH, wms_ref


@pytest.mark.parametrize(
    ("number", "cart", "revision", "prefix", "expected"),
    [
        ("1001", 1, 0, "", "1001"),
        ("OAK-1001", 1, 0, "", "OAK-1001"),
        ("1001", 2, 0, "", "1001_2"),
        ("1001", 1, 1, "", "1001_r1"),
        ("1001", 3, 2, "", "1001_3_r2"),
        ("1001", 1, 0, "OAK", "OAK-1001"),
    ],
)
def test_the_number_itself_where_that_is_possible(
    number: str, cart: int, revision: int, prefix: str, expected: str
) -> None:
    assert wms_ref("cart", cart, "key", number, revision, prefix) == expected


@pytest.mark.parametrize("number", ["#1001", "1001/2", "1001_2", "1001_r1", "x-abc", "12345678901234567", "", "Ω1"])
def test_a_hash_where_it_is_not(number: str) -> None:
    for cart, prefix in ((1, ""), (1, "OAK"), (2, "OAK")):
        made = wms_ref("cart", cart, "key", number, 0, prefix)
        assert made.startswith("x-")
        assert len(made) == LENGTH


texts = st.text(st.sampled_from("019aZ-_#r"), min_size=1, max_size=18)
orders = st.tuples(st.integers(1, 3), texts, st.integers(0, 2))


@given(st.lists(orders, unique=True, min_size=2, max_size=20))
def test_two_orders_never_share_one(found: list[tuple[int, str, int]]) -> None:
    made = [wms_ref(f"cart{cart}", cart, number, number, revision) for cart, number, revision in found]
    assert len(set(made)) == len(made)
    assert all(len(ref) <= LENGTH for ref in made)
