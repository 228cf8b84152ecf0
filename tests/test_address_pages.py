"""Pages about addresses: the account's switch, a cart's options, and an address error on its order's page."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from accounts.models import Account, AuditEntry
from accounts.periods import beginning
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.canonical import Order as Canonical
from integration_manager.lookup_prices import Prices
from orders.inserting import insert_orders
from orders.intake import Intake, Stored, read
from orders.models import LookupCount, Order, OrderDetail, Status
from orders.storing import announce
from tests import desk as desks
from tests.counter import text
from tests.desk import Desk
from tests.test_rules import SHIP, order


@pytest.fixture
def desk(db: None) -> Desk:
    return desks.build(orders=0)


def held(desk: Desk, **ship: Any) -> Order:
    """An order whose address is wrong, in a cart that holds such."""
    with tenancy.activate(desk.account.pk):
        Cart.objects.filter(pk=desk.carts[0].pk).update(
            verify_addresses="ship", hold_address_errors=True, rules_mark="verified"
        )
        cart = Cart.objects.select_related("merchant").get(pk=desk.carts[0].pk)
        source: Canonical = order(ship=structs.replace(SHIP, **{"state": "oregon", "zip": "02134", **ship}))
        intake, stored = Intake(cart.merchant, cart), Stored()
        (made,) = insert_orders(intake, [read({}, "1", source, None)], clock.now(), stored)
        announce(cart.merchant, stored, clock.now(), news=True)
        found: Order = Order.objects.get(pk=made)
        return found


def test_the_account_switches_verification_and_says_what_it_lets_go(desk: Desk) -> None:
    waiting = held(desk)
    client, here = desk.client("owner"), desk.url("profile/addresses/")
    page = text(client.get(here))
    assert "By the built-in rules" in page and "look-ups" not in page.split("<h2")[1], "no provider is set up"
    assert client.post(here, {"verification": "online"}).status_code == 422
    done = text(client.post(here, {"verification": "off"}, follow=True))
    assert "1 order goes to the WMS now" in done
    with tenancy.activate(desk.account.pk):
        waiting.refresh_from_db()
        assert waiting.status == Status.READY
        assert AuditEntry.objects.filter(verb="account.verification").count() == 1
    assert "off for the whole account" in text(client.get(desk.url(f"carts/{desk.carts[0].public_id}/edit/")))
    assert desk.client("colleague").get(here).status_code == 403


def test_with_a_provider_look_ups_are_offered_counted_and_priced(desk: Desk, settings: Any) -> None:
    settings.IM_ADDRESS_VERIFIER = "smarty"
    settings.IM_LOOKUP_PRICES_US, settings.IM_LOOKUP_PRICES_INTERNATIONAL = Prices.of("30: 0, 0.02"), Prices.of("0.07")
    account = Account.objects.get(pk=desk.account.pk)
    with tenancy.activate(account.pk):
        begins_on = beginning(account.created_at, account.timezone, clock.now())
        LookupCount.objects.create(begins_on=begins_on, us=40, international=2)
    client, here = desk.client("owner"), desk.url("profile/addresses/")
    page = text(client.get(here))
    assert "sent to Smarty as well, without any name" in page
    assert "0.34" in page, "ten at two cents and two at seven"
    client.post(here, {"verification": "online"})
    assert Account.objects.get(pk=account.pk).verification == "online"


def test_whose_look_ups_nobody_answers_any_more_is_told(desk: Desk) -> None:
    Account.objects.filter(pk=desk.account.pk).update(verification="online")
    page = text(desk.client("owner").get(desk.url("profile/addresses/")))
    assert "this installation has nobody to ask any more" in page


def test_prices_are_read_and_added_up_step_by_step() -> None:
    prices = Prices.of("30: 0, 500: 0.02, 1000: 0.015")
    assert [prices.cost(number) for number in (0, 30, 31, 500, 600, 2000)] == [
        Decimal(text) for text in ("0", "0", "0.02", "9.40", "10.900", "31.900")
    ]
    assert Prices.of("").cost(1000) == 0
    for wrong in ("x", "500: 0.02, 30: 0", "0.02, 500: 1", "30: -1", "30: nan"):
        with pytest.raises(ValueError, match="“"):
            Prices.of(wrong)


def test_an_address_error_is_corrected_by_one_click_on_what_was_shown(desk: Desk) -> None:
    waiting = held(desk)
    client, here = desk.client("owner"), desk.url(f"orders/{waiting.public_id}/")
    page = text(client.get(here))
    line = "14 Mill Lane, Salem, MA, 02134, United States"
    assert "Use this address" in page and line in page and "Perhaps this was meant" in page
    assert "02134 lies in MA, not in OR." in page and "<del>oregon</del>" in page
    stale = text(client.post(here + "do/use_address/", {"shown": "elsewhere"}, follow=True))
    assert "not what is suggested any more" in stale
    done = text(client.post(here + "do/use_address/", {"shown": line}, follow=True))
    assert "The suggested address is used. The order goes to the WMS, unless something else holds it." in done
    with tenancy.activate(desk.account.pk):
        waiting.refresh_from_db()
        assert (waiting.status, waiting.edited_fields) == (Status.READY, ["ship"])
        assert OrderDetail.objects.get(order=waiting).data["ship"]["state"] == "MA"


def test_a_person_may_say_that_the_address_is_right(desk: Desk) -> None:
    waiting = held(desk, zip="1", state="OR")
    here = desk.url(f"orders/{waiting.public_id}/")
    page = text(desk.client("owner").get(here))
    assert "The address is right, send it" in page and "Use this address" not in page
    assert "“1” is no postal code of US" in page
    assert desk.client("stranger").post(here + "do/address_is_right/").status_code == 404
    client = desk.client("owner")
    client.post(here + "do/address_is_right/")
    with tenancy.activate(desk.account.pk):
        waiting.refresh_from_db()
        assert (waiting.status, waiting.anyway) == (Status.READY, False)
        assert OrderDetail.objects.get(order=waiting).address_right


@pytest.mark.parametrize(
    ("made", "now", "begins"),
    [
        ("2026-01-28", "2026-03-05", "2026-02-28"),
        ("2026-01-31", "2026-02-28", "2026-02-28"),
        ("2026-01-31", "2026-03-30", "2026-02-28"),
        ("2026-01-28", "2026-01-28", "2026-01-28"),
        ("2025-12-15", "2026-01-03", "2025-12-15"),
    ],
)
def test_a_billing_period_begins_on_the_day_on_which_the_account_was_made(made: str, now: str, begins: str) -> None:
    from datetime import datetime

    found = beginning(datetime.fromisoformat(f"{made}T12:00Z"), "UTC", datetime.fromisoformat(f"{now}T12:00Z"))
    assert found.isoformat() == begins
