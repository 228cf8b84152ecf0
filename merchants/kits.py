"""The kits of a merchant: stored, found, and kept free of kits in kits."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from integration_manager.folding import fold
from merchants import catalog
from merchants.catalog import Refused as Refused
from merchants.models import Kit, KitPart, Merchant, Product
from merchants.rules.kits import Component

MOST = 5000  # of a merchant: the rules know them all
MOST_PARTS = 50  # of a kit
MOST_OF_ONE = 9999  # of one component in a kit
_LAST = chr(0x10FFFF)  # sorts behind every text, byte by byte

Contents = Sequence[Component]


def contents(merchant_id: int, skus: Iterable[str] | None = None) -> dict[str, tuple[Component, ...]]:
    """What is in the kits of a merchant, all or these, by SKU: one statement."""
    rows = KitPart.objects.filter(kit__merchant=merchant_id).order_by("kit__sku", "position")
    if skus is not None:
        rows = rows.filter(kit__sku__in=list(skus))
    found: dict[str, list[Component]] = {}
    for sku, part, quantity in rows.values_list("kit__sku", "sku", "quantity"):
        found.setdefault(sku, []).append(Component(part, quantity))
    return {sku: tuple(parts) for sku, parts in found.items()}


def checked(sku: str, parts: Iterable[tuple[str, str]]) -> tuple[str, tuple[Component, ...]]:
    """A kit as people write it: its SKU, and SKU and number of each component. Raises Refused."""
    sku, found = catalog.code(sku, "The kit’s SKU"), list[Component]()
    for name, number in parts:
        item = catalog.code(name, "The SKU of a component")
        text = number.strip()
        digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
        if not digits or len(digits) > len(str(MOST_OF_ONE)):
            raise Refused(f"“{text[:20]}” of {item} is no quantity: write a whole number from 1 to {MOST_OF_ONE:,}.")
        if item in {one.sku for one in found}:
            raise Refused(f"{item} stands there twice: write it once, with the whole quantity.")
        if item == sku:
            raise Refused("A kit cannot be in itself.")
        found.append(Component(item, int(digits)))
    if not found:
        raise Refused(f"{sku} needs at least one component.")
    if len(found) > MOST_PARTS:
        raise Refused(f"A kit has at most {MOST_PARTS} components.")
    return sku, tuple(found)


def nesting(merchant_id: int, wanted: Mapping[str, Contents], gone: Iterable[str] = ()) -> dict[str, str]:
    """Which of these, stored together, would be kits in kits, and why, in two statements. `gone`: kits no more."""
    parts = {one.sku for kit in wanted.values() for one in kit}
    others = Kit.objects.filter(merchant=merchant_id).exclude(sku__in=[*wanted, *gone])
    known = {*wanted, *others.filter(sku__in=parts).values_list("sku", flat=True)}
    inside = dict(KitPart.objects.filter(kit__in=others, sku__in=list(wanted)).values_list("sku", "kit__sku"))
    found = {}
    for sku, kit in wanted.items():
        nested = min((one.sku for one in kit if one.sku in known), default="")
        if nested:
            where = " in this file" if nested in wanted else ""
            found[sku] = f"{nested} is a kit itself{where}. Write what is in it instead: a kit has no kits in it."
        elif sku in inside:
            found[sku] = f"{sku} is in the kit {inside[sku]}, so it cannot be a kit itself."
    return found


def refuse_nesting(merchant_id: int, wanted: Mapping[str, Contents], gone: Iterable[str] = ()) -> None:
    """Raises Refused where one of these would be a kit in a kit."""
    for why in nesting(merchant_id, wanted, gone).values():
        raise Refused(why)


def store(merchant: Merchant, wanted: Mapping[str, Contents], now: datetime) -> None:
    """Stores kits; those that are there get these contents. Their SKUs are products, so that they can have codes."""
    if Kit.objects.filter(merchant=merchant).exclude(sku__in=list(wanted)).count() + len(wanted) > MOST:
        raise Refused(f"A merchant has at most {MOST:,} kits.")
    known = {kit.sku: kit for kit in Kit.objects.filter(merchant=merchant, sku__in=list(wanted))}
    new = [
        Kit(merchant=merchant, account_id=merchant.account_id, sku=sku, sku_key=fold(sku), created_at=now)
        for sku in wanted
        if sku not in known
    ]
    known |= {kit.sku: kit for kit in Kit.objects.bulk_create(new)}
    KitPart.objects.filter(kit__in=[known[sku] for sku in wanted]).delete()
    KitPart.objects.bulk_create(
        KitPart(
            kit=known[sku],
            account_id=merchant.account_id,
            position=position,
            sku=part.sku,
            sku_key=fold(part.sku),
            quantity=part.quantity,
        )
        for sku, parts in wanted.items()
        for position, part in enumerate(parts, 1)
    )
    parts = [one.sku for kit in wanted.values() for one in kit]
    catalog.learn(merchant.pk, [*wanted, *parts], Product.Origin.HAND, now)


def unheard_of(merchant_id: int, parts: Iterable[str]) -> dict[str, str]:
    """Components that no product is called by so far, perhaps by a slip: what is said of each, by SKU."""
    wanted = list(dict.fromkeys(parts))
    known = set(Product.objects.filter(merchant=merchant_id, sku__in=wanted).values_list("sku", flat=True))
    said = "No product was called “{}” until now: the WMS has to know it by that SKU."
    return {sku: said.format(sku) for sku in wanted if sku not in known}


def matching(merchant_id: int, text: str) -> QuerySet[Kit]:
    """The kits whose SKU begins with a text, or that of a component."""
    key = fold(text)
    mine: QuerySet[Kit] = Kit.objects.filter(merchant_id=merchant_id)
    if not key:
        return mine
    begins = Q(sku_key__gte=key, sku_key__lt=key + _LAST)
    inside = KitPart.objects.filter(begins, kit__merchant=merchant_id).values("kit")
    return mine.filter(begins | Q(pk__in=inside))


def in_words(kit: Contents) -> str:
    """What is in a kit: "2 × MUG-BLUE, 1 × TIN-SMALL"."""
    return ", ".join(f"{one.quantity} × {one.sku}" for one in kit)
