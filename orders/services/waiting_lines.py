"""What is sent for the lines of orders that wait follows their cart's rules: it is stock that is spoken for.

Another kit or code lets go only who waited for that. What the others take is seen to whenever stock is told: of each
cart whose rules are others than those by which its orders were last seen here.
"""

import time

from django.db import transaction
from django.db.models import F, Q

from carts.models import Cart
from orders import releasing, ruling
from orders.models import Order
from orders.run import Run
from orders.states import UNSENT

BATCH = 500  # orders of one transaction
LONGEST = 10.0  # seconds of one run; the next one goes on
AT = "lines"  # in the schedule's state: the cart, the mark of its rules, and the order up to which it was done


def bring_up(run: Run) -> bool:
    """Lets the rules see the orders that wait, of the carts of this merchant whose rules have changed since.

    False: the time was up, or they change right now. Another run is due, and until then no stock is to be told.
    """
    until = time.monotonic() + LONGEST
    behind = Cart.objects.filter(merchant=run.merchant).exclude(lines_mark=F("rules_mark"))
    for cart in behind.order_by("pk"):
        if not _seen(run, cart, until):
            run.due_at(run.now)
            return False
    return True


def _seen(run: Run, cart: Cart, until: float) -> bool:
    """Whether all of a cart's orders were seen by its present rules before `until`."""
    known = ruling.load(run.merchant, [cart])[cart.pk]
    of, mark, last = run.state.pop(AT, (0, "", 0))
    if (of, mark) != (cart.pk, cart.rules_mark):
        last = 0
    # Of what a send has begun with, the WMS may have what was told: that stays until it is decided.
    waiting = Order.objects.filter(Q(starts=0) | Q(sent_hash=""), cart=cart, status__in=UNSENT, forgotten_at=None)
    # What the WMS refused for a product goes on where other items are sent now, which only what was told of it tells.
    rows = waiting.exclude(error_code__in=["unmappable", releasing.REFUSED]).order_by("pk")
    while time.monotonic() < until and run.keep_alive():
        with transaction.atomic():
            if ruling.lock(cart.pk) != cart.rules_mark:
                return False  # and once more, by those
            group = list(rows.filter(pk__gt=last).select_for_update(no_key=True)[:BATCH])
            releasing.see(group, known, run.now)
            if len(group) < BATCH:
                releasing.try_again(run.merchant, [cart], run.now, actor="")
                Cart.objects.filter(pk=cart.pk).update(lines_mark=cart.rules_mark)
                return True
        last = group[-1].pk
    run.state[AT] = [cart.pk, cart.rules_mark, last]
    return False
