"""The first wall between tenants: no query answers without an account, and none answers another's rows."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from accounts.models import AuditEntry
from carts.models import Cart
from integration_manager import tenancy
from integration_manager.tenancy import NoTenant, TenantManager, WrongTenant
from merchants.models import Merchant, Schedule
from orders import jobs
from orders.models import Order, Run
from tests.rows import Rows, tenant_models

pytestmark = pytest.mark.django_db

QUERIES: dict[str, Callable[[Any], object]] = {
    "list": list,
    "count": lambda rows: rows.count(),
    "exists": lambda rows: rows.exists(),
    "first": lambda rows: rows.first(),
    "iterator": lambda rows: list(rows.iterator()),
    "values": lambda rows: list(rows.values_list("pk", flat=True)),
    "union": lambda rows: list(rows.union(rows)),
    "or": lambda rows: list(rows | rows.filter(pk=1)),
    "update": lambda rows: rows.update(account_id=1),
    "delete": lambda rows: rows.delete(),
}


@pytest.fixture
def ours() -> Rows:
    return Rows("Ours")


@pytest.fixture
def theirs() -> Rows:
    return Rows("Theirs")


def codes() -> list[str]:
    return sorted(Merchant.objects.values_list("code", flat=True))


# ── the managers ──


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_without_a_tenant_nothing_answers(query: Callable[[Any], object]) -> None:
    for model in tenant_models():
        rows = model.objects.all()  # may be written down anywhere; it is evaluation that needs a tenant
        with pytest.raises(NoTenant):
            query(rows)


def test_every_model_goes_through_the_filtering_manager_also_inside_django() -> None:
    for model in tenant_models():
        assert isinstance(model._default_manager, TenantManager), model
        assert isinstance(model._base_manager, TenantManager), f"{model}: Meta must inherit TenantModel.Meta"
        with pytest.raises(NoTenant):
            model(pk=1, account_id=1).refresh_from_db()


def test_each_account_sees_its_own_row_and_nobody_elses(ours: Rows, theirs: Rows) -> None:
    for model in tenant_models():
        for mine in (ours, theirs):
            with tenancy.activate(mine.account.pk):
                assert set(model.objects.values_list("account_id", flat=True)) == {mine.account.pk}, model
                assert not model.objects.filter(pk__in=[other_row(ours, theirs, mine, model)]).exists()
        with tenancy.activate(10**9):
            assert not model.objects.exists(), model


def other_row(ours: Rows, theirs: Rows, mine: Rows, model: Any) -> int:
    return (theirs if mine is ours else ours).made[model].pk  # type: ignore[no-any-return]


def test_the_first_wall_stands_without_the_second(ours: Rows, theirs: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    with tenancy.everyone("a test"), monkeypatch.context() as patch:
        patch.setattr(tenancy, "_tell_database", lambda *scopes: None)  # PostgreSQL goes on showing everything
        for mine in (ours, theirs):
            with tenancy.activate(mine.account.pk):
                for model in tenant_models():
                    assert set(model.objects.values_list("account_id", flat=True)) == {mine.account.pk}, model


def test_the_filter_is_that_of_the_moment_of_evaluation(ours: Rows, theirs: Rows) -> None:
    with tenancy.activate(ours.account.pk):
        rows = Merchant.objects.all()
    with tenancy.activate(theirs.account.pk):
        assert [row.pk for row in rows] == [theirs.made[Merchant].pk]


def test_a_foreign_row_in_hand_can_neither_be_changed_nor_deleted(ours: Rows, theirs: Rows) -> None:
    foreign = theirs.made[Merchant]
    with tenancy.activate(ours.account.pk):
        foreign.name = "taken over"
        with pytest.raises(WrongTenant):
            foreign.save()
        assert Merchant.objects.filter(pk=foreign.pk).update(name="taken over") == 0
        assert Merchant.objects.filter(pk=foreign.pk).delete()[0] == 0
    with tenancy.activate(theirs.account.pk):
        assert Merchant.objects.get(pk=foreign.pk).name != "taken over"


# ── writing ──


def test_create_save_and_bulk_create_fill_in_the_account(ours: Rows) -> None:
    with tenancy.activate(ours.account.pk):
        saved = AuditEntry(actor="a", verb="saved", target="x")
        saved.save()
        AuditEntry.objects.create(actor="a", verb="created", target="x")
        AuditEntry.objects.bulk_create([AuditEntry(actor="a", verb="bulk", target="x")])
        AuditEntry.objects.get_or_create(verb="got", defaults={"actor": "a", "target": "x"})
        AuditEntry.objects.update_or_create(verb="updated", defaults={"actor": "a", "target": "x"})
        found = AuditEntry.objects.filter(actor="a").values_list("verb", "account_id")
        assert dict(found) == dict.fromkeys(("saved", "created", "bulk", "got", "updated"), ours.account.pk)


def test_another_accounts_row_cannot_be_written(ours: Rows, theirs: Rows) -> None:
    def entry() -> AuditEntry:
        return AuditEntry(account=theirs.account, actor="a", verb="v", target="x")

    with tenancy.activate(ours.account.pk):
        for write in (
            lambda: entry().save(),
            lambda: AuditEntry.objects.create(account=theirs.account, actor="a", verb="v", target="x"),
            lambda: AuditEntry.objects.bulk_create([entry()]),
        ):
            with pytest.raises(WrongTenant):
                write()


def test_nothing_is_written_without_a_tenant_and_nothing_unaddressed_for_everyone(ours: Rows) -> None:
    with pytest.raises(NoTenant):
        AuditEntry(account=ours.account, actor="a", verb="v", target="x").save()
    with tenancy.everyone("a test"), pytest.raises(NoTenant):
        AuditEntry(actor="a", verb="v", target="x").save()


# ── a merchant user's narrower view ──


def test_a_narrowed_scope_sees_only_its_merchants_in_every_table_that_has_them(ours: Rows) -> None:
    mine = ours.made[Merchant]
    with tenancy.activate(ours.account.pk):
        other = Merchant.objects.create(name="Other", code="OTHER")
    for model in tenant_models():
        if not model.merchant_field:
            continue
        if model is Run:  # a plain table: its merchant is no key
            with tenancy.activate(ours.account.pk):
                Run.objects.update(merchant_id=mine.pk)
        with tenancy.activate(ours.account.pk, [mine.pk]):
            seen = set(model.objects.values_list(model.merchant_field, flat=True))
            assert seen == {mine.pk}, model
        for merchants in ([other.pk], []):
            with tenancy.activate(ours.account.pk, merchants):
                assert not model.objects.filter(pk=ours.made[model].pk).exists(), model


# Tables whose rows are reached through a row that is narrowed (an order, a cart), or are the account's.
WITHOUT_MERCHANT = {
    "AddressAnswer", "AlertMail", "AuditEntry", "BulkAction", "BulkRow", "CartStock", "Event", "EventDetail",
    "Exchange", "LinePart", "LookupCount", "Membership", "OrderDetail", "OrderLine", "Post", "Preference",
    "PurchaseEvent", "SavedView", "ShipmentLine", "Silenced", "StoredPiece", "Watch", "Wms", "WmsShipMethod",
}  # fmt: skip


def test_the_tables_that_are_not_narrowed_are_a_decision() -> None:
    assert {m.__name__ for m in tenant_models() if not m.merchant_field} == WITHOUT_MERCHANT


# ── where a tenant begins and ends ──


def test_threads_start_with_no_tenant(ours: Rows) -> None:
    outcome: list[BaseException] = []

    def ask() -> None:
        try:
            codes()
        except BaseException as error:
            outcome.append(error)
        finally:
            connection.close()

    with tenancy.activate(ours.account.pk):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert isinstance(outcome[0], NoTenant)


@pytest.mark.django_db(transaction=True)
def test_a_task_has_the_tenant_of_its_message_whatever_ran_before(
    ours: Rows, theirs: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(jobs, "run_schedule", lambda *args: seen.append((tenancy.current(), codes())))
    with tenancy.activate(ours.account.pk, [1]):  # as if something had been left behind
        jobs.run_job(1, theirs.account.pk, 1)
    assert seen == [(tenancy.Scope(theirs.account.pk), [theirs.made[Merchant].code])]


def test_a_run_for_another_accounts_schedule_finds_nothing(ours: Rows, theirs: Rows) -> None:
    schedule = theirs.made[Schedule]
    with tenancy.activate(theirs.account.pk):
        Schedule.objects.update(every=300, token=5)
    with tenancy.activate(ours.account.pk):
        assert jobs.run_schedule(schedule.pk, 5) is None


def test_what_starts_without_a_tenant_has_none_and_takes_none_away(ours: Rows) -> None:
    with tenancy.activate(ours.account.pk):
        with pytest.raises(NoTenant):
            tenancy.without_tenant(codes)()
        assert codes() == [ours.made[Merchant].code]


def test_scopes_nest_and_each_comes_back(ours: Rows, theirs: Rows) -> None:
    a, b = ours.made[Merchant].code, theirs.made[Merchant].code

    def role() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            return str(cursor.fetchone()[0])

    with tenancy.activate(ours.account.pk):
        assert (codes(), role()) == ([a], "im_app")
        with tenancy.everyone("a test"):
            assert (codes(), role()) == (sorted([a, b]), "im_system")
            with tenancy.everyone("a test"):
                assert role() == "im_system"
            assert role() == "im_system"
            with tenancy.activate(theirs.account.pk):
                assert (codes(), role()) == ([b], "im_app")
            assert (codes(), role()) == (sorted([a, b]), "im_system")
        assert (codes(), role()) == ([a], "im_app")
        with tenancy.activate(ours.account.pk, []):
            assert codes() == []
        assert codes() == [a]
    assert role() == "im_app"
    with pytest.raises(NoTenant):
        codes()


def test_an_error_inside_ends_the_tenant_too(ours: Rows) -> None:
    with pytest.raises(ZeroDivisionError), tenancy.activate(ours.account.pk):
        1 / 0  # noqa: B018
    with pytest.raises(NoTenant):
        codes()


def test_everyone_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="say why"):
        tenancy.everyone("")


def test_everyone_has_no_one_account() -> None:
    with tenancy.everyone("a test"), pytest.raises(NoTenant):
        tenancy.account_id()


def test_a_stream_has_its_tenant_while_it_is_read_and_leaves_none_behind(ours: Rows) -> None:
    def chunks() -> Iterator[str]:
        yield from codes()

    assert list(tenancy.stream(ours.account.pk, None, chunks)) == [ours.made[Merchant].code]
    half_read = tenancy.stream(ours.account.pk, None, lambda: iter(["one", "two"]))
    assert next(half_read) == "one"
    half_read.close()  # type: ignore[attr-defined]  # the browser went away
    with pytest.raises(NoTenant):
        Cart.objects.count()


def test_what_one_query_set_knows_is_not_in_the_next(ours: Rows) -> None:
    """Each begins with the same filter, which is put together once."""
    with tenancy.activate(ours.account.pk):
        for _ in range(3):
            list(Order.objects.select_related("cart__merchant"))
        begun = Order.objects.all()
        assert begun._known_related_objects == {}
        assert all(len(names) == 1 for names in begun.query.table_map.values()), begun.query.table_map
