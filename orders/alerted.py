"""What alerts are about, for pages and mails that show them: the way from an alert to its orders."""

from django.db.models import Case, Count, Exists, IntegerField, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce

from alerts.models import Alert
from orders.models import Order, Shipment


def with_orders(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Adds whether orders wait for the cause, or parcels of them, how many, and which one it is about.

    `holds`, `waiting`; `order_page` and `order_number` are of the one order: where one waits, of that. `order_cart` is
    of one that waits.
    """
    # That no cause is empty is said too: only then does the index of causes, which has no others, serve it.
    held = Order.objects.filter(cause=OuterRef("key")).exclude(cause="").order_by()
    own = Order.objects.filter(pk=OuterRef("order_id"))
    number = held.values("cause").annotate(number=Count("*")).values("number")  # of rows: the index alone tells it
    several = Exists(held[1:2])
    parcels = Shipment.objects.filter(cause=OuterRef("key")).exclude(cause="").order_by()
    of_parcels = parcels.values("cause").annotate(number=Count("order", distinct=True)).values("number")
    return alerts.annotate(
        holds=Exists(held),
        order_cart=Subquery(held.values("cart__public_id")[:1]),
        waiting=Coalesce(Subquery(number), Subquery(of_parcels), 0, output_field=IntegerField()),
        **{
            name: Case(
                When(several, then=Subquery(own.values(column)[:1])),
                default=Coalesce(
                    Subquery(held.values(column)[:1]),
                    Subquery(parcels.values(f"order__{column}")[:1]),
                    Subquery(own.values(column)[:1]),
                ),
            )
            for name, column in (("order_page", "public_id"), ("order_number", "cust_po_no"))
        },
    )
