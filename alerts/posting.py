"""Posts to channels: planned with the mails, tried for three days with longer and longer pauses.

A row is claimed with a lease before it is sent, and carries the same id in every try. One that is away or does
not answer is asked again with one post, not with each that waits for it. A channel that takes nothing for three
days is switched off, with an alert.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Min, QuerySet
from django.urls import reverse

from accounts.mail import link
from accounts.models import Account
from alerts import kinds, links
from alerts.channel_models import Channel, Post
from alerts.channels import KINDS
from alerts.models import Alert
from alerts.raising import raise_alert, resolve
from integration_manager import tenancy
from integration_manager.kit import clock
from integration_manager.kit.errors import ConnectorError, NeedsHuman, Transient

log = logging.getLogger(__name__)

PAUSES = [timedelta(seconds=s) for s in (10, 60, 300, 1800, 3600, 3 * 3600, 6 * 3600)]
GIVE_UP = timedelta(days=3)
LEASE = timedelta(minutes=1)
BUDGET = 20.0  # seconds of one task
KIND = "channel_off"

_with_orders: Callable[[QuerySet[Alert]], QuerySet[Alert]]


def register(with_orders: Callable[[QuerySet[Alert]], QuerySet[Alert]]) -> None:
    """Has posts lead to the orders of their alerts. `with_orders`: orders/alerted.py, which is above this app."""
    global _with_orders
    _with_orders = with_orders


def plan(news: Sequence[Alert], now: datetime) -> None:
    """A post for every alert and channel that wants it, in the transaction of the plan."""
    channels = list(Channel.objects.filter(off_at__isnull=True))
    away = [channel.pk for channel in channels if channel.failing_since]
    waiting = Post.objects.filter(channel__in=away, retry_at__gt=now).values_list("channel")
    due = dict(waiting.annotate(Min("retry_at"))) if away else {}
    Post.objects.bulk_create(
        [
            Post(
                channel=channel,
                alert_id=alert.pk,
                news_at=alert.news_at,
                created_at=now,
                retry_at=due.get(channel.pk, now),
            )
            for channel in channels
            for alert in news
            if alert.news_at and wants(channel, alert)
        ],
        ignore_conflicts=True,
    )


def wants(channel: Channel, alert: Alert) -> bool:
    """Whether an alert goes there."""
    return kinds.of(alert.kind).acts in channel.topics and channel.merchant_id in (None, alert.merchant_id)


def send_due() -> int:
    """Sends what is due, as long as there is time. Returns how many arrived."""
    sent, until = 0, time.monotonic() + BUDGET
    while time.monotonic() < until and (taken := _claim(clock.now())):
        post, account = taken
        with tenancy.activate(account):
            sent += _send(Post.objects.select_related("channel", "channel__merchant").get(pk=post))
    return sent


def send_test(channel: Channel, account: Account, now: datetime) -> str:
    """Sends a made-up alert. Returns what is wrong, or ""."""
    alert = Alert(
        kind="missing_wms", key="test", message="This is a test. Nothing is wrong.", count=1,
        first_seen=now, last_seen=now, merchant=channel.merchant,
    )  # fmt: skip
    try:
        _post(channel, f"test-{int(now.timestamp())}", event_of(account, alert, "test", "test", now), now)
    except ConnectorError as error:
        return str(error)
    return ""


def event_of(account: Account, alert: Any, key: str, kind: str, now: datetime) -> dict[str, Any]:
    """What is told, the same for all channels."""
    known = kinds.of(alert.kind)
    test = kind == "test"
    page = reverse("channels", args=[account.public_id]) if test else links.page(account, alert)
    return {
        "id": key,
        "type": kind,
        "created_at": now.isoformat(),
        "account": {"id": account.public_id, "name": account.name},
        "alert": {
            "id": alert.public_id,
            "kind": "test" if test else alert.kind,
            "title": "Test" if test else known.title,
            "acts": known.acts.value,
            "message": alert.message,
            "fix": alert.fix or ("" if test else known.text),
            "said": alert.said,
            "merchant": alert.merchant.name if alert.merchant else "",
            "cart": alert.cart.name if alert.cart else "",
            "count": alert.count,
            "first_seen": alert.first_seen.isoformat(),
            "last_seen": alert.last_seen.isoformat(),
            "button": "Open channels" if test else known.button,
            "url": link(page),
            "fix_url": link(page if test else links.fix(account, alert)),
        },
    }


def _post(channel: Channel, key: str, event: dict[str, Any], now: datetime) -> None:
    secrets = channel.credentials
    if not secrets.get("url"):
        raise NeedsHuman("This channel has no address.", code="no_address", field="url", fix="Enter its address.")
    secret = secrets["secret"].reveal() if secrets.get("secret") else ""
    KINDS[channel.kind].send(secrets["url"].reveal(), secret, key, event, now)


def _claim(now: datetime) -> tuple[int, int] | None:
    """(post, account) of the next one that nobody else is sending. Leases go by PostgreSQL's clock."""
    with tenancy.everyone("posts to channels"), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE alerts_post SET tries = tries + 1, lease_until = now() + make_interval(secs => %s) WHERE id = ("
            " SELECT id FROM alerts_post WHERE retry_at <= %s AND (lease_until IS NULL OR lease_until < now())"
            # What has not been tried goes first: no channel that is away keeps the others waiting, nor does one
            # post that its channel never takes keep the rest of them.
            " ORDER BY tries, retry_at, id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id, account_id",
            [LEASE.total_seconds(), now],
        )
        row = cursor.fetchone()
    return (row[0], row[1]) if row else None


def _send(post: Post) -> bool:
    channel, mine = post.channel, Post.objects.filter(pk=post.pk, tries=post.tries)
    alert: Any = _with_orders(Alert.objects.select_related("merchant", "cart").filter(pk=post.alert_id)).first()
    account = Account.objects.get(pk=post.account_id)
    gone = bool(channel.merchant and channel.merchant.archived_at) or account.suspended_at
    if alert is None or not alert.active or channel.off_at or gone:
        mine.update(retry_at=None, lease_until=None)
        return False
    try:
        _post(channel, post.key, event_of(account, alert, post.key, "alert.opened", post.created_at), clock.now())
    except ConnectorError as error:
        _failed(post, mine, channel, error, clock.now())
        return False
    now = clock.now()
    mine.update(retry_at=None, lease_until=None, sent_at=now)
    Channel.objects.filter(pk=channel.pk).update(sent_at=now, failing_since=None, problem="")
    if channel.failing_since:  # it is back: what waits for it goes now
        Post.objects.filter(channel=channel, retry_at__gt=now).update(retry_at=now)
    return True


def _failed(post: Post, mine: Any, channel: Channel, error: ConnectorError, now: datetime) -> None:
    log.warning("post %s to channel %s: %s", post.key, channel.public_id, error.code)
    since = channel.failing_since or now
    over = now - post.created_at >= GIVE_UP
    # By how long the channel is away, too: each post that waits for it has its first try some time.
    pause = max(PAUSES[min(post.tries, len(PAUSES)) - 1], min(now - since, PAUSES[-1]))
    mine.update(retry_at=None if over else now + pause, lease_until=None)
    if isinstance(error, Transient):  # of the channel, not of this post
        Post.objects.filter(channel=channel, retry_at__lt=now + pause).update(retry_at=now + pause)
    Channel.objects.filter(pk=channel.pk).update(failing_since=since, problem=str(error)[:300])
    if now - since >= GIVE_UP:
        switch_off(channel, now)
        raise_alert(
            KIND,
            f"channel:{channel.public_id}",
            f"The channel {channel.name} took nothing for three days and is switched off: {error}",
            fix="Correct its address, send a test, and switch it on again.",
            merchant_id=channel.merchant_id,
            now=now,
        )


def switch_off(channel: Channel, now: datetime) -> None:
    """Nothing goes there any more; what waits is dropped."""
    Channel.objects.filter(pk=channel.pk, off_at__isnull=True).update(off_at=now)
    Post.objects.filter(channel=channel, retry_at__isnull=False).update(retry_at=None)


def switch_on(channel: Channel) -> None:
    """From now on what is new goes there."""
    Channel.objects.filter(pk=channel.pk).update(off_at=None, failing_since=None, problem="")
    resolve(KIND, [f"channel:{channel.public_id}"], clock.now())
