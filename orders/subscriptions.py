"""The webhooks that we have registered at a cart, renewed once a day.

A shop that could not reach us for a while switches them off by itself: WooCommerce after five deliveries that
failed. Nobody would notice, since the downloads go on at their set times.
"""

import logging

from carts import webhooks
from carts.models import Webhook
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.errors import ConnectorError
from orders.run import Run

log = logging.getLogger(__name__)


def renew(run: Run) -> None:
    """Registers them again, which leaves no second ones. What goes wrong there is no trouble of the download's."""
    connector = run.connector
    if not isinstance(connector, CartConnector) or not connector.overrides("subscribe"):
        return
    known = Webhook.objects.filter(cart=run.cart, registered_at__isnull=False).first()
    if known is None:
        return
    try:
        handles = run.call(connector.subscribe, webhooks.address(known), known.secrets["secret"].reveal())
        if not Webhook.objects.filter(pk=known.pk).update(handles=handles):
            for handle in handles:  # somebody has switched them off in this very moment
                run.call(connector.unsubscribe, handle)
    except ConnectorError as error:
        log.warning("the webhooks of cart %s were not renewed: %s", known.cart_id, error)
