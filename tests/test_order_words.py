"""Charges, tracking links and differences: what an order's page says of what came from outside. Pure."""

from decimal import Decimal

import pytest

from orders import charges, differences
from orders.tracking_links import link

LINES = [
    {"line_id": "1", "item": "A", "quantity": "2", "price": "10.00", "discount": "1.00", "tax": "1.80"},
    {"line_id": "2", "item": "B", "quantity": "1", "price": "5.00", "addl_discount": "0.50"},
]
WHOLE = {
    "lines": LINES, "currency_code": "USD", "sub_total": "23.00", "sales_tax": "1.80", "shipping_handling": "4.00",
    "order_discount": "0.50", "grand_total": "28.30",
}  # fmt: skip


def amounts(found: charges.Charges) -> list[Decimal | None]:
    return [row.amount for row in (*found.rows, found.total)]


def test_charges_that_add_up_are_shown_without_a_word() -> None:
    found = charges.of_order(WHOLE, source="Shop")
    assert amounts(found) == [Decimal(a) for a in ("23.00", "4.00", "1.80", "0.50", "28.30")]
    assert (found.remarks, any(row.added_up for row in found.rows)) == ((), False)
    line = charges.of_line(LINES[0])
    assert (line.total, line.details) == (
        Decimal("18.00"),
        (("discount each", Decimal("1.00")), ("tax", Decimal("1.80"))),
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"sub_total": "30.00", "grand_total": "35.30"}, "30.00 for the items, which add up to 23.00"),
        ({"grand_total": "30.00"}, "Shop says 30.00 in all: 1.70 more than its parts add up to, 28.30"),
        ({"grand_total": "20.00"}, "8.30 less than its parts"),
        ({"sales_tax": "2.80", "grand_total": "29.30"}, "1.00 of the tax belongs to no item"),
        ({"sales_tax": "0.80", "grand_total": "27.30"}, "The items’ taxes add up to 1.80, more than the order’s 0.80"),
        ({"order_discount": "0.00", "grand_total": "28.80"}, "0.50 off single lines is more than the order’s discount"),
    ],
)
def test_what_does_not_add_up_is_said_and_not_corrected(said: dict[str, str], words: str) -> None:
    found = charges.of_order({**WHOLE, **said}, source="Shop")
    assert len(found.remarks) == 1
    assert words in found.remarks[0]
    shown = dict(
        zip(
            ("sub_total", "shipping_handling", "sales_tax", "order_discount", "grand_total"),
            amounts(found),
            strict=True,
        )
    )
    assert all(shown[name] == Decimal(value) for name, value in said.items())


def test_what_the_source_does_not_say_is_added_up_and_marked_or_left_open() -> None:
    found = charges.of_order({"lines": LINES, "shipping_handling": "4.00"}, source="Shop")
    assert [(row.amount, row.added_up) for row in (*found.rows, found.total)] == [
        (Decimal("23.00"), True), (Decimal("4.00"), False), (Decimal("1.80"), True), (Decimal("0.50"), True),
        (Decimal("28.30"), True),
    ]  # fmt: skip
    bare = charges.of_order({"lines": [{"line_id": "1", "item": "A", "quantity": "1"}]}, source="Shop")
    assert amounts(bare) == [None] * 5, "without a price nothing is invented"
    unpaid = charges.of_order({"lines": LINES}, source="Shop")
    assert unpaid.total.amount is None, "what shipping cost is not known"
    odd = charges.of_order({"lines": [{"price": "x", "quantity": "1"}], "sub_total": "?"}, source="Shop")
    assert amounts(odd) == [None] * 5


def test_a_cent_for_each_line_is_rounding_and_edited_items_are_said() -> None:
    assert charges.of_order({**WHOLE, "grand_total": "28.32"}, source="Shop").remarks == ()
    assert charges.of_order({**WHOLE, "currency_code": "KWD", "grand_total": "28.32"}, source="Shop").remarks
    assert "changed here" in charges.of_order(WHOLE, source="Shop", edited=["lines"]).remarks[0]


@pytest.mark.parametrize(
    ("carrier", "number", "given", "expected"),
    [
        ("UPS", "1Z 999 AA1 0123 456 784", "", "https://www.ups.com/track?tracknum=1Z999AA10123456784"),
        ("ups ground", "1Z999AA10123456784", "", "https://www.ups.com/track?tracknum=1Z999AA10123456784"),
        ("USPS", "9400100000000000000000", None, "https://tools.usps.com/go/TrackConfirmAction?tLabels=9400100000000000000000"),
        ("FedEx", "123456789012", None, "https://www.fedex.com/fedextrack/?trknbr=123456789012"),
        ("Royal Mail", "AB123456789GB", None, "https://www.royalmail.com/track-your-item#/tracking-results/AB123456789GB"),
        ("Nobody", "123456789012", None, ""),
        ("UPS", "1Z<script>", None, ""),
        ("UPS", "n/a", None, ""),
        ("UPS", "PICKUP", None, ""),
        (None, None, None, ""),
        ("Nobody", "1", "https://track.example.com/p?n=1", "https://track.example.com/p?n=1"),
        ("UPS", "1Z999AA10123456784", "javascript:alert(1)", "https://www.ups.com/track?tracknum=1Z999AA10123456784"),
        ("Nobody", "1", "http://track.example.com/", ""),
        ("Nobody", "1", "https://user:pass@track.example.com/", ""),
        ("Nobody", "1", "https://track.example.com:8443/", ""),
        ("Nobody", "1", "https://127.0.0.1/", ""),
        ("Nobody", "1", "https://localhost/", ""),
        ("Nobody", "1", "https://[::1]/", ""),
        ("Nobody", "1", "https://track.example.com/\"onmouseover=x", ""),
        ("Nobody", "1", "https://track.example.com:x/", ""),
        ("Nobody", "1", "https://track.example.com/" + "x" * 3000, ""),
    ],
)  # fmt: skip
def test_a_tracking_link_is_safe_or_none(carrier: str | None, number: str, given: str | None, expected: str) -> None:
    assert link(carrier, number, given) == expected


def test_differences_name_each_part() -> None:
    before = {
        "ship": {"address_1": "1 Mill Lane", "zip": "97201"},
        "lines": [{"line_id": "1", "item": "A", "quantity": "2.0000"}, {"line_id": "2", "item": "B", "quantity": "1"}],
        "extra_fields": {"colour": "red"},
        "modified_at": "x",
        "gift_wrap": False,
    }
    after = {
        "ship": {"address_1": "1 Mill Lane", "zip": "97202", "city": "Portland"},
        "lines": [{"line_id": "1", "item": "A", "quantity": "3"}, {"line_id": "3", "item": "C", "quantity": "4"}],
        "extra_fields": {"colour": "blue"},
        "modified_at": "y",
        "tags": ["a", "b"],
        "gift_wrap": True,
    }
    found = {(d.name, d.before, d.after) for d in differences.between(before, after)}
    assert found == {
        ("Ship to, postcode", "97201", "97202"), ("Ship to, city", "", "Portland"), ("A, quantity", "2", "3"),
        ("Item", "1 × B", ""), ("Item", "", "4 × C"), ("Extra fields, colour", "red", "blue"), ("Tags", "", "a, b"),
        ("Gift wrap", "no", "yes"),
    }  # fmt: skip
    many = {"lines": [[], [{"line_id": str(n), "item": "A", "quantity": "1"} for n in range(200)]]}
    assert differences.of_changes(many)[-1].after == "140 more"
    assert differences.of_changes({"odd": "x", "lines": [None, None]}) == []
