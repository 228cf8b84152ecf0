"""Where Item Filters meet what is stored: what each cart's filter lists."""

from collections import defaultdict
from collections.abc import Sequence

from carts.models import Cart
from carts.models import ItemFilter as Listed
from merchants.rules.filters import ItemFilter


def of(carts: Sequence[Cart]) -> dict[int, ItemFilter]:
    """The item filters of these carts, by cart: one statement, or none where no cart has one."""
    keys = defaultdict(set)
    filtering = [cart.pk for cart in carts if cart.item_filter]
    if filtering:
        for cart_id, key in Listed.objects.filter(cart__in=filtering).values_list("cart", "key"):
            keys[cart_id].add(key)
    return {
        cart.pk: ItemFilter(str(cart.item_filter), cart.filter_whole_order, frozenset(keys[cart.pk])) for cart in carts
    }
