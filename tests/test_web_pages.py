"""What all pages have in common. What they weigh, ask and may not say: tests/test_web_weight.py."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integration_manager import tenancy
from integration_manager.kit import clock
from orders.models import SkippedOrder, Status
from orders.search import STATES
from tests import desk as desks
from tests import every_page
from tests.desk import PASSWORD, Desk, make_order
from tests.test_web_weight import KEEPS_COUNT, MOST_QUERIES

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    made = desks.build(orders=5)
    with tenancy.activate(made.account.pk):
        make_order(made.carts[0], "ONE-ERR", status="error", error_code="x", error_message="No", cause=made.alert.key)
        make_order(made.carts[0], "ONE-OK", status="confirmed")
        make_order(made.carts[0], "ONE-HELD", status="held", held_by="person")
    return made


def test_an_order_in_any_state_and_any_filter_of_the_list_within_the_same_budget(desk: Desk) -> None:
    """What tells PostgreSQL whose the rows are counted too."""
    with tenancy.activate(desk.account.pk):
        found = [make_order(desk.carts[0], f"IN-{status}", status=status) for status in Status.values]
    client = desk.client("owner")
    client.get(desk.url("profile/"))
    filters = [f"state={name}" for name in STATES]
    filters += ["loaded=today", "q=one", "method=none", "country=GB", f"cause={desk.alert.key}&state="]
    pages = {f"order that is {order.status}": f"orders/{order.public_id}/" for order in found}
    pages |= {one: f"orders/?{one}{way}" for one in filters for way in ("", f"&after={found[0].public_id}")}
    for name, path in pages.items():
        with CaptureQueriesContext(connection) as queries:
            assert client.get(desk.url(path)).status_code == 200, name
        asked = [q["sql"] for q in queries]
        assert len(asked) <= MOST_QUERIES, f"{name}:\n" + "\n".join(sql[:200] for sql in asked)


def test_a_new_account_within_the_same_budget() -> None:
    empty = every_page.empty()
    for name, address in empty.below_account.items():
        with CaptureQueriesContext(connection) as queries:
            assert empty.owner.get(address).status_code == 200, name
        counted = [q["sql"] for q in queries if not q["sql"].startswith(KEEPS_COUNT)]
        assert len(counted) <= MOST_QUERIES, f"{name}:\n" + "\n".join(sql[:200] for sql in counted)


def test_polled_parts_come_without_the_frame(desk: Desk) -> None:
    client = desk.client("owner")
    for address, part in ((desk.url(), "live"), (desk.url("orders/"), "rows"), (desk.url("alerts/"), "rows")):
        answer = client.get(address, headers={"HX-Request": "true", "HX-Target": part})
        assert answer.status_code == 200
        assert "<html" not in answer.content.decode()


def test_every_change_needs_a_token_and_a_post(desk: Desk) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(desk.users["owner"])
    cart = desk.carts[0].public_id
    for path in ("alerts/dismiss/", f"carts/{cart}/services/", f"carts/{cart}/run/download/", "wms/test/", "profile/"):
        assert client.post(desk.url(path)).status_code == 403, path
    for path in ("alerts/dismiss/", f"carts/{cart}/services/", f"carts/{cart}/run/download/", "wms/test/"):
        assert client.get(desk.url(path)).status_code == 405, path


def test_login_by_form_and_a_plain_sentence_for_a_wrong_password(desk: Desk) -> None:
    client = Client()
    wrong = client.post("/login/", {"login": "owner@northquay.example", "password": "wrong"})
    assert wrong.status_code == 200
    assert "aria-" in wrong.content.decode() or 'role="alert"' in wrong.content.decode()
    right = client.post(
        "/login/", {"login": "owner@northquay.example", "password": PASSWORD, "next": desk.url("orders/")}
    )
    assert right.headers["Location"] == desk.url("orders/")
    away = Client().post(
        "/login/", {"login": "owner@northquay.example", "password": PASSWORD, "next": "https://evil.example/"}
    )
    assert away.headers["Location"] == "/"


def test_times_are_shown_in_the_users_zone(desk: Desk) -> None:
    text = desk.client("owner").get(desk.url(f"orders/{desk.orders[0].public_id}/")).content.decode()
    assert re.search(r'<time datetime="[^"]+\+0[12]:00" title="[^"]+ CES?T">', text)


def test_theme_is_kept_for_user_and_browser(desk: Desk) -> None:
    client = desk.client("owner")
    answer = client.post("/theme/", {"theme": "dark", "next": "https://evil.example/"})
    assert answer.headers["Location"] == "/"
    assert 'data-bs-theme="dark"' in client.get(desk.url()).content.decode()
    before = Client()
    before.post("/theme/", {"theme": "light"})
    assert 'data-bs-theme="light"' in before.get("/login/").content.decode()
    assert before.post("/theme/", {"theme": "pink"}).status_code == 404


def test_alerts_are_dismissed_and_opened_again(desk: Desk) -> None:
    client = desk.client("owner")
    answer = client.post(desk.url("alerts/dismiss/"), {"alert": desk.alert.public_id}, follow=True)
    assert "1 alert dismissed" in answer.content.decode()
    assert "Ship method" not in client.get(desk.url("alerts/")).content.decode()
    assert "Ship method" in client.get(desk.url("alerts/?state=dismissed")).content.decode()
    client.post(desk.url(f"alerts/{desk.alert.public_id}/reopen/"))
    assert "Ship method" in client.get(desk.url("alerts/")).content.decode()


def test_an_address_that_does_not_exist_is_a_plain_404(desk: Desk) -> None:
    for path in ("/nothing/", desk.url("orders/nope/"), desk.url("alerts/?state=odd"), "/a/none/"):
        answer: Any = desk.client("owner").get(path)
        assert answer.status_code == 404
        assert "There is nothing at this address" in answer.content.decode()


def test_what_was_skipped_is_listed_with_its_reason_page_by_page(desk: Desk) -> None:
    now = clock.now()
    with tenancy.activate(desk.account.pk):
        for index in range(60):
            SkippedOrder.objects.create(
                merchant=desk.merchants[0],
                cart=desk.carts[0],
                key=f"S-{index:02}",
                reason="too_old",
                message="Placed before the Earliest Order Date.",
                seen_at=now,
            )
    client = desk.client("owner")
    first = client.get(desk.url("orders/skipped/")).content.decode()
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = client.get(desk.url("orders/skipped/") + older[1]).content.decode()
    listed = [re.findall(r"\b(S-\d\d)</th>", page) for page in (first, second)]
    assert listed[0] + listed[1] == [f"S-{index:02}" for index in reversed(range(60))]
    assert client.get(desk.url("orders/skipped/?until=nonsense")).status_code == 200
    assert "S-59" not in desk.client("colleague").get(desk.url("orders/skipped/")).content.decode()
