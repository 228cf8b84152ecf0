"""A cart's products that come from the WMS: which it is to have, what became of each, and what people ask for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from alerts.raising import raise_alert, resolve
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit.connector import Connector
from merchants import schedules
from merchants.models import Merchant, ProductAlias, Service
from orders.models import CartListing, CartProduct, OutFile

State = CartListing.State
REFUSED, FAILING = "listing_refused", "listing_failing"  # kinds of alerts


def can(system: type[Connector]) -> bool:
    """Whether a cart of this system can be told of new products."""
    return "catalog" in system.renders or system.overrides("create_product")


def is_on(cart: Cart) -> bool:
    """Whether the cart's merchant and the cart both say so."""
    if not cart.list_products or cart.archived_at is not None:
        return False
    return bool(cart.merchant.list_products and cart.merchant.archived_at is None)


def reconcile(cart: Cart, wanted: Mapping[str, str], now: datetime) -> bool:
    """Notes what a cart is to have, each product once, and lets go what it is not to have any more.

    `wanted`: the code that it is to go by in the cart, by SKU. Without a name none can be created: it waits until the
    WMS, or a person, says it. What has come from the cart itself is there, whichever of its codes it came by. Gives
    whether any is not there yet.
    """
    let_go(cart, now, wanted)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH new AS (
                INSERT INTO orders_cartlisting
                       (account_id, merchant_id, cart_id, code, sku, state, cart_key, found, created_at, retry_at,
                        token, starts, failures, error_code, error_message)
                SELECT p.account_id, p.merchant_id, c.id, t.code, t.sku, 'waiting', '', false, %(now)s, %(now)s,
                       0, 0, 0, '', ''
                FROM unnest(%(skus)s::text[], %(codes)s::text[]) AS t(sku, code)
                JOIN carts_cart c ON c.id = %(cart)s AND c.list_products
                JOIN merchants_merchant m ON m.id = c.merchant_id AND m.list_products
                JOIN merchants_product p ON p.account_id = c.account_id AND p.merchant_id = c.merchant_id
                     AND p.sku = t.sku AND p.name <> ''
                WHERE NOT EXISTS (SELECT FROM orders_cartlisting l
                                  WHERE l.account_id = c.account_id AND l.cart_id = c.id AND l.sku = t.sku)
                  AND NOT EXISTS (SELECT FROM orders_cartproduct o
                                  WHERE o.account_id = c.account_id AND o.cart_id = c.id AND o.sku IN (t.code, t.sku))
                  AND NOT EXISTS (SELECT FROM merchants_productalias a
                                  JOIN orders_cartproduct o ON o.account_id = a.account_id AND o.cart_id = c.id
                                       AND o.sku = a.value
                                  WHERE a.account_id = c.account_id AND a.product_id = p.id)
                ON CONFLICT (account_id, cart_id, sku) DO NOTHING RETURNING 1)
            SELECT EXISTS (SELECT FROM new)
                   OR EXISTS (SELECT FROM orders_cartlisting WHERE account_id = %(account)s AND cart_id = %(cart)s
                              AND state IN ('waiting', 'refused'))""",
            {
                "account": tenancy.account_id(),
                "cart": cart.pk,
                "now": now,
                "skus": list(wanted),
                "codes": list(wanted.values()),
            },
        )
        return bool(cursor.fetchone()[0])


def let_go(cart: Cart, now: datetime, wanted: Mapping[str, str] = MappingProxyType({})) -> None:
    """What the cart is not to have any more, or by another code than it was noted with, is not sent.

    Of what a call was begun for nobody knows yet whether it is there: it stays until that has settled, so that whoever
    wants it again can be told by a look-up. What leaves in a file stays with its file.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM orders_cartlisting l
               WHERE account_id = %s AND cart_id = %s AND state IN ('waiting', 'refused') AND out_file_id IS NULL
                 AND (state = 'refused' OR starts = 0
                      OR (retry_at <= %s AND (lease_until IS NULL OR lease_until < now())))
                 AND NOT EXISTS (SELECT FROM unnest(%s::text[], %s::text[]) AS t(sku, code)
                                 WHERE t.sku = l.sku AND t.code = l.code)""",
            [tenancy.account_id(), cart.pk, now, list(wanted), list(wanted.values())],
        )


def switched(cart: Cart, now: datetime) -> None:
    """One of the two switches was turned: both on, the next upload begins; else nothing more is created."""
    if is_on(cart):
        schedules.wake(Service.UPLOAD_INVENTORY, now, cart_ids=[cart.pk])
    else:
        switched_off(cart, now)


def merchant_switched(merchant: Merchant, now: datetime) -> None:
    """The merchant's switch was turned, for all its carts that have theirs on."""
    for cart in Cart.objects.filter(merchant=merchant, list_products=True, archived_at__isnull=True):
        cart.merchant = merchant
        switched(cart, now)


def switched_off(cart: Cart, now: datetime) -> None:
    """Nothing more is created, and nobody has to mend anything. A file that is under way comes to its end."""
    let_go(cart, now)
    for kind in (REFUSED, FAILING):
        resolve(kind, [f"cart:{cart.pk}"], now)
    files_done(cart, now)


def files_done(cart: Cart, now: datetime) -> None:
    """The alert of a file of new products ends where none is to be written any more."""
    if not CartListing.objects.filter(cart=cart, state=State.WAITING).exists():
        resolve("file_failing", [f"catalog:{cart.pk}"], now)


def leave_wms() -> None:
    """What came from the WMS of before is the carts' own from now on: the new one can be given it."""
    CartListing.objects.filter(state=State.THERE, found=False).update(found=True)


def try_again(cart: Cart, now: datetime) -> int:
    """All that the cart refused is sent once more. How many."""
    return _again(refused(cart), now)


def all_again(cart: Cart, now: datetime) -> int:
    """All that was created is sent once more, because it is in the cart no more; what is there is found. How many."""
    return _again(CartListing.objects.filter(cart=cart, state=State.THERE, found=False), now)


def _again(rows: "QuerySet[CartListing]", now: datetime) -> int:
    fresh = {"failures": 0, "first_failed_at": None, "failed_at": None, "error_code": "", "error_message": ""}
    return int(rows.update(state=State.WAITING, retry_at=now, **fresh))


def refused(cart: Cart) -> "QuerySet[CartListing]":
    """What the cart does not take as it is."""
    found: QuerySet[CartListing] = CartListing.objects.filter(cart=cart, state=State.REFUSED)
    return found


def both_ways(
    cart: Cart, codes: Sequence[str], most: int
) -> tuple[dict[str, int], dict[str, int], dict[str, CartListing]]:
    """How many of a cart's products are in which state, on their way to the WMS and from there, in one statement.

    Of the latter "created" and "found": of those that are there, how many we have created and how many had been. And
    by the cart's code what became of some of these: of `codes`, and of `most` that it refuses, the oldest first.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT 'to_wms', state, false, count(*), '', NULL::timestamptz, '' FROM orders_cartproduct
               WHERE account_id = %(account)s AND cart_id = %(cart)s GROUP BY state
               UNION ALL
               SELECT 'to_cart', state, found, count(*), '', NULL, '' FROM orders_cartlisting
               WHERE account_id = %(account)s AND cart_id = %(cart)s GROUP BY state, found
               UNION ALL
               SELECT '', state, found, id, code, sent_at, error_message FROM orders_cartlisting
               WHERE account_id = %(account)s AND cart_id = %(cart)s AND (code = ANY(%(codes)s) OR id IN (
                   SELECT id FROM orders_cartlisting WHERE account_id = %(account)s AND cart_id = %(cart)s
                   AND state = 'refused' ORDER BY id LIMIT %(most)s))
               ORDER BY 1, 4""",
            {"account": tenancy.account_id(), "cart": cart.pk, "codes": list(codes), "most": most},
        )
        rows = cursor.fetchall()
    to_wms = {state.value: 0 for state in CartProduct.State}
    to_cart = {"created": 0, "found": 0, State.WAITING.value: 0, State.REFUSED.value: 0}
    some: dict[str, CartListing] = {}
    for what, state, found, number, code, sent_at, why in rows:
        if what == "to_wms":
            to_wms[state] += number
        elif what == "to_cart":
            to_cart["found" if found else "created" if state == State.THERE else state] += number
        else:
            some[code] = CartListing(code=code, state=state, found=found, sent_at=sent_at, error_message=why)
    return to_wms, to_cart, some


def from_wms(cart: Cart, skus: Iterable[str]) -> set[str]:
    """Which of a cart's SKUs are products that come from the WMS: created there, or a code of what is called otherwise.

    A code that has been taken from its product since says nothing any more.
    """
    created = Q(state=State.THERE, found=False, sku=F("code"))
    code = ProductAlias.objects.filter(
        merchant=cart.merchant_id, value=OuterRef("code"), product__sku=OuterRef("sku")
    )  # fmt: skip
    rows = CartListing.objects.filter(cart=cart, code__in=list(skus)).filter(created | Exists(code))
    return set(rows.values_list("code", flat=True))


def by_code(cart: Cart, codes: Sequence[str]) -> dict[str, CartListing]:
    """What became of some products, by the cart's code."""
    return {row.code: row for row in CartListing.objects.filter(cart=cart, code__in=codes)}


def tell(cart: Cart, now: datetime, *, worse: bool) -> None:
    """The alert of products that a cart refuses: raised where it is `worse`, ended with the last of them."""
    waiting = refused(cart)
    number = waiting.count()
    if not number:
        resolve(REFUSED, [f"cart:{cart.pk}"], now)
    elif worse:
        first = waiting.order_by("pk")[0]
        many = "One product of the WMS is" if number == 1 else f"{number} products of the WMS are"
        raise_alert(
            REFUSED,
            f"cart:{cart.pk}",
            f"{many} not created in {cart.name}, first {first.code}: {first.error_message}",
            now=now,
            fix="See which under Product Sync; mended, send them once more there.",
            total=number,
            merchant_id=cart.merchant_id,
            cart_id=cart.pk,
        )


# ── products in files ──


def in_file(file: OutFile, now: datetime) -> int:
    """The file is where it was to go: so are its products. How many."""
    return int(
        CartListing.objects.filter(out_file_id=file.pk).update(
            state=State.THERE, sent_at=now, found=False, out_file_id=None, lease_until=None, starts=0, failures=0,
            first_failed_at=None, failed_at=None, error_code="", error_message="",
        )
    )  # fmt: skip
