"""Going live: the dry run, what is handled already, switching on; and reading again from a date."""

from datetime import timedelta

import pytest

from accounts.models import AuditEntry
from carts.models import CartActivation, DryOrder, DryRun
from integration_manager.kit import clock
from merchants.models import Schedule, Service
from orders import pulls
from orders import run as runs
from orders.models import Event, Order, SkippedOrder, Status
from orders.services import dry_run
from tests.counter import Counter, text
from tests.statements import counted
from tests.world import World, ago, alerts, change, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER


@pytest.fixture
def world(calm: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(dry_run, "hint", lambda *ids: None)  # its worker is the test
    return calm


@pytest.fixture
def owner(world: World) -> Counter:
    return Counter(world)


def read_all(world: World) -> DryRun:
    """The dry run to its end, in as many stretches as it takes."""
    dry = DryRun.objects.get()
    while dry_run.carry_on(dry.pk, world.account):
        pass
    dry.refresh_from_db()
    return dry


def verdicts() -> dict[str, int]:
    found: dict[str, int] = {}
    for verdict in DryOrder.objects.values_list("verdict", flat=True):
        found[verdict] = found.get(verdict, 0) + 1
    return found


# ── the dry run ──


def test_a_thousand_orders_in_several_stretches_and_none_is_loaded(
    world: World, owner: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 1001):
        world.shop.place(number, ago(seconds=5000 - number))
    for number in range(1, 11):
        world.shop.orders.change(str(number), status="canceled")
    world.shop.orders.change("11", lines=[])
    owner.post("cart/dry-run/")
    monkeypatch.setattr(dry_run, "BUDGET", 0.0)
    dry = DryRun.objects.get()
    stretches = 1
    while dry_run.carry_on(dry.pk, world.account):
        stretches += 1
        page = text(owner.get("cart/going-live/", headers={"HX-Request": "true", "HX-Target": "dry-run"}))
        assert "so far" in page
    assert stretches > 5
    assert verdicts() == {"send": 989, "leave": 10, "error": 1}
    assert (Order.objects.count(), SkippedOrder.objects.count(), alerts()) == (0, 0, [])
    with counted() as sent:
        page = text(owner.get("cart/going-live/"))
    assert len(sent) <= 12
    assert "<b>1,000</b> orders found" in page
    assert page.count('name="key"') == 50
    older = owner.get("cart/going-live/").context["older"]
    assert text(owner.get(f"cart/going-live/?show=send&until={older}")).count('name="key"') == 50


def test_it_goes_on_where_its_worker_died(world: World, owner: Counter) -> None:
    place(world, 1)
    owner.post("cart/dry-run/")
    dry = DryRun.objects.get()
    assert dry_run._claim(dry.pk) == 1
    assert dry_run.carry_on(dry.pk, world.account) is False, "somebody is at it"
    assert verdicts() == {}
    DryRun.objects.update(lease_until=ago(hours=1))
    assert read_all(world).state == DryRun.State.DONE
    assert verdicts() == {"send": 1}


def test_started_twice_it_is_one_and_stopped_it_ends(world: World, owner: Counter) -> None:
    owner.post("cart/dry-run/")
    owner.post("cart/dry-run/")
    assert DryRun.objects.count() == 1
    owner.post("cart/dry-run-stop/")
    assert "ended already" in text(owner.post("cart/dry-run-stop/"))
    assert read_all(world).state == DryRun.State.STOPPED
    assert "Stopped" in text(owner.get("cart/going-live/"))
    assert AuditEntry.objects.filter(verb="cart.dry_run").count() == 2


def test_trouble_of_the_shop_passes_and_wrong_credentials_do_not(world: World, owner: Counter) -> None:
    place(world, 1)
    owner.post("cart/dry-run/")
    world.shop.faults.script("GET /api/orders", "error")
    dry = read_all(world)
    assert (dry.state, dry.failures) == (DryRun.State.RUNNING, 1)
    assert "It goes on in half a minute" in text(owner.get("cart/going-live/"))
    DryRun.objects.update(lease_until=ago(hours=1))
    assert (read_all(world).state, verdicts()) == (DryRun.State.DONE, {"send": 1})
    owner.post("cart/dry-run/")
    world.cart.credentials = {**world.cart.credentials, "api_key": "wrong"}
    world.cart.save()
    assert read_all(world).state == DryRun.State.FAILED
    assert alerts() == [], "a person looks at it, nobody needs a mail"


def test_what_would_be_held_is_counted_by_itself_and_can_be_marked(world: World, owner: Counter) -> None:
    place(world, 1)
    world.cart.hold_rules = [{"name": "Careful", "field": "units", "match": "at_least", "values": ["0"]}]
    world.cart.save()
    owner.post("cart/dry-run/")
    assert (read_all(world).state, verdicts()) == (DryRun.State.DONE, {"hold": 1})
    page = text(owner.get("cart/going-live/?show=hold"))
    assert "Would be held" in page and "Careful: its number of units is" in page and 'name="key"' in page
    owner.post("cart/handled/", {"dry": DryRun.objects.get().public_id, "all": "1"})
    assert (verdicts(), SkippedOrder.objects.get().raw is not None) == ({"handled": 1}, True)


# ── handled already ──


@pytest.fixture
def dry(world: World, owner: Counter) -> DryRun:
    """A dry run that found five orders."""
    for number in range(1, 6):
        place(world, number)
    owner.post("cart/dry-run/")
    return read_all(world)


def loaded(world: World) -> list[str]:
    return sorted(order.cart_key for order in world.orders())


def test_what_is_selected_is_never_sent_also_when_it_changes(world: World, owner: Counter, dry: DryRun) -> None:
    page = text(owner.post("cart/handled/", {"dry": dry.public_id, "key": ["1", "2"]}))
    assert "2 orders are marked" in page
    run(world, DOWNLOAD, DELIVER)
    assert loaded(world) == ["3", "4", "5"]
    change(world, "1", note="Ring twice.")
    change(world, "2", status="canceled")
    run(world, DOWNLOAD)
    assert (loaded(world), alerts()) == (["3", "4", "5"], [])
    assert sorted(SkippedOrder.objects.values_list("key", "reason")) == [("1", "handled"), ("2", "handled")]
    assert "primary@counter.example" in text(owner.get("orders/skipped/"))
    assert AuditEntry.objects.get(verb="orders.handled").changes == {"orders": [None, 2]}


def test_all_of_them_and_again_by_mistake(world: World, owner: Counter, dry: DryRun) -> None:
    form = {"dry": dry.public_id, "all": "1"}
    assert "5 orders are marked" in text(owner.post("cart/handled/", form))
    assert "0 orders are marked" in text(owner.post("cart/handled/", form))
    run(world, DOWNLOAD)
    assert loaded(world) == []
    assert verdicts() == {"handled": 5}


def test_a_page_of_an_older_dry_run_marks_nothing(world: World, owner: Counter, dry: DryRun) -> None:
    owner.post("cart/dry-run/")
    for mark in (dry.public_id, "aaaaaaaaaaaa", "", "\x00"):
        assert "newer dry run" in text(owner.post("cart/handled/", {"dry": mark, "all": "1"}))
    assert SkippedOrder.objects.count() == 0
    read_all(world)
    newer = DryRun.objects.get().public_id
    assert "Nothing was selected" in text(owner.post("cart/handled/", {"dry": newer}))
    assert "0 orders" in text(owner.post("cart/handled/", {"dry": newer, "key": ["77", "nobody's"]}))


def test_what_was_loaded_meanwhile_is_left_alone(world: World, owner: Counter, dry: DryRun) -> None:
    run(world, DOWNLOAD)
    assert "0 orders are marked" in text(owner.post("cart/handled/", {"dry": dry.public_id, "all": "1"}))
    assert len(loaded(world)) == 5


def mark_of(owner: Counter, key: str) -> str:
    rows = owner.get("orders/skipped/").context["page"].items
    return str(next(row.mark for row in rows if row.key == key))


def test_one_of_them_is_loaded_anyway_as_the_shop_has_it_now(world: World, owner: Counter, dry: DryRun) -> None:
    owner.post("cart/handled/", {"dry": dry.public_id, "all": "1"})
    change(world, "3", note="Ring twice.")
    mark = mark_of(owner, "3")
    assert "goes its way like the others" in text(owner.post("orders/skipped/load/", {"row": mark}))
    run(world, DELIVER, DOWNLOAD, DELIVER)
    assert loaded(world) == ["3"]
    sent = [effect["said"] for effect in world.warehouse.effects("order")]
    assert [(said["order_number"], said["note"]) for said in sent] == [("OAK-3", "Ring twice.")]
    assert "not skipped any more" in text(owner.post("orders/skipped/load/", {"row": mark}))
    assert Event.objects.filter(actor="primary@counter.example").exists()
    change(world, "4", status="canceled")
    assert "It is canceled there" in text(owner.post("orders/skipped/load/", {"row": mark_of(owner, "4")}))
    assert loaded(world) == ["3"]


def test_an_order_from_before_the_earliest_date_is_loaded_anyway(world: World, owner: Counter) -> None:
    world.shop.place(7, ago(minutes=1), ago(days=9000))
    run(world, DOWNLOAD)
    assert loaded(world) == []
    owner.post("orders/skipped/load/", {"row": mark_of(owner, "7")})
    run(world, DOWNLOAD)
    assert (loaded(world), SkippedOrder.objects.count()) == (["7"], 0)


def test_a_made_up_row_is_nobodys(world: World, owner: Counter, dry: DryRun) -> None:
    owner.post("cart/handled/", {"dry": dry.public_id, "all": "1"})
    for wrong in ("", "1", "1:abc", str(SkippedOrder.objects.earliest("pk").pk)):
        assert "not skipped any more" in text(owner.post("orders/skipped/load/", {"row": wrong}))
    assert loaded(world) == []


# ── the date, and on ──


def test_the_earliest_order_date_is_set_on_record(world: World, owner: Counter, dry: DryRun) -> None:
    owner.post("cart/earliest/", {"earliest_order_date": "2026-01-05"})
    assert "made for the Earliest Order Date" in text(owner.get("cart/going-live/"))
    assert AuditEntry.objects.get(verb="cart.changed").changes == {"earliest_order_date": ["2020-01-01", "2026-01-05"]}
    owner.post("cart/earliest/", {"earliest_order_date": "2026-01-05"})
    assert AuditEntry.objects.filter(verb="cart.changed").count() == 1
    assert "Choose a day" in text(owner.post("cart/earliest/", {"earliest_order_date": "soon"}))


def test_switched_on_it_runs_and_is_counted_as_on(world: World, owner: Counter) -> None:
    page = text(owner.post("cart/on/", {"every_download": "300", "every_upload_shipments": "auto"}))
    assert "Order Download: Every 5 minutes" in page
    on = dict(Schedule.objects.filter(every__gt=0).values_list("service", "every"))
    assert on["download"] == 300
    assert "upload_inventory" not in on
    assert CartActivation.objects.get().off_at is None
    owner.post("cart/on/", {"every_download": "300", "every_upload_shipments": "auto"})
    assert CartActivation.objects.count() == 1


def test_nothing_chosen_nothing_on(world: World, owner: Counter) -> None:
    off = dict.fromkeys(("every_download", "every_upload_shipments", "every_upload_inventory"), "off")
    assert "at least one service" in text(owner.post("cart/on/", off))
    assert not CartActivation.objects.exists()


# ── reading again from a date ──


def pulled(world: World) -> pulls.Pull:
    schedule = Schedule.objects.get(service=DOWNLOAD)
    found = pulls.pull_of(schedule, clock.now())
    assert found is not None
    return found


def test_the_first_download_says_how_far_it_is(world: World, owner: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 301):
        world.shop.place(number, ago(seconds=3000 - number))
    world.schedule(DOWNLOAD)
    monkeypatch.setattr(runs, "BUDGET", 0.0)
    run(world, DOWNLOAD)
    monkeypatch.undo()
    assert pulled(world).ended_at is None
    run(world, DOWNLOAD)
    found = pulled(world)
    assert (found.new, found.ended_at is not None, len(world.orders())) == (300, True, 300)
    assert "The first download is complete" in text(owner.get("cart/"))


def test_a_re_pull_loads_nothing_twice_and_says_what_was_new(world: World, owner: Counter) -> None:
    for number in range(1, 151):
        world.shop.place(number, ago(seconds=7200 - number))
    run(world, DOWNLOAD)
    world.shop.place(500, ago(hours=30))  # the shop dated it late: the cursor has passed it
    schedule = world.schedule(DOWNLOAD)
    schedule.refresh_from_db()
    Schedule.objects.update(reached_back_at=clock.now())
    run(world, DOWNLOAD)
    assert len(world.orders()) == 150
    day = (ago(days=3)).date()
    assert "is read again" in text(owner.post("cart/repull/", {"day": day.isoformat()}))
    run(world, DOWNLOAD)
    found = pulled(world)
    assert (len(world.orders()), found.new, found.changed, found.by) == (151, 1, 0, "primary@counter.example")
    assert found.known >= 150
    page = text(owner.get("cart/"))
    assert "1 new" in page
    assert Event.objects.filter(kind="loaded").count() == 151
    assert AuditEntry.objects.get(verb="cart.repulled").changes == {"from": [None, day.isoformat()]}


def test_a_run_under_way_does_not_set_the_cursor_forward_again(world: World, owner: Counter) -> None:
    place(world, 1)
    run(world, DOWNLOAD)
    before = Schedule.objects.get(service=DOWNLOAD)
    owner.post("cart/repull/", {"day": ago(days=2).date().isoformat()})
    after = Schedule.objects.get(service=DOWNLOAD)
    assert after.token == before.token + 1
    assert after.cursor < before.cursor


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (timedelta(days=2), "still to come"),
        (timedelta(days=-800), "too far back"),
        (timedelta(days=-9000), "Earliest Order Date"),
    ],
)
def test_the_limits_of_a_re_pull(world: World, owner: Counter, day: timedelta, words: str) -> None:
    world.schedule(DOWNLOAD)
    wanted = (clock.now() + day).date().isoformat()
    assert words in text(owner.post("cart/repull/", {"day": wanted}))
    assert Schedule.objects.get(service=DOWNLOAD).cursor is None
    assert "Choose a day" in text(owner.post("cart/repull/", {"day": "\x00"}))


def test_a_download_that_is_off_is_not_re_pulled(world: World, owner: Counter) -> None:
    assert "Order Download is off" in text(owner.post("cart/repull/", {"day": ago(days=2).date().isoformat()}))
    assert "Re-pull from" not in text(owner.get("cart/"))


def test_a_handled_order_stays_so_for_a_new_connection_of_the_same_shop(
    world: World, owner: Counter, dry: DryRun
) -> None:
    owner.post("cart/handled/", {"dry": dry.public_id, "all": "1"})
    owner.post("cart/delete/")
    owner.post("cart/restore/")
    world.cart.refresh_from_db()
    run(world, DOWNLOAD)
    assert loaded(world) == []
    place(world, 9)
    run(world, DOWNLOAD)
    assert (loaded(world), world.only().status) == (["9"], Status.READY)
