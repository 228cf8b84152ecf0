"""Products of the WMS that a cart does not have are created in it: a part of Inventory Upload, before their stock.

Only where the merchant and the cart both say so, and only what the cart is told the stock of: its item filters, its
warehouse and the code it goes by hold here too. A kit is put together here, and is no product of the WMS.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from alerts.raising import raise_alert, resolve
from carts.models import CartStock
from integration_manager.kit.canonical import Alias, Product
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.errors import storable
from merchants.models import ProductAlias
from merchants.offers import Offer
from orders import cursors, listings
from orders.models import CartListing
from orders.run import Run, Unstarted
from orders.services import product_sending
from orders.services.product_sending import Put, Sending

OPEN = "listing"  # in the schedule's state: something was on its way to the cart, or stood against it, in the last run
BARCODES = ("barcode", "upc", "ean", "gtin")  # kinds of other codes that are one, the likeliest first
State = CartListing.State


@dataclass(frozen=True, slots=True)
class Claimed(product_sending.Claimed):
    """One product taken to be created."""

    product: Product
    others: tuple[str, ...]  # its other codes: it may be there under one of these


def list_products(run: Run, offers: Sequence[Offer]) -> list[str]:
    """Creates in a cart what it does not have of `offers`: of what it is told the stock of.

    Gives the codes of what is there now, as far as this run has seen to it.
    """
    connector, cart = run.connector, run.cart
    assert isinstance(connector, CartConnector) and cart is not None
    on = cart.list_products and run.merchant.list_products
    if not (on or OPEN in run.state) or not listings.can(type(connector)):
        return []
    wanted: dict[str, str] = {}  # by SKU the first of its codes: it is one product, however many it has
    for offer in offers if on else ():
        if offer.told and not offer.made:
            wanted.setdefault(offer.sku, offer.code)
    is_open = listings.reconcile(cart, wanted, run.now)
    if not is_open and OPEN not in run.state:
        return []
    if OPEN not in run.state:
        run.state[OPEN] = True
        cursors.remember(run)  # before the first call: a worker may die, and the switches be turned, in the middle
    listing = _Listing(run, connector)
    if "catalog" in connector.renders:
        listing.write()
    else:
        listing.send()
    if not is_open:
        del run.state[OPEN]
    return listing.there


class _Listing(Sending[Claimed]):
    """The new products of one cart."""

    rows = CartListing
    kind = "catalog"
    hurries = False  # with the next upload is soon enough: a whole one would come every minute for one product

    def __init__(self, run: Run, connector: CartConnector) -> None:
        super().__init__(run, connector)
        self.there: list[str] = []

    def claim(self, limit: int, lease: float) -> list[Claimed]:
        run = self.run
        assert run.cart is not None
        with connection.cursor() as cursor:
            cursor.execute(
                """
                WITH picked AS MATERIALIZED (
                    SELECT l.id, k.name FROM orders_cartlisting l
                    JOIN carts_cart c ON c.id = l.cart_id AND c.list_products
                    JOIN merchants_merchant m ON m.id = l.merchant_id AND m.list_products
                    JOIN merchants_product k ON k.account_id = l.account_id AND k.merchant_id = l.merchant_id
                         AND k.sku = l.sku AND k.name <> ''
                    WHERE l.cart_id = %s AND l.state = 'waiting' AND l.retry_at <= %s AND l.out_file_id IS NULL
                      AND (l.lease_until IS NULL OR l.lease_until < now())
                    ORDER BY l.retry_at, l.id LIMIT %s FOR UPDATE OF l SKIP LOCKED)
                UPDATE orders_cartlisting l SET token = l.token + 1, starts = l.starts + 1,
                       lease_until = now() + make_interval(secs => %s)
                FROM picked WHERE l.id = picked.id
                RETURNING l.id, l.cart_id, l.token, l.starts, l.failures, l.first_failed_at, l.failed_at,
                          l.code, l.sku, picked.name""",
                [run.cart.pk, run.now, limit, lease],
            )
            rows = cursor.fetchall()
        aliases = _aliases(run.merchant.pk, [row[8] for row in rows])
        claimed = []
        for *taken, code, sku, name in rows:
            product = Product(key=sku, sku=code, name=name, barcode=_barcode(aliases[sku]))
            others = tuple(value for value in (sku, *(one.value for one in aliases[sku])) if value != code)
            claimed.append(Claimed(*(*taken, product, others)))
        return claimed

    def put(self, one: Claimed) -> Put:
        if self.connector.overrides("find_product"):
            for code in one.others:
                if time.monotonic() > self.start_before:
                    raise Unstarted  # the lease is for no more calls than a few
                if key := self.connector.find_product(code):
                    return Put(key, "found")
        key, ours = self.added(one.product)
        # One that is found at a later start may be ours: the answer to the first was lost.
        return Put(key, "sent" if ours or one.starts > 1 else "found")

    def product(self, one: Claimed) -> Product:
        return one.product

    def done(self, done: Sequence[tuple[Claimed, Put]]) -> None:
        run = self.run
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE orders_cartlisting p SET
                    state = 'there', cart_key = g.key, sent_at = %s, found = g.found AND p.sent_at IS NULL,
                    lease_until = NULL, starts = 0,
                    failures = 0, first_failed_at = NULL, failed_at = NULL, error_code = '', error_message = ''
                FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bool[]) AS g(id, token, key, found)
                WHERE p.id = g.id AND p.token = g.token RETURNING p.id, p.code""",
                [
                    run.now,
                    [one.id for one, _ in done],
                    [one.token for one, _ in done],
                    [storable(put.key, 100) for _, put in done],
                    [put.did == "found" for _, put in done],
                ],
            )
            mine = dict(cursor.fetchall())
            # It did not know these, so it was told none of their stock: now it is.
            CartStock.objects.filter(cart=run.cart, sku__in=list(mine.values()), skipped=True).delete()
        self.there += mine.values()
        for one, put in done:
            run.counts[f"products_{put.did}"] += one.id in mine

    def close(self) -> None:
        run = self.run
        assert run.cart is not None
        key = f"cart:{run.cart.pk}"
        waiting = CartListing.objects.filter(cart=run.cart, state=State.WAITING)
        if self.failed is not None:
            raise_alert(
                listings.FAILING,
                key,
                f"{run.cart.name} does not take new products at the moment: {self.failed}",
                now=run.now,
                fix=getattr(self.failed, "fix", "") or "Nothing to do: they are tried again at every Inventory Upload.",
                said=self.failed.said,
                merchant_id=run.merchant.pk,
                cart_id=run.cart.pk,
            )
        elif not waiting.filter(failures__gt=0).exists():
            resolve(listings.FAILING, [key], run.now)
        listings.tell(run.cart, run.now, worse=bool(self.refused))
        listings.files_done(run.cart, run.now)


def _aliases(merchant_id: int, skus: Sequence[str]) -> dict[str, list[Alias]]:
    found: dict[str, list[Alias]] = defaultdict(list)
    rows = ProductAlias.objects.filter(merchant_id=merchant_id, product__sku__in=skus).order_by("value")
    for sku, kind, value in rows.values_list("product__sku", "kind", "value"):
        found[sku].append(Alias(kind, value))
    return found


def _barcode(aliases: Sequence[Alias]) -> str | None:
    """What of a product's other codes is its barcode, if any."""
    known = [(BARCODES.index(one.name.casefold()), one.value) for one in aliases if one.name.casefold() in BARCODES]
    return min(known)[1] if known else None
