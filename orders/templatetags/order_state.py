"""The state pill: icon, word and colour, the same everywhere."""

from decimal import Decimal
from functools import lru_cache

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.templatetags.face import icon
from orders.listed import Listed
from orders.models import Order
from orders.state_words import Face, face_of

register = template.Library()


@register.simple_tag
def pill(face: Face, subject: bool = False, more: str = "") -> SafeString:
    """A state. `subject`: it is what the page is about, so it is tinted; `more`: added to the word."""
    return _pill(face, subject, f" · {more}" if more else "", icon(face.icon))


@lru_cache(maxsize=500)  # a list shows the same few a hundred times
def _pill(face: Face, subject: bool, more: str, icon: SafeString) -> SafeString:
    return format_html(
        '<span class="state st-{}{}">{}{}{}</span>',
        face.tone,
        " is-tinted" if subject or face.calls else "",
        icon,
        face.word,
        more,
    )


@register.simple_tag
def order_pill(order: Order | Listed, subject: bool = False, more: str = "") -> SafeString:
    """The pill of an order's state."""
    return pill(face_of(order.status, order.held_by), subject, more)


@register.filter
def quantity(value: Decimal | None) -> str:
    """A quantity without needless zeros: "3", "1.5"."""
    return "" if value is None else f"{Decimal(value).normalize():f}"


@register.filter
def money(value: object) -> str:
    """An amount with two decimals, or a dash where it is not known."""
    if value in (None, ""):
        return "—"
    amount = Decimal(str(value))
    return f"−{-amount:,.2f}" if amount < 0 else f"{amount:,.2f}"


@register.filter
def recipient(ship: dict[str, str] | None) -> str:
    """Who an order goes to, in one line."""
    ship = ship or {}
    person = " ".join(part for part in (ship.get("first_name"), ship.get("last_name")) if part)
    return person or ship.get("company") or "—"


@register.filter
def place(ship: dict[str, str] | None) -> str:
    """Where an order goes, in one line: "Leeds, GB"; "Tulsa, OK" within the United States."""
    ship = ship or {}
    region = ship.get("state") if ship.get("country") in ("US", "CA") else ship.get("country")
    return ", ".join(part for part in (ship.get("city"), region) if part)
