"""What PostgreSQL undoes of a click, for another transaction, is done all the same."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from carts.models import Cart, ItemFilter
from integration_manager import stale, tenancy
from orders import address_changes, causes
from orders.filter_imports import ItemImport
from orders.models import Event, Order, Status
from tests import desk as desks
from tests.crossing import crossing
from tests.desk import Desk, make_order


@pytest.fixture
def desk(transactional_db: None) -> Desk:
    return desks.build(orders=0)


def behind(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, *meets: Callable[[], None]) -> list[Any]:
    """Behind each call of it comes the next of these. Gives those that are left."""
    does, left = getattr(where, name), list(meets)

    def does_and_meets(*args: Any, **kwargs: Any) -> Any:
        done = does(*args, **kwargs)
        if left:
            left.pop(0)()
        return done

    monkeypatch.setattr(where, name, does_and_meets)
    return left


def resend(desk: Desk, monkeypatch: pytest.MonkeyPatch, *meets: Callable[[], None]) -> tuple[Order, Any]:
    """A person sends an order again; each time before that is committed, it meets another transaction."""
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "OAK-1", status="error", cause="a cause")
    behind(monkeypatch, causes, "free", *meets)
    client = desk.client("owner")
    client.raise_request_exception = False
    answer = client.post(desk.url(f"orders/{order.public_id}/do/resend/"), follow=True)
    with tenancy.activate(desk.account.pk):
        order.refresh_from_db()
    return order, answer


def test_a_click_that_would_wait_for_ever_gives_way_and_is_done(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with crossing() as meet:
        order, answer = resend(desk, monkeypatch, meet)
    assert (answer.status_code, order.status) == (200, Status.READY)
    assert "order_act gave way" in caplog.text
    assert answer.content.decode().count("The order goes to the WMS within a minute or two.") == 1
    with tenancy.activate(desk.account.pk):
        assert Event.objects.filter(order_id=order.pk, kind="resend").count() == 1


def test_one_that_gives_way_again_is_not_done_without_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with crossing() as meet, crossing(3, 4) as again:
        order, answer = resend(desk, monkeypatch, meet, again)
    assert (answer.status_code, order.status) == (500, Status.ERROR)


def test_the_second_time_goes_by_what_is_stored(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page with a mark of what it showed is not overtaken by what its own first time would have stored."""
    with tenancy.activate(desk.account.pk):
        Cart.objects.update(verify_addresses=Cart.Verifying.BOTH)
    client = desk.client("owner")
    mark = stale.mark(desk.account.verification)
    with crossing() as meet:
        left = behind(monkeypatch, address_changes, "review", meet)
        answer = client.post(desk.url("profile/addresses/"), {"verification": "off", "mark": mark})
    desk.account.refresh_from_db()
    assert (answer.status_code, desk.account.verification, left) == (302, "off", [])


def test_what_an_import_has_shown_is_done_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client, here = desk.client("owner"), desk.url(f"carts/{desk.carts[0].public_id}/item-filters/import/")
    upload = io.BytesIO(b"SKU\nGIFT\n")
    upload.name = "filters.csv"
    signed = client.post(here, {"file": upload}).context["signed"]
    with crossing() as meet:
        left = behind(monkeypatch, ItemImport, "carry_out", meet)
        assert client.post(here, {"rows": signed}).status_code == 302
    assert left == []
    with tenancy.activate(desk.account.pk):
        assert [row.key for row in ItemFilter.objects.all()] == ["gift"]
