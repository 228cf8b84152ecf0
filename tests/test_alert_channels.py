"""Alerts in Slack, Teams and a program of the customer's: what is said, signed, tried again, and given up."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import time_machine
from django.db import connection

from alerts import planning, posting
from alerts.channels import KINDS, base
from alerts.channels.webhook import PREFIX, new_secret
from alerts.models import Alert, Channel, Post
from alerts.raising import raise_alert, resolve
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.egress import Guard
from orders.models import Order
from tests import desk as desks
from tests.desk import Desk, make_order

pytestmark = pytest.mark.django_db
NOON = datetime(2031, 3, 12, 12, 0, tzinfo=UTC)


class Listener:
    """A real server that keeps what is posted to it."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.meanwhile: Callable[[], object] = lambda: None  # before it answers
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.got.append((dict(self.headers.items()), body))
                listener.meanwhile()
                self.send_response(listener.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/T0/CANARY"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def json(self, index: int = -1) -> Any:
        return json.loads(self.got[index][1])


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    made = Listener()
    monkeypatch.setattr(base, "guard", lambda: Guard([f"127.0.0.1:{made.server.server_port}"]))
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def desk() -> Desk:
    made = desks.build(orders=0)
    with tenancy.activate(made.account.pk):
        Alert.objects.all().delete()
    return made


def channel(desk: Desk, listener: Listener, kind: str = "webhook", **fields: Any) -> Channel:
    secrets = {"url": listener.url} | ({"secret": new_secret()} if kind == "webhook" else {})
    with tenancy.activate(desk.account.pk):
        return Channel.objects.create(
            kind=kind, name="Dock", created_at=NOON, credentials=secrets,
            **{"topics": ["person", "know", "machine"]} | fields,
        )  # fmt: skip


def happens(desk: Desk, kind: str = "credentials", key: str = "k", at: datetime = NOON, **how: Any) -> None:
    with tenancy.activate(desk.account.pk):
        how = {"merchant_id": desk.merchants[0].pk, "fix": "Do this.", "said": "401"} | how
        raise_alert(kind, key, "It *does* [not](http://evil) <work>", now=at, **how)


def passes(at: datetime) -> None:
    with clock.frozen(at):
        planning.plan_all(at)
        posting.send_due()


def test_a_webhook_is_signed_as_its_readers_check_it(desk: Desk, listener: Listener) -> None:
    made = channel(desk, listener)
    happens(desk, cart_id=desk.carts[0].pk)
    passes(NOON)
    passes(NOON + timedelta(minutes=1))
    ((headers, body),) = listener.got
    secret = base64.b64decode(made.credentials["secret"].reveal().removeprefix(PREFIX))
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    wanted = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert int(headers["webhook-timestamp"]) == int(NOON.timestamp())
    event = json.loads(body)
    assert (event["type"], event["id"]) == ("alert.opened", headers["webhook-id"])
    alert = event["alert"]
    assert (alert["kind"], alert["merchant"], alert["said"], alert["acts"]) == (
        "credentials", "Northquay One", "401", "person",
    )  # fmt: skip
    assert f"/carts/{desk.carts[0].public_id}/edit/" in alert["fix_url"]


def test_slack_and_teams_read_no_markup_out_of_it(desk: Desk, listener: Listener) -> None:
    for kind in ("slack", "teams"):
        channel(desk, listener, kind)
    happens(desk)
    passes(NOON)
    said = {("blocks" in json.loads(body)): json.loads(body) for _, body in listener.got}
    slack, teams = said[True], said[False]
    assert slack["blocks"][1]["text"] == {"type": "plain_text", "text": "It *does* [not](http://evil) <work>"}
    assert "&lt;work&gt;" in slack["text"]
    card = teams["attachments"][0]["content"]
    assert card["body"][1]["text"] == r"It \*does\* \[not\]\(http://evil\) \<work\>"
    assert slack["blocks"][-1]["elements"][0]["url"] == card["actions"][0]["url"]


def test_which_alerts_go_there(desk: Desk, listener: Listener) -> None:
    channel(desk, listener, topics=["person"], merchant=desk.merchants[0])
    happens(desk, "credentials", "mine")
    happens(desk, "credentials", "other", merchant_id=desk.merchants[1].pk)
    happens(desk, "missing_wms", "all", merchant_id=None)
    happens(desk, "stock_refused", "know")
    happens(desk, "unreachable", "machine", total=3)
    passes(NOON)
    assert len(listener.got) == 1
    with tenancy.activate(desk.account.pk):
        assert listener.json()["alert"]["id"] == Alert.objects.get(key="mine").public_id
        resolve("credentials", ["mine"], NOON)
    later = NOON + timedelta(hours=1)
    happens(desk, "credentials", "mine", at=later)
    passes(later)
    assert len(listener.got) == 2, "it opened again"


def test_a_post_leads_to_the_order_it_is_about_or_to_those_that_wait(desk: Desk, listener: Listener) -> None:
    channel(desk, listener)
    with tenancy.activate(desk.account.pk):
        short, one, other = (make_order(desk.carts[0], number, status="error") for number in ("A", "B", "C"))
        Order.objects.filter(pk__in=[one.pk, other.pk]).update(cause="several")
    happens(desk, "shipped_short", f"order:{short.pk}", order_id=short.pk)
    happens(desk, "address_error", "several", NOON + timedelta(minutes=1), order_id=other.pk)
    passes(NOON + timedelta(minutes=1))
    found = {json.loads(body)["alert"]["kind"]: json.loads(body)["alert"]["fix_url"] for _, body in listener.got}
    assert {kind: url.rpartition("/orders/")[2] for kind, url in found.items()} == {
        "shipped_short": f"{short.public_id}/",
        "address_error": "?cause=several",
    }


def test_it_is_tried_for_three_days_under_one_id_then_switched_off_with_an_alert(
    desk: Desk, listener: Listener
) -> None:
    made = channel(desk, listener)
    listener.status = 503
    happens(desk)
    at, tries = NOON, []
    while at < NOON + timedelta(days=4):
        before = len(listener.got)
        passes(at)
        tries += [at] * bool(len(listener.got) - before)
        at += timedelta(hours=1)
    assert 12 <= len(tries) <= 24 and tries[-1] <= NOON + posting.GIVE_UP + timedelta(hours=7)
    assert len({headers["webhook-id"] for headers, _ in listener.got}) == 1
    client = desk.client("owner")
    with tenancy.activate(desk.account.pk):
        assert Channel.objects.get().off_at is not None
        alert = Alert.objects.get(kind="channel_off")
        assert alert.active and "CANARY" not in alert.message
    listener.status = 204
    client.post(desk.url(f"alerts/channels/{made.public_id}/on/"))
    happens(desk, key="new", at=at)
    passes(at)
    with tenancy.activate(desk.account.pk):
        alert.refresh_from_db()
        row = Channel.objects.get()
        assert (alert.active, row.failing_since, row.problem, row.sent_at) == (False, None, "", at)


def test_one_that_works_again_is_not_switched_off(desk: Desk, listener: Listener) -> None:
    channel(desk, listener)
    listener.status = 500
    happens(desk)
    passes(NOON)
    listener.status = 200
    passes(NOON + posting.PAUSES[0])
    with tenancy.activate(desk.account.pk):
        assert Channel.objects.get().problem == "" and Post.objects.get().sent_at
    assert len(listener.got) >= 2


def test_one_that_never_answers_is_asked_once_and_keeps_nobody_waiting(
    desk: Desk, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it goes as soon as one post has arrived."""
    monkeypatch.setattr(base, "SECONDS", 0.3)
    channel(desk, listener)
    channel(desk, listener, "slack")
    for number in range(5):
        happens(desk, key=f"k{number}")
    answers = threading.Event()

    def asked() -> list[str]:
        return [event["id"] for _, body in list(listener.got) if "id" in (event := json.loads(body))]

    listener.meanwhile = lambda: "id" in listener.json() and answers.wait(2)
    passes(NOON)
    assert (len(asked()), len(listener.got)) == (1, 6), "Slack has all of its own"
    passes(NOON + posting.PAUSES[0])
    assert len(set(asked())) == 2, "each has its try"
    answers.set()
    passes(NOON + timedelta(minutes=5))
    assert len(set(asked()[2:])) == 5
    with tenancy.activate(desk.account.pk):
        assert not Post.objects.filter(sent_at=None).exists()


def test_one_that_is_away_is_asked_less_and_less_however_many_wait(desk: Desk, listener: Listener) -> None:
    channel(desk, listener)
    listener.status = 503
    for second in range(0, 600, 10):
        if second < 200:
            happens(desk, key=f"k{second}")
        passes(NOON + timedelta(seconds=second))
    assert 5 <= len(listener.got) <= 10, "after 10, 20, 40 … seconds"


def test_a_slow_one_takes_no_more_than_the_time_of_one_task(
    desk: Desk, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "BUDGET", 0.5)
    channel(desk, listener)
    for number in range(5):
        happens(desk, key=f"k{number}")
    listener.meanwhile = lambda: time.sleep(0.3)
    passes(NOON)
    assert 1 <= len(listener.got) <= 2
    listener.meanwhile = lambda: None
    passes(NOON)
    assert len(listener.got) == 5, "the rest goes with the next"


def test_each_is_signed_at_the_time_when_it_leaves(desk: Desk, listener: Listener) -> None:
    """Who checks a signature takes none that is older than a few minutes."""
    channel(desk, listener)
    with time_machine.travel(NOON, tick=False) as travel:
        for number in range(2):
            happens(desk, key=f"k{number}")
        planning.plan_all(NOON)
        listener.meanwhile = lambda: travel.shift(timedelta(minutes=6))
        posting.send_due()
    first, second = (int(headers["webhook-timestamp"]) for headers, _ in listener.got)
    assert second - first >= 360
    with tenancy.activate(desk.account.pk):
        assert {post.sent_at for post in Post.objects.all()} == {NOON + timedelta(minutes=each) for each in (6, 12)}


def test_one_post_that_is_never_taken_does_not_keep_the_others(desk: Desk, listener: Listener) -> None:
    channel(desk, listener)
    happens(desk, key="poison")
    with tenancy.activate(desk.account.pk):
        poison = Alert.objects.get(key="poison").public_id

    def look() -> None:
        listener.status = 500 if listener.json()["alert"]["id"] == poison else 200

    listener.meanwhile = look
    passes(NOON)
    happens(desk, key="one")
    happens(desk, key="two")
    passes(NOON + posting.PAUSES[0])
    with tenancy.activate(desk.account.pk):
        assert list(Post.objects.exclude(sent_at=None).values_list("alert_id", flat=True).order_by("pk")) == list(
            Alert.objects.exclude(key="poison").values_list("pk", flat=True).order_by("pk")
        )


def test_back_after_a_while_it_is_not_told_of_what_is_over(desk: Desk, listener: Listener) -> None:
    channel(desk, listener)
    listener.status = 503
    for key in ("resolved", "dismissed", "lasts"):
        happens(desk, key=key)
    passes(NOON)
    with tenancy.activate(desk.account.pk):
        resolve("credentials", ["resolved"], NOON)
        Alert.objects.filter(key="dismissed").update(dismissed_at=NOON)
        lasts = Alert.objects.get(key="lasts").public_id
    listener.status, before = 200, len(listener.got)
    passes(NOON + timedelta(hours=1))
    passes(NOON + timedelta(hours=2))
    assert [listener.json(index)["alert"]["id"] for index in range(before, len(listener.got))] == [lasts]


def test_it_goes_nowhere_private(desk: Desk, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "guard", lambda: Guard())
    channel(desk, listener)
    happens(desk)
    passes(NOON)
    assert listener.got == []
    with tenancy.activate(desk.account.pk):
        assert "private" in Channel.objects.get().problem or "network" in Channel.objects.get().problem


def test_a_crash_after_sending_repeats_it_under_the_same_id(
    desk: Desk, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(self: Any, *args: Any) -> None:
        usual(self, *args)
        raise Killed

    channel(desk, listener)
    happens(desk)
    usual = base.Kind.send
    with monkeypatch.context() as patch:
        patch.setattr(base.Kind, "send", die)
        with pytest.raises(Killed):
            passes(NOON)
    passes(NOON + timedelta(seconds=5))
    assert len(listener.got) == 1, "its lease is not over"
    with tenancy.everyone("a test"), connection.cursor() as cursor:
        cursor.execute("UPDATE alerts_post SET lease_until = now() - interval '1 second'")
    passes(NOON + timedelta(seconds=10))
    passes(NOON + timedelta(hours=1))
    assert [headers["webhook-id"] for headers, _ in listener.got] == [listener.got[0][0]["webhook-id"]] * 2


# ── the pages ──


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_channel_is_added_tried_changed_and_deleted(desk: Desk, listener: Listener, kind: str) -> None:
    client, path = desk.client("owner"), desk.url("alerts/channels/")
    new = client.get(f"{path}new/{kind}/").content.decode()
    secret = new_secret()
    assert ("whsec_" in new) == (kind == "webhook")
    values = {"name": "Dock", "merchant": "", "topics": ["person", "machine"], "url": listener.url, "secret": secret}
    assert client.post(f"{path}new/{kind}/", values | {"url": "ftp://x"}).status_code == 422
    assert client.post(f"{path}new/{kind}/", values | {"topics": []}).status_code == 422
    assert client.post(f"{path}new/{kind}/", values).status_code == 302
    with tenancy.activate(desk.account.pk):
        made = Channel.objects.get()
    one = f"{path}{made.public_id}/"
    for shown in (client.get(path), client.get(one)):
        assert "CANARY" not in shown.content.decode() and secret not in shown.content.decode()
    assert "The test is in Dock." in client.post(f"{one}test/", follow=True).content.decode()
    assert "This is a test" in listener.got[-1][1].decode()
    listener.status = 404
    assert "did not get to Dock" in client.post(f"{one}test/", follow=True).content.decode()
    client.post(one, {"name": "Gate", "merchant": desk.merchants[0].public_id, "topics": ["know"], "url": ""})
    with tenancy.activate(desk.account.pk):
        row = Channel.objects.get()
        assert (row.name, row.merchant, row.topics) == ("Gate", desk.merchants[0], ["know"])
        assert row.credentials["url"].reveal() == listener.url, "empty keeps it"
    client.post(f"{one}off/")
    with tenancy.activate(desk.account.pk):
        assert Channel.objects.get().off_at is not None
    client.post(f"{one}delete/")
    with tenancy.activate(desk.account.pk):
        assert not Channel.objects.exists()


def test_a_merchant_user_has_channels_of_the_own_merchants_only(desk: Desk, listener: Listener) -> None:
    theirs = channel(desk, listener)
    client, path = desk.client("colleague"), desk.url("alerts/channels/")
    text = client.get(path).content.decode()
    assert "Dock" not in text and "Orders that do not move" not in text
    assert client.get(f"{path}{theirs.public_id}/").status_code == 404
    values = {"name": "Mine", "merchant": "", "topics": ["person"], "url": listener.url}
    assert client.post(f"{path}new/slack/", values).status_code == 422, "all merchants are not theirs to choose"
    other = values | {"merchant": desk.merchants[0].public_id}
    assert client.post(f"{path}new/slack/", other).status_code == 422
    assert client.post(f"{path}new/slack/", values | {"merchant": desk.merchants[1].public_id}).status_code == 302
    assert client.post(f"{path}watch/", {"ready_hours": 1, "at_wms_days": 1}).status_code == 403
