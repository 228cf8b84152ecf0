"""All that is known of one product, for its page; and of some, for the page of a cart's Product Sync."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from carts.models import Cart, CartStock
from merchants import kits
from merchants.models import Merchant, Product, ProductAlias, Service
from merchants.offers import Counted, Offer, StockRules, kit_offers, offers
from merchants.rules.kits import Component
from merchants.services import services_of
from orders import item_filters
from orders.connections import cart_class
from orders.stock import codes_of, counted, stock_rules

NEVER, TOLD, SKIPPED, REFUSED = "never", "told", "skipped", "refused"


@dataclass(frozen=True, slots=True)
class Told:
    """What a cart is to be told of a product under one code, and what it was told last."""

    cart: Cart
    offer: Offer
    last: CartStock | None

    @property
    def result(self) -> str:
        """How the cart took what it was told last: one of the words above."""
        if self.last is None or self.last.sent_at is None:
            return NEVER
        if self.last.skipped:
            return SKIPPED
        return REFUSED if self.last.error else TOLD

    @property
    def behind(self) -> bool:
        """Whether the cart still has another quantity than it is to be told."""
        return (
            self.offer.told
            and self.result == TOLD
            and self.last is not None
            and (self.last.quantity != self.offer.quantity)
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """One product: its counts, its codes, and what its merchant's carts are told of it."""

    counted: Counted | None
    aliases: Sequence[ProductAlias]
    told: Sequence[Told]

    @property
    def levels(self) -> bool:
        """Whether any warehouse has a count of it."""
        return self.counted is not None

    @property
    def open(self) -> Decimal:
        """How many are in orders that the counts do not have yet."""
        if self.counted is None:
            return Decimal(0)
        return self.counted.open + sum((place.open for place in self.counted.places), Decimal(0))

    @property
    def available(self) -> Decimal:
        """How many there are in the warehouses that are enabled."""
        places = self.counted.places if self.counted else ()
        return sum((place.available for place in places if place.enabled), Decimal(0))


def of(merchant: Merchant, product: Product, now: datetime) -> Facts:
    """One product."""
    aliases = list(ProductAlias.objects.filter(product=product).order_by("kind", "value"))
    kit = kits.contents(merchant.pk, [product.sku]).get(product.sku, ())
    counts = {one.sku: one for one in counted(merchant, now, [product.sku, *(part.sku for part in kit)])}
    there = counts.get(product.sku)
    carts, told = stock_carts(merchant), []
    filters = item_filters.of(carts)
    for cart in carts:
        rules = stock_rules(cart, filters[cart.pk])
        codes = [row.value for row in aliases if row.kind == rules.alias]
        told += [(cart, offer) for offer in _offers(product.sku, kit, counts, codes, rules)]
    return Facts(there, aliases, with_last(told))


def of_cart(cart: Cart, skus: Sequence[str], now: datetime) -> tuple[dict[str, Counted], list[Told]]:
    """What there is of some products by SKU, and what a cart is told of each and was told last."""
    rules = stock_rules(cart)
    made = kits.contents(cart.merchant_id, skus)
    parts = [part.sku for kit in made.values() for part in kit]
    there = {one.sku: one for one in counted(cart.merchant, now, {*skus, *parts})}
    codes = codes_of(cart.merchant_id, rules.alias, skus)
    found = []
    for sku in skus:
        found += [(cart, one) for one in _offers(sku, made.get(sku, ()), there, codes.get(sku, ()), rules)]
    return there, with_last(found)


def _offers(
    sku: str, kit: Sequence[Component], counts: Mapping[str, Counted], codes: Sequence[str], rules: StockRules
) -> Iterator[Offer]:
    """What a cart is told of one SKU, a kit or not."""
    if kit:
        return kit_offers(sku, kit, counts, codes, rules)
    return offers(counts.get(sku) or Counted(sku, ()), codes, rules)


def stock_carts(merchant: Merchant) -> list[Cart]:
    """The merchant's carts that can be told of stock."""
    found = Cart.objects.filter(merchant=merchant, archived_at__isnull=True).order_by("number")
    return [cart for cart in found if services_of(cart_class(cart), [Service.UPLOAD_INVENTORY])]


def with_last(offered: Sequence[tuple[Cart, Offer]]) -> list[Told]:
    """Adds what each cart was told last under that code, in one statement."""
    rows = _last({cart.pk for cart, _ in offered}, {offer.code or offer.sku for _, offer in offered})
    return [Told(cart, offer, rows.get((cart.pk, offer.code or offer.sku))) for cart, offer in offered]


def _last(carts: Iterable[int], codes: Iterable[str]) -> dict[tuple[int, str], CartStock]:
    found = CartStock.objects.filter(cart__in=list(carts), sku__in=list(codes))
    return {(row.cart_id, row.sku): row for row in found}
