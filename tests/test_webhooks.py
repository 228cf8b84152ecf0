"""Webhooks in: only the shop's own count, and all they do is to wake the cart's Order Download."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Membership, User
from alerts.models import Alert
from carts import webhooks
from carts.models import Cart, Webhook, WebhookDelivery
from carts.systems.sandbox_shop import SandboxShop
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.connector import CartConnector, Rate
from integration_manager.kit.webhooks import BadSignature, verify_hmac, verify_time
from merchants import schedules
from merchants.models import Schedule, Service
from orders import jobs
from orders.retention import sweep
from tests.world import World, alerts, run

DOWNLOAD = Service.DOWNLOAD
BODY = b'{"order": "7"}'


@pytest.fixture
def webhook(calm: World) -> Webhook:
    """The cart's webhook, and its download far from due."""
    made = webhooks.create(calm.cart)
    calm.schedule(DOWNLOAD)
    not_due(calm)
    return made


def not_due(world: World) -> None:
    Schedule.objects.filter(service="download").update(next_run=later(), started_at=None, woken_at=None)


def later() -> datetime:
    return clock.now() + timedelta(hours=5)


def due(world: World) -> bool:
    found = world.schedule(DOWNLOAD)
    return bool(found.next_run and found.next_run <= clock.now() + timedelta(seconds=1))


def signed(webhook: Webhook, body: bytes = BODY, at: datetime | None = None, topic: str = "order.changed") -> Any:
    """The headers that the shop sends with this body."""
    now = (at or datetime.now(UTC)).isoformat()
    secret = webhook.secrets["secret"].reveal().encode()
    digest = hmac.new(secret, f"{now}.".encode() + body, hashlib.sha256).digest()
    return {
        "X-Shop-Topic": topic,
        "X-Shop-Delivery": "D1",
        "X-Shop-Signed-At": now,
        "X-Shop-Signature": base64.b64encode(digest).decode(),
    }


def post(webhook: Webhook, body: bytes = BODY, **headers: str) -> Any:
    """The shop, or somebody else, sends a webhook; it is no browser."""
    path = "/" + webhooks.address(webhook).split("/", 3)[3]
    client = Client(enforce_csrf_checks=True)
    return client.post(path, body, "application/json", headers=headers or signed(webhook, body))


# ── genuine ones ──


def test_it_wakes_the_download_also_twice(calm: World, webhook: Webhook) -> None:
    headers = signed(webhook)
    for _ in range(2):  # the same again, as a shop repeats it or somebody replays it
        not_due(calm)
        assert post(webhook, **headers).status_code == 200
        assert due(calm)
    rows = WebhookDelivery.objects.values_list("topic", "delivery_id", "verified")
    assert list(rows) == [("order.changed", "D1", True)] * 2
    assert Webhook.objects.get().received_at is not None


def test_what_comes_while_it_runs_or_soon_after_is_read_by_one_more_run(calm: World, webhook: Webhook) -> None:
    """A burst costs two runs: the gap holds the second back, and nothing is forgotten."""
    Schedule.objects.filter(service="download").update(started_at=clock.now())
    for _ in range(5):
        post(webhook)
    planned = calm.schedule(DOWNLOAD).next_run - clock.now()
    assert timedelta(seconds=20) < planned <= timedelta(seconds=30)


@pytest.mark.parametrize("fields", [{"every": 0, "next_run": None}, {"paused": "person", "next_run": None}])
def test_what_is_off_or_paused_is_not_started(calm: World, webhook: Webhook, fields: dict[str, Any]) -> None:
    Schedule.objects.filter(service="download").update(**fields)
    assert post(webhook).status_code == 200
    assert calm.schedule(DOWNLOAD).next_run is None


def test_a_ping_starts_nothing(calm: World, webhook: Webhook) -> None:
    assert post(webhook, **signed(webhook, topic="ping")).status_code == 200
    assert not due(calm)
    assert Webhook.objects.get().received_at is None


def test_no_other_cart_is_woken(calm: World, webhook: Webhook) -> None:
    other = Cart.objects.create(
        merchant=calm.merchant,
        system="sandbox_shop",
        name="Other",
        number=2,
        shop="other",
        earliest_order_date=calm.cart.earliest_order_date,
    )
    second = Schedule.objects.create(
        merchant=calm.merchant, cart=other, service="download", every=3600, next_run=later()
    )
    post(webhook)
    second.refresh_from_db()
    assert due(calm) and second.next_run > clock.now() + timedelta(hours=4)


# ── others ──


@pytest.mark.parametrize(
    "spoil",
    [
        {"X-Shop-Signature": ""},
        {"X-Shop-Signature": "é"},
        {"X-Shop-Signature": "AAAA"},
        {"X-Shop-Signed-At": ""},
        {"X-Shop-Signed-At": "2020-01-01T00:00:00+00:00"},
        {"X-Shop-Signed-At": "yesterday"},
    ],
    ids=str,
)
def test_a_forged_one_is_refused(calm: World, webhook: Webhook, spoil: dict[str, str]) -> None:
    assert post(webhook, **{**signed(webhook), **spoil}).status_code == 401
    assert not due(calm)


def test_another_body_is_refused(calm: World, webhook: Webhook) -> None:
    assert post(webhook, b'{"order": "8"}', **signed(webhook)).status_code == 401
    assert post(webhook, b"\x00\xff", **signed(webhook)).status_code == 401
    assert not due(calm)


def test_signed_nonsense_is_no_error_of_ours(calm: World, webhook: Webhook) -> None:
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"order": {"a": 1}}', b'"x"'):
        assert post(webhook, body, **signed(webhook, body)).status_code in (200, 401), body


def test_what_was_signed_six_minutes_ago_or_ahead_is_refused(calm: World, webhook: Webhook) -> None:
    for minutes, status in ((-6, 401), (-4, 200), (4, 200), (6, 401)):
        at = datetime.now(UTC) + timedelta(minutes=minutes)
        assert post(webhook, **signed(webhook, at=at)).status_code == status, minutes


def test_nobody_learns_whether_an_address_exists(calm: World, webhook: Webhook) -> None:
    token = webhook.secrets["token"].reveal()
    unknown = [
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        "x",
        "x" * 500,
        "%00" * 20,
        "é" * 20,
        token.lower() + "_",
    ]
    answers = {(a.status_code, a.content) for a in (Client().post(f"/hooks/{one}/", BODY, "a/b") for one in unknown)}
    assert answers == {(404, b"There is nothing here.")}
    Cart.objects.update(archived_at=clock.now())
    gone = post(webhook)
    assert (gone.status_code, gone.content) == (404, b"There is nothing here.")
    assert WebhookDelivery.objects.count() == 0


def test_other_verbs(calm: World, webhook: Webhook) -> None:
    path = "/" + webhooks.address(webhook).split("/", 3)[3]
    assert Client().get(path).status_code == Client().head(path).status_code == 200
    assert Client().get("/hooks/AAAAAAAAAAAAAAAAAAAAAA/").status_code == 404
    assert Client().delete(path).status_code == Client().put(path).status_code == 405
    assert not due(calm)


def test_a_megabyte_is_enough(calm: World, webhook: Webhook) -> None:
    assert post(webhook, b" " * 1_000_001).status_code == 413
    assert WebhookDelivery.objects.count() == 0


def test_a_flood_costs_little(calm: World, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "RATE", Rate(per_second=0.01, burst=5))
    said = [post(webhook).status_code for _ in range(8)]
    assert said[:2] == [200, 200] and said[-3:] == [429] * 3
    assert WebhookDelivery.objects.count() == said.count(200)


def test_our_own_mistake_in_reading_is_not_said_to_be_the_shops(
    calm: World, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        raise RecursionError

    monkeypatch.setattr(SandboxShop, "webhook", classmethod(broken))
    assert post(webhook).status_code == 401
    assert (alerts(), due(calm)) == ([], False)


def test_twenty_wrong_signatures_are_said_and_a_right_one_ends_it(calm: World, webhook: Webhook) -> None:
    for number in range(1, 21):
        assert alerts() == [], number
        post(webhook, **{**signed(webhook), "X-Shop-Signature": "AAAA"})
    assert alerts() == ["webhook_refused"]
    alert = Alert.objects.get()
    assert alert.cart_id == calm.cart.pk and "20 webhooks in a row for Shop" in alert.message
    post(webhook)
    assert (alerts(), Webhook.objects.get().refused) == ([], 0)


# ── what is kept ──


def test_the_log_is_short_and_forgotten_after_a_week(
    calm: World, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "KEPT", 3)
    for _ in range(6):
        post(webhook)
    assert WebhookDelivery.objects.count() == 3
    with tenancy.everyone("webhook"):
        sweep(clock.now() + timedelta(days=6))
        assert WebhookDelivery.objects.count() == 3
        sweep(clock.now() + timedelta(days=8))
        assert WebhookDelivery.objects.count() == 0


def test_address_and_secret_stand_nowhere_in_clear(calm: World, webhook: Webhook) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT w::text FROM carts_webhook w")
        (stored,) = cursor.fetchone()
    for name in ("token", "secret"):
        assert webhook.secrets[name].reveal() not in stored


# ── the page ──


@pytest.fixture
def owner(calm: World) -> Client:
    user = User.objects.create_user("owner@oak.example", "correct horse battery", name="Owner")
    Membership.objects.create(user=user, role="primary")
    browser = Client()
    browser.force_login(user)
    return browser


def page(world: World, path: str = "") -> str:
    return f"/a/{world.account.public_id}/carts/{world.cart.public_id}/{path}"


def test_registered_and_removed_by_a_button(calm: World, owner: Client) -> None:
    assert "Register automatically" in owner.get(page(calm)).content.decode()
    answer = owner.post(page(calm, "webhooks/on/"), follow=True).content.decode()
    assert "tells us of its orders by itself" in answer and "Remove webhooks" in answer
    webhook = Webhook.objects.get()
    (there,) = calm.shop.table("webhooks")
    assert (there["url"], there["secret"]) == (webhooks.address(webhook), webhook.secrets["secret"].reveal())
    owner.post(page(calm, "webhooks/on/"))
    assert len(calm.shop.table("webhooks")) == 1
    answer = owner.post(page(calm, "webhooks/off/"), follow=True).content.decode()
    assert "The webhooks are removed" in answer
    assert (len(calm.shop.table("webhooks")), Webhook.objects.count()) == (0, 0)


def test_a_shop_that_refuses_is_said(calm: World, owner: Client) -> None:
    calm.cart.credentials = {**calm.cart.credentials, "api_key": "wrong"}
    calm.cart.save()
    answer = owner.post(page(calm, "webhooks/on/"), follow=True).content.decode()
    assert "not registered" in answer and Webhook.objects.get().registered_at is None
    assert Webhook.objects.get().secrets["secret"].reveal() in answer, "it can be set up by hand"


def test_a_system_that_cannot_register_shows_what_to_copy(
    calm: World, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SandboxShop, "subscribe", CartConnector.subscribe)
    answer = owner.post(page(calm, "webhooks/on/"), follow=True).content.decode()
    webhook = Webhook.objects.get()
    assert webhooks.address(webhook) in answer and webhook.secrets["secret"].reveal() in answer


def test_who_may_only_look_sees_no_secret(calm: World, owner: Client) -> None:
    owner.post(page(calm, "webhooks/on/"))
    webhook = Webhook.objects.get()
    from accounts import roles

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("accounts.middleware.permissions_of", lambda membership: roles.ROLES[roles.STAFF])
        answer = owner.get(page(calm)).content.decode()
        assert owner.post(page(calm, "webhooks/off/")).status_code == 403
    assert "Webhooks" in answer
    for name in ("token", "secret"):
        assert webhook.secrets[name].reveal() not in answer


def test_order_cancel_upload_is_a_checkbox(calm: World, owner: Client) -> None:
    for sent, wanted in (({"cancel_upload": "on"}, True), ({}, False)):
        owner.post(page(calm, "cancel-upload/"), sent)
        assert Cart.objects.get().cancel_upload is wanted
        assert ('name="cancel_upload" checked' in owner.get(page(calm)).content.decode()) is wanted


# ── all of it ──


def test_an_order_is_at_the_wms_soon_after_it_was_placed(world: World, live_server: Any, settings: Any) -> None:
    """Placed → webhook over a real socket → download woken → loaded → delivery woken → sent."""
    settings.IM_BASE_URL = live_server.url
    user = User.objects.create_user("owner@oak.example", "correct horse battery", name="Owner")
    Membership.objects.create(user=user, role="primary")
    browser = Client()
    browser.force_login(user)
    browser.post(page(world, "webhooks/on/"))
    for service in (DOWNLOAD, Service.DELIVER):
        world.schedule(service)
    Schedule.objects.update(next_run=later(), started_at=None)
    work(seconds=0)
    assert world.warehouse.effects("order") == []
    world.shop.place(7, datetime.now(UTC))
    work(seconds=60, until=lambda: bool(world.warehouse.effects("order")))
    assert [row["said"]["order_number"] for row in world.warehouse.effects("order")] == ["OAK-7"]
    (row,) = WebhookDelivery.objects.filter(topic="order.changed")
    assert row.verified


def work(seconds: float, until: Any = lambda: False) -> None:
    """What beat and a worker do."""
    end = time.monotonic() + seconds
    while not until():
        account = tenancy.account_id()
        with tenancy.everyone("webhook"):
            found = schedules.claim_due(clock.now(), 10)
        for one in found:
            assert one.account_id == account
            jobs.run_schedule(one.schedule_id, one.token)
        if time.monotonic() > end:
            return
        time.sleep(0.05)


# ── the kit ──


def test_the_usual_signatures() -> None:
    for digest in ("sha1", "sha256", "sha512"):
        mac = hmac.new(b"k", b"body", digest)
        verify_hmac("k", b"body", mac.hexdigest(), digest=digest, encoding="hex")
        verify_hmac("k", b"body", base64.b64encode(mac.digest()).decode(), digest=digest)
        for wrong in (None, "", "zz", mac.hexdigest()[:-2], mac.hexdigest() + "00", "😀"):
            with pytest.raises(BadSignature):
                verify_hmac("k", b"body", wrong, digest=digest, encoding="hex")
    with pytest.raises(BadSignature):
        verify_hmac("", b"body", hmac.new(b"", b"body", "sha256").hexdigest(), encoding="hex")
    with clock.frozen(datetime(2026, 5, 1, 12, tzinfo=UTC)):
        verify_time(datetime(2026, 5, 1, 12, 4, 59, tzinfo=UTC))
        with pytest.raises(BadSignature):
            verify_time(datetime(2026, 5, 1, 12, 5, 1, tzinfo=UTC))


def test_a_run_of_the_download_is_what_reads(calm: World, webhook: Webhook) -> None:
    """The webhook itself brings nothing in, whatever it says."""
    body = json.dumps({"order": "999", "total": "1.00"}).encode()
    post(webhook, body, **signed(webhook, body))
    assert calm.orders() == []
    run(calm, DOWNLOAD)
    assert calm.orders() == []
