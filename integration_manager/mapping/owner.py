"""Whose formats: a merchant's, for its carts, or the account's, for its WMS."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts.models import Account
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from integration_manager.kit.filefields import Direction, Kind
from integration_manager.kit.fileformat import Format
from integration_manager.kit.filepresets import presets_of
from merchants.models import FileFormat, FormatDraft, Merchant
from wms.models import Wms

# What kinds of file there are, and which way they go, from where we stand.
_OF_CART: dict[Kind, Direction] = {
    "orders": "in", "confirmations": "out", "inventory": "out", "products": "in", "catalog": "out",
    "purchases": "in", "receipts": "out",
}  # fmt: skip
_OF_WMS: dict[Kind, Direction] = {kind: "in" if way == "out" else "out" for kind, way in _OF_CART.items()}
NAMES = {
    "orders": "Order", "confirmations": "Confirmation", "inventory": "Inventory", "products": "Product",
    "catalog": "Product List", "purchases": "Purchase Order", "receipts": "Receipt",
}  # fmt: skip


@dataclass(frozen=True)
class Owner:
    """Who the formats belong to. `merchant` None: the account."""

    account: Account
    merchant: Merchant | None

    @property
    def name(self) -> str:
        """For people."""
        return self.merchant.name if self.merchant else "the WMS"

    @property
    def kinds(self) -> dict[Kind, Direction]:
        """The kinds of file, each with its direction."""
        return _OF_CART if self.merchant else _OF_WMS

    def url(self, page: str, *ids: str) -> str:
        """The address of one of the pages: "formats", "format_new", "format_draft", "format_act"."""
        prefix, of = ("merchant", [self.merchant.public_id]) if self.merchant else ("wms", [])
        return reverse(f"{prefix}_{page}", args=[self.account.public_id, *of, *ids])

    def formats(self) -> "QuerySet[FileFormat]":
        """The formats made so far."""
        found: QuerySet[FileFormat] = FileFormat.objects.filter(merchant=self.merchant)
        return found

    def format(self, public_id: str) -> FileFormat:
        """One of them, or 404."""
        return get_object_or_404(self.formats(), public_id=public_id)

    def draft(self, public_id: str) -> FormatDraft:
        """A format that is being mapped, or 404."""
        drafts = FormatDraft.objects.select_related("format").filter(merchant=self.merchant)
        return get_object_or_404(drafts, public_id=public_id)

    def uses(self) -> dict[str, list[str]]:
        """Which connections use which of the formats: "custom:<public id>" → names, for people."""
        found: dict[str, list[str]] = {}
        users: list[tuple[str, dict[str, Any]]]
        if self.merchant:
            carts = Cart.objects.filter(merchant=self.merchant, archived_at__isnull=True).order_by("name")
            users = [(cart.name, cart.options) for cart in carts]
        else:
            current = Wms.current()
            users = [("the WMS", current.options)] if current else []
        for name, options in users:
            for value in options.values():
                if isinstance(value, str) and value.startswith("custom:"):
                    found.setdefault(value, []).append(name)
        return found

    def choices(self, kind: Kind) -> list[tuple[str, str]]:
        """What a connection may use for a kind of file: ours, and those made here."""
        own = [one for one in self._all if one.kind == kind and one.direction == self.kinds[kind]]
        return [(one.key, one.label) for one in presets_of(kind)] + [(one.value, one.name) for one in own]

    @cached_property
    def _all(self) -> list[FileFormat]:
        """All of them by name; a form asks for them kind by kind."""
        return list(self.formats().order_by("name"))


def preset(kind: Kind, key: str) -> Format | None:
    """One of our formats of this kind."""
    return next((one for one in presets_of(kind) if one.key == key), None)


Page = Callable[..., HttpResponseBase]


def of_merchant(view: Page) -> Page:
    """The page for the formats of a merchant's carts."""

    @require("carts.edit")
    @wraps(view)
    def page(request: AccountRequest, merchant: str, **ids: str) -> HttpResponseBase:
        return view(request, Owner(request.account, get_object_or_404(Merchant.objects, public_id=merchant)), **ids)

    return page


def of_wms(view: Page) -> Page:
    """The page for the formats of the account's WMS."""

    @require("wms.edit")
    @wraps(view)
    def page(request: AccountRequest, **ids: str) -> HttpResponseBase:
        return view(request, Owner(request.account, None), **ids)

    return page
