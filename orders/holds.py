"""A cart's hold rules: changing them, with what that means for the orders that they hold.

They are kept as rows of one condition each; those of one name are one rule, which holds what fits all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import audit
from carts.models import Cart
from merchants.rules.draft import HOLD_RULE
from merchants.rules.holds import by_name, rules_of
from orders import conditions, releasing, ruling
from orders.conditions import Refused as Refused
from orders.filters import Saved

MOST_RULES = 40  # of a cart: each order is compared with every one
MOST_CONDITIONS = 10  # of a rule
LONGEST = 60  # characters of a name
Key = tuple[str, str]  # of a row: its rule's name and its field


def key_of(row: Mapping[str, Any]) -> Key:
    """What tells a row from the others, whatever the case of its rule's name."""
    return row["name"].casefold(), row["field"]


def checked(name: str, field: str, match: str, values: Iterable[str]) -> dict[str, Any]:
    """A condition of a rule, as a cart keeps it. Raises Refused."""
    called = " ".join(name.replace("\x00", "").split())
    if not called:
        raise Refused("Give the rule a name: it is what people read as the reason.")
    if len(called) > LONGEST:
        raise Refused(f"A name has at most {LONGEST} characters.")
    return {"name": called, **conditions.checked(field, match, values)}


def change(
    cart: Cart,
    now: datetime,
    actor: object,
    *,
    put: Iterable[Mapping[str, Any]] = (),
    remove: Iterable[Key] = (),
) -> Saved:
    """Changes a cart's hold rules, all of it or nothing. `put`: as `checked` gives them. Raises Refused.

    What they held and hold no more goes on; what is on its way is held when it would be sent.
    """
    saved = Saved()
    with transaction.atomic():
        ruling.change([cart.pk])
        before = Cart.objects.values_list("hold_rules", flat=True).get(pk=cart.pk)
        after = {key_of(row): row for row in before}
        for key in remove:
            after.pop(key, None)
        for row in put:
            named = next((known["name"] for known in after.values() if known["name"].casefold() == key_of(row)[0]), "")
            after[key_of(row)] = {**row, "name": named or row["name"]}
        rules = rules_of(after.values())
        if len(rules) > MOST_RULES:
            raise Refused(f"A cart has at most {MOST_RULES} hold rules.")
        if any(len(rule.conditions) > MOST_CONDITIONS for rule in rules):
            raise Refused(f"A rule has at most {MOST_CONDITIONS} conditions.")
        Cart.objects.filter(pk=cart.pk).update(hold_rules=list(after.values()))
        saved.changes = audit.difference(_said(before), _said(after.values()))
        fresh = Cart.objects.select_related("merchant").get(pk=cart.pk)
        said = "The cart's hold rules were changed."
        saved.released = releasing.review(fresh.merchant, fresh, HOLD_RULE, said, now, actor=str(actor)).released
        if saved.changes:
            audit.record(actor, "cart.hold_rules", cart.name, saved.changes)
    return saved


def in_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """A rule's conditions: "Grand total is at least 500 and Tag is VIP"."""
    return " and ".join(f"{conditions.label_of(row['field'])} {conditions.in_words(row)}" for row in rows)


def _said(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {name: in_words(group) for name, group in by_name(rows).items()}
