"""Alerts as pages show them: how many orders wait, and the button to the fix that the viewer may use."""

from collections.abc import Collection, Sequence
from typing import Any

from accounts.models import Account
from alerts import kinds, links
from alerts.kinds import Acts, Fix
from alerts.mail import headline


def present(account: Account, alerts: Sequence[Any], permissions: Collection[str]) -> list[Any]:
    """Adds `headline`, `about` (their kind), `fix_url`, `button` and `resend_url` to alerts (with their orders).

    Who may not use the page with the fix is told so in its place.
    """
    for alert in alerts:
        alert.about = kinds.of(alert.kind)
        alert.headline = headline(alert)
        alert.fix_url = alert.button = ""
        needed = links.needed(alert)
        allowed = not needed or needed in permissions
        if alert.active and not allowed and needed == "wms.edit":
            alert.fix = links.NOT_YOURS
        elif alert.active and allowed:
            url = links.fix(account, alert)
            if url != links.page(account, alert):
                alert.fix_url, alert.button = url, _button(alert)
        again = alert.active and alert.about.resend and alert.waiting > 1 and "orders.act" in permissions
        alert.resend_url = links.resend(account, alert) if again else ""
    return list(alerts)


def _button(alert: Any) -> str:
    if alert.about.fix is Fix.ORDERS and alert.order_page and alert.waiting <= 1:
        return f"Open {alert.order_number}"
    if alert.about.fix is Fix.ORDERS and alert.waiting > 1:
        return f"Open {alert.waiting} orders"
    return str(alert.about.button)


def groups(found: Sequence[Any], *, active: bool = True) -> list[dict[str, Any]]:
    """Presented alerts by who acts: what holds orders first, what cures itself last. `active`: nobody has acted yet."""
    held = [alert for alert in found if alert.about.acts is Acts.PERSON and alert.waiting]
    person = [alert for alert in found if alert.about.acts is Acts.PERSON and not alert.waiting]
    know = [alert for alert in found if alert.about.acts is Acts.KNOW]
    alone = [alert for alert in found if alert.about.acts is Acts.MACHINE]
    orders = sum(alert.waiting for alert in held)
    number = f"{orders} order{'' if orders == 1 else 's'}, nothing is retried until someone acts."
    parts = [
        ("held", "Orders are held", number, held),
        ("person", "Connections and setup" if active else "Needed a person", "Each needs a person.", person),
        ("know", "To know", "Dismiss what is settled.", know),
        ("alone", "Tried again by itself", "Ends by itself; nothing to do.", alone),
    ]
    return [{"id": key, "title": title, "text": text, "alerts": rows} for key, title, text, rows in parts if rows]
