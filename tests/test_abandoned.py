"""Orders that were never sent and that nobody touches any more are canceled, and lose their personal data at once."""

from datetime import timedelta
from typing import Any

import pytest

from alerts.models import Alert
from alerts.raising import raise_alert
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Service
from orders import abandoned, changes, expiry
from orders.models import Event, Order, OrderDetail, Status
from tests import desk as desks
from tests.counter import text
from tests.desk import Desk, make_order
from tests.world import World, alerts, change, place, run

pytestmark = pytest.mark.django_db
DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


@pytest.fixture
def world(calm: World) -> World:
    return calm


def unsent(desk: Desk, number: str, status: str, days: int, **fields: Any) -> Order:
    """An order that was touched last so many days ago."""
    made = make_order(desk.carts[0], number, status=status, **fields)
    Order.objects.filter(pk=made.pk).update(updated_at=clock.now() - timedelta(days=days))
    return made


@pytest.mark.parametrize(
    ("status", "held_by", "days", "gone"),
    [
        ("held", "person", 179, 0),
        ("held", "person", 181, 1),
        ("gave_up", "", 181, 1),
        ("held", "hold_rule", 181, 0),
        ("held", "hold_rule", 731, 1),
        ("error", "", 181, 0),
        ("error", "person", 181, 0),
        ("error", "", 731, 1),
        ("ready", "", 731, 1),
        ("sending", "", 731, 0),
        ("at_wms", "", 731, 0),
        ("shipped", "", 731, 0),
    ],
)
def test_what_is_not_sent_has_its_time(desk: Desk, status: str, held_by: str, days: int, gone: int) -> None:
    with tenancy.activate(desk.account.pk):
        made = unsent(desk, "A-1", status, days, held_by=held_by)
    assert abandoned.cancel(clock.now()) == gone
    with tenancy.activate(desk.account.pk):
        made.refresh_from_db()
        assert (made.status == Status.CANCELED, made.forgotten_at is not None) == (bool(gone), bool(gone))
        assert ("Whitfield" in str(OrderDetail.objects.get(order=made).data)) is not bool(gone)


@pytest.mark.parametrize(("written", "gone"), [(179, 0), (181, 1)])
def test_what_somebody_wrote_about_is_not_left_alone(desk: Desk, written: int, gone: int) -> None:
    now = clock.now()
    with tenancy.activate(desk.account.pk):
        made = unsent(desk, "A-1", "held", 200, held_by="person")
        changes.add_note(made.pk, "The customer wants it in March.", now - timedelta(days=written), actor="dana")
    assert abandoned.cancel(now) == gone


def test_each_kind_of_cart_has_its_time(desk: Desk, settings: Any) -> None:
    settings.IM_PERSONAL_DAYS = {"sandbox_shop": 30}
    settings.IM_KEEP_DAYS = {**settings.IM_KEEP_DAYS, "orders": 200}
    with tenancy.activate(desk.account.pk):
        unsent(desk, "A-1", "held", 31, held_by="person")
        unsent(desk, "A-2", "error", 199)
        unsent(desk, "A-3", "error", 201)
    assert abandoned.cancel(clock.now()) == 2


def test_many_of_many_accounts_in_small_batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abandoned, "BATCH", 2)
    for one in (desk, desks.build("Eastport", orders=0)):
        with tenancy.activate(one.account.pk):
            for number in range(3):
                unsent(one, f"{one.account.pk}-{number}", "gave_up", 200)
            unsent(one, f"{one.account.pk}-young", "gave_up", 1)
    assert abandoned.cancel(clock.now()) == 6
    assert abandoned.cancel(clock.now()) == 0, "once is enough"


def test_what_is_touched_in_this_very_moment_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with tenancy.activate(desk.account.pk):
        made = unsent(desk, "A-1", "held", 200, held_by="person")
    found = abandoned._due(clock.now(), 0)
    with tenancy.activate(desk.account.pk):
        Order.objects.filter(pk=made.pk).update(updated_at=clock.now())
    answers = [found, []]
    monkeypatch.setattr(abandoned, "_due", lambda now, last: answers.pop(0))
    assert abandoned.cancel(clock.now()) == 0


def test_its_page_says_so_in_plain_words_and_offers_nothing(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        made = unsent(desk, "A-1", "gave_up", 200, cause="why", error_code="http_500", error_message="Broken.")
        raise_alert("http_500", "why", "Broken.", now=clock.now())
    owner, here = desk.client("owner"), desk.url(f"orders/{made.public_id}/")
    assert "Resend to WMS" in text(owner.get(here))
    abandoned.cancel(clock.now())
    page = text(owner.get(here))
    assert abandoned.WHY in page and "Personal data removed" in page and "Whitfield" not in page
    assert "Resend to WMS" not in page
    assert "it cannot be sent again" in text(owner.post(here + "do/resend/", follow=True))
    with tenancy.activate(desk.account.pk):
        assert not Alert.objects.filter(key="why", resolved_at=None).exists()
        assert Event.objects.filter(order_id=made.pk).latest("pk").kind == "forgotten"
    later = clock.now() + timedelta(days=731)
    assert expiry.expire(later) == 1, "it goes with the others"


def test_a_shop_that_changes_it_later_opens_it_again_with_what_it_says_now(world: World) -> None:
    key = place(world)
    run(world, DOWNLOAD)
    first = world.only()
    Order.objects.update(status=Status.GAVE_UP, updated_at=clock.now() - timedelta(days=200))
    assert abandoned.cancel(clock.now()) == 1
    run(world, DOWNLOAD, DELIVER)
    assert (world.only().status, alerts()) == (Status.CANCELED, []), "it is known, and nothing comes of it"
    change(world, key, note="Please send it.")
    run(world, DOWNLOAD)
    old, new = world.orders()
    assert (old.pk, old.status, new.status, new.held_by) == (first.pk, Status.CANCELED, Status.HELD, "reopened")
    assert "PII" not in str(OrderDetail.objects.get(order=new).data)


def test_a_change_at_the_shop_is_told_while_the_order_is_at_the_wms_and_nothing_of_it_is_kept(world: World) -> None:
    key = place(world)
    run(world, DOWNLOAD, DELIVER)
    Order.objects.update(forgotten_at=clock.now())
    OrderDetail.objects.update(raw=None)
    change(world, key, note="To my neighbour.")
    run(world, DOWNLOAD)
    assert (alerts(), OrderDetail.objects.get().raw) == (["changed_after_sending"], None)
