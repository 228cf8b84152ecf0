"""Many skipped orders loaded at once: asked about first, then one by one as their shops have them now."""

import csv
import io
import re
from typing import Any

import pytest
from django.db import DataError, OperationalError

from carts.systems.sandbox_shop import SandboxShop
from integration_manager.kit import clock
from integration_manager.kit.faults import Fault
from merchants.models import Service
from orders import bulk_run, loading
from orders.models import BulkAction, BulkRow, Event, SkippedOrder
from orders.shops import TRIES
from tests.counter import Counter, text
from tests.desk import file_of
from tests.world import World, ago, asked, change, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER
OLD = ago(days=9000)
NUMBERS = range(1, 61)  # more than a page has


@pytest.fixture
def world(calm: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Sixty orders from before the Earliest Order Date."""
    monkeypatch.setattr(bulk_run, "hint", lambda *ids: None)  # its worker is the test
    for number in NUMBERS:
        calm.shop.place(number, ago(minutes=1), OLD)
    run(calm, DOWNLOAD)
    assert (len(calm.orders()), SkippedOrder.objects.count()) == (0, len(NUMBERS))
    return calm


@pytest.fixture
def owner(world: World) -> Counter:
    return Counter(world)


def marks(owner: Counter, *keys: str) -> list[str]:
    page = owner.get("orders/skipped/").context["page"].items
    return [row.mark for row in page if row.key in keys]


def hidden(page: str) -> dict[str, list[str]]:
    """What the form of the page that asks sends."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page):
        found.setdefault(name, []).append(value)
    return found


def load(owner: Counter, said: dict[str, Any]) -> BulkAction:
    """Asks, agrees, and lets the worker come to its end."""
    owner.post("orders/skipped/load/", hidden(text(owner.post("orders/skipped/load/", said))))
    return work()


def work() -> BulkAction:
    bulk: BulkAction = BulkAction.objects.get()
    bulk_run.carry_on(bulk.pk)
    bulk.refresh_from_db()
    return bulk


def loaded(world: World) -> list[str]:
    return sorted((order.cart_key for order in world.orders()), key=int)


def test_all_that_match_are_counted_then_loaded_as_the_shop_has_them_now(world: World, owner: Counter) -> None:
    change(world, "3", note="Ring twice.")
    world.shop.orders.remove("5")
    change(world, "7", status="canceled")
    SkippedOrder.objects.filter(key="9").update(reason="handled")
    page = text(owner.post("orders/skipped/load/", {"all": "1", "reason": "too_old"}))
    assert "Load anyway: 59 of 59" in page and "all skipped orders with reason Too old" in page
    assert "Too old</td>" in page and "gets twice" not in page
    assert world.orders() == [], "nothing happens before it is confirmed"
    bulk = load(owner, {"all": "1", "reason": "too_old"})
    assert (bulk.state, bulk.total, bulk.done, bulk.refused) == ("done", 59, 57, 2)
    assert loaded(world) == [str(number) for number in NUMBERS if number not in (5, 7, 9)]
    assert sorted(SkippedOrder.objects.values_list("key", flat=True)) == ["5", "7", "9"]
    told = text(owner.get(f"orders/bulk/{bulk.public_id}/"))
    assert "<b>57</b> of 59 orders are loaded" in told and "It is canceled there." in told and "OAK-7" in told
    found = file_of(owner.get(f"orders/bulk/{bulk.public_id}/csv/")).decode("utf-8-sig")
    results = {row["Order"]: (row["Result"], row["Why not"]) for row in csv.DictReader(io.StringIO(found))}
    assert len(results) == 59 and results["OAK-3"] == ("Done", "")
    assert results["OAK-5"] == ("Not done", "Shop does not have this order any more.")
    run(world, DELIVER)
    notes = {said["order_number"]: said["note"] for said in (e["said"] for e in world.warehouse.effects("order"))}
    assert notes["OAK-3"] == "Ring twice."
    assert Event.objects.filter(kind="loaded", actor=owner.user.email).count() == 57


def test_some_that_were_ticked_and_what_was_shipped_already_is_said(world: World, owner: Counter) -> None:
    SkippedOrder.objects.filter(key="60").update(reason="handled")
    ticked = marks(owner, "58", "59", "60")
    page = text(owner.post("orders/skipped/load/", {"row": ticked}))
    assert "Load anyway: 3 of 3" in page and "3 selected orders" in page and "the customer gets twice" in page
    load(owner, {"row": ticked})
    assert loaded(world) == ["58", "59", "60"]
    assert "No order was selected" in text(owner.post("orders/skipped/load/", {"row": ["x", "y"]}))


def test_more_than_the_page_showed_are_asked_about_again(world: World, owner: Counter) -> None:
    form = hidden(text(owner.post("orders/skipped/load/", {"all": "1"})))
    world.shop.place(61, ago(seconds=1), OLD)
    run(world, DOWNLOAD)
    again = text(owner.post("orders/skipped/load/", form))
    assert "more of them by now" in again and "61 of 61" in again
    assert not BulkAction.objects.exists()


def test_what_was_not_shown_and_what_was_shipped_since_is_not_loaded(
    world: World, owner: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    SkippedOrder.objects.filter(key="1").update(reason="handled")
    form = hidden(text(owner.post("orders/skipped/load/", {"all": "1"})))
    SkippedOrder.objects.filter(key="60").update(reason="handled", seen_at=clock.now())
    world.shop.orders.remove("59")
    SkippedOrder.objects.filter(key="59").delete()
    world.shop.place(61, ago(seconds=1), OLD)
    run(world, DOWNLOAD)
    owner.post("orders/skipped/load/", form)
    SkippedOrder.objects.filter(key="58").update(reason="handled")  # after it was begun
    asks = loading.ask

    def handled_meanwhile(connector: Any, skipped: SkippedOrder) -> Any:
        SkippedOrder.objects.filter(pk=skipped.pk, key="57").update(reason="handled")
        return asks(connector, skipped)

    monkeypatch.setattr(loading, "ask", handled_meanwhile)
    bulk = work()
    assert (bulk.total, bulk.done, bulk.refused) == (58, 56, 2)
    assert loaded(world) == [str(number) for number in NUMBERS if number < 57]
    assert "handled elsewhere, or was here, in the meantime" in text(owner.get(f"orders/bulk/{bulk.public_id}/"))


def test_confirmed_twice_it_is_begun_once_and_what_dies_loads_nothing_twice(
    world: World, owner: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = hidden(text(owner.post("orders/skipped/load/", {"row": marks(owner, "57", "58", "59")})))
    for _ in range(2):
        owner.post("orders/skipped/load/", form)
    calls, decide = [], bulk_run._decide

    def dies(bulk: BulkAction, reasons: dict[int, str]) -> None:
        decide(bulk, reasons)
        calls.append(reasons)
        if len(calls) == 2:
            raise SystemExit  # the process ends with the order loaded and not committed

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(bulk_run, "_decide", dies)
        work()
    assert (loaded(world), BulkRow.objects.filter(outcome="").count()) == (["59"], 2)
    BulkAction.objects.update(lease_until=None)
    bulk = work()
    assert (bulk.state, bulk.done, bulk.refused) == ("done", 3, 0)
    assert loaded(world) == ["57", "58", "59"]


def test_a_shop_that_is_away_is_asked_a_few_times_and_its_orders_stay_skipped(world: World, owner: Counter) -> None:
    world.shop.faults.script("GET /api/orders/*", Fault.ERROR, times=99)
    before = asked(world.shop, "GET", "/api/orders/")
    bulk = load(owner, {"all": "1"})
    assert (bulk.state, bulk.done, bulk.refused) == ("done", 0, 60)
    assert asked(world.shop, "GET", "/api/orders/") - before == TRIES
    assert SkippedOrder.objects.count() == 60
    assert "Shop could not be asked" in text(owner.get(f"orders/bulk/{bulk.public_id}/"))
    world.shop.faults.clear()
    bulk.delete()
    assert load(owner, {"all": "1"}).done == 60


def test_what_a_shop_says_of_one_order_keeps_no_other_from_being_loaded(world: World, owner: Counter) -> None:
    refused = ("58", "59", "60")  # the first that are asked for
    assert len(refused) == TRIES
    for key in refused:
        world.shop.faults.script(f"GET /api/orders/{key}", Fault.ECHO, times=9)
    bulk = load(owner, {"all": "1"})
    assert (bulk.state, bulk.done, bulk.refused) == ("done", 57, 3)
    assert sorted(SkippedOrder.objects.values_list("key", flat=True)) == list(refused)
    for reason in BulkRow.objects.filter(outcome="refused").values_list("reason", flat=True):
        assert reason.startswith("Shop does not give this order: ") and "(400)" in reason


def test_what_a_shop_says_of_one_order_says_that_it_is_there(world: World, owner: Counter) -> None:
    assert TRIES == 3
    world.shop.faults.script("GET /api/orders/58", Fault.ECHO, times=9)
    for key in ("60", "59", "57", "56"):
        world.shop.faults.script(f"GET /api/orders/{key}", Fault.ERROR, times=9)
    assert load(owner, {"all": "1"}).done == 55


def test_a_mistake_of_ours_while_asking_for_one_order_keeps_no_other_from_being_loaded(
    world: World, owner: Counter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    order = SandboxShop.order

    def stumbles(self: SandboxShop, number: str) -> Any:
        if number == "60":
            raise KeyError("total")
        return order(self, number)

    monkeypatch.setattr(SandboxShop, "order", stumbles)
    bulk = load(owner, {"all": "1"})
    assert (bulk.state, bulk.done, bulk.refused, bulk.problem) == ("done", 59, 1, "")
    assert reported(caplog, "KeyError") and [row.key for row in SkippedOrder.objects.all()] == ["60"]


@pytest.mark.parametrize("mistake", [KeyError, DataError], ids=["ours", "what the database does not take"])
def test_a_mistake_of_ours_while_loading_one_order_keeps_no_other_from_being_loaded(
    world: World,
    owner: Counter,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mistake: type[Exception],
) -> None:
    load_anyway = loading.load_anyway

    def stumbles(skipped: SkippedOrder, *more: Any) -> Any:
        found = load_anyway(skipped, *more)
        if skipped.key == "60":
            raise mistake("total")
        return found

    monkeypatch.setattr(loading, "load_anyway", stumbles)
    bulk = load(owner, {"all": "1"})
    assert (bulk.state, bulk.done, bulk.refused, bulk.problem) == ("done", 59, 1, "")
    assert reported(caplog, mistake.__name__) and [row.key for row in SkippedOrder.objects.all()] == ["60"]
    assert "60" not in loaded(world), "what failed is not loaded in part"


def test_a_database_that_is_away_decides_nothing(world: World, owner: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise OperationalError

    for part, name in ((SandboxShop, "order"), (loading, "load_anyway")):
        with monkeypatch.context() as patched:
            patched.setattr(part, name, away)
            bulk = load(owner, {"row": marks(owner, "59", "60")})
        assert (bulk.state, bulk.refused, bulk.waiting) == ("running", 0, 2)
        bulk.delete()


def reported(caplog: pytest.LogCaptureFixture, cause: str) -> bool:
    """Whether the one order that was not loaded names the report of its cause in the log."""
    reason = BulkRow.objects.get(outcome="refused").reason
    number = re.fullmatch(r"We made a mistake\. Report (\w+)\.", reason)
    assert number, reason
    (record,) = [one for one in caplog.records if f"report {number[1]}:" in one.getMessage()]
    assert record.exc_info and record.exc_info[0]
    return record.exc_info[0].__name__ == cause


def test_a_shop_that_asks_for_time_gets_it(world: World, owner: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_run, "SHORTEST", bulk_run.LONGEST)  # however slow this machine is
    world.shop.faults.script("GET /api/orders/*", Fault.LIMITED, skip=2)
    bulk = load(owner, {"row": marks(owner, "57", "58", "59", "60")})
    assert (bulk.state, bulk.done, bulk.refused, bulk.waiting) == ("running", 2, 0, 2)
    assert bulk.lease_until is not None, "nobody is at it before that"
    assert work().done == 2
    BulkAction.objects.update(lease_until=None)
    assert (work().done, loaded(world)) == (4, ["57", "58", "59", "60"])


def test_nothing_is_loaded_from_a_cart_that_is_deleted_or_a_merchant_that_is_archived(
    world: World, owner: Counter
) -> None:
    one = marks(owner, "60")
    before = asked(world.shop)
    world.cart.archived_at = clock.now()
    world.cart.save()
    assert "Shop is deleted" in text(owner.post("orders/skipped/load/", {"one": one}))
    assert load(owner, {"row": marks(owner, "59", "60")}).refused == 2
    world.cart.archived_at, world.merchant.archived_at = None, clock.now()
    world.cart.save()
    world.merchant.save()
    assert "is archived" in text(owner.post("orders/skipped/load/", {"one": one}))
    assert (asked(world.shop), world.orders()) == (before, [])


def test_of_others_merchants_nothing_is_loaded(world: World, owner: Counter) -> None:
    from merchants.models import Merchant

    theirs = marks(owner, "59", "60")
    other = Counter(world, "merchant", Merchant.objects.create(name="Another", code="ANO"))
    assert "Load anyway: 0 of 0" in text(other.post("orders/skipped/load/", {"row": theirs}))
    assert "Load anyway: 0 of 0" in text(other.post("orders/skipped/load/", {"all": "1"}))
    other.post("orders/skipped/load/", {"row": theirs, "shown": "2"})
    assert BulkAction.objects.get().total == 0
