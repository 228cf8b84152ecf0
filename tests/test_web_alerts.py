"""Alerts and the dashboard: what is wrong, what to do about it, and what waits for a person."""

import re
from datetime import timedelta
from typing import Any

import pytest

from accounts.sessions import LONGEST
from alerts.kinds import BY_ITSELF
from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Schedule
from orders import search
from orders.models import Order, OutFile
from tests import desk as desks
from tests.desk import Desk, make_order
from tests.forms_of import forms_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


def another(desk: Desk, kind: str, key: str, **fields: Any) -> Alert:
    now = clock.now()
    merchant = fields.pop("merchant", desk.merchants[0])
    with tenancy.activate(desk.account.pk):
        return Alert.objects.create(
            kind=kind, key=key, message=f"About {key}", merchant=merchant, first_seen=now, last_seen=now, **fields
        )


def page(desk: Desk, path: str = "", who: str = "owner") -> str:
    answer = desk.client(who).get(desk.url(path))
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("path", ["", "alerts/"])
def test_an_alert_has_its_fix_the_systems_own_words_and_a_way_on(desk: Desk, path: str) -> None:
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "ONE-7", status="error", error_code="x", cause="one order")
        make_order(desk.carts[0], "ONE-8", status="error", error_code="x", cause=desk.alert.key)
    another(desk, "refused", "one order", order_id=order.pk, fix="Correct the address.", said="E_ADDR <b>")
    text = page(desk, path)
    assert "Correct the address." in text
    assert '<code class="said">E_ADDR &lt;b&gt;</code></details>' in text
    assert f'/orders/{order.public_id}/">Open ONE-7' in text
    assert f'/ship-methods/{desk.carts[0].public_id}/">Map the method' in text
    assert "View 1 order</a>" in text
    with tenancy.activate(desk.account.pk):
        Alert.objects.filter(pk=desk.alert.pk).update(kind="bad_rows")
        Order.objects.update(cause="")
    assert f'/carts/{desk.carts[0].public_id}/">Open cart' in page(desk, path)


@pytest.mark.parametrize("tab", ["resolved", "dismissed"])
def test_what_is_over_still_leads_to_its_order(desk: Desk, tab: str) -> None:
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "ONE-7")
    another(desk, "changed_after_sending", "over", order_id=order.pk, **{f"{tab}_at": clock.now()})
    text = page(desk, f"alerts/?state={tab}")
    assert f'/orders/{order.public_id}/">Open ONE-7' in text and "Open merchant" not in text


def test_what_is_tried_again_by_itself_waits_for_nobody(desk: Desk) -> None:
    for kind in BY_ITSELF:
        another(desk, kind, kind)
    text = page(desk)
    assert not any(f"About {kind}" in text for kind in BY_ITSELF)
    assert {"delivery_failing", "tracking_failing"} < set(BY_ITSELF)  # whose fix is: nothing to do
    assert "About delivery_failing" in page(desk, "alerts/")


def test_all_of_a_kind_are_dismissed_at_once(desk: Desk) -> None:
    for number in range(3):
        another(desk, "refused", f"refused {number}")
    another(desk, "refused", "of the other", merchant=desk.merchants[1])
    text = page(desk, "alerts/")
    assert text.count('type="submit" name="kind"') == 1  # once, with the first of them
    assert "Dismiss all 4 of this kind" in text
    of_one = f"?merchant={desk.merchants[0].public_id}"
    assert "Dismiss all 3 of this kind" in page(desk, f"alerts/{of_one}")
    client = desk.client("owner")
    answer = client.post(desk.url(f"alerts/dismiss/{of_one}"), {"kind": "refused"}, follow=True)
    assert "3 alerts dismissed" in answer.content.decode()
    with tenancy.activate(desk.account.pk):
        assert set(Alert.objects.filter(dismissed_at=None).values_list("key", flat=True)) == {
            desk.alert.key,
            "of the other",
        }
    client.post(desk.url("alerts/dismiss/"), {"kind": "refused"})
    with tenancy.activate(desk.account.pk):
        assert Alert.objects.filter(dismissed_at=None).get() == desk.alert


def test_all_of_a_kind_are_those_of_the_cart_that_was_chosen(desk: Desk) -> None:
    for number in range(3):
        another(desk, "refused", f"refused {number}", cart=desk.carts[0])
    another(desk, "refused", "of the other", merchant=desk.merchants[1], cart=desk.carts[1])
    assert "Dismiss all 4 of this kind" in page(desk, "alerts/")
    of_one = f"?cart={desk.carts[0].public_id}"
    assert "Dismiss all 3 of this kind" in page(desk, f"alerts/{of_one}")
    assert page(desk, f"alerts/?cart={desk.carts[1].public_id}").count("of this kind") == 0, "one is no group"
    answer = desk.client("owner").post(desk.url(f"alerts/dismiss/{of_one}"), {"kind": "refused"}, follow=True)
    assert "3 alerts dismissed" in answer.content.decode()


def test_none_is_dismissed_that_was_not_shown(desk: Desk) -> None:
    """A list lies open for an hour: what has come since is looked at before all of its kind are dismissed."""
    for number in range(2):
        another(desk, "refused", f"refused {number}")
    client = desk.client("owner")
    (form,) = [one for one in forms_of(page(desk, "alerts/"), "") if one.data.get("kind") == ["refused"]]
    another(desk, "refused", "new")
    answer = client.post(form.action, form.data, follow=True).content.decode()
    assert "There are 3 of this kind by now" in answer and "Dismiss all 3 of this kind" in answer
    with tenancy.activate(desk.account.pk):
        assert Alert.objects.filter(dismissed_at=None, kind="refused").count() == 3
        Alert.objects.filter(key="new").delete()
    assert "2 alerts dismissed" in client.post(form.action, form.data, follow=True).content.decode()


def test_who_dismisses_one_is_in_the_same_list_afterwards(desk: Desk) -> None:
    found = another(desk, "refused", "refused", cart=desk.carts[0])
    here = f"?kind=refused&cart={desk.carts[0].public_id}&merchant={desk.merchants[0].public_id}"
    (form,) = [one for one in forms_of(page(desk, f"alerts/{here}"), "") if "/dismiss/" in one.action]
    assert form.action == desk.url(f"alerts/dismiss/{here}")
    answer = desk.client("owner").post(f"{form.action}&after=x", {"alert": found.public_id})
    assert answer.headers["Location"] == desk.url(f"alerts/{here}")


def test_what_is_over_is_not_called_a_connection(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        Alert.objects.update(resolved_at=clock.now())
    text = page(desk, "alerts/?state=resolved")
    assert "Needed a person" in text and "Connections and setup" not in text


def test_a_merchant_user_dismisses_the_own_merchants_only(desk: Desk) -> None:
    another(desk, "refused", "of the first")
    another(desk, "refused", "of the second", merchant=desk.merchants[1])
    desk.client("colleague").post(desk.url("alerts/dismiss/"), {"kind": "refused"})
    with tenancy.activate(desk.account.pk):
        assert Alert.objects.exclude(dismissed_at=None).get().key == "of the second"


def test_what_should_have_begun_begins_now(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        Schedule.objects.update(next_run=clock.now() - timedelta(seconds=4), failures=2)
    for path in ("", f"carts/{desk.carts[0].public_id}/", f"merchants/{desk.merchants[0].public_id}/"):
        text = page(desk, path)
        assert ">now</time>" in text, path
        assert "4 s ago" not in text, path


def test_the_setup_checklist_is_there_until_the_first_order_has_shipped(desk: Desk) -> None:
    text = page(desk)
    assert "until the first order has shipped" in text
    assert text.count("Done: ") == 4  # WMS, merchant, cart, services
    with tenancy.activate(desk.account.pk):
        Schedule.objects.filter(service="deliver").update(every=0)
        make_order(desk.carts[0], "ONE-1", status="at_wms", delivered_at=clock.now())
    text = page(desk)
    assert text.count("Done: ") == 4  # the order is delivered, the services are not all on
    assert "Switch services on</a>" in text
    with tenancy.activate(desk.account.pk):
        make_order(desk.carts[0], "ONE-2", status="shipped")
    assert "until the first order has shipped" not in page(desk)


def test_a_search_that_finds_too_much_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with tenancy.activate(desk.account.pk):
        for number in range(3):
            make_order(desk.carts[0], f"ONE-{number}")
    assert "Very many" not in page(desk, "orders/?q=one")
    monkeypatch.setattr(search, "MOST_MATCHES", 3)
    assert "only 3 are looked at" in page(desk, "orders/?q=one")
    assert "Very many" not in page(desk, "orders/?q=one-1")


def test_a_session_ends_after_two_weeks_however_busy(desk: Desk) -> None:
    client, began = desk.client("owner"), clock.now()
    for days in range(15):
        with clock.frozen(began + timedelta(days=days)):
            assert client.get(desk.url("profile/")).status_code == 200
    with clock.frozen(began + LONGEST + timedelta(minutes=1)):
        assert client.get(desk.url("profile/")).status_code == 302
        assert client.get("/").headers["Location"] == "/login/?next=/"


@pytest.mark.parametrize(
    ("answer", "phase", "status"), [("arrived", "done", "at_wms"), ("did-not", "planned", "sending")]
)
def test_a_person_says_whether_a_file_arrived(desk: Desk, answer: str, phase: str, status: str) -> None:
    """The two buttons, and what a second person hears who presses the other one."""
    with tenancy.activate(desk.account.pk):
        order = make_order(desk.carts[0], "F-1", status="sending", error_code="file_unknown", cause="file:orders-1.csv")
        file = OutFile.objects.create(
            merchant=desk.merchants[0], kind="orders", name="orders-1.csv", content=b"x", records=[order.pk],
            phase=OutFile.Phase.PARKED, created_at=clock.now(),
        )  # fmt: skip
        Order.objects.filter(pk=order.pk).update(out_file_id=file.pk, starts=1)
    alert = another(desk, "file_unknown", "file:orders-1.csv")
    path = f"alerts/{alert.public_id}/"
    owner = desk.client("owner")
    shown = page(desk, path)
    (url,) = {found for found in re.findall(r'action="([^"]+)"', shown) if found.endswith(f"/{answer}/")}
    said = owner.post(url, follow=True).content.decode()
    assert ("it arrived" if answer == "arrived" else "sent again") in said
    assert "Did orders-1.csv arrive?" not in said
    with tenancy.activate(desk.account.pk):
        file.refresh_from_db()
        order.refresh_from_db()
        alert.refresh_from_db()
    assert (file.phase, order.status, order.cause, order.error_code) == (phase, status, "", "")
    assert alert.resolved_at is not None
    other = url.replace(answer, "did-not" if answer == "arrived" else "arrived")
    assert "No file waits for this decision any more." in owner.post(other, follow=True).content.decode()
    with tenancy.activate(desk.account.pk):
        file.refresh_from_db()
    assert file.phase == phase
    assert owner.get(url).status_code == 405 and owner.post(url.replace(answer, "perhaps")).status_code == 404
