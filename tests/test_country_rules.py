"""Country Rules, from the rule to the page: who is refused, held and let go again; of a merchant and of a cart."""

import io
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from accounts.models import AuditEntry
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Merchant, Service
from merchants.rules import judge
from merchants.rules.countries import ALLOW, DENY, HOLD, REFUSE, Countries
from orders import actions, country_rules, ruling
from orders.loading import load_anyway
from orders.models import Order, SkippedOrder, Status
from tests import desk as desks
from tests.counter import text
from tests.desk import Desk, file_of
from tests.test_rules import PLAIN, SHIP, order
from tests.world import World, place, run

DOWNLOAD, DELIVER = Service.DOWNLOAD, Service.DELIVER


@pytest.fixture
def world(calm: World) -> World:
    """The quick one."""
    return calm


@pytest.fixture
def desk(db: None) -> Desk:
    return desks.build(orders=0)


def rule(kind: str, *codes: str, then: str = REFUSE) -> Countries:
    return Countries(kind, frozenset(codes), then, "Oak shop")


@pytest.mark.parametrize(
    ("known", "country", "sent"),
    [
        (rule("", "FR"), "US", True),
        (rule(ALLOW, "US", "CA"), "US", True),
        (rule(ALLOW, "CA"), "US", False),
        (rule(DENY, "US"), "US", False),
        (rule(DENY, "US"), "CA", True),
        (rule(ALLOW, "CA"), None, True),
    ],
)
def test_a_country_is_shipped_to_or_not(known: Countries, country: str | None, sent: bool) -> None:
    outcome = judge(order(ship=structs.replace(SHIP, country=country)), replace(PLAIN, countries=(known,)))
    assert (outcome.refused is None) is sent
    if outcome.refused is not None:
        assert outcome.refused.message == "Oak shop does not ship to United States (US), by its Country Rules."


def test_both_rules_count_a_refusal_before_a_hold_and_a_person_overrules_them() -> None:
    both = replace(PLAIN, countries=(rule(DENY, "US", then=HOLD), rule(ALLOW, "FR")))
    outcome = judge(order(), both)
    assert (outcome.refused and outcome.refused.reason, outcome.hold and outcome.hold.by) == (
        "country_refused", "country",
    )  # fmt: skip
    anyway = judge(order(), both, anyway=True)
    assert (anyway.refused, anyway.hold) == (None, None)


def test_a_merchants_rule_keeps_orders_of_all_its_carts_out_until_a_person_loads_one(world: World) -> None:
    country_rules.change(world.merchant, clock.now(), "dana@example.com", kind=DENY, add=["US"])
    place(world, 1, ship_to={**_home(), "country": "US"})
    place(world, 2, ship_to={**_home(), "country": "CA"})
    run(world, DOWNLOAD)
    row = SkippedOrder.objects.get()
    assert (row.reason, Order.objects.count()) == ("country_refused", 1)
    assert row.message == f"{world.merchant.name} does not ship to United States (US), by its Country Rules."
    saved = country_rules.change(world.merchant, clock.now(), "dana@example.com", kind="")
    assert saved.skipped == 1
    load_anyway(row, row.raw, world.account, "dana@example.com", clock.now())
    run(world, DELIVER)
    assert Order.objects.filter(status=Status.AT_WMS).count() == 2


def test_a_carts_rule_may_hold_and_lets_go_when_it_is_changed_or_a_person_says_so(world: World) -> None:
    changes = country_rules.change(
        world.cart, clock.now(), "dana@example.com", kind=ALLOW, then=HOLD, add=["FR"]
    ).changes
    assert changes["France"] == (None, "listed")
    for number in (1, 2):
        place(world, number, ship_to={**_home(), "country": "US"})
    run(world, DOWNLOAD, DELIVER)
    held = Order.objects.filter(status=Status.HELD, held_by="country").order_by("pk")
    assert len(held) == 2
    actions.undo_cancel(held[0], "dana@example.com")
    run(world, DELIVER)
    assert [o.status for o in world.orders()] == [Status.AT_WMS, Status.HELD]
    assert country_rules.change(world.cart, clock.now(), "dana@example.com", add=["US"]).released == 1
    run(world, DELIVER)
    assert [o.status for o in world.orders()] == [Status.AT_WMS] * 2


def test_a_run_that_began_before_a_change_goes_by_the_new_rule(world: World) -> None:
    place(world, 1, ship_to={**_home(), "country": "US"})
    run(world, DOWNLOAD)
    country_rules.change(world.merchant, clock.now(), "dana@example.com", kind=DENY, add=["US"])
    run(world, DELIVER)
    assert (world.only().status, world.only().held_by) == (Status.HELD, "filter")


def _home() -> dict[str, str]:
    return {"first_name": "Ada", "last_name": "Okafor", "address_1": "12 Mill Lane", "city": "Salem", "zip": "97301"}


# ── the pages ──


@pytest.mark.parametrize("of", ["merchants", "carts"])
def test_the_list_is_filled_set_and_emptied(desk: Desk, of: str) -> None:
    owner: Any = desk.merchants[0] if of == "merchants" else desk.carts[0]
    client, here = desk.client("owner"), desk.url(f"{of}/{owner.public_id}/countries/")
    empty = client.post(here, {"do": "rule", "kind": "allow", "then": "refuse"})
    assert (empty.status_code, "List the countries first" in text(empty)) == (422, True)
    wrong = client.post(here, {"do": "add", "countries": "USA, Narnia<b>"})
    assert wrong.status_code == 422 and "“Narnia&lt;b&gt;” is no country" in text(wrong)
    client.post(here, {"do": "add", "countries": "USA, canada\nGermany"})
    client.post(here, {"do": "rule", "kind": "allow", "then": "hold"})
    page = text(client.get(here))
    assert "United States" in page and "Germany" in page
    client.post(here, {"do": "remove", "m": ["DE", "x"]})
    assert client.post(here, {"do": "nothing"}).status_code == 422
    with tenancy.activate(desk.account.pk):
        model = Merchant if of == "merchants" else Cart
        assert model.objects.get(pk=owner.pk).country_rule == {"kind": "allow", "then": "hold", "codes": ["CA", "US"]}
        assert AuditEntry.objects.filter(verb=f"{of[:-1]}.country_rules").count() == 3


def preview(client: Any, here: str, lines: str) -> Any:
    """What the import page says of a file."""
    upload = io.BytesIO(lines.encode())
    upload.name = "countries.csv"
    return client.post(here + "import/", {"file": upload})


def stored(desk: Desk) -> dict[str, Any]:
    with tenancy.activate(desk.account.pk):
        rule: dict[str, Any] = Merchant.objects.get(pk=desk.merchants[0].pk).country_rule
        return rule


def store(desk: Desk, rule: dict[str, Any]) -> None:
    with tenancy.activate(desk.account.pk):
        Merchant.objects.filter(pk=desk.merchants[0].pk).update(country_rule=rule)


def test_a_file_of_another_kind_replaces_the_list_which_would_mean_the_opposite(desk: Desk) -> None:
    client, here = desk.client("owner"), desk.url(f"merchants/{desk.merchants[0].public_id}/countries/")
    store(desk, {"kind": DENY, "then": REFUSE, "codes": ["BY", "RU", "US"]})
    shown = preview(client, here, "Country,Ships To\nUS,Only the countries listed\nDE,\n")
    assert [(change.what, change.before, change.after) for change in shown.context["changes"]] == [
        ("Ships To", "All countries but those listed", "Only the countries listed"),
        ("Germany (DE)", None, "listed"),
        ("Belarus (BY)", "listed", "not listed"),
        ("Russia (RU)", "listed", "not listed"),
    ]
    client.post(here + "import/", {"rows": shown.context["signed"]})
    assert stored(desk) == {"kind": ALLOW, "then": REFUSE, "codes": ["DE", "US"]}
    client.post(here + "import/", {"rows": preview(client, here, "Country\nFR\n").context["signed"]})
    assert stored(desk)["codes"] == ["DE", "FR", "US"], "without a kind it adds"


def test_what_somebody_else_has_changed_since_the_preview_stays(desk: Desk) -> None:
    client, here = desk.client("owner"), desk.url(f"merchants/{desk.merchants[0].public_id}/countries/")
    store(desk, {"kind": DENY, "then": REFUSE, "codes": ["BY"]})
    shown = preview(client, here, "Country,Ships To\nUS,Only the countries listed\n")
    meanwhile = {"kind": ALLOW, "then": REFUSE, "codes": ["BY"]}
    store(desk, meanwhile)
    answer = client.post(here + "import/", {"rows": shown.context["signed"]})
    assert (answer.status_code, stored(desk)) == (422, meanwhile)
    assert "somebody else has changed some of it since this preview was made" in text(answer)

    shown, keep = preview(client, here, "Country\nUS\n"), ruling.keep

    def waited(ids: Any) -> None:
        keep(ids)
        Merchant.objects.filter(pk=desk.merchants[0].pk).update(country_rule={**meanwhile, "codes": ["US"]})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ruling, "keep", waited)
        assert client.post(here + "import/", {"rows": shown.context["signed"]}).status_code == 422, "read when locked"

    nothing = preview(client, here, "Country,Ships To\n,deny\n")
    done = client.post(here + "import/", {"rows": nothing.context["signed"]}, follow=True)
    assert stored(desk) == {"kind": DENY, "then": REFUSE, "codes": []}, text(done)
    refused = preview(client, here, "Country,Ships To\n,allow\n")
    assert "List the countries first" in text(refused) and 'name="rows"' not in text(refused)


def test_a_file_is_shown_before_it_changes_anything_and_the_export_is_such_a_file(desk: Desk) -> None:
    client, here = desk.client("owner"), desk.url(f"merchants/{desk.merchants[0].public_id}/countries/")
    good = "Country,Name,Ships To,Other Orders\nUS,,only the countries listed,hold\nCAN,Canada,allow,\nus,,,\n"
    shown = preview(client, here, good + "Moon,,,\nDE,,deny,\nFR,,perhaps,\n")
    for why in ("“Moon” is no country", "something else than a row before it", "“perhaps” is none of “Every country”"):
        assert why in text(shown)
    assert 'name="rows"' not in text(shown), "a file that says Ships To is all or nothing"
    client.post(here + "import/", {"rows": shown.context["signed"]})
    assert stored(desk) == {}
    shown = preview(client, here, good)
    said = [(change.what, change.before, change.after) for change in shown.context["changes"]]
    assert ("Ships To", "Every country", "Only the countries listed") in said
    client.post(here + "import/", {"rows": shown.context["signed"]})
    assert stored(desk) == {"kind": "allow", "then": "hold", "codes": ["CA", "US"]}
    again = io.BytesIO(file_of(client.get(here + "csv/")))
    head, *rows = again.getvalue().decode("utf-8-sig").splitlines()
    assert head == "Country,Name,Ships To,Other Orders"
    does = 'Only the countries listed,"Loaded and held, until a person releases it"'
    assert rows == [f"CA,Canada,{does}", f"US,United States,{does}"]
    again.name = "again.csv"
    assert "the list says all of it already" in text(client.post(here + "import/", {"file": again}))
