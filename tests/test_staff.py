"""Staff look at an account, on record, and change nothing; and the account's audit log."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from accounts import audit
from accounts.models import Account, AuditEntry, Membership, User
from accounts.staff import OPEN
from alerts.models import Alert
from integration_manager import tenancy
from integration_manager.kit import clock
from tests import desk as desks
from tests.desk import PASSWORD, Desk, file_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    made = desks.build(orders=1)
    made.users["staff"] = User.objects.create_user("staff@operator.example", PASSWORD, is_staff=True, name="Op")
    desks.with_app(made.users["staff"])
    return made


def opened(desk: Desk) -> Client:
    client = desk.client("staff")
    assert client.post(f"/staff/open/{desk.account.public_id}/").headers["Location"] == desk.url()
    return client


def entries(desk: Desk) -> list[tuple[str, str, str]]:
    with tenancy.activate(desk.account.pk):
        return list(AuditEntry.objects.order_by("pk").values_list("verb", "actor", "via"))


def test_the_list_of_accounts_is_for_staff_and_searched(desk: Desk) -> None:
    for number in range(60):
        Account.objects.create(name=f"Branch {number:02}")
    client = desk.client("staff")
    text = client.get("/staff/").content.decode()
    assert "Branch 00" in text
    assert "61 accounts" in text
    assert "Branch 59" not in text
    assert "Branch 59" in client.get("/staff/?q=branch+59").content.decode()
    assert "Northquay" in client.get(f"/staff/?q={desk.account.public_id}").content.decode()
    assert "No account has" in client.get("/staff/?q=zzz").content.decode()
    assert client.get("/staff/?q=%00&page=x").status_code == 200
    (found,) = csv.DictReader(io.StringIO(file_of(client.get("/staff/export/?q=branch+59")).decode("utf-8-sig")))
    assert (found["Account"], found["Kind"], found["Suspended (UTC)"]) == ("Branch 59", "Fulfillment Center", "")
    assert desk.client("owner").get("/staff/export/").status_code == 404
    for who in ("owner", "stranger"):
        assert desk.client(who).get("/staff/").status_code == 404
    assert Client().get("/staff/").status_code == 404


def test_alerts_of_all_accounts_are_counted_and_lead_into_theirs(desk: Desk) -> None:
    other = desks.build("Eastport", orders=0)
    client = desk.client("staff")
    text = client.get("/staff/alerts/").content.decode()
    assert "2 alerts in 2 accounts" in text
    assert desk.alert.message not in text
    chosen = client.get(f"/staff/alerts/?kind={desk.alert.kind}").content.decode()
    assert "Eastport" in chosen
    file = file_of(client.get(f"/staff/alerts/export/?kind={desk.alert.kind}")).decode()
    assert (file.count(",Northquay,"), file.count(",Eastport,"), desk.alert.message in file) == (1, 1, False)
    assert desk.client("owner").get("/staff/alerts/export/").status_code == 404
    there = f"{other.url()}alerts/?kind={desk.alert.kind}"
    assert f'value="{there}"' in chosen
    opening = f"/staff/open/{other.account.public_id}/"
    assert client.post(opening, {"to": there}).headers["Location"] == there
    assert other.alert.message in client.get(there).content.decode()
    for elsewhere in ("https://evil.example/", "//evil.example", desk.url()):
        assert client.post(opening, {"to": elsewhere}).headers["Location"] == other.url()
    with tenancy.everyone("a test"):
        Alert.objects.update(dismissed_at=clock.now())
    assert "Nothing waits for anybody" in client.get("/staff/alerts/?kind=nothing%00&page=x").content.decode()
    assert desk.client("owner").get("/staff/alerts/").status_code == 404


def test_opening_is_on_record_and_shown_and_ends(desk: Desk) -> None:
    client = opened(desk)
    text = client.get(desk.url()).content.decode()
    assert "as staff: read only" in text
    assert entries(desk) == [("account.opened", "staff@operator.example", "staff")]
    assert "Account opened by staff" in desk.client("owner").get(desk.url("audit/")).content.decode()
    assert client.post("/staff/leave/").headers["Location"] == "/staff/"
    assert client.get(desk.url()).status_code == 404
    assert entries(desk)[-1][0] == "account.left"
    assert client.post("/staff/leave/").status_code == 302, "twice is nothing"


def test_it_ends_by_itself_and_with_the_rights(desk: Desk) -> None:
    client = opened(desk)
    session = client.session
    public_id, since = session["staff_opened"]
    session["staff_opened"] = [public_id, since - OPEN - 1]
    session.save()
    assert client.get(desk.url()).status_code == 404
    client = opened(desk)
    User.objects.filter(pk=desk.users["staff"].pk).update(is_staff=False)
    assert client.get(desk.url()).status_code == 404


def test_one_account_at_a_time(desk: Desk) -> None:
    other = desks.build("Elsewhere", orders=0)
    client = opened(desk)
    client.post(f"/staff/open/{other.account.public_id}/")
    assert client.get(other.url()).status_code == 200
    assert client.get(desk.url()).status_code == 404


def test_every_post_of_staff_is_refused_with_a_page_that_says_so(desk: Desk) -> None:
    client = opened(desk)
    with tenancy.activate(desk.account.pk):
        member = Membership.objects.get(user=desk.users["colleague"])
    values = {
        "account": desk.account.public_id, "merchant": desk.merchants[0].public_id, "cart": desk.carts[0].public_id,
        "order": desk.orders[0].public_id, "alert": desk.alert.public_id, "member": member.public_id,
    }  # fmt: skip
    tried = 0
    for name in {str(key) for key in get_resolver().reverse_dict if isinstance(key, str)}:
        for possibility, *_ in get_resolver().reverse_dict.getlist(name):
            for template, wanted in possibility:
                if not template.startswith("a/%(account)s/"):
                    continue
                path = "/" + template % {one: values.get(one, "x1") for one in wanted}
                answer = client.post(path)
                assert answer.status_code == 403, path
                assert "Nothing was changed" in answer.content.decode(), path
                tried += 1
    assert tried > 50
    assert [verb for verb, *_ in entries(desk)] == ["account.opened"]


def test_staff_see_pages_but_none_to_change_something(desk: Desk) -> None:
    client = opened(desk)
    for path in ("", "orders/", "alerts/", "carts/", "merchants/", "wms/", "users/", "users/permissions/", "audit/"):
        answer = client.get(desk.url(path))
        assert answer.status_code == 200, path
        text = answer.content.decode()
        for words in ("New Merchant", "New Admin User", "New Setup", "Dismiss selected"):
            assert words not in text, f"{path}: {words}"
    for path in ("merchants/new/", "users/new/", "profile/"):
        assert client.get(desk.url(path)).status_code == 403, path


# --- the audit log ---


def fill(desk: Desk, number: int) -> None:
    now = clock.now()
    with tenancy.activate(desk.account.pk):
        AuditEntry.objects.bulk_create(
            AuditEntry(
                at=now - timedelta(hours=index),
                actor=f"p{index % 2}@x.example",
                verb="cart.changed" if index % 3 else "user.changed",
                target=f"Target {index:03}",
                changes={"name": [None, f"N{index}"]},
            )
            for index in range(number)
        )


def targets(answer: Any) -> list[str]:
    return [entry.target for entry in answer.context["page"]["items"]]


def test_pages_of_the_log_follow_each_other_without_gap_or_repetition(desk: Desk) -> None:
    fill(desk, 130)
    with tenancy.activate(desk.account.pk):
        AuditEntry.objects.update(at=clock.now())  # all at one time: the id decides
    client, seen, cursor = desk.client("owner"), [], ""
    for _ in range(3):
        answer = client.get(desk.url(f"audit/?after={cursor}"))
        seen += targets(answer)
        last, cursor = answer, answer.context["page"]["older"]
    assert cursor == ""
    assert len(seen) == len(set(seen)) == 130
    back = client.get(desk.url(f"audit/?before={last.context['page']['newer']}"))
    assert targets(back) == seen[50:100]
    for wrong in ("x", "-1", "WzEsMl0:1abc:def"):
        assert targets(client.get(desk.url(f"audit/?after={wrong}"))) == seen[:50]


def test_the_log_is_filtered_by_who_what_and_when(desk: Desk) -> None:
    fill(desk, 60)
    client = desk.client("owner")
    both = client.get(desk.url("audit/?who=P1@x.example&kind=users"))
    assert targets(both) == [f"Target {index:03}" for index in range(60) if index % 2 and not index % 3]
    day = (clock.now() - timedelta(days=1)).date()
    answer = client.get(desk.url(f"audit/?since={day}&until={day}"))
    with tenancy.activate(desk.account.pk):
        from zoneinfo import ZoneInfo

        zone = ZoneInfo(desk.users["owner"].timezone)
        rows = AuditEntry.objects.order_by("-at")
        there = [row.target for row in rows if row.at.astimezone(zone).date() == day]
    assert targets(answer) == there
    assert client.get(desk.url("audit/?since=never&kind=zzz&who=x")).status_code == 200
    assert "No entry matches" in client.get(desk.url("audit/?who=nobody@x.example")).content.decode()


def test_who_may_not_see_the_log_does_not(desk: Desk) -> None:
    other = desks.build("Elsewhere", orders=0)
    fill(other, 3)
    assert desk.client("colleague").get(desk.url("audit/")).status_code == 403
    assert desk.client("colleague").get(desk.url("audit/csv/")).status_code == 403
    assert "Target" not in desk.client("owner").get(desk.url("audit/")).content.decode()


def test_the_csv_has_a_row_for_each_change_and_calculates_nothing(desk: Desk) -> None:
    fill(desk, 1100)
    with tenancy.activate(desk.account.pk):
        audit.record(desk.users["owner"], "cart.changed", "=HYPERLINK(1)", {"a": ("-1", "@b"), "c": (True, None)})
    answer = desk.client("owner").get(desk.url("audit/csv/"))
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert len(rows) == 1 + 1100 + 2 + 1, "the head, the entries, two changes of one, and that it was exported"
    assert all(not cell.startswith(("=", "-", "@", "+")) for row in rows for cell in row)
    mine = [row[1:] for row in rows if row[4] == "'=HYPERLINK(1)"]
    said = ["owner@northquay.example", "Web", "Cart changed", "'=HYPERLINK(1)"]
    assert mine == [[*said, "a", "'-1", "'@b"], [*said, "c", "True", ""]]
    kind = b"".join(desk.client("owner").get(desk.url("audit/csv/?kind=users")).streaming_content)  # type: ignore[attr-defined]
    assert b"Cart changed" not in kind
    assert [verb for verb, *_ in entries(desk)].count("audit.exported") == 2


def test_what_an_entry_came_through(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        audit.record(desk.users["owner"], "cart.changed", "by a page")
        audit.record("system", "cart.changed", "by a task")
        with audit.through("api"):
            audit.record("im_key", "cart.changed", "by the API")
    assert [via for *_, via in entries(desk)] == ["web", "system", "api"]
