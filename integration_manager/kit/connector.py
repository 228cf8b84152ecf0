"""The connector contract: one class, one file, one fixtures folder.

A connector never sleeps, retries, logs, touches the database or catches broad exceptions. It calls
the other system through `self.http` or `self.folder`, classifies what comes back by the errors of
`kit.errors`, and maps by pure functions at the level of its module:

* a cart's module has `key_of(raw) -> str` and `to_order(raw, options) -> canonical.Order`;
* a WMS's module has `payload(prepared) -> Any`, which is also what the preview shows.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar, overload

from integration_manager.kit.canonical import (
    Found,
    Order,
    Prepared,
    Product,
    Refund,
    Shipment,
    ShipMethod,
    Stock,
    StockResult,
)
from integration_manager.kit.filefields import Kind
from integration_manager.kit.filepresets import presets_of

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


@dataclass(slots=True)
class Page:
    """Some rows of the other side, in its order.

    `cursor` is the other side's modified time of the last row. `done` is called once the page is
    stored (a file is archived then, not before). `rejects` are parts that could not even be read.
    `progress`: the page is of a file, which the next run would begin to read again from its start.
    """

    rows: Sequence[Any]
    cursor: datetime | None = None
    done: Callable[[], None] | None = None
    rejects: Sequence["Reject"] = ()
    notes: Sequence[str] | None = None  # all that was left alone, and why, in plain words; None says nothing
    progress: "Progress | None" = None
    file: "FileRead | None" = None  # it ends with this page: to be noted together with what is stored of it


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file is: `rows` of it, `percent` of the whole, read or (after that) stored."""

    file: str
    rows: int
    percent: int
    stored: bool = False


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file that was read to its end. `size` in bytes, `modified` by the other side's clock.

    `sha256` is "" where the content was not read. `same`: it was not loaded, since one like it was before.
    """

    kind: str
    name: str
    size: int
    sha256: str
    modified: datetime
    rows: int = 0
    refused: int = 0
    same: bool = False
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A part of an incoming file that could not be read: where it stands and why, in plain words."""

    file: str
    line: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The other side works on it and wants to be asked again at `again_at`, by `resume(handle)`."""

    handle: str
    again_at: datetime


class Field:
    """One value a person gives when connecting: the form, the API schema and the masking follow.

    `when`: (name of a choice of the same level, values of it) for a field that plays a part with these values
    only; with others it is neither shown, nor required, nor kept.

    kind: text, url, host, int, bool, choice, textarea, format. level: "account" or "merchant" (a WMS's
    values that differ per merchant). `option`: how to work, not how to get in; passed to the mapping.

    A format's value is the key of a preset of `files`, or "custom:<public id>" of one that a person
    mapped; what the connector gets in its place is that format itself (see `filepresets.chosen`).
    """

    name: str

    def __init__(
        self,
        label: str,
        *,
        kind: Literal["text", "url", "host", "int", "bool", "choice", "textarea", "format"] = "text",
        secret: bool = False,
        option: bool = False,
        required: bool = True,
        default: Any = None,
        choices: Sequence[tuple[str, str]] = (),
        files: Kind | None = None,
        level: Literal["account", "merchant"] = "account",
        when: tuple[str, Sequence[str]] | None = None,
        help: str = "",
        example: str = "",
    ) -> None:
        if files is not None:
            choices = [(preset.key, preset.label) for preset in presets_of(files)]
        self.label, self.kind, self.secret, self.option = label, kind, secret, option
        self.required = required and default is None
        self.default, self.choices, self.level, self.files = default, tuple(choices), level, files
        self.help, self.example = help, example
        self.when = (when[0], tuple(when[1])) if when else None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "Connector", owner: type) -> Any: ...
    def __get__(self, instance: "Connector | None", owner: type) -> Any:
        """On the class the field itself, on a connector its value (a secret unwrapped)."""
        if instance is None:
            return self
        value = _plain(instance.values.get(self.name))
        return self.default if value in (None, "") else value


def _plain(value: Any) -> Any:
    """A value without its wrapping: as it is stored, each is one that never prints."""
    reveal = getattr(value, "reveal", None)
    return reveal() if reveal else value


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
    renders: ClassVar[tuple[str, ...]] = ()  # kinds of file it writes: orders, confirmations, inventory
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
        value = _plain(values.get(when[0]))
        chosen = cls.fields[when[0]].default if value in (None, "") else value
        return str(chosen) in when[1] and cls.applies(when[0], values)

    @classmethod
    def by_consent(cls, values: Mapping[str, Any]) -> bool:
        """Whether a connection with these values gets in by what a person grants on the system's own page."""
        if cls.oauth is None or cls.oauth.when is None:
            return cls.oauth is not None
        name, wanted = cls.oauth.when
        return str(_plain(values.get(name)) or cls.fields[name].default) in wanted

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

    personal_days: ClassVar[int] = 180  # after an order is done; then its personal data is removed
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
        """The parcels that the cart knows of, to resolve an unknown outcome of `ship`."""
        raise NotImplementedError

    def stock(self, levels: Sequence[Stock]) -> list[StockResult]:
        """Sets absolute levels. One result per level, in any order."""
        raise NotImplementedError

    def cancel(self, order_key: str, reason: str) -> None:
        """Cancels an order in the cart; one that is canceled already stays so. Raises Permanent: too late."""
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

    def place_tests(self, orders: Sequence[Order]) -> list[Any]:
        """Places made-up orders, to try a set-up, and gives them raw, as `orders` would.

        Only for a source where nothing is bought by that. Their numbers are new; one placed twice is there once.
        """
        raise NotImplementedError

    # ── what the cart tells us by itself: see kit/webhooks.py ──

    @classmethod
    def webhook(cls, values: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> "Hook":
        """Verifies and reads a webhook. Raises BadSignature. Makes no call.

        `values`: the connection's fields, with the webhook's secret as "webhook_secret"; `headers`: names in
        lower case; `body`: the raw bytes, as they were signed. What is signed and makes no sense is a `Hook` too.
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

    def create_product(self, product: Product) -> str:
        """Adds a product by its SKU. Gives the WMS's own key of it. Raises AlreadyDone where it keeps SKUs unique."""
        raise NotImplementedError

    def update_product(self, wms_key: str, product: Product) -> None:
        """Changes a product; what is None stays as it is. Repeating it changes nothing."""
        raise NotImplementedError

    def find_product(self, sku: str) -> str | None:
        """The WMS's key of the product with exactly this SKU, if it has one."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Capability:
    """One function of a system, in the vocabulary its users know. `methods`: any of them gives it."""

    label: str
    methods: tuple[str, ...]
    renders: str = ""


CART_CAPABILITIES = (
    Capability("Order Download", ("orders",)),
    Capability("Shipment Confirmation", ("ship",), "confirmations"),
    Capability("Inventory Sync", ("stock",), "inventory"),
    Capability("Order Cancel Upload", ("cancel",)),
    Capability("Refund in Cart", ("refund",)),
    Capability("Product Sync", ("products",)),
    Capability("Webhooks", ("webhook",)),
)
WMS_CAPABILITIES = (
    Capability("Order Send", ("send",), "orders"),
    Capability("Shipment Confirmation Pickup", ("shipments",)),
    Capability("Inventory Sync Pickup", ("stock",)),
    Capability("Cancel Order in WMS", ("cancel",)),
    Capability("Order Cancel Pickup", ("canceled",)),
    Capability("Product Loading", ("create_product",), "products"),
)


def capabilities(system: type[Connector]) -> list[str]:
    """What a system can do, read off the methods that its class overrides, so that it cannot lie."""
    table = CART_CAPABILITIES if issubclass(system, CartConnector) else WMS_CAPABILITIES
    return [
        c.label
        for c in table
        if any(system.overrides(name) for name in c.methods) or (c.renders and c.renders in system.renders)
    ]


@dataclass(slots=True)
class Registry:
    """The connectors found in one `systems` folder, by key."""

    systems: dict[str, type[Connector]] = field(default_factory=dict)

    def get(self, key: str) -> type[Connector]:
        """The class of a system. Raises KeyError for one that is not installed."""
        return self.systems[key]


def discover(package: str, base: type[Connector]) -> Registry:
    """Finds every connector class in the modules of `package` (its `systems` folder)."""
    import importlib
    import pkgutil

    folder = importlib.import_module(package)
    found: dict[str, type[Connector]] = {}
    for module in pkgutil.iter_modules(folder.__path__, package + "."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.name:
                found[value.key] = value
    return Registry(dict(sorted(found.items(), key=lambda pair: pair[1].label)))
