"""What alerts are about, for the pages that show them: the way from an alert to its orders."""

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from alerts.models import Alert
from orders.models import Order


def with_orders(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Adds whether orders wait for the cause (`holds`), and which one it is about (`order_page`, `order_number`)."""
    one = Order.objects.filter(pk=OuterRef("order_id"))
    return alerts.annotate(
        holds=Exists(Order.objects.filter(cause=OuterRef("key"))),
        order_page=Subquery(one.values("public_id")[:1]),
        order_number=Subquery(one.values("cust_po_no")[:1]),
    )
