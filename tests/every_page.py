"""Every page there is, in a filled account: a new route is among them by itself, or says why it is no page.

The tests of what must hold on all pages walk this list: what they weigh, how they ask the database, how they
fit and read, and their pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.http import HttpResponse
from django.test import Client

from alerts.channels import KINDS
from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.systems import offered
from orders.models import CartListing, CartProduct, PurchaseOrder, SkippedOrder
from orders.purchase_rows import note
from tests import desk as desks
from tests import test_idor as routes
from tests.desk import Desk, make_order

# Routes that show no page of their own to the owner of this account, and why.
NO_PAGE = {
    "wms_files": "its WMS does not work by files",
    "wms_files_csv": "the same",
    "wms_files_upload": "the same",
    "wms_file": "the same",
    "wms_file_act": "the same",
}
# Pages outside any account that show something without a link out of a mail or a half finished sign-in.
OUTSIDE = {
    "login": "/login/",
    "sign-in link": "/login/link/",
    "sign-in link, gone": "/login/link/nonsense/",
    "sign-up": "/signup/",
    "look into your mailbox": "/verify/",
    "verification, gone": "/verify/nonsense/",
    "invitation, gone": "/invitation/nonsense/",
    "password forgotten": "/password/",
    "password mail sent": "/password/sent/",
    "password set": "/password/done/",
    "no such page": "/nothing/",
}
PERSONAL = {
    "security": "/security/",
    "change of e-mail": "/security/email/",
    "change of password": "/security/password/",
    "authenticator app": "/security/app/add/",
    "passkey": "/security/passkeys/add/",
    "once more the password": "/security/again/",
    "sign out": "/logout/",
}


Visit = Callable[[Client, str], HttpResponse]


@dataclass
class Pages:
    """The filled account, and its pages: name → address."""

    desk: Desk
    below_account: dict[str, str]
    owner: Client  # its owner's browser
    visit: Visit = Client.get  # how a page is asked for
    answers: dict[str, HttpResponse] = field(default_factory=dict)  # to its owner, by address

    @property
    def signed_in(self) -> dict[str, str]:
        """All that its owner sees."""
        return self.below_account | PERSONAL

    def seen(self) -> dict[str, HttpResponse]:
        """Each of these pages as its owner saw it first: name → answer."""
        for address in self.signed_in.values():
            if address not in self.answers:
                self.answers[address] = self.visit(self.owner, address)
        return {name: self.answers[address] for name, address in self.signed_in.items()}


def build(*more: Callable[[Desk], None], visit: Visit = Client.get) -> Pages:
    """Fills an account with something of everything (and `more`), and lists its pages."""
    desk = desks.build(orders=4)
    extra = fill(desk)
    routes.by_files(desk)
    for make in more:
        make(desk)
    found, answers = {}, {}
    owner = desk.client("owner")
    owner.get(desk.url("profile/"))  # writes into the session that somebody is here: once in ten minutes
    # All that the pages show is there before the first is looked at.
    addresses = {name: routes.address(desk, name) for name in routes.pages() if name not in NO_PAGE}
    for name, address in addresses.items():
        answer = visit(owner, address)
        if answer.status_code in (302, 405):
            continue  # leads on, or is there to send something to
        if "attachment" in answer.headers.get("Content-Disposition", ""):
            continue  # a download
        assert answer.status_code == 200, f"{name} ({address}): {answer.status_code}; is it in NO_PAGE?"
        assert answer.headers["Content-Type"].startswith("text/html"), f"{name} is no page; is it in NO_PAGE?"
        found[name], answers[address] = address, answer
    return Pages(desk, found | extra, owner, visit, answers)


def fill(desk: Desk) -> dict[str, str]:
    """Orders in the states that look different, alerts, skipped ones. Gives the addresses of these variants."""
    now = clock.now()
    cart = desk.carts[0]
    with tenancy.activate(desk.account.pk):
        error = make_order(
            cart, "ONE-ERR", status="error", error_code="ship_method_unknown", cause=desk.alert.key,
            error_message="Ship method “Next-Day Premium (EU)” is not known to the warehouse.",
        )  # fmt: skip
        held = make_order(cart, "ONE-HELD", status="held", held_by="person")
        shipped = make_order(cart, "ONE-SHIPPED", status="shipped")
        confirmed = make_order(cart, "ONE-OK", status="confirmed")
        Alert.objects.create(
            merchant=desk.merchants[1], cart=desk.carts[1], kind="credentials", key="b", count=12,
            message="The shop refused the credentials", fix="Enter the key again.",
            said="401 Unauthorized: key revoked",
            first_seen=now, last_seen=now,
        )  # fmt: skip
        for number in range(3):
            SkippedOrder.objects.create(
                merchant=cart.merchant, cart=cart, key=f"S-{number}", number=f"ONE-{number}", reason="too_old",
                message="Placed before the Earliest Order Date.", seen_at=now,
            )  # fmt: skip
        for key, sku, state, why in (
            ("41", "", "refused", "It has no SKU in the cart, so the WMS cannot know what it is. Give it one there."),
            ("42", "CANDLE-8", "refused", "The WMS refuses it: a SKU has at most 7 characters."),
            ("43", "MUG-BLUE", "there", ""),
        ):
            CartProduct.objects.create(
                merchant=cart.merchant, cart=cart, key=key, sku=sku, state=state, error_message=why, sent_at=now,
                error_code="" if sku else "no_sku", data={"key": key, "sku": sku, "name": f"Thing {key}"},
            )  # fmt: skip
        for code, state, why in (
            ("MUG-BLUE", "there", ""),
            ("A-SKU-THAT-IS-LONGER-THAN-WHAT-THE-SHOP-TAKES", "refused", "A SKU has at most 40 characters."),
        ):
            CartListing.objects.create(
                merchant=cart.merchant, cart=cart, code=code, sku=code, state=state, error_message=why, sent_at=now,
            )  # fmt: skip
        lines = [
            {
                "line_id": "1",
                "item": "CANDLE-8",
                "quantity": "48",
                "description": "Candle, eight hours",
                "cost": "1.20",
            },
            {"line_id": "2", "item": "MUG-BLUE", "quantity": "12"},
        ]
        come = [{"item": "CANDLE-8", "quantity": "50"}, {"item": "SOMETHING-ELSE", "quantity": "2"}]
        for number, state, why in (
            ("PO-2041", "refused", "It was sent and no answer came. Look at the WMS, then say whether it arrived."),
            ("PO-2042", "received", ""),
            ("PO-2043", "waiting", ""),
        ):
            late = PurchaseOrder.objects.create(
                merchant=cart.merchant, cart=cart, source=cart.source, key=number, number=number, search=number.lower(),
                ref=number, supplier="Hartwell Ceramics and Sons of Stoke-on-Trent", state=state, error_message=why,
                error_code="outcome_unknown" if why else "", expected_on=now.date(),
                data={"key": number, "number": number, "status": "open", "lines": lines, "currency_code": "EUR"},
                receipt={"lines": come, "closed": True} if state == "received" else {},
            )  # fmt: skip
            note([late], "loaded", "From the cart.", now)
            if why:
                unknown = late
    merchant, carts = desk.merchants[0].public_id, "carts/new/"
    return {
        "products at the WMS": desk.url(f"carts/{cart.public_id}/products/?state=there"),
        "purchase order of unknown outcome": desk.url(f"orders/purchases/{unknown.public_id}/"),
        "purchase orders received": desk.url(f"orders/purchases/?state=received&cart={cart.public_id}"),
        "order in error": desk.url(f"orders/{error.public_id}/"),
        "order on hold": desk.url(f"orders/{held.public_id}/"),
        "order shipped": desk.url(f"orders/{shipped.public_id}/"),
        "order confirmed": desk.url(f"orders/{confirmed.public_id}/"),
        "orders searched": desk.url(f"orders/?q=dana&state=new&merchant={merchant}"),
        "no order found": desk.url("orders/?q=zzz"),
        "dashboard of a merchant": desk.url(f"?merchant={merchant}"),
        "resolved alerts": desk.url("alerts/?state=resolved"),
        "deleted carts": desk.url("carts/?deleted"),
        "gallery": desk.url(f"carts/new/?merchant={merchant}"),
        "nothing in the gallery": desk.url(f"carts/new/?merchant={merchant}&q=zzz"),
        "why not": desk.url(f"carts/why/?cart={cart.public_id}&number=1"),
        **{f"set up {one['label']}": desk.url(f"{carts}{one['key']}/?merchant={merchant}") for one in offered("cart")},
        **{f"settings of {one['label']}": desk.url(f"wms/setup/{one['key']}/") for one in offered("wms")},
        **{f"new channel, {kind.label}": desk.url(f"alerts/channels/new/{key}/") for key, kind in KINDS.items()},
    }


def empty() -> Pages:
    """A new account that has nothing yet: what its pages say to do."""
    desk = desks.build("Empty", orders=0)
    with tenancy.activate(desk.account.pk):
        Alert.objects.all().delete()
        for cart in desk.carts:
            cart.delete()
    paths = {"dashboard": "", "orders": "orders/", "alerts": "alerts/", "carts": "carts/", "skipped": "orders/skipped/"}
    owner = desk.client("owner")
    owner.get(desk.url("profile/"))
    return Pages(desk, {f"{name}, nothing yet": desk.url(path) for name, path in paths.items()}, owner)
