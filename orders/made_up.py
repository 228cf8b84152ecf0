"""Test orders, to try a set-up: made up here, put where the cart has its orders, and loaded like any other."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import Account
from carts.models import Cart
from integration_manager.kit.canonical import Address, Line, SourceState
from integration_manager.kit.canonical import Order as Canonical
from orders import many
from orders.inserting import insert_orders
from orders.intake import Intake, Stored
from orders.models import Order, Status
from orders.reading import Unreadable, read_raw, reader_of
from orders.states import note
from orders.storing import announce, known_of

PREFIX = "TEST-"
MOST = 20
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
BUYER = Address(
    first_name="Test",
    last_name="Order",
    address_1="100 Example Street",
    city="Springfield",
    state="IL",
    zip="62701",
    country="US",
    phone="+1 217 555 0100",
    e_mail="test-order@example.com",
)


def orders_of(count: int, skus: Sequence[str], methods: Sequence[str], now: datetime) -> list[Canonical]:
    """Made-up orders: one to three of the SKUs in each, the ship methods in turn. Their numbers are new."""
    batch = "".join(secrets.choice(_LETTERS) for _ in range(5))
    found = []
    for index in range(count):
        number = f"{PREFIX}{batch}-{index + 1:02}"
        wanted = dict.fromkeys(skus[(index + step) % len(skus)] for step in range(1 + index % 3))
        lines = tuple(
            Line(
                line_id=str(at),
                item=sku,
                quantity=Decimal(1 + (index + at) % 2),
                description="Test item",
                price=Decimal("1.00"),
            )
            for at, sku in enumerate(wanted, 1)
        )
        found.append(
            Canonical(
                cart_key=number,
                cust_ref=number,
                cust_po_no=number,
                order_date=now.date(),
                ordered_at=now,
                source_state=SourceState.ELIGIBLE,
                lines=lines,
                ship=BUYER,
                ship_code=methods[index % len(methods)] if methods else None,
                currency_code="USD",
            )
        )
    return found


def load(cart: Cart, raws: Sequence[Any], account: Account, now: datetime, *, actor: str, hold: bool) -> list[Order]:
    """Loads what the cart gave for them, marked as tests. `hold`: they are not sent until a person says so."""
    reader = reader_of(cart)
    read = [read_raw(raw, reader, account.timezone) for raw in raws]
    stored = Stored()
    with transaction.atomic():
        intake = Intake(cart.merchant, cart)
        intake.keep_rules()
        found = [one for one in read if not isinstance(one, Unreadable)]
        known, _ = known_of(intake, [one.key for one in found])
        fresh = [one for one in found if one.key not in known]
        ids = insert_orders(intake, fresh, now, stored, status=Status.HELD if hold else None)
        # One that Order Download was quicker with is a test all the same.
        quick = [known[one.key][0] for one in found if one.key in known]
        ids += quick
        rows = Order.objects.filter(pk__in=ids)
        rows.update(test=True)
        if hold:
            rows.filter(status=Status.HELD).update(held_by="person")
            many.cancel_sending(list(rows.filter(pk__in=quick)), actor, now)
        note(ids, "test", "Made up to try the set-up.", now=now, actor=actor)
        announce(cart.merchant, stored, now, news=not hold)
    return list(Order.objects.filter(pk__in=ids).order_by("id"))
