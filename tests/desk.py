"""An account as its people see it: two merchants, their carts, some orders and alerts, and who may log in."""

import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY as METHODS
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.conf import settings
from django.test import Client

from accounts.models import Account, Membership, User
from alerts.models import Alert
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Merchant, Schedule, Service
from merchants.schedules import CART_SERVICES, MERCHANT_SERVICES
from orders.content import fold
from orders.models import (
    Event,
    Exchange,
    Order,
    OrderDetail,
    OrderLine,
    Run,
    Shipment,
    ShipmentLine,
)
from wms.models import Wms

PASSWORD = "correct horse battery"
CANARY = "CANARY-a-secret-that-no-page-may-show"
SHIP = {
    "first_name": "Dana",
    "last_name": "Whitfield",
    "address_1": "14 Wellington Place",
    "city": "Leeds",
    "zip": "LS1 4DY",
    "country": "GB",
    "e_mail": "dana@mail.example",
}


@dataclass
class Desk:
    """One account. `owner`, `colleague` (a merchant user of the second merchant) and `stranger` are logged in."""

    account: Account
    merchants: list[Merchant]
    carts: list[Cart]
    alert: Alert
    users: dict[str, User]
    orders: list[Order] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)  # of who has `settled`

    def client(self, who: str) -> Client:
        """A browser in which this person has just signed in by password."""
        if who not in self.sessions:
            return signed_in(self.users[who])
        client = Client()
        client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[who]
        return client

    def settle(self, *people: str) -> None:
        """These have looked at a page, and their browsers share that session: for who asks for hundreds of pages."""
        for who in people:
            client = signed_in(self.users[who])
            client.get(self.url())
            self.sessions[who] = client.cookies[settings.SESSION_COOKIE_NAME].value

    def url(self, path: str = "") -> str:
        """An address of this account."""
        return f"/a/{self.account.public_id}/{path}"


def signed_in(user: User) -> Client:
    """A browser in which this person has just signed in by password."""
    client = Client()
    client.force_login(user)
    session = client.session
    session[METHODS] = [{"method": "password", "at": time.time()}]
    session[f"{METHODS}_user"] = str(user.pk)
    session.save()
    return client


def build(name: str = "Northquay", *, orders: int = 3) -> Desk:
    """Makes an account, its people and `orders` orders of each merchant."""
    account = Account.objects.create(name=name, timezone="UTC")
    mail = name.lower()
    users = {
        who: User.objects.create_user(f"{who}@{mail}.example", PASSWORD, name=who.title(), timezone="Europe/Berlin")
        for who in ("owner", "colleague", "stranger")
    }
    EmailAddress.objects.bulk_create(
        EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in users.values()
    )
    with tenancy.activate(account.pk):
        Wms.objects.create(system="sandbox_wms", credentials={"url": "http://127.0.0.1:9/wms", "api_key": CANARY})
        merchants = [_merchant(f"{name} One", "ONE"), _merchant(f"{name} Two", "TWO")]
        carts = [_cart(merchant) for merchant in merchants]
        Membership.objects.create(user=users["owner"], role="primary")
        Membership.objects.create(user=users["colleague"], role="merchant", merchant=merchants[1])
        now = clock.now()
        alert = Alert.objects.create(
            merchant=merchants[0],
            cart=carts[0],
            kind="ship_method_unknown",
            key=f"{name}:cause",
            message="Ship method “X” is not known",
            fix="Map it.",
            said="422",
            first_seen=now,
            last_seen=now,
        )
        desk = Desk(account, merchants, carts, alert, users)
        for index in range(orders):
            for cart in carts:
                desk.orders.append(make_order(cart, f"{cart.merchant.code}-{100 + index}"))
    return desk


def file_of(answer: Any) -> bytes:
    """The file that an answer sends while it is read."""
    assert answer.status_code == 200, answer.status_code
    return b"".join(answer.streaming_content)


def with_app(user: User) -> str:
    """Gives this person an authenticator app; returns its key."""
    key = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    TOTP.activate(user, key)
    return key


def code(key: str, ahead: int = 0) -> str:
    """What the authenticator app shows now, if its clock is `ahead` seconds ahead."""
    return str(format_hotp_value(hotp_value(key, (int(clock.now().timestamp()) + ahead) // 30)))


def _merchant(name: str, code: str) -> Merchant:
    merchant = Merchant.objects.create(name=name, code=code, wms_values={"customer": code})
    Schedule.objects.bulk_create(
        Schedule(merchant=merchant, service=service, every=3600, next_run=clock.now()) for service in MERCHANT_SERVICES
    )
    return merchant


def _cart(merchant: Merchant) -> Cart:
    cart = Cart.objects.create(
        merchant=merchant,
        system="sandbox_shop",
        name=f"{merchant.name} shop",
        number=1,
        shop=f"{merchant.name}-shop",
        credentials={"url": "http://127.0.0.1:9/shop", "api_key": CANARY},
        earliest_order_date=date(2020, 1, 1),
    )
    schedules = Schedule.objects.bulk_create(
        Schedule(merchant=merchant, cart=cart, service=service, every=3600) for service in CART_SERVICES
    )
    Run.objects.bulk_create(
        Run(
            merchant_id=merchant.pk,
            cart_id=cart.pk,
            schedule_id=schedule.pk,
            service=Service(schedule.service).value,
            started_at=clock.now(),
            seconds=0.5,
            outcome="ok",
            counts={"stored": 2},
        )
        for schedule in schedules
    )
    return cart


def make_order(cart: Cart, number: str, *, status: str = "ready", **fields: Any) -> Order:
    """One order with its details, a line, an event and, where it has shipped, a parcel."""
    now = fields.pop("created_at", clock.now())
    ship = {**SHIP, **fields.pop("ship", {})}
    order = Order.objects.create(
        merchant=cart.merchant,
        cart=cart,
        source=cart.source,
        cart_key=number,
        cust_ref=number,
        cust_po_no=number,
        wms_ref=number[:16],
        status=status,
        source_hash="x",
        order_date=now.date(),
        qty_total=Decimal(2),
        lines=1,
        retry_at=now,
        created_at=now,
        updated_at=now,
        **fields,
    )
    line = {"line_id": "1", "item": "CANDLE-8", "quantity": "2", "description": "Candle <8 oz>", "price": "24.00"}
    OrderDetail.objects.create(
        order=order,
        data={"cart_key": number, "lines": [line], "ship": ship, "extra_fields": {"note": "<script>x</script>"}},
        raw={},
        ref_key=fold(number),
        number_key=fold(number),
        name_key=fold(f"{ship['first_name']} {ship['last_name']}"),
        email_key=fold(ship["e_mail"]),
    )
    OrderLine.objects.create(
        order=order, position=1, line_id="1", item="CANDLE-8", item_key=fold("CANDLE-8"), quantity=Decimal(2)
    )
    Event.objects.create(order_id=order.pk, at=now, kind="loaded", to="received", message="from the shop")
    Exchange.objects.create(order_id=order.pk, at=now, method="POST", url="https://wms.example/orders", seconds=0.1)
    if status in ("shipped", "confirmed"):
        parcel = Shipment.objects.create(
            merchant=cart.merchant,
            cart=cart,
            order=order,
            key=f"1Z{number}",
            tracking_no=f"1Z{number}",
            tracking_key=fold(f"1Z{number}"),
            carrier="UPS",
            data={},
            created_at=now,
            retry_at=now,
            uploaded_at=now + timedelta(minutes=1) if status == "confirmed" else None,
        )
        ShipmentLine.objects.create(shipment=parcel, item="CANDLE-8", quantity=Decimal(2))
    return order
