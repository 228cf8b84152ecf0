"""One alert in a list, written here and not in a template: a page has fifty of them, each with twenty conditions."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from django import template
from django.utils.safestring import SafeString

from accounts.models import Account
from accounts.templatetags.face import at, icon, markup
from alerts import links
from alerts.kinds import Acts, Anew, Fix

register = template.Library()


@register.simple_tag
def cause(account: Account, alert: Any, dismissing: bool = False) -> SafeString:
    """An alert that is presented (alerts/presenting.py).

    `dismissing`: whether its kind can be dismissed here; `like` is then how many of it are active.
    """
    return markup(
        '{}<div><h3><span class="visually-hidden">{}: </span><a href="{}">{}</a></h3><p class="sub">{}</p>{}{}</div>'
        '<div class="actions">{}</div>',
        _mark(alert),
        "Active" if alert.active else "Resolved" if alert.resolved_at else "Dismissed",
        links.page(account, alert),
        alert.headline,
        SafeString("".join(_about(alert))),
        markup('<p class="prose">{}</p>', text) if (text := alert.fix or alert.about.text) else "",
        markup(_OWN_WORDS, alert.said) if alert.said else "",
        SafeString("\n".join(_actions(account, alert, dismissing))),
    )


_OWN_WORDS = (
    '<details class="own-words"><summary>The system’s own words</summary><code class="said">{}</code></details>'
)


def _mark(alert: Any) -> SafeString:
    if not alert.active:
        return icon("s-confirmed", "")
    return icon("s-error", "st-bad") if alert.about.acts is Acts.PERSON else icon("warn", "st-wait")


def _about(alert: Any) -> Iterator[str]:
    """What kind it is, whose, since when and how often."""
    yield markup("{}", alert.about.title)
    if alert.merchant:
        yield markup(" · {}", alert.merchant.name)
        if alert.cart:
            yield markup(", {}", alert.cart.name)
    yield markup(" · first {}", at(alert.first_seen))
    if alert.count > 1:
        yield markup(", last {}", at(alert.last_seen))
        if alert.about.anew is not Anew.MORE:
            yield markup(", {} times", alert.count)


def _actions(account: Account, alert: Any, dismissing: bool) -> Iterator[str]:
    """The fix, where its orders, its cart or its merchant are, and away with all of its kind."""
    if alert.fix_url:
        yield _button(alert.fix_url, alert.button)
    if alert.resend_url:
        yield _button(alert.resend_url, "Send all again")
    there = bool(alert.fix_url) and alert.about.fix is Fix.ORDERS  # the fix leads to its orders
    if alert.waiting and not there:
        url = f"{links.to('orders', account.public_id)}?cause={quote(alert.key)}"
        yield _button(url, f"View {alert.waiting} order{'' if alert.waiting == 1 else 's'}")
    elif alert.order_page and not there:
        yield _button(f"{links.to('orders', account.public_id)}{alert.order_page}/", f"Open {alert.order_number}")
    elif not alert.fix_url and alert.cart:
        yield _button(links.to("cart", account.public_id, alert.cart.public_id), "Open cart")
    elif not alert.fix_url and alert.merchant:
        yield _button(links.to("merchant", account.public_id, alert.merchant.public_id), "Open merchant")
    if dismissing and alert.like > 1:
        yield markup(
            '<input type="hidden" name="shown-{}" value="{}">'
            '<button class="btn btn-sm" type="submit" name="kind" value="{}">Dismiss all {} of this kind</button>',
            *(alert.kind, alert.like) * 2,
        )


def _button(url: str, label: str) -> SafeString:
    return markup('<a class="btn btn-sm" href="{}">{}</a>', url, label)
