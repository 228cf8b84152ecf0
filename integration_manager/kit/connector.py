"""The connector contract: one class, one file, one fixtures folder.

A connector never sleeps, retries, logs, touches the database or catches broad exceptions. It calls
the other system through `self.http` or `self.folder`, classifies what comes back by the errors of
`kit.errors`, and maps by pure functions at the level of its module:

* a cart's module has `key_of(raw) -> str` and `to_order(raw, options) -> canonical.Order`;
* a WMS's module has `payload(prepared) -> Any`, which is also what the preview shows.

All that a connector's class needs is imported from here: fields are kit/fields.py, pages kit/page.py. What
each class can do, and how it is found: kit/registry.py.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from integration_manager.kit.canonical import (
    Found,
    Order,
    Prepared,
    Product,
    PurchaseOrder,
    Receipt,
    Refund,
    Shipment,
    ShipMethod,
    Stock,
    StockResult,
)
from integration_manager.kit.fields import Field as Field
from integration_manager.kit.fields import revealed
from integration_manager.kit.page import FileRead as FileRead
from integration_manager.kit.page import Page as Page
from integration_manager.kit.page import Progress as Progress
from integration_manager.kit.page import Reject as Reject

if TYPE_CHECKING:
    from integration_manager.kit.folder import Folder
    from integration_manager.kit.keygrant import KeyGrant
    from integration_manager.kit.oauth import OAuth
    from integration_manager.kit.transport import Answer, Http
    from integration_manager.kit.webhooks import Hook

F = TypeVar("F", bound=Callable[..., Any])


class Dedupe(StrEnum):
    """How a method that writes makes sure that a repeated call has one effect."""

    KEY = "key"  # an idempotency key, or a reference that the other side keeps unique
    LOOKUP = "lookup"  # what was written can be found by our reference
    FILE = "file"  # a file under a temporary name, renamed when it is whole
    NATURAL = "natural"  # repeating it changes nothing
    NONE = "none"  # nothing helps: a person decides


def writes(dedupe: Dedupe) -> Callable[[F], F]:
    """Declares how a method that writes dedupes. Acceptance refuses a writing method without it."""

    def mark(method: F) -> F:
        method.dedupe = dedupe  # type: ignore[attr-defined]
        return method

    return mark


@dataclass(frozen=True, slots=True)
class Rate:
    """How many calls the other system allows: `per_second` on average, `burst` at once."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Pending:
    """The other side works on it and wants to be asked again at `again_at`, by `resume(handle)`."""

    handle: str
    again_at: datetime


class Connector:
    """What carts and destinations have in common. `values` are those of the class's `Field`s."""

    key: ClassVar[str] = ""  # stable; stored in the database
    label: ClassVar[str] = ""
    category: ClassVar[str] = "standard"  # the billing category: standard, premium, edi
    rate: ClassVar[Rate] = Rate(per_second=5, burst=10)
    timeout: ClassVar[float] = 30.0  # seconds, for one call in all
    settle: ClassVar[timedelta] = timedelta(minutes=10)
    overlap: ClassVar[timedelta] = timedelta(minutes=5)
    min_every: ClassVar[timedelta | None] = None  # shortest interval of its services, if not the product's
    uses: ClassVar[Literal["http", "folder"]] = "http"  # what it is opened with
    renders: ClassVar[tuple[str, ...]] = ()  # kinds of file it writes: orders, confirmations, inventory …
    # What its webhooks are signed with, by its name among the values: a secret of ours, or one of the system's.
    signs_with: ClassVar[str] = "webhook_secret"
    hidden: ClassVar[bool] = False  # not offered to people: a variant for tests
    guide: ClassVar[str] = ""  # where to find the credentials, in plain words
    oauth: ClassVar["OAuth | None"] = None  # people grant access on the system's own page (see kit/oauth.py)
    keys: ClassVar["KeyGrant | None"] = None  # it makes keys for us there, besides those that are typed in
    fields: ClassVar[dict[str, Field]] = {}

    def __init_subclass__(cls, *, without: Sequence[str] = (), **kwargs: Any) -> None:
        """`without`: fields of the class above that this one does not have."""
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        cls.fields = {name: value for name, value in {**cls.fields, **own}.items() if name not in without}

    def __init__(
        self,
        values: Mapping[str, Any],
        *,
        http: "Http | None" = None,
        folder: "Folder | None" = None,
    ) -> None:
        """`http` and `folder` are open already: guarded, limited and journaled by who made them."""
        self.values = dict(values)
        if http is not None:
            self.http = http
            http.classify = self.classify
            self.connect(http)
        if folder is not None:
            self.folder = folder

    def connect(self, http: "Http") -> None:
        """Gives the transport its base URL and its credentials. Makes no call."""

    def classify(self, answer: "Answer") -> Exception | None:
        """The error an answer stands for, where the other system's own habits differ from HTTP's.

        None leaves it to the transport: 401 AuthFailed, 429 RateLimited, 5xx Transient and so on.
        """
        return None

    def options(self) -> dict[str, Any]:
        """The values that the mapping may see: those of fields with `option=True`."""
        return {name: getattr(self, name) for name, f in self.fields.items() if f.option}

    def check(self) -> None:
        """Proves that the credentials work, by one cheap call. Raises AuthFailed, Transient, …"""
        raise NotImplementedError

    def identity(self) -> str | None:
        """The system itself (the shop's own id), so that it is not connected twice. None: unknown."""
        return None

    def resume(self, handle: str) -> Any:
        """Goes on with what an earlier call answered by `Pending`; answers like that call."""
        raise NotImplementedError

    @classmethod
    def applies(cls, name: str, values: Mapping[str, Any]) -> bool:
        """Whether field `name` plays a part with these values (see Field's `when`)."""
        when = cls.fields[name].when
        if when is None:
            return True
        value = revealed(values.get(when[0]))
        chosen = cls.fields[when[0]].default if value in (None, "") else value
        return str(chosen) in when[1] and cls.applies(when[0], values)

    @classmethod
    def by_consent(cls, values: Mapping[str, Any]) -> bool:
        """Whether a connection with these values gets in by what a person grants on the system's own page."""
        if cls.oauth is None or cls.oauth.when is None:
            return cls.oauth is not None
        name, wanted = cls.oauth.when
        return str(revealed(values.get(name)) or cls.fields[name].default) in wanted

    @classmethod
    def overrides(cls, name: str) -> bool:
        """Whether this class implements method `name` itself: the source of its capabilities."""
        own, base = getattr(cls, name), getattr(CartConnector if issubclass(cls, CartConnector) else WmsConnector, name)
        # A class method is bound anew each time it is looked at.
        return getattr(own, "__func__", own) is not getattr(base, "__func__", base)

    @classmethod
    def dedupe(cls, name: str) -> Dedupe:
        """How the writing method `name` dedupes."""
        if not cls.overrides(name) and cls.renders:
            return Dedupe.FILE
        return getattr(getattr(cls, name), "dedupe", Dedupe.NONE)

    @classmethod
    def mapper(cls, name: str) -> Callable[..., Any]:
        """The pure function `name` of the connector's own module."""
        found: Callable[..., Any] = getattr(sys.modules[cls.__module__], name)
        return found

    # ── systems that write files: the engine owns the phases (see OutFile) ──

    @classmethod
    def render(cls, kind: str, items: Sequence[Any], stamp: str, options: Mapping[str, Any]) -> tuple[str, bytes]:
        """A whole outgoing file, pure: (name, content). `stamp` is unique and fixed by the engine."""
        raise NotImplementedError

    def ready(self, kind: str) -> None:
        """Raises NeedsHuman where files of this kind cannot be rendered: said before records are taken for one."""

    def put(self, kind: str, name: str, data: bytes) -> None:
        """Writes a file into the directory of `kind`."""
        raise NotImplementedError

    def rename(self, kind: str, old: str, new: str) -> None:
        """Renames a file within the directory of `kind`."""
        raise NotImplementedError

    def remove(self, kind: str, name: str) -> None:
        """Deletes a file of ours from the directory of `kind`; it may be gone already."""
        raise NotImplementedError

    def listing(self, kind: str) -> list[str]:
        """The names in the directory of `kind`."""
        raise NotImplementedError

    def has(self, kind: str, name: str) -> bool:
        """Whether there is a file of this name in the directory of `kind`."""
        return name in self.listing(kind)

    @property
    def posts(self) -> bool:
        """Whether files leave by `post` alone: in one step, which nobody can look up afterwards."""
        return False

    def post(self, kind: str, name: str, data: bytes, key: str, at: datetime, sending: Callable[[], None]) -> None:
        """Sends a file made `at`. `key`: the same for the same file; `sending` is called before the last step.

        Before that nothing can have arrived. Raises OutcomeUnknown where it may have.
        """
        raise NotImplementedError


class CartConnector(Connector):
    """An order source."""

    personal_days: ClassVar[int | None] = None  # that data is kept after an order is done, at most; None: as is usual
    # Whether `orders` tells of orders that are canceled there; files of orders do not.
    tells_canceled: ClassVar[bool] = True
    # Its order gets one status with the last parcel: where no further one comes after all, the last is told again.
    counts_parcels: ClassVar[bool] = False

    def orders(self, since: datetime) -> Iterator[Page]:
        """Every order modified at or after `since`, whatever its status, oldest change first."""
        raise NotImplementedError

    def order(self, number: str) -> Any:
        """The one order with this number or key, raw; None where there is none."""
        raise NotImplementedError

    def ship(self, order_key: str, shipment: Shipment) -> str | Pending:
        """Tells the cart of a parcel. Gives the cart's own id of it, or `Pending`."""
        raise NotImplementedError

    def correct(self, order_key: str, remote_id: str, shipment: Shipment) -> None:
        """Gives a parcel that the cart knows as `remote_id` another tracking number."""
        raise NotImplementedError

    def find_shipments(self, order_key: str) -> list[Shipment]:
        """The parcels that the cart knows of, to resolve an unknown outcome of `ship`.

        `ref`: our key of a parcel, where the cart keeps it. Otherwise what it took in parts comes in those parts, each
        with its lines and, as `key`, with that one of the ids that `ship` gave.
        """
        raise NotImplementedError

    def stock(self, levels: Sequence[Stock]) -> list[StockResult]:
        """Sets absolute levels. One result per level, in any order."""
        raise NotImplementedError

    def cancel(self, order_key: str, reason: str) -> Pending | None:
        """Cancels an order in the cart; one that is canceled already stays so. Raises Permanent: too late.

        None: it is canceled. `Pending`: the cart works on it; `resume` answers in the same way.
        """
        raise NotImplementedError

    def refund(self, order_key: str, refund: Refund) -> str:
        """Pays back. Gives the cart's own id of the refund.

        Never called again after an unknown outcome, however it dedupes: then a person decides.
        """
        raise NotImplementedError

    def find_refund(self, order_key: str, key: str) -> str | None:
        """The cart's id of the refund that carries our `key`, if any: what may save a person the decision."""
        raise NotImplementedError

    def products(self, since: datetime) -> Iterator[Page]:
        """Products changed at or after `since`, oldest change first: pages of `canonical.Product`."""
        raise NotImplementedError

    def create_product(self, product: Product) -> str:
        """Adds a product, by its SKU and name. Gives the cart's own key of it.

        Raises AlreadyDone where the cart keeps SKUs unique. It is not offered to anybody at a price of ours: the
        price, and whether it is on sale, are the shop's to say.
        """
        raise NotImplementedError

    def find_product(self, sku: str) -> str | None:
        """The cart's key of the product with exactly this SKU, if it has one."""
        raise NotImplementedError

    def purchase_orders(self, since: datetime) -> Iterator[Page]:
        """Purchase orders changed at or after `since`, whatever their status, oldest change first.

        Pages of `canonical.PurchaseOrder`.
        """
        raise NotImplementedError

    def tell_received(self, key: str, receipt: Receipt) -> None:
        """Tells the cart what has come of its purchase order `key` so far: totals, by its own lines.

        Repeating it changes nothing, and the latest holds.
        """
        raise NotImplementedError

    def place_tests(self, orders: Sequence[Order]) -> list[Any]:
        """Places made-up orders, to try a set-up, and gives them raw, as `orders` would.

        Only for a source where nothing is bought by that. Their numbers are new; one placed twice is there once.
        """
        raise NotImplementedError

    # ── what the cart tells us by itself: see kit/webhooks.py ──

    @classmethod
    def webhook(cls, values: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> "Hook":
        """Verifies and reads a webhook. Raises BadSignature. Makes no call.

        `values`: the connection's fields, with the webhook's secret as "webhook_secret" and the shop's own id, where
        it is known, as "webhook_shop"; `headers`: names in lower case; `body`: the raw bytes, as they were signed.
        What is signed and makes no sense is a `Hook` too.
        """
        raise NotImplementedError

    def subscribe(self, url: str, secret: str) -> list[str]:
        """Has the shop send its order webhooks to `url`, signed with `secret`. Gives the shop's ids of them.

        Called again it leaves no second ones: what the shop has for `url` is found first, and renewed.
        """
        raise NotImplementedError

    def unsubscribe(self, handle: str) -> None:
        """Removes one webhook by its id; one that is gone already is none of an error."""
        raise NotImplementedError


class WmsConnector(Connector):
    """An order destination."""

    ref_scope: ClassVar[Literal["merchant", "account"]] = "merchant"  # where references are unique
    # Whether `products` tells their other codes too, where the WMS has any.
    tells_aliases: ClassVar[bool] = False
    # `stock` lists what is there, whatever it is asked since: a level that it does not list any more is none.
    lists_what_is_there: ClassVar[bool] = False

    def send(self, prepared: Prepared, ref: str) -> str | Pending:
        """Sends one order under our reference. Gives the WMS's own key of it, or `Pending`."""
        raise NotImplementedError

    def find(self, ref: str) -> Found | None:
        """The order that the WMS has under our reference, if any."""
        raise NotImplementedError

    def shipments(self, since: datetime) -> Iterator[Page]:
        """Parcels modified at or after `since`: pages of `canonical.Shipment`."""
        raise NotImplementedError

    def shipments_of(self, wms_keys: Sequence[str]) -> list[Shipment]:
        """The parcels of these orders, whenever they were shipped."""
        raise NotImplementedError

    def stock(self, since: datetime | None) -> Iterator[Page]:
        """Levels changed since then, or all of them: pages of `canonical.Stock`."""
        raise NotImplementedError

    def cancel(self, wms_key: str) -> bool:
        """Asks for a cancellation. True: the WMS agreed; False: it is too late."""
        raise NotImplementedError

    def canceled(self, since: datetime) -> Iterator[Page]:
        """Orders that were canceled at the WMS at or after `since`: pages of `canonical.Canceled`."""
        raise NotImplementedError

    def ship_methods(self) -> list[ShipMethod]:
        """The shipping methods that the WMS knows."""
        raise NotImplementedError

    def products(self, since: datetime | None) -> Iterator[Page]:
        """The WMS's products that changed since then, or all of them: pages of `canonical.Product`."""
        raise NotImplementedError

    def create_product(self, product: Product) -> str:
        """Adds a product by its SKU. Gives the WMS's own key of it. Raises AlreadyDone where it keeps SKUs unique."""
        raise NotImplementedError

    def update_product(self, wms_key: str, product: Product) -> None:
        """Changes a product; what is None stays as it is. Repeating it changes nothing."""
        raise NotImplementedError

    def find_product(self, sku: str) -> str | None:
        """The WMS's key of the product with exactly this SKU, if it has one."""
        raise NotImplementedError

    def send_purchase_order(self, purchase: PurchaseOrder, ref: str) -> str:
        """Says what goods to expect, under our reference. Gives the WMS's own key of it.

        Raises AlreadyDone where the WMS keeps references unique and has this one.
        """
        raise NotImplementedError

    def find_purchase_order(self, ref: str) -> Found | None:
        """The purchase order that the WMS has under our reference, if any."""
        raise NotImplementedError

    def change_purchase_order(self, wms_key: str, purchase: PurchaseOrder) -> None:
        """Gives a purchase order that the WMS has other lines, dates and notes. Repeating it changes nothing."""
        raise NotImplementedError

    def cancel_purchase_order(self, wms_key: str) -> bool:
        """Nothing is to come any more. True: the WMS expects nothing now; False: it is too late."""
        raise NotImplementedError

    def receipts(self, since: datetime) -> Iterator[Page]:
        """What has come, of purchase orders that changed at or after `since`: pages of `canonical.Receipt`."""
        raise NotImplementedError
