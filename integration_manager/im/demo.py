"""`manage.py im demo`: the demo account of a 3PL: three merchants with shops, one without, who sends files."""

import os
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

HELP = "Creates the demo account on the simulator at --port, unless it is there already."

SHOPS = {
    "oak": ("Oak & Linen", "OAK", "C1"),
    "pine": ("Pine Street Tea", "PINE", "C2"),
    "elm": ("Elm Studio", "ELM", "C3"),
}
LOOPBACK = "http://127.0.0.1:"  # where the simulator is, at whatever port
STRICT = "oak"  # it holds orders whose ship method is not mapped
SYNCED = "oak"  # its products go to the WMS, with their prices
LISTED = "pine"  # products of the WMS that it has not are created in it
SECOND = {"elm": ("studio", "Elm Studio on WooCommerce"), "pine": ("teahouse", "Pine Street Tea on Shopify")}


def arguments(parser: ArgumentParser) -> None:
    """The simulator's port."""
    port = int(os.environ.get("IM_SIMULATOR_PORT", "8100"))
    parser.add_argument("--port", type=int, default=port, help="where `im simulate demo` listens")


def run(options: dict[str, Any]) -> None:
    """Makes account, login, WMS, merchants and carts, and switches every service on."""
    from accounts import addresses
    from accounts.models import Account, Membership, User
    from carts.systems import registry as carts_registry
    from integration_manager import demo_files, demo_methods, demo_office, demo_rules, demo_stock, tenancy
    from integration_manager.im.simulate import demo_places
    from integration_manager.kit import clock
    from merchants import schedules
    from wms.models import Wms

    there = User.objects.filter(email=settings.DEMO_EMAIL).first()
    if there:
        addresses.confirm(there)
        _move(options["port"])
        return
    places = {place.name: place for place in demo_places(options["port"])}
    account = Account.objects.create(name="Northquay Fulfillment", timezone="America/Los_Angeles")
    user = User.objects.create_user(settings.DEMO_EMAIL, settings.DEMO_PASSWORD, name="Dana Demo")
    addresses.confirm(user)
    with tenancy.activate(account.pk):
        Membership.objects.create(user=user, role=Membership.Role.PRIMARY, billing=True)
        wms = places["wms"]
        kept = {name: value for name, value in wms.values.items() if name != "customer"}
        demo_methods.of_warehouse(Wms.objects.create(system=wms.system, credentials=kept))
        carts = {}
        for shop, (name, code, customer) in SHOPS.items():
            merchant = _merchant(name, code, customer)
            since = clock.now() - timedelta(days=1)
            demo_stock.of_shop(merchant, clock.now())
            cart = carts[shop] = _cart(merchant, places[shop], 1, f"{name} shop", since)
            if shop == STRICT:
                demo_methods.strict(cart, clock.now())
            if shop == SYNCED:
                _sync_products(cart, carts_registry().get(cart.system))
                _sync_purchases(cart, carts_registry().get(cart.system))
            if shop == LISTED:
                _list_products(cart)
            if shop in SECOND:
                place, title = SECOND[shop]
                carts[place] = _cart(merchant, places[place], 2, title, since)
        demo_rules.of_shops(carts, user, clock.now())
        demo_office.channel(options["port"], clock.now())
        merchant = _merchant(demo_files.NAME, demo_files.CODE, demo_files.CUSTOMER)
        demo_stock.kept_here(merchant, clock.now())
        cart = demo_files.orders_by_file(merchant, clock.now().date())
        _switch_on(merchant, cart, schedules.CART_SERVICES, carts_registry().get(cart.system))
    print(f"demo account ready: {settings.DEMO_EMAIL}")


def _merchant(name: str, code: str, customer: str) -> Any:
    from merchants import schedules
    from merchants.models import Merchant
    from wms.systems import registry as destinations

    merchant = Merchant.objects.create(name=name, code=code, wms_values={"customer": customer})
    _switch_on(merchant, None, schedules.MERCHANT_SERVICES, destinations().get("sandbox_wms"))
    return merchant


def _cart(merchant: Any, place: Any, number: int, title: str, since: datetime) -> Any:
    from carts.models import Cart
    from carts.systems import registry as carts
    from merchants import schedules

    cart = Cart.objects.create(
        merchant=merchant,
        system=place.system,
        name=title,
        order_source=merchant.name,
        number=number,
        shop=place.name,
        credentials=dict(place.values),
        earliest_order_date=since.date(),
    )
    _switch_on(merchant, cart, schedules.CART_SERVICES, carts().get(place.system))
    return cart


def _sync_products(cart: Any, system: Any) -> None:
    """Product Sync, and an import of what the shop has already."""
    from integration_manager.kit import clock
    from merchants.models import Service
    from orders.services import products

    cart.sync_products = cart.sync_updates = cart.sync_price = True
    cart.save(update_fields=["sync_products", "sync_updates", "sync_price"])
    _switch_on(cart.merchant, cart, [Service.PRODUCTS], system)
    products.ask_import(cart, "demo", clock.now())


def _list_products(cart: Any) -> None:
    """Both switches: what the WMS has and the shop has not is created there."""
    cart.merchant.list_products = cart.list_products = True
    for one in (cart.merchant, cart):
        one.save(update_fields=["list_products"])


def _sync_purchases(cart: Any, system: Any) -> None:
    """Purchase orders of the shop, also those of yesterday, and what comes of them."""
    from datetime import timedelta

    from integration_manager.kit import clock
    from merchants import schedules
    from merchants.models import Schedule, Service
    from orders.services import purchase_orders

    cart.sync_purchases = True
    cart.save(update_fields=["sync_purchases"])
    now = clock.now()
    purchase_orders.switched(cart, on=True, now=now - timedelta(days=1))
    mine = Schedule.objects.get(cart=cart, service=Service.PURCHASES)
    every = schedules.sweep(Service.PURCHASES, system.min_every)
    schedules.set_frequency(mine, now, every=every, automatic=True)


def _switch_on(merchant: Any, cart: Any, services: Any, system: Any) -> None:
    """Every service as a person would: at the system's shortest interval, Automatic where there is one."""
    from integration_manager.kit import clock
    from merchants import schedules
    from merchants.models import Schedule

    for service in services:
        automatic = service in schedules.AUTOMATIC
        shortest = min(schedules.choices(service, system.min_every))
        every = schedules.sweep(service, system.min_every) if automatic else shortest
        schedule = Schedule(merchant=merchant, cart=cart, service=service)
        schedule.save()
        schedules.set_frequency(schedule, clock.now(), every=every, automatic=automatic)


def _move(port: int) -> None:
    """The simulator listens at another port this time: the demo's connections follow."""
    from accounts.models import Membership
    from carts.models import Cart
    from integration_manager import demo_office, tenancy
    from integration_manager.im.simulate import demo_places
    from integration_manager.kit import oauth
    from wms.models import Wms

    urls = {place.name: place.values["url"] for place in demo_places(port)}
    with tenancy.everyone("demo"):  # they may have joined others meanwhile, or left their own
        mine = Membership.objects.filter(user__email=settings.DEMO_EMAIL)
        account_ids = list(mine.values_list("account_id", flat=True))
    for account_id in account_ids:
        with tenancy.activate(account_id):
            carts, present = Cart.objects.all(), Wms.objects.filter(archived_at__isnull=True)
            for row, name in [*((cart, cart.shop) for cart in carts), *((wms, "wms") for wms in present)]:
                url = oauth.plain(row.credentials, "url")
                if name in urls and url != urls[name] and url.startswith(LOOPBACK):
                    row.credentials = {**row.credentials, "url": urls[name]}
                    row.save(update_fields=["credentials"])
            demo_office.move(port, LOOPBACK)
