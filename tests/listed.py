"""Which pages show a list, and which of these have no file of it, each with the reason."""

import html
import re
from urllib.parse import unquote

from django.urls import Resolver404, resolve

_LIST = re.compile(r'<table\b|\bdata-rows\b|class="timeline"')
_LINK = re.compile(r'href="(/a/[^"#]*)"')
_IMPORT = "what a file would change, and an example of one: the list itself has its file"
_SETUP = "a form: how often services run, and what a change of systems means"
# Pages that show a table and have no file of it: name → why not.
NO_FILE = {
    "alert": "one alert: the orders it is about are a filter of the order list, which has a file",
    "dashboard": "a summary of lists that have files",
    "dashboard of a merchant": "the same",
    "merchant_archive": "a question: what would stop",
    "merchant_format_draft": "a form: the columns of a file's format; the list of formats has a file",
    "wms_format_draft": "the same",
    "order_edit": "a form: its items are rows of the file of the order list",
    "product": "one product: its levels and codes are in the files of products, what carts are told in Product Sync's",
    "user_permissions": "the same in every account: which role may do what",
    "warehouses_map": "a form: the names at the WMS are a column of the warehouses' file",
    **dict.fromkeys(
        (
            "cart_countries_import", "hold_rules_import", "item_filters_import", "kits_import",
            "merchant_countries_import", "merchant_scac_import", "order_filters_import", "products_import",
            "ship_map_import", "wms_ship_methods_import",
        ),
        _IMPORT,
    ),
    **dict.fromkeys(
        (
            "a cart that is off", "cart_edit", "cart_new", "set up CSV files", "set up Sandbox shop", "set up Shopify",
            "set up WooCommerce", "settings of CSV files", "settings of Extensiv 3PL Warehouse Manager",
        ),
        _SETUP,
    ),
}  # fmt: skip


def shows_a_list(text: str) -> bool:
    """Whether a page shows rows of something."""
    return bool(_LIST.search(text))


def exports(text: str) -> list[str]:
    """The addresses of the files that a page offers of what it lists."""
    links = [html.unescape(found) for found in _LINK.findall(text)]
    return [link for link in dict.fromkeys(links) if _is_export(link)]


def _is_export(link: str) -> bool:
    try:
        name = resolve(unquote(link.partition("?")[0])).url_name or ""
    except Resolver404:
        raise AssertionError(f"{link} leads nowhere") from None
    return name.endswith("_csv") or name == "orders_export"
