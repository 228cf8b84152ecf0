"""The rows of the order list, written here and not in a template: a page has fifty of them, of ten cells each.

A template takes longer for them than the database for everything. What stands in a cell is escaped by `markup`.
"""

from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import Any

from django import template
from django.utils.safestring import SafeString

from accounts.templatetags.face import age, day, markup
from orders import tracking_links
from orders.next_step import in_words
from orders.templatetags.order_state import money, order_pill, place, quantity, recipient

register = template.Library()


@register.simple_tag
def order_rows(orders: Iterable[Any], shows: Collection[str], base: str, narrow: bool) -> SafeString:
    """The rows of `orders` (with their details), with the columns that are shown.

    `base`: the list's own address; `narrow`: all of them are of one merchant, whose name is left out.
    """
    # Many orders are of one day.
    cells = _CELLS | {"placed": _placed(cache(day)), "from": _cart if narrow else _merchant_and_cart}
    shown = [cells[key] for key in cells if key in shows]
    return SafeString("\n".join([_row(order, shown, base) for order in orders]))


def _row(order: Any, cells: Iterable[Callable[[Any], SafeString]], base: str) -> SafeString:
    return markup(
        '<tr data-row><td class="o-c"><label class="hit"><input type="checkbox" name="order" value="{0}">'
        '<span class="visually-hidden">Select {1}</span></label></td><td class="o-s">{2}</td>'
        '<th class="o-n" scope="row"><a class="rowlink" href="{3}{0}/">{1}</a>{4}</th>{5}</tr>',
        order.public_id,
        order.cust_po_no,
        order_pill(order),
        base,
        _TEST if order.test else "",
        SafeString("".join([cell(order) for cell in cells])),
    )


_TEST = SafeString(' <span class="tag">Test</span>')


def _cart(order: Any) -> SafeString:
    return markup('<td class="o-m" title="{0} · {1}">{1}</td>', order.merchant_name, order.cart_name)


def _merchant_and_cart(order: Any) -> SafeString:
    return markup(
        '<td class="o-m" title="{0} · {1}">{0} <span class="sub">· {1}</span></td>',
        order.merchant_name,
        order.cart_name,
    )


def _to(order: Any) -> SafeString:
    return markup('<td class="o-w">{} <span class="sub">· {}</span></td>', recipient(order.ship), place(order.ship))


def _total(order: Any) -> SafeString:
    return markup(
        '<td class="o-h end p3">{} <span class="sub">{}</span></td>', money(order.grand_total), order.currency
    )


def _placed(day: Callable[[Any], str]) -> Callable[[Any], SafeString]:
    return lambda order: markup('<td class="o-h end p1">{}</td>', day(order.order_date))


def _next(order: Any) -> SafeString:
    """The last parcel's tracking number, with its link where there is one; else what comes next."""
    if not order.tracking:
        return markup('<td class="o-x" title="{0}">{0}</td>', in_words(order))
    url = tracking_links.link(order.carrier, order.tracking, order.tracking_url)
    if url:
        return markup(
            '<td class="o-x"><a class="mono" href="{}" rel="noopener noreferrer" target="_blank">{}</a></td>',
            url,
            order.tracking,
        )
    return markup('<td class="o-x"><span class="mono">{}</span></td>', order.tracking)


# By the key of the column (orders/columns.py), in the order of the head.
_CELLS: dict[str, Callable[[Any], SafeString]] = {
    "from": _merchant_and_cart,
    "to": _to,
    "method": lambda order: markup('<td class="o-h p2">{}</td>', order.ship_words or order.ship_code or "—"),
    "units": lambda order: markup('<td class="o-h end p3">{}</td>', quantity(order.qty_total)),
    "total": _total,
    "reference": lambda order: markup('<td class="o-h p2 mono">{}</td>', order.wms_ref),
    "placed": _placed(day),
    "loaded": lambda order: markup('<td class="o-h end p1 sub">{}</td>', age(order.created_at)),
    "next": _next,
}
