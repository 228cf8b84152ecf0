"""Where the kit rule meets what is stored: what is in each kit, and what is sent for the lines of one."""

from collections.abc import Mapping, Sequence

from django.db import connection

from integration_manager import tenancy
from merchants import kits
from merchants.rules import Outcome
from merchants.rules.kits import Component
from orders.content import fold


def store_parts(outcomes: Mapping[int, Outcome], *, known: bool = True) -> None:
    """Stores what is sent for the lines of kits in these orders (by id). `known`: some may be stored already."""
    rows = [
        (pk, at, number, part.line_id[:110], part.item[:100], fold(part.item), part.quantity)
        for pk, outcome in outcomes.items()
        for at in outcome.lines
        for number, part in enumerate(outcome.components(at), 1)
    ]
    if not rows and not known:
        return
    with connection.cursor() as cursor:
        if known:
            cursor.execute(
                "DELETE FROM orders_linepart WHERE account_id = %s AND order_id = ANY(%s)",
                [tenancy.account_id(), list(outcomes)],
            )
        if rows:
            cursor.execute(
                """INSERT INTO orders_linepart
                          (account_id, order_id, position, number, line_id, item, item_key, quantity, qty_shipped)
                   SELECT %s, g.*, 0 FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::text[], %s::text[],
                                                 %s::text[], %s::numeric[]) AS g""",
                [tenancy.account_id(), *map(list, zip(*rows, strict=True))],
            )


class Book:
    """The kits of a merchant, looked up when the first line is judged and remembered.

    It lives as long as the rules that it is part of: a change of the kits changes their mark.
    """

    def __init__(self, merchant_id: int) -> None:
        self._merchant = merchant_id
        self._known: dict[str, tuple[Component, ...]] | None = None

    @property
    def loaded(self) -> bool:
        """Whether they have been looked up."""
        return self._known is not None

    def __call__(self, sku: str) -> Sequence[Component]:
        """What is in a kit; nothing where the SKU is none."""
        if self._known is None:
            self._known = kits.contents(self._merchant)
        return self._known.get(sku, ())
