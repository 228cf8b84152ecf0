"""Country Rules of a merchant or of one of its carts: changing them, with what follows for orders they kept back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts import audit
from carts.models import Cart
from integration_manager.kit.countries import alpha_2, name_of
from merchants.models import Merchant
from merchants.rules.countries import ALLOW, DENY, HOLD, REFUSE
from merchants.rules.draft import COUNTRY, COUNTRY_REFUSED, FILTERED
from orders import releasing, ruling
from orders.models import SkippedOrder

KINDS = {
    "": "Every country",
    ALLOW: "Only the countries listed",
    DENY: "All countries but those listed",
}
THEN = {
    REFUSE: "Not loaded: listed under Skipped Orders, with load anyway",
    HOLD: "Loaded and held, until a person releases it",
}


class Refused(Exception):
    """What was asked for cannot be stored; the message says why, for the person who asked."""


@dataclass(slots=True)
class Saved:
    """What a change came to. `skipped`: orders that were not loaded because of such a rule, and could be now."""

    changes: audit.Changes = field(default_factory=dict)
    released: int = 0
    skipped: int = 0


def read(texts: Iterable[str]) -> list[str]:
    """The codes of countries as people write them: "US", "USA", "United States". Raises Refused."""
    found: dict[str, None] = {}
    for text in texts:
        code = alpha_2(text[:60])
        if code is None:
            raise Refused(f"“{text[:60]}” is no country. Write its code or its name, as in US, USA or United States.")
        found[code] = None
    return list(found)


def change(
    owner: Merchant | Cart,
    now: datetime,
    actor: object,
    *,
    kind: str | None = None,
    then: str | None = None,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
) -> Saved:
    """Changes the rule of a merchant or a cart. `add`, `remove`: alpha-2 codes. `actor`: the user. Raises Refused."""
    if kind not in (None, *KINDS) or then not in (None, *THEN):
        raise Refused("Choose one of these.")
    saved = Saved()
    with transaction.atomic():
        ruling.change([cart.pk for cart in _carts(owner)])
        rows: QuerySet[Any] = type(owner).objects.filter(pk=owner.pk)
        before = rows.values_list("country_rule", flat=True).select_for_update(no_key=True).get()
        codes = sorted({*before.get("codes", ()), *add} - set(remove))
        asked = {name: value for name, value in (("kind", kind), ("then", then)) if value is not None}
        after = whole(before) | asked | {"codes": codes}
        refuse_nothing(after)
        rows.update(country_rule=after)
        owner.country_rule = after
        saved.changes = audit.difference(_in_words(before), _in_words(after))
        saved.changes |= {name_of(code): (None, "listed") for code in codes if code not in before.get("codes", ())}
        saved.changes |= {name_of(code): ("listed", None) for code in before.get("codes", ()) if code not in codes}
        if saved.changes:
            verb = "merchant.country_rules" if isinstance(owner, Merchant) else "cart.country_rules"
            audit.record(actor, verb, str(owner), saved.changes)
            _follow(_carts(owner), saved, now, str(actor))
    return saved


def whole(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule as it is stored, with what it leaves out: no rule at all lets everything through."""
    return {"kind": "", "then": REFUSE, "codes": [], **rule}


def lock(owner: Merchant | Cart) -> None:
    """Keeps the rule as it is until the transaction ends, and reads it again."""
    ruling.keep(cart.pk for cart in _carts(owner))
    rows: QuerySet[Any] = type(owner).objects.filter(pk=owner.pk)
    owner.country_rule = rows.values_list("country_rule", flat=True).select_for_update(no_key=True).get()


def named(choices: Mapping[str, str], text: str) -> str:
    """The one of KINDS or THEN that a text names: by its words, those before a colon, or its value. Raises Refused."""
    said = text.casefold()
    for value, words in choices.items():
        if said in (words.casefold(), words.partition(":")[0].casefold(), value):
            return value
    raise Refused(f"“{text}” is none of {', '.join(f'“{words}”' for words in choices.values())}.")


def refuse_nothing(rule: Mapping[str, Any]) -> None:
    """Raises Refused where a rule would let nothing through."""
    if rule["kind"] == ALLOW and not rule.get("codes"):
        raise Refused("List the countries first: with an empty list no order would be sent at all.")


def _carts(owner: Merchant | Cart) -> list[Cart]:
    mine = Cart.objects.filter(merchant=owner) if isinstance(owner, Merchant) else Cart.objects.filter(pk=owner.pk)
    return list(mine.select_related("merchant").order_by("pk"))


def _follow(carts: list[Cart], saved: Saved, now: datetime, actor: str) -> None:
    """Lets the rules see again what stands still because of them."""
    for cart in carts:
        for code in (COUNTRY, FILTERED):
            said = "The Country Rules were changed."
            saved.released += releasing.review(cart.merchant, cart, code, said, now, actor=actor).released
    saved.skipped = SkippedOrder.objects.filter(cart__in=carts, reason=COUNTRY_REFUSED).count()


def _in_words(rule: dict[str, Any]) -> dict[str, str]:
    return {"ships_to": KINDS[rule.get("kind", "")], "others": THEN[rule.get("then", REFUSE)]}
