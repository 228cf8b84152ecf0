"""Where Translate Item Code meets the stored products: what a code may mean."""

from collections.abc import Iterable, Sequence

from django.db import connection

from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit.canonical import Order
from merchants.models import Merchant
from merchants.rules import Rules, item_code, kit
from merchants.rules.codes import MASTER, Hit, ItemCodes
from merchants.rules.draft import FILTERED

# What other codes may cure: kits and item filters go by them too.
CURED = (item_code.CODE, kit.CODE, FILTERED)


class Book:
    """The codes of a merchant's products, looked up as they are asked for and remembered.

    It lives as long as the rules that it is part of: a change of the codes changes their mark.
    """

    def __init__(self, merchant_id: int, kind: str) -> None:
        self._merchant, self._kind = merchant_id, kind
        self._known: dict[str, list[Hit]] = {}

    def __call__(self, code: str) -> Sequence[Hit]:
        """The products that a code may mean."""
        self.know([code])
        return self._known[code]

    def know(self, codes: Iterable[str]) -> None:
        """Looks codes up that will be asked for: one statement for all of them."""
        new = {code for code in codes if code not in self._known}
        self._known |= {code: [] for code in new}
        wanted = sorted(code for code in new if "\x00" not in code)  # which no database keeps
        if not wanted:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT a.value, p.sku, a.kind FROM merchants_productalias a
                   JOIN merchants_product p ON p.account_id = a.account_id AND p.id = a.product_id
                   WHERE a.account_id = %(account)s AND a.merchant_id = %(merchant)s AND a.value = ANY(%(codes)s)
                     AND (%(any)s OR a.kind = %(kind)s)
                   UNION ALL
                   SELECT sku, sku, '' FROM merchants_product
                   WHERE %(any)s AND account_id = %(account)s AND merchant_id = %(merchant)s AND sku = ANY(%(codes)s)
                   ORDER BY 1, 2, 3""",
                {
                    "account": tenancy.account_id(),
                    "merchant": self._merchant,
                    "codes": wanted,
                    "any": self._kind == MASTER,
                    "kind": self._kind,
                },
            )
            for code, sku, kind in cursor.fetchall():
                self._known[code].append(Hit(sku, kind))


def of(merchant: Merchant, cart: Cart) -> ItemCodes | None:
    """How a cart's item codes are translated; None: not at all."""
    if not cart.translate_items:
        return None
    return ItemCodes(merchant.public_id, cart.translate_items, Book(merchant.pk, cart.translate_items))


def know(rules: Rules, codes: Iterable[str]) -> None:
    """Looks the codes of many orders up at once, before the rules see them."""
    if rules.item_codes is not None and isinstance(rules.item_codes.hits, Book):
        rules.item_codes.hits.know(codes)


def codes_of(orders: Iterable[Order | None]) -> list[str]:
    """The codes that stand in orders."""
    return [line.item for order in orders if order is not None for line in order.lines if line.item]
