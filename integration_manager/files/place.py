"""Whose files a page shows: a cart's, or those of a merchant's side of the WMS."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import cast

from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts.models import Account
from accounts.requests import AccountRequest
from accounts.roles import require
from carts.models import Cart
from integration_manager.kit.connector import Connector
from integration_manager.kit.fields import revealed
from integration_manager.kit.folder_system import FolderSystem, upload_places
from merchants import schedules
from merchants.models import Merchant, Schedule, Service, StoredFile
from merchants.read_files import ReadBook
from merchants.stored_files import StoredFolder
from orders.connections import cart_class, wms_class
from wms.models import Wms

SERVICES = {
    "orders": Service.DOWNLOAD,
    "confirmations": Service.SHIP_CONFIRM,
    "inventory": Service.INVENTORY,
    "products": Service.PRODUCTS,
    "catalog": Service.INVENTORY,
    "purchases": Service.PURCHASES,
    "receipts": Service.RECEIVING,
}
WORDS = {
    "orders": "Order file",
    "confirmations": "Confirmation file",
    "inventory": "Inventory file",
    "products": "Product file",
    "catalog": "Product list",
    "purchases": "Purchase order file",
    "receipts": "Receipt file",
}
Page = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one connection. `cart` None: of the WMS, for this merchant."""

    account: Account
    merchant: Merchant
    cart: Cart | None
    system: type[FolderSystem]
    by_hand: bool  # files that go out wait here to be fetched

    @property
    def name(self) -> str:
        """For people."""
        return self.cart.name if self.cart else f"the WMS, {self.merchant.name}"

    @property
    def folder(self) -> StoredFolder:
        """Where they are kept."""
        return StoredFolder(self.merchant.pk, self.cart.pk if self.cart else None)

    @property
    def book(self) -> ReadBook:
        """What was read before."""
        return ReadBook(self.merchant.pk, self.cart.pk if self.cart else None)

    @property
    def kinds(self) -> dict[str, str]:
        """What can be uploaded: kind → word."""
        taken = [kind for kind in self.system.places if kind not in self.system.renders]
        return {kind: WORDS[kind] for kind in taken if kind != "inventory" or not self.counted_here}

    @property
    def counted_here(self) -> bool:
        """Whether the WMS's inventory files are not read, since the merchant's stock is kept here."""
        return self.cart is None and self.merchant.managed_inventory

    def url(self, page: str, *ids: str) -> str:
        """The address of a page: "files", "files_upload", "file", "file_act"."""
        prefix, of = ("cart", self.cart.public_id) if self.cart else ("wms", self.merchant.public_id)
        return reverse(f"{prefix}_{page}", args=[self.account.public_id, of, *ids])

    def file(self, public_id: str) -> StoredFile:
        """One of the files, or 404."""
        return get_object_or_404(self.folder.files(), public_id=public_id)

    def schedule(self, kind: str) -> Schedule | None:
        """The service that loads files of this kind, where it is switched on."""
        found = Schedule.objects.filter(merchant=self.merchant, cart=self.cart, service=SERVICES[kind], every__gt=0)
        return cast("Schedule | None", found.first())

    def load(self, file: StoredFile, kind: str, now: datetime) -> str:
        """Gives a file to the service that loads it. Answers in words when that will be."""
        self.folder.rename(f"{file.directory}/{file.name}", f"{upload_places(kind)[0]}/{self._free(file, kind)}")
        schedule = self.schedule(kind)
        if schedule is None:
            return f"It waits: {SERVICES[kind].label} is off. Switch it on to load it."
        schedules.run_now(schedule, now)
        return "It is being loaded."

    def _free(self, file: StoredFile, kind: str) -> str:
        """The file's own name, with its id before the ending where another one of that name waits."""
        if self.folder.at(f"{upload_places(kind)[0]}/{file.title}") is None:
            return file.title
        stem, dot, ending = file.title.rpartition(".")
        return f"{stem or ending}.{file.public_id}{dot}{ending if stem else ''}"[-255:]


def _uses_files(system: type[Connector], place: object) -> tuple[type[FolderSystem], bool]:
    if not issubclass(system, FolderSystem):
        raise Http404
    return system, place == "browser"


def of_cart(permission: str) -> Callable[[Page], Page]:
    """The page for the files of a cart."""

    def door(view: Page) -> Page:
        @require(permission)
        @wraps(view)
        def page(request: AccountRequest, cart: str, **ids: str) -> HttpResponseBase:
            found = get_object_or_404(Cart.objects.select_related("merchant"), public_id=cart)
            try:
                system = cart_class(found)
            except KeyError:
                raise Http404 from None
            place = _uses_files(system, revealed({**found.options, **found.credentials}.get("place")))
            return view(request, Place(request.account, found.merchant, found, *place), **ids)

        return page

    return door


def of_wms(permission: str) -> Callable[[Page], Page]:
    """The page for a merchant's files of the WMS."""

    def door(view: Page) -> Page:
        @require(permission)
        @wraps(view)
        def page(request: AccountRequest, of: str, **ids: str) -> HttpResponseBase:
            found: Merchant = get_object_or_404(Merchant.objects, public_id=of)
            wms = Wms.current()
            if wms is None:
                raise Http404
            place = _uses_files(wms_class(wms), revealed({**wms.options, **wms.credentials}.get("place")))
            return view(request, Place(request.account, found, None, *place), **ids)

        return page

    return door
