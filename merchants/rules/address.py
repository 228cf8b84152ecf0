"""What every shipping address needs to have."""

from merchants.rules.draft import Draft, Problem
from merchants.rules.known import Rules


def check(draft: Draft, rules: Rules) -> None:
    """Stops an order that nobody could deliver."""
    where = draft.order.ship
    missing = [
        label
        for label, value in (
            ("a name or company", where.name),
            ("a street", where.address_1),
            ("a city", where.city),
            ("a country", where.country),
        )
        if not value
    ]
    if missing:
        draft.stop(
            Problem(
                code="address_incomplete",
                field="ship",
                message=f"The shipping address has no {', no '.join(m.split(' ', 1)[1] for m in missing)}.",
                fix="Correct the address in the shop; the order is sent as soon as the correction arrives.",
            )
        )
