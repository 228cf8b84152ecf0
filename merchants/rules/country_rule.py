"""Country Rules: an order to a country that is not shipped to is refused, or held for a person."""

from merchants.rules.countries import HOLD
from merchants.rules.draft import COUNTRY, COUNTRY_REFUSED, Draft, Hold
from merchants.rules.known import Rules


def apply(draft: Draft, rules: Rules) -> None:
    """Looks at where the order goes: first by the merchant's rule, then by the cart's."""
    country = draft.order.ship.country or ""
    for known in rules.countries:
        if not known.lets_in(country):
            why = known.why(country)
            if known.then == HOLD:
                draft.wait(Hold(COUNTRY, why))
            else:
                draft.refuse(COUNTRY_REFUSED, why)
