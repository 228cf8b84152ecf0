"""A cart's products as they are kept on their way to the WMS: what a page brings, and what people ask for."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import Count, Min, QuerySet
from django.db.models.functions import Now
from msgspec import structs

from alerts.raising import raise_alert, resolve
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.ids import public_ids
from integration_manager.kit.canonical import Product, to_json
from integration_manager.kit.errors import storable
from merchants import catalog
from merchants.models import Product as Known
from orders import bulk, listings
from orders.models import CartProduct, OutFile

State = CartProduct.State
LONGEST = 100  # characters of a SKU or a key
NO_SKU, LONG_SKU, TWICE, OTHER_WMS, OFF = "no_sku", "long_sku", "sku_twice", "other_wms", "sync_off"
NOT_SENT = {
    OTHER_WMS: "The WMS was changed, and the new one was not given it. Import the products to have them there.",
    OFF: "Product Sync was switched off before it was sent.",
}
# Of alerts, by what is wrong: with products that have no SKU, and with all others that wait for a person.
WITHOUT_SKU, REFUSED, FAILING = "product_without_sku", "product_refused", "products_failing"


def store(cart: Cart, products: Sequence[Product], now: datetime, *, again: bool) -> Counter[str]:
    """Keeps what a page says of a cart's products. What is new or changed waits to be sent; how many of each.

    Of what the WMS has already, changes count where Download Product Updates is on. `again`: a person imports, so
    what had been refused is tried once more.
    """
    known = listings.from_wms(cart, {one.sku for one in products})  # no new products for it
    rows = {_key(one.key): _wanted(cart, one) for one in products if one.sku not in known}  # the same twice: the later
    if not rows:
        return Counter()
    keys = sorted(rows)
    wanted = [rows[key] for key in keys]
    data = [to_json(one) for one in wanted]
    problems = [_problem(one) for one in wanted]
    updates, table = bool(cart.sync_updates), CartProduct._meta.db_table
    kept = f"{table}.sku = excluded.sku"
    written = bulk.insert(
        CartProduct,
        {
            "public_id": bulk.PerRow(public_ids(len(keys))),
            "merchant_id": cart.merchant_id,
            "cart_id": cart.pk,
            "key": bulk.PerRow(keys),
            "sku": bulk.PerRow([one.sku[:LONGEST] for one in wanted]),
            "data": bulk.PerRow(data),
            "content_hash": bulk.PerRow([_hash(one) for one in data]),
            "modified_at": bulk.PerRow([one.modified_at for one in wanted]),
            "state": bulk.PerRow([State.REFUSED if code else State.WAITING for code, _ in problems]),
            "error_code": bulk.PerRow([code for code, _ in problems]),
            "error_message": bulk.PerRow([words for _, words in problems]),
            "created_at": now,
            "retry_at": now,
        },
        # Given to the database as it is: nothing but names and truths of ours stands in it.
        conflict=f"""ON CONFLICT (account_id, cart_id, key) DO UPDATE SET
            sku = excluded.sku, data = excluded.data, content_hash = excluded.content_hash,
            modified_at = excluded.modified_at, state = excluded.state, error_code = excluded.error_code,
            error_message = excluded.error_message, failures = 0,
            retry_at = CASE WHEN {table}.starts > 0  -- what may have been added shows only after a while
                       THEN greatest({table}.retry_at, excluded.retry_at) ELSE excluded.retry_at END,
            first_failed_at = NULL, failed_at = NULL,
            found = false, wms_key = CASE WHEN {kept} THEN {table}.wms_key ELSE '' END
            WHERE ({table}.content_hash <> excluded.content_hash AND ({updates} OR {table}.state <> 'there'))
               OR NOT {kept} OR {table}.state = 'left' OR ({again} AND {table}.state = 'refused')
               OR ({again} AND {updates} AND {table}.found)""",
        returning=["xmax = 0", "state"],
    )
    if written:
        _let_twins_go(cart, now)
    counts: Counter[str] = Counter()
    for new, state in written:
        counts["refused" if state == State.REFUSED else "new" if new else "changed"] += 1
    return counts


def _wanted(cart: Cart, product: Product) -> Product:
    """The product as the WMS is to have it."""
    if not cart.sync_price:
        product = structs.replace(product, retail_price=None, currency_code=None)
    name = storable(product.name, 200) if product.name else None
    return structs.replace(product, sku=storable(product.sku).strip(), name=name)


def _problem(product: Product) -> tuple[str, str]:
    """What a person has to mend in the shop first: code and words; empty where there is nothing."""
    if not product.sku:
        return NO_SKU, "It has no SKU in the cart, so the WMS cannot know what it is. Give it one there."
    if len(product.sku) > LONGEST:
        return LONG_SKU, f"Its SKU has {len(product.sku)} characters; {LONGEST} at most. Shorten it in the cart."
    return "", ""


def _key(key: str) -> str:
    """The cart's key, as long as our column."""
    key = storable(key)
    return key if len(key) <= LONGEST else f"{key[:60]}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _hash(data: dict[str, Any]) -> str:
    """Of what the WMS gets: when it changed does not count."""
    content = {name: value for name, value in data.items() if name not in ("key", "modified_at")}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _let_twins_go(cart: Cart, now: datetime) -> None:
    """One that waited since another has its SKU too goes on, where the other has got another one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE orders_cartproduct p SET state = 'waiting', retry_at = %s, error_code = '', error_message = ''
               WHERE account_id = %s AND cart_id = %s AND state = 'refused' AND error_code = %s
               AND NOT EXISTS (SELECT 1 FROM orders_cartproduct o WHERE o.account_id = p.account_id
                               AND o.cart_id = p.cart_id AND o.sku = p.sku AND o.id < p.id)""",
            [now, tenancy.account_id(), cart.pk, TWICE],
        )


def retriable(cart: Cart) -> "QuerySet[CartProduct]":
    """What waits for a person and could be sent once more: the rest has to be mended in the shop first."""
    found: QuerySet[CartProduct] = CartProduct.objects.filter(cart=cart, state=State.REFUSED)
    return found.exclude(error_code__in=[NO_SKU, LONG_SKU, TWICE])


def try_again(cart: Cart, now: datetime) -> int:
    """All that waits for a person and could be sent is sent once more. How many."""
    return _again(retriable(cart), now)


def try_one_again(cart: Cart, now: datetime, product: str) -> int:
    """One product that waits for a person is sent once more; 1, or 0 where there is none such.

    Where another one has its SKU, it takes that one's place: a person says that the other is no longer in the cart.
    If it is, the next import finds it, and then it is the one that waits.
    """
    one = CartProduct.objects.filter(cart=cart, public_id=product, state=State.REFUSED, error_code=TWICE).first()
    if one is None:
        return _again(retriable(cart).filter(public_id=product), now)
    with transaction.atomic():
        same = CartProduct.objects.filter(cart=cart, sku=one.sku, pk__lte=one.pk)
        *others, one = same.select_for_update().order_by("pk")
        if CartProduct.objects.filter(pk__in=[other.pk for other in others], lease_until__gt=Now()).exists():
            return 0  # it is being sent in this moment: what becomes of it has to be kept
        there = next((other for other in reversed(others) if other.wms_key), one)
        due = max([now, *(other.retry_at for other in others)])  # what may have been added shows only after a while
        CartProduct.objects.filter(pk__in=[other.pk for other in others]).delete()
        found = CartProduct.objects.filter(pk=one.pk, state=State.REFUSED)
        return _again(found, due, wms_key=there.wms_key, wms_id=there.wms_id)


def _again(found: "QuerySet[CartProduct]", now: datetime, **at_wms: Any) -> int:
    # Looked up anew: what it was at the WMS before may be what is wrong.
    fresh = {"failures": 0, "first_failed_at": None, "failed_at": None, "wms_key": ""} | at_wms
    return int(found.update(state=State.WAITING, retry_at=now, error_code="", error_message="", **fresh))


def stop(cart: Cart, now: datetime) -> int:
    """Product Sync was switched off: what has not been begun is not sent, and nobody has to mend anything."""
    waiting = CartProduct.objects.filter(cart=cart, state=State.WAITING, starts=0)
    left = int(waiting.update(state=State.LEFT, error_code=OFF, error_message=NOT_SENT[OFF]))
    for kind in (WITHOUT_SKU, REFUSED):
        resolve(kind, [f"cart:{cart.pk}"], now)
    if not CartProduct.objects.filter(merchant=cart.merchant_id, state=State.WAITING).exists():
        resolve(FAILING, [f"deliver:{cart.merchant_id}"], now)
    return left


def leave_wms() -> None:
    """Another WMS takes the place of the old one: nothing of what that has is at the new one."""
    there = CartProduct.objects.filter(state=State.THERE)
    there.update(state=State.LEFT, error_code=OTHER_WMS, error_message=NOT_SENT[OTHER_WMS], wms_key="")
    CartProduct.objects.exclude(state=State.LEFT).update(wms_key="", lease_until=None, out_file_id=None)
    phases = [OutFile.Phase.DONE, OutFile.Phase.DROPPED]
    OutFile.objects.filter(kind="products").exclude(phase__in=phases).update(phase=OutFile.Phase.DROPPED)
    listings.leave_wms()


def counted(cart: Cart) -> dict[str, int]:
    """How many of a cart's products are in which state."""
    rows = CartProduct.objects.filter(cart=cart).order_by().values_list("state").annotate(number=Count("pk"))
    return {state.value: dict(rows).get(state.value, 0) for state in State}


def tell(cart: Cart, now: datetime, *, worse: bool) -> None:
    """Alerts of a cart's products that wait for a person: raised where it is `worse`, ended with the last of them."""
    waiting = CartProduct.objects.filter(cart=cart, state=State.REFUSED)
    for kind, rows, one, many, fix in (
        (WITHOUT_SKU, waiting.filter(error_code=NO_SKU), "has no SKU", "have no SKU", "Give them one in the shop."),
        (REFUSED, waiting.exclude(error_code=NO_SKU), "is not sent", "are not sent", "See why under Product Sync."),
    ):
        found = rows.aggregate(number=Count("pk"), first=Min("pk"))
        if not found["number"]:
            resolve(kind, [f"cart:{cart.pk}"], now)
        elif worse:
            first = CartProduct.objects.get(pk=found["first"])
            number = f"One product of {cart.name} {one}"
            if found["number"] > 1:
                number = f"{found['number']} products of {cart.name} {many}"
            raise_alert(
                kind,
                f"cart:{cart.pk}",
                f"{number}, first {str(first.data.get('name') or first)[:80]}: {first.error_message}",
                now=now,
                fix=fix,
                total=found["number"],
                merchant_id=cart.merchant_id,
                cart_id=cart.pk,
            )


# ── products in files ──


def in_file(file: OutFile, now: datetime) -> int:
    """The file is where it was to go: so are its products, as they were when it was made. How many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE orders_cartproduct SET state = CASE WHEN content_hash = sent_hash THEN 'there' ELSE 'waiting' END,
                      wms_key = sku, sent_at = %s, found = false, out_file_id = NULL, lease_until = NULL, starts = 0,
                      failures = 0, first_failed_at = NULL, failed_at = NULL, error_code = '', error_message = ''
               WHERE account_id = %s AND out_file_id = %s RETURNING sku, data ->> 'name'""",
            [now, file.account_id, file.pk],
        )
        rows = {sku: (name or "")[:200] for sku, name in cursor.fetchall()}
    if rows:
        catalog.store(file.merchant_id, sorted(rows.items()), Known.Origin.CART, now)
    return len(rows)
