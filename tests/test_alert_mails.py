"""Mails about alerts: who gets which, when, once; and nobody one about what has resolved itself."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client

from accounts import mail
from accounts.models import Account, AuditEntry, Mail, Membership, User
from alerts import contacts, planning, presenting, slots, stopping
from alerts.models import Alert, AlertMail, Preference, Silenced
from alerts.raising import raise_alert, resolve
from integration_manager import tenancy
from integration_manager.kit import clock
from merchants.models import Merchant
from orders.alerted import with_orders
from orders.models import Order
from tests import desk as desks
from tests.desk import Desk, file_of, make_order
from tests.smtp_server import Post, html_of, post, serving, text_of

pytestmark = pytest.mark.django_db
__all__ = ["post"]

NOON = datetime(2031, 3, 12, 12, 0, tzinfo=UTC)  # a Wednesday
OWNER, OTHER = "owner@northquay.example", "colleague@northquay.example"  # `colleague` sees merchant Two only


@pytest.fixture
def desk() -> Desk:
    made = desks.build(orders=0)
    with tenancy.activate(made.account.pk):
        Alert.objects.all().delete()
    return made


def happens(desk: Desk, kind: str = "stock_refused", key: str = "k", at: datetime = NOON, **how: Any) -> None:
    merchant = how.pop("merchant", desk.merchants[0])
    with tenancy.activate(desk.account.pk):
        raise_alert(
            kind, key, f"About {key}", now=at, fix="Do this.",
            merchant_id=merchant.pk if merchant else None, **how,
        )  # fmt: skip


def ends(desk: Desk, kind: str, key: str, at: datetime) -> None:
    with tenancy.activate(desk.account.pk):
        resolve(kind, [key], at)


def wants(desk: Desk, frequency: str, who: str = "owner", hour: int = 8) -> None:
    with tenancy.activate(desk.account.pk):
        contacts.set_preference(desk.users[who], frequency, hour)


def passes(post: Post, at: datetime, until: datetime | None = None, step: timedelta = timedelta(minutes=1)) -> None:
    """The two tasks, at `at`, or each `step` until `until` and not after it."""
    until = until or at
    while at <= until:
        with clock.frozen(at):
            planning.plan_all(at)
            mail.send_due(at)
        at += step


def to(post: Post, address: str = OWNER) -> list[Any]:
    return [made for made in post.mails if made["To"] == address]


# ── which kinds, and when ──


@pytest.mark.parametrize("kind", ["ship_method_unmapped", "address_incomplete", "credentials"])
def test_what_stops_orders_is_mailed_at_once_with_a_link_to_its_fix(desk: Desk, post: Post, kind: str) -> None:
    happens(desk, kind, cart_id=desk.carts[0].pk)
    passes(post, NOON + timedelta(seconds=15))
    (made,) = to(post)
    assert "About k" in made["Subject"]
    text = text_of(made)
    links = re.findall(r"^https?://\S+$", text, re.M)
    assert all(link.startswith(f"{mail.settings.IM_BASE_URL.rstrip('/')}/") for link in links)
    first = re.sub(r"^https?://[^/]+", "", links[0])
    assert links[0] in html_of(made).replace("&amp;", "&")
    # Without a login it leads there through the login; and no link carries one.
    asked = Client().get(first)
    assert asked.status_code == 302 and asked.headers["Location"].startswith("/login/?next=/a/")
    assert desk.client("owner").get(first).status_code == 200
    passes(post, NOON + timedelta(minutes=1), NOON + timedelta(hours=3))
    assert len(to(post)) == 1, "twenty orders of one cause, or three hours of it, are one mail"


def test_one_order_that_waits_is_named_and_opened_whichever_came_last(desk: Desk, post: Post) -> None:
    key, problem = "a cause", "Shipping address: the postal code lies in another state."
    with tenancy.activate(desk.account.pk):
        waits, done = (make_order(desk.carts[0], number, status="error") for number in ("OAK-1", "OAK-2"))
        Order.objects.filter(pk=waits.pk).update(cause=key, error_code="address_error")
        raise_alert("address_error", key, problem, now=NOON, merchant_id=desk.merchants[0].pk, order_id=done.pk)
    passes(post, NOON + timedelta(seconds=15))
    (made,) = to(post)
    text = text_of(made)
    assert "Order OAK-1, Northquay One." in text and "OAK-2" not in text
    assert f"/orders/{waits.public_id}/" in text


def test_many_news_at_once_are_not_compared_with_each_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their rows are locked meanwhile, and every service that tells of something waits for them."""
    for number in range(40):
        happens(desk, ("ship_method_unmapped", "stock_refused")[number % 2], f"k{number}")
    compared: list[Any] = []
    monkeypatch.setattr(Alert, "__eq__", lambda self, other: compared.append(other) or self is other)
    monkeypatch.setattr(Alert, "__hash__", lambda self: hash(self.pk))
    assert planning.plan_all(NOON) == 40
    with tenancy.activate(desk.account.pk):
        assert sorted(len(row.news) for row in AlertMail.objects.filter(user=desk.users["owner"])) == [20, 20]
    assert not compared


def test_the_rest_waits_for_the_slot_of_each_person(desk: Desk, post: Post) -> None:
    happens(desk)
    passes(post, NOON + timedelta(seconds=15), NOON + timedelta(minutes=44))
    early = len(post.mails)
    passes(post, NOON + timedelta(minutes=45), NOON + timedelta(hours=1, minutes=15))
    assert (early, len(to(post))) in ((0, 1), (1, 1)), "hourly, spread over a quarter of an hour"
    assert to(post, OTHER) == [], "that is not their merchant"


def test_what_a_machine_cures_is_mailed_after_three_in_a_row(desk: Desk, post: Post) -> None:
    wants(desk, "immediately")
    for times in (1, 2):
        happens(desk, "unreachable", at=NOON + timedelta(minutes=times), total=times)
        passes(post, NOON + timedelta(minutes=times))
    assert post.mails == []
    happens(desk, "unreachable", at=NOON + timedelta(minutes=3), total=3)
    passes(post, NOON + timedelta(minutes=3), NOON + timedelta(minutes=5))
    assert len(to(post)) == 1
    ends(desk, "unreachable", "k", NOON + timedelta(minutes=6))
    happens(desk, "unreachable", at=NOON + timedelta(minutes=7), total=1)
    passes(post, NOON + timedelta(minutes=8))
    assert len(to(post)) == 1, "it was well in between: three in a row again"


def test_what_has_resolved_itself_is_not_mailed(desk: Desk, post: Post) -> None:
    happens(desk, key="gone")
    passes(post, NOON)
    ends(desk, "stock_refused", "gone", NOON + timedelta(minutes=5))
    passes(post, NOON + timedelta(hours=2))
    assert post.mails == []
    assert Mail.objects.get(kind="alerts").problem == "nothing was left to say"


def test_nor_while_the_mail_server_is_away(desk: Desk, settings: Any) -> None:
    """A mail that is tried again says what is true by then."""
    wants(desk, "immediately")
    settings.EMAIL_URL, settings.EMAIL_HOST, settings.EMAIL_PORT = "smtp://127.0.0.1:9", "127.0.0.1", 9
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    happens(desk, key="one")
    happens(desk, key="two")
    passes(Post(), NOON)
    assert Mail.objects.get().tries == 1
    ends(desk, "stock_refused", "one", NOON + timedelta(seconds=5))
    with serving(settings) as post:
        passes(post, NOON + timedelta(minutes=5))
        (made,) = to(post)
        assert "About two" in text_of(made) and "Do this." in text_of(made)
        assert "About one" not in text_of(made).partition("Resolved meanwhile")[0]


def test_a_digest_names_what_is_new_what_is_still_open_and_what_ended(desk: Desk, post: Post) -> None:
    with tenancy.activate(desk.account.pk):
        for number in range(3):
            make_order(desk.carts[0], f"ONE-{number}", status="error", error_code="x", cause="sku")
    happens(desk, "nothing_to_ship", "sku", count=3)
    happens(desk, "stock_refused", "was")
    passes(post, NOON, NOON + timedelta(hours=1, minutes=20), step=timedelta(minutes=5))
    assert len(to(post)) == 1
    ends(desk, "stock_refused", "was", NOON + timedelta(hours=1, minutes=30))
    happens(desk, "bad_rows", "new", at=NOON + timedelta(hours=1, minutes=31), said="a;b;<b>\nc")
    begin = NOON + timedelta(hours=1, minutes=32)
    passes(post, begin, begin + timedelta(hours=1), step=timedelta(minutes=5))
    _, second = to(post)
    assert second["Subject"] == "3 orders wait for you, and 1 other alert at Northquay"
    text, html = text_of(second), html_of(second)
    assert text.index("About new") < text.index("3 orders: About sku") < text.index("Resolved meanwhile: About was")
    assert "New: 1 of the 2 causes below." in text
    assert "They say: a;b;<b> c" in text and "a;b;&lt;b&gt; c" in html
    passes(post, NOON + timedelta(hours=3), NOON + timedelta(hours=6), step=timedelta(minutes=10))
    assert len(to(post)) == 2, "nothing new, no mail"


def test_news_are_told_however_many_others_are_open_and_whosever(
    desk: Desk, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.mail.MOST_ROWS", 5)
    at = NOON + timedelta(minutes=1)
    for key, merchant in (("mine", desk.merchants[0]), ("theirs", desk.merchants[1])):
        happens(desk, key=key, merchant=merchant)
    passes(post, at)
    for merchant in desk.merchants:
        for number in range(10):
            happens(desk, "address_incomplete", f"{merchant.pk}-{number}", at=at, merchant=merchant)
    with tenancy.activate(desk.account.pk):
        Alert.objects.filter(kind="address_incomplete").update(news_at=None)
    passes(post, at, NOON + timedelta(hours=2), step=timedelta(minutes=5))
    assert all("About mine" in text_of(made) and "About theirs" in text_of(made) for made in to(post)) and to(post)
    (made,) = to(post, OTHER)
    assert "About theirs" in text_of(made) and f"About {desk.merchants[0].pk}-" not in text_of(made)


def test_many_at_once_are_not_as_many_mails(desk: Desk, post: Post) -> None:
    for number in range(20):
        at = NOON + timedelta(minutes=number)
        happens(desk, "credentials", f"c{number}", at=at)
        passes(post, at)
    assert len(to(post)) == planning.MOST_AT_ONCE
    passes(post, NOON + timedelta(minutes=20), NOON + timedelta(minutes=40))
    assert len(to(post)) == planning.MOST_AT_ONCE + 1
    assert "20 alerts" in to(post)[-1]["Subject"]


# ── slots ──


@pytest.mark.parametrize(
    ("frequency", "latest"),
    [("30min", timedelta(minutes=35)), ("hourly", timedelta(minutes=75)), ("4h", timedelta(hours=4, minutes=15))],
)
def test_every_frequency_has_its_slots(frequency: str, latest: timedelta) -> None:
    for minutes in range(0, 600, 7):
        now = NOON + timedelta(minutes=minutes)
        slot = slots.next_slot(frequency, 8, "Europe/Berlin", now, "user:7")
        assert slot is not None and now < slot <= now + latest
        assert slots.next_slot(frequency, 8, "Europe/Berlin", slot - timedelta(seconds=1), "user:7") == slot
    assert slots.next_slot("never", 8, "UTC", NOON, "x") is None
    assert slots.next_slot("immediately", 8, "UTC", NOON, "x") == NOON


@pytest.mark.parametrize("frequency", ["daily", "4h"])
@pytest.mark.parametrize("night", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
@pytest.mark.parametrize("hour", [2, 3, 8])
def test_nights_in_which_the_clocks_change(frequency: str, night: datetime, hour: int) -> None:
    """Never twice, never left out: 2 o'clock does not exist in March and comes twice in October."""
    at, end, found = night - timedelta(days=1), night + timedelta(days=2), []
    while (slot := slots.next_slot(frequency, hour, "Europe/Berlin", at, "x")) is not None and slot < end:
        found.append(slot)
        at = slot
    per_day = 1 if frequency == "daily" else 6
    assert len(found) in (3 * per_day - 1, 3 * per_day, 3 * per_day + 1)
    gaps = [after - before for before, after in pairwise(found)]
    usual = timedelta(days=1) if frequency == "daily" else timedelta(hours=4)
    assert all(usual - timedelta(hours=1) <= gap <= usual + timedelta(hours=1) for gap in gaps), gaps


def test_once_a_day_at_the_persons_own_hour(desk: Desk, post: Post) -> None:
    wants(desk, "daily", hour=8)
    happens(desk)
    passes(post, NOON, NOON + timedelta(hours=18, minutes=50), step=timedelta(minutes=10))
    assert post.mails == [], "8 in Berlin is 7 UTC"
    passes(post, NOON + timedelta(hours=19), NOON + timedelta(hours=19, minutes=15))
    assert len(to(post)) == 1
    assert "Berlin time" in text_of(to(post)[0])


def test_another_frequency_counts_at_once(desk: Desk, post: Post) -> None:
    wants(desk, "daily")
    happens(desk)
    passes(post, NOON)
    with clock.frozen(NOON + timedelta(minutes=1)):
        wants(desk, "immediately")
    passes(post, NOON + timedelta(minutes=2))
    assert len(to(post)) == 1
    with clock.frozen(NOON + timedelta(minutes=3)):
        wants(desk, "daily")
    happens(desk, key="later", at=NOON + timedelta(minutes=3))
    passes(post, NOON + timedelta(minutes=4))
    with clock.frozen(NOON + timedelta(minutes=5)):
        wants(desk, "never")
    happens(desk, "credentials", "later", at=NOON + timedelta(minutes=6))
    passes(post, NOON + timedelta(minutes=7), NOON + timedelta(days=2), step=timedelta(hours=1))
    assert len(to(post)) == 1, "Never is never"


def test_another_hour_moves_what_waits_into_the_digest_of_that_hour(desk: Desk, post: Post) -> None:
    wants(desk, "daily", hour=8)
    happens(desk, key="one")
    passes(post, NOON)
    with clock.frozen(NOON + timedelta(minutes=1)):
        wants(desk, "daily", hour=10)
    happens(desk, key="two")
    begin = NOON + timedelta(hours=20, minutes=50)  # 8 in Berlin is past, it is nearly 10
    passes(post, NOON + timedelta(minutes=2), begin, step=timedelta(hours=1))
    assert to(post) == []
    passes(post, begin, begin + timedelta(minutes=30))
    (made,) = to(post)
    assert "About one" in text_of(made) and "About two" in text_of(made)


def test_what_stops_orders_does_not_wait_for_another_hour(desk: Desk, post: Post) -> None:
    """Of many at once the later ones wait for the half hour, whichever digest their reader changes to meanwhile."""
    for number in range(planning.MOST_AT_ONCE + 1):
        at = NOON + timedelta(minutes=number)
        happens(desk, "credentials", f"c{number}", at=at)
        passes(post, at)
    happens(desk, key="other", at=at)
    with clock.frozen(at):
        planning.plan_all(at)
        wants(desk, "daily", hour=8)
    passes(post, at, at + timedelta(minutes=40))
    assert len(to(post)) == planning.MOST_AT_ONCE + 1
    with tenancy.activate(desk.account.pk):
        waits = AlertMail.objects.get(mail__retry_at__isnull=False)
        assert [Alert.objects.get(pk=pk).key for pk in waits.news] == ["other"]


# ── who ──


def test_everybody_is_told_of_their_own_merchants_only(desk: Desk, post: Post) -> None:
    one, two = desk.merchants
    happens(desk, "credentials", "one", merchant=one)
    happens(desk, "credentials", "two", merchant=two)
    happens(desk, "missing_wms", "all", merchant=None)
    passes(post, NOON, NOON + timedelta(hours=2), step=timedelta(minutes=5))
    mine, theirs = ["\n".join(map(text_of, to(post, who))) for who in (OWNER, OTHER)]
    assert all(f"About {what}" in mine for what in ("one", "two", "all"))
    assert "About two" in theirs and "About one" not in theirs and "About all" not in theirs


def test_who_may_not_change_what_is_wrong_is_told_so_and_led_to_no_page_without_it(desk: Desk, post: Post) -> None:
    """What a merchant has of its own for the WMS takes the right to WMS Setup; a cart's credentials do not."""
    two = desk.merchants[1]
    happens(desk, "credentials", "of the WMS", merchant=two)
    passes(post, NOON + timedelta(seconds=15))
    with tenancy.activate(desk.account.pk):
        alert = Alert.objects.get()
    for who, address in (("owner", OWNER), ("colleague", OTHER)):
        (made,) = to(post, address)
        may = who == "owner"
        edit, own = f"/merchants/{two.public_id}/edit/", f"/alerts/{alert.public_id}/"
        assert (edit in text_of(made), own in text_of(made)) == (may, not may)
        assert ("your role may not change" in text_of(made), "Do this." in text_of(made)) == (not may, may)
        page = desk.client(who).get(desk.url(f"alerts/{alert.public_id}/")).content.decode()
        assert (edit in page, "your role may not change" in page) == (may, not may)
    happens(desk, "credentials", "of a cart", NOON + timedelta(hours=1), merchant=two, cart_id=desk.carts[1].pk)
    passes(post, NOON + timedelta(hours=1, seconds=15))
    assert f"/carts/{desk.carts[1].public_id}/edit/" in text_of(to(post, OTHER)[-1])
    with tenancy.activate(desk.account.pk):
        (of_cart,) = with_orders(Alert.objects.filter(cart=desk.carts[1]))
    [shown] = presenting.present(desk.account, [of_cart], {"alerts.view"})  # staff
    assert (shown.fix, shown.button) == ("Do this.", "")


@pytest.mark.parametrize("how", ["membership", "user", "unverified", "suspended", "archived", "quiet", "moved"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_who_gets_none(desk: Desk, post: Post, how: str, when: str) -> None:
    """Whether that is so when it is planned, or only when it is sent."""
    user = desk.users["colleague"]

    def leave() -> None:
        with tenancy.activate(desk.account.pk):
            if how == "membership":
                Membership.objects.filter(user=user).update(deactivated_at=NOON)
            elif how == "user":
                User.objects.filter(pk=user.pk).update(is_active=False)
            elif how == "unverified":
                User.objects.filter(pk=user.pk).update(email="new@northquay.example")
            elif how == "suspended":
                Account.objects.filter(pk=desk.account.pk).update(suspended_at=NOON)
            elif how == "archived":
                Merchant.objects.filter(pk=desk.merchants[1].pk).update(archived_at=NOON)
            elif how == "quiet":
                contacts.choose(desk.merchants[1], {user.pk}, alerted=False)
            else:
                Membership.objects.filter(user=user).update(merchant=desk.merchants[0])

    if when == "before":
        leave()
    happens(desk, "credentials", "secret", merchant=desk.merchants[1])
    with clock.frozen(NOON):
        planning.plan_all(NOON)
    if when == "after":
        leave()
    passes(post, NOON, NOON + timedelta(hours=2), step=timedelta(minutes=10))
    assert to(post, OTHER) == [] and to(post, "new@northquay.example") == []


def test_two_accounts_of_one_person_are_two_mails_and_strangers_get_none(desk: Desk, post: Post) -> None:
    other = desks.build("Eastport", orders=0)
    with tenancy.activate(other.account.pk):
        Membership.objects.create(user=desk.users["owner"], role="admin")
        contacts.set_emails(None, ["dock@eastport.example"])
    happens(desk, "credentials", "north")
    happens(other, "credentials", "east")
    passes(post, NOON, NOON + timedelta(hours=1), step=timedelta(minutes=5))
    assert sorted(text_of(m).count("About north") for m in to(post)) == [0, 1]
    assert "About north" not in "".join(text_of(m) for m in post.mails if m["To"] != OWNER)


def test_a_mail_that_waits_goes_to_the_address_that_the_person_has_by_then(desk: Desk, post: Post) -> None:
    happens(desk)
    passes(post, NOON)
    User.objects.filter(email=OWNER).update(email="new@northquay.example")
    EmailAddress.objects.filter(email=OWNER).update(email="new@northquay.example")
    passes(post, NOON + timedelta(hours=2))
    (made,) = post.mails
    assert made["To"] == "new@northquay.example" and unsubscribe(made)
    assert Mail.objects.get(kind="alerts").to == "new@northquay.example", "what is said of it is of that address"


def test_a_time_zone_that_nobody_knows_any_more_keeps_nobody_waiting(desk: Desk, post: Post) -> None:
    User.objects.filter(email=OWNER).update(timezone="Mars/Olympus_Mons")
    wants(desk, "daily", hour=13)
    happens(desk, key="one")
    passes(post, NOON, NOON + timedelta(hours=1, minutes=20), step=timedelta(minutes=10))
    (made,) = to(post)
    assert "13:" in text_of(made) and "UTC time" in text_of(made)


def test_a_mistake_about_one_account_leaves_no_other_untold(
    desk: Desk, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = desks.build("Eastport", orders=0)
    for each in (desk, other):
        happens(each, "credentials", "one")
    plans = planning.plan

    def fails(account: Account, now: datetime) -> int:
        if account.pk == desk.account.pk:
            raise RuntimeError
        return plans(account, now)

    with monkeypatch.context() as patch:
        patch.setattr(planning, "plan", fails)
        passes(post, NOON)
    assert [made["To"] for made in post.mails] == ["owner@eastport.example"]
    passes(post, NOON + timedelta(seconds=15))
    assert len(to(post)) == 1


# ── additional addresses ──

DOCK = "dock@cove.example"


def dock(desk: Desk, merchant: Merchant | None = None) -> None:
    with tenancy.activate(desk.account.pk):
        contacts.set_emails(merchant, [DOCK])


def test_additional_addresses_get_digests_at_most_every_half_hour(desk: Desk, post: Post) -> None:
    dock(desk, desk.merchants[0])
    sent = []
    for minutes in range(0, 180, 5):
        at = NOON + timedelta(minutes=minutes)
        happens(desk, "credentials", f"c{minutes}", at=at)
        happens(desk, "credentials", f"other {minutes}", at=at, merchant=desk.merchants[1])
        before = len(to(post, DOCK))
        passes(post, at)
        sent += [at] * (len(to(post, DOCK)) - before)
    assert 5 <= len(sent) <= 6
    assert all(after - before >= timedelta(minutes=30) for before, after in pairwise(sent))
    assert "other" not in "".join(map(text_of, to(post, DOCK)))


def unsubscribe(made: Any) -> str:
    """The link in the mail's header, which is also in its text and its HTML."""
    found = re.fullmatch(r"<(https?://[^/]+(/\S+))>", made["List-Unsubscribe"].strip())
    assert found and found[1] in text_of(made) and found[1] in html_of(made)
    return found[2]


def test_a_link_in_the_mail_stops_them_and_looking_at_it_does_not(desk: Desk, post: Post) -> None:
    dock(desk)
    happens(desk, "credentials", "one")
    passes(post, NOON, NOON + timedelta(minutes=40), step=timedelta(minutes=5))
    (made,) = to(post, DOCK)
    assert made["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link, client = unsubscribe(made), Client(enforce_csrf_checks=True)
    assert "Nothing has changed yet." in client.get(link).content.decode()
    assert client.head(link).status_code in (200, 405)
    with tenancy.activate(desk.account.pk):
        assert not Silenced.objects.exists()
    assert client.post(link, {"List-Unsubscribe": "One-Click"}).status_code == 200
    client.post(link, {"List-Unsubscribe": "One-Click"})
    begin = NOON + timedelta(hours=1)
    happens(desk, "credentials", "two", at=begin)
    passes(post, begin, begin + timedelta(hours=1), step=timedelta(minutes=5))
    assert len(to(post, DOCK)) == 1
    with tenancy.activate(desk.account.pk):
        assert AuditEntry.objects.filter(verb="alerts.mails_stopped").count() == 1
        assert contacts.try_again(DOCK) is False, "who unsubscribed is not subscribed again by others"
    client.post(link, {"want": "again"})
    begin += timedelta(hours=2)
    happens(desk, "credentials", "three", at=begin)
    passes(post, begin, begin + timedelta(hours=1), step=timedelta(minutes=5))
    assert len(to(post, DOCK)) == 2
    assert client.post(link[:-2] + "x/").status_code == 404


def test_a_user_stops_them_for_this_account(desk: Desk, post: Post) -> None:
    happens(desk, "credentials", "one")
    passes(post, NOON)
    link = unsubscribe(to(post)[0])
    assert Client().post(link).status_code == 200
    with tenancy.activate(desk.account.pk):
        assert contacts.preference(desk.users["owner"]).frequency == Preference.Frequency.NEVER
    User.objects.filter(pk=desk.users["owner"].pk).update(email="moved@northquay.example")
    assert Client().post(link).status_code == 404


def test_who_stops_them_as_a_user_gets_none_as_an_additional_address_either(desk: Desk, post: Post) -> None:
    """And who looks after the contacts sees it."""
    with tenancy.activate(desk.account.pk):
        contacts.set_emails(None, [OWNER])
    happens(desk, "credentials", "one")
    passes(post, NOON)
    (made,) = to(post)
    assert Client().post(unsubscribe(made)).status_code == 200
    begin = NOON + timedelta(hours=1)
    happens(desk, "credentials", "two", at=begin)
    passes(post, begin, begin + timedelta(hours=1), step=timedelta(minutes=5))
    assert len(to(post)) == 1
    client = desk.client("owner")
    assert client.get(desk.url("wms/")).content.decode().count("Chose Never as how often") == 2
    told = file_of(client.get(desk.url("wms/contacts/export/"))).decode()
    assert told.count("No: Chose Never as how often") == 2
    assert Client().post(unsubscribe(made), {"want": "again"}).status_code == 200
    begin = NOON + timedelta(hours=3)
    happens(desk, "credentials", "three", at=begin)
    passes(post, begin, begin + timedelta(hours=1), step=timedelta(minutes=5))
    assert len(to(post)) == 2, "as a user, and not twice"


def test_who_stopped_them_without_a_login_gets_them_again_as_a_user(desk: Desk, post: Post) -> None:
    """Their link lies in a mail of long ago, and their own page says that they get mails."""
    with tenancy.activate(desk.account.pk):
        stopping.stop(None, OWNER, NOON)
        contacts.set_emails(None, [OWNER])
    happens(desk, "credentials", "one")
    passes(post, NOON, NOON + timedelta(hours=1), step=timedelta(minutes=5))
    (made,) = to(post)
    assert "/profile/" in text_of(made)


@pytest.mark.parametrize("how", ["deactivated", "removed", "user"])
def test_who_has_left_has_no_say_any_more_in_what_an_additional_address_gets(desk: Desk, post: Post, how: str) -> None:
    wants(desk, "never", who="colleague")
    user, page = desk.users["colleague"], desk.url("wms/")
    with tenancy.activate(desk.account.pk):
        contacts.set_emails(None, [OTHER])
    assert "Chose Never as how often" in desk.client("owner").get(page).content.decode()
    with tenancy.activate(desk.account.pk):
        if how == "deactivated":
            Membership.objects.filter(user=user).update(deactivated_at=NOON)
        elif how == "removed":
            Membership.objects.filter(user=user).delete()
        else:
            User.objects.filter(pk=user.pk).update(is_active=False)
    happens(desk, "credentials", "one")
    passes(post, NOON, NOON + timedelta(minutes=40), step=timedelta(minutes=5))
    assert len(to(post, OTHER)) == 1
    assert "Chose Never as how often" not in desk.client("owner").get(page).content.decode()


def test_who_has_left_stops_what_an_additional_address_gets_by_an_old_link(desk: Desk, post: Post) -> None:
    happens(desk, "credentials", "one", merchant=desk.merchants[1])
    passes(post, NOON)
    link = unsubscribe(to(post, OTHER)[0])
    with tenancy.activate(desk.account.pk):
        Membership.objects.filter(user=desk.users["colleague"]).update(deactivated_at=NOON)
        contacts.set_emails(None, [OTHER])
    assert "gets no more mails" in Client().post(link).content.decode()
    begin = NOON + timedelta(hours=1)
    happens(desk, "credentials", "two", begin)
    passes(post, begin, begin + timedelta(minutes=40), step=timedelta(minutes=5))
    assert len(to(post, OTHER)) == 1
    assert "is mailed when" in Client().post(link, {"want": "again"}).content.decode()
    begin = NOON + timedelta(hours=3)
    happens(desk, "credentials", "three", begin)
    passes(post, begin, begin + timedelta(minutes=40), step=timedelta(minutes=5))
    assert len(to(post, OTHER)) == 2


# ── a mail server that does not take it ──


def test_an_address_that_is_refused_is_marked_and_not_tried_until_somebody_says_so(desk: Desk, post: Post) -> None:
    dock(desk, desk.merchants[0])
    post.answers[DOCK] = "550 no such user"
    happens(desk, "credentials", "one")
    passes(post, NOON, NOON + timedelta(hours=1), step=timedelta(minutes=5))
    post.answers.clear()
    begin = NOON + timedelta(hours=2)
    happens(desk, "credentials", "two", at=begin)
    passes(post, begin, begin + timedelta(hours=1), step=timedelta(minutes=5))
    assert to(post, DOCK) == []
    client, path = desk.client("owner"), desk.url(f"merchants/{desk.merchants[0].public_id}/")
    shown = client.get(path).content.decode()
    assert "550 no such user" in shown and "Try again" in shown
    client.post(f"{path}contacts/", {"again": DOCK})
    assert "550 no such user" not in client.get(path).content.decode()
    begin = NOON + timedelta(hours=4)
    happens(desk, "credentials", "three", at=begin)
    passes(post, begin, begin + timedelta(hours=1), step=timedelta(minutes=5))
    assert len(to(post, DOCK)) == 1


def test_a_refused_user_is_marked_among_the_contacts(desk: Desk, post: Post) -> None:
    post.answers[OWNER] = "550 5.1.1 unknown"
    happens(desk, "credentials", "one")
    passes(post, NOON)
    assert "550 5.1.1 unknown" in desk.client("owner").get(desk.url("wms/")).content.decode()


def test_a_user_who_once_stopped_them_without_a_login_is_marked_like_others(desk: Desk, post: Post) -> None:
    """Tried again they get mails as a user; the address by itself stays unsubscribed."""
    two = desk.merchants[1]
    with tenancy.activate(desk.account.pk):
        stopping.stop(None, OTHER, NOON)
    post.answers[OTHER] = "550 5.1.1 unknown"
    happens(desk, "credentials", "one", merchant=two)
    passes(post, NOON)
    client, path = desk.client("owner"), desk.url(f"merchants/{two.public_id}/")
    assert "550 5.1.1 unknown" in client.get(path).content.decode()
    happens(desk, "credentials", "two", NOON + timedelta(minutes=1), merchant=two)
    passes(post, NOON + timedelta(minutes=1), NOON + timedelta(hours=1), step=timedelta(minutes=5))
    assert Mail.objects.filter(to=OTHER).count() == 1, "not tried for ever"
    post.answers.clear()
    client.post(f"{path}contacts/", {"again": OTHER})
    assert "550 5.1.1 unknown" not in client.get(path).content.decode()
    happens(desk, "credentials", "three", NOON + timedelta(hours=2), merchant=two)
    passes(post, NOON + timedelta(hours=2))
    assert len(to(post, OTHER)) == 1
    with tenancy.activate(desk.account.pk):
        Membership.objects.filter(user=desk.users["colleague"]).update(deactivated_at=NOON)
        contacts.set_emails(None, [OTHER])
    begin = NOON + timedelta(hours=3)
    happens(desk, "credentials", "four", begin, merchant=two)
    passes(post, begin, begin + timedelta(hours=1), step=timedelta(minutes=5))
    assert len(to(post, OTHER)) == 1


def test_an_unsubscribed_address_that_is_refused_too_is_not_offered_to_be_tried_again(desk: Desk) -> None:
    """It ends by the own link, and then it is tried."""
    dock(desk)
    page = desk.url("wms/")
    with tenancy.activate(desk.account.pk):
        stopping.refused(DOCK, "550 no such user", NOON)
        stopping.stop(None, DOCK, NOON)
    shown = desk.client("owner").get(page).content.decode()
    assert "Unsubscribed" in shown and "550 no such user" not in shown and 'name="again"' not in shown
    with tenancy.activate(desk.account.pk):
        stopping.start(None, DOCK)
    assert "gets no mails" not in desk.client("owner").get(page).content.decode()


@pytest.mark.parametrize("path", ["profile/", "alerts/channels/"])
def test_a_refused_user_is_told_so_on_the_own_pages(desk: Desk, post: Post, path: str) -> None:
    post.answers[OTHER] = "550 5.1.1 unknown"
    happens(desk, "credentials", "one", merchant=desk.merchants[1])
    passes(post, NOON)
    said = f"No mail about alerts gets to {OTHER}."
    assert said in desk.client("colleague").get(desk.url(path)).content.decode()
    assert "No mail about alerts" not in desk.client("owner").get(desk.url(path)).content.decode()


def test_one_whose_name_sounds_like_a_blocklist_is_refused_like_others(desk: Desk, post: Post) -> None:
    name = "t.blackwell@unlimited.example"
    with tenancy.activate(desk.account.pk):
        contacts.set_emails(None, [name])
    post.answers[name] = f"550 <{name}>: user unknown"
    happens(desk, "credentials", "one")
    passes(post, NOON, NOON + timedelta(hours=1), step=timedelta(minutes=5))
    with tenancy.activate(desk.account.pk):
        assert Silenced.objects.get().address == name


def test_a_server_that_gives_no_reason_is_believed_after_half_a_day(desk: Desk, post: Post) -> None:
    post.answers[OWNER] = "550"
    happens(desk, "credentials", "one")
    shown = []
    for begin, end in ((0, 11), (12, 14)):
        passes(post, NOON + timedelta(hours=begin), NOON + timedelta(hours=end), step=timedelta(minutes=30))
        shown.append("Refused by the mail server" in desk.client("owner").get(desk.url("wms/")).content.decode())
    assert shown == [False, True]


@pytest.mark.parametrize(
    "answer", ["450 later", "421 busy", "554 5.7.1 Relay access denied", "550 5.7.1 blocked", "550"]
)
def test_a_refusal_that_is_not_about_the_mailbox_is_tried_again(desk: Desk, post: Post, answer: str) -> None:
    """Nor does it silence anybody."""
    post.answers[OWNER] = answer
    happens(desk, "credentials", "one")
    passes(post, NOON)
    post.answers.clear()
    passes(post, NOON + timedelta(seconds=5))
    assert to(post) == [], "not at once"
    passes(post, NOON + timedelta(seconds=30), NOON + timedelta(minutes=5))
    assert len(to(post)) == 1


@pytest.mark.parametrize(
    ("kind", "frequency"), [("credentials", "hourly"), ("stock_refused", "hourly"), ("stock_refused", "daily")]
)
def test_a_weekend_without_a_mail_server_leaves_nobody_untold(
    desk: Desk, post: Post, kind: str, frequency: str
) -> None:
    """What is over by then is not told, and what lasts is not told as often as it was tried."""
    wants(desk, frequency)
    happens(desk, kind, "lasts")
    happens(desk, kind, "ends")
    post.sender_answer = "550 5.4.5 Daily sending quota exceeded"
    back = NOON + timedelta(hours=60)
    passes(post, NOON, back, step=timedelta(minutes=30))
    assert Mail.objects.filter(problem__startswith="550", retry_at=None).exists(), "given up"
    ends(desk, kind, "ends", back)
    post.sender_answer = ""
    passes(post, back, back + timedelta(hours=25), step=timedelta(minutes=30))
    (made,) = to(post)
    assert "About lasts" in text_of(made)
    assert "About ends" not in text_of(made).partition("Resolved meanwhile")[0]


def test_the_first_mail_server_after_days_sends_no_mails_of_days_ago(desk: Desk, settings: Any) -> None:
    """What was due without one lies there as it was then."""
    settings.EMAIL_URL = ""
    for hours in range(0, 48, 4):
        happens(desk, "bad_rows", f"ends {hours}", at=NOON + timedelta(hours=hours))
        happens(desk, "credentials", f"lasts {hours}", at=NOON + timedelta(hours=hours))
        passes(Post(), NOON + timedelta(hours=hours), NOON + timedelta(hours=hours + 3), step=timedelta(minutes=30))
        ends(desk, "bad_rows", f"ends {hours}", NOON + timedelta(hours=hours + 3))
    assert Mail.objects.filter(to=OWNER, tries=1).count() > 20
    begin = NOON + timedelta(hours=48)
    with serving(settings) as post:
        passes(post, begin, begin + timedelta(hours=2), step=timedelta(minutes=5))
    (made,) = to(post)
    text = text_of(made)
    assert all(f"About lasts {hours}" in text for hours in range(0, 48, 4))
    assert "About ends" not in text.partition("Resolved meanwhile")[0]


def test_what_an_older_version_wrote_without_a_mail_server_is_told_too(desk: Desk, settings: Any) -> None:
    """It kept nothing but what the mail said."""
    settings.EMAIL_URL = ""
    dock(desk)
    happens(desk, "credentials", "ends")
    happens(desk, "credentials", "lasts")
    passes(Post(), NOON, NOON + timedelta(hours=1), step=timedelta(minutes=30))
    ends(desk, "credentials", "ends", NOON + timedelta(hours=2))
    for waits in Mail.objects.filter(kind="alerts", tries=1):
        waits.context = {mail.WRITTEN: waits.context[mail.WRITTEN]}
        waits.save(update_fields=["context"])
    begin = NOON + timedelta(hours=48)
    with serving(settings) as post:
        passes(post, begin, begin + timedelta(hours=2), step=timedelta(minutes=10))
    for who in (OWNER, DOCK):
        (made,) = to(post, who)
        assert "About lasts" in text_of(made)
        assert "About ends" not in text_of(made).partition("Resolved meanwhile")[0]


def test_a_server_that_hangs_up_and_one_that_hangs(desk: Desk, post: Post, settings: Any) -> None:
    settings.EMAIL_TIMEOUT = 0.5
    happens(desk, "credentials", "one")
    post.trouble = "hang"
    passes(post, NOON)
    post.trouble = "drop"
    passes(post, NOON + timedelta(minutes=1))
    assert Mail.objects.get(to=OWNER).tries == 2
    post.trouble = ""
    passes(post, NOON + timedelta(minutes=10))
    assert len(to(post)) == 1


# ── crashes ──


class Killed(BaseException):
    pass


def die(*args: Any, **kwargs: Any) -> None:
    raise Killed


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("where", "most"),
    [
        (("alerts.planning", "shown_merchants"), 1),
        (("alerts.planning", "_plan_for"), 1),
        (("accounts.mail", "queue"), 1),
        (("alerts.posting", "plan"), 1),
        (("accounts.mail", "_claim"), 1),
        (("accounts.mail", "message"), 1),
        (("accounts.mail", "_done"), 2),  # sent and not noted
    ],
)
def test_killed_at_any_point_it_is_sent_once_or_at_worst_twice(
    desk: Desk, post: Post, where: tuple[str, str], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens(desk, "credentials", "one")
    with monkeypatch.context() as patch:
        patch.setattr(".".join(where), die)
        with pytest.raises(Killed), clock.frozen(NOON):
            planning.plan_all(NOON)
            mail.send_due(NOON)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_mail SET lease_until = now() - interval '1 second'")
    passes(post, NOON + timedelta(seconds=15), NOON + timedelta(minutes=2))
    found = to(post)
    assert 1 <= len(found) <= most and (most == 1 or len(found) == 2)
    assert len({made["Message-ID"] for made in found}) == 1
    with tenancy.activate(desk.account.pk):
        assert AlertMail.objects.filter(user=desk.users["owner"]).count() == 1


def test_what_comes_while_its_mail_is_being_sent_goes_with_the_next(desk: Desk, post: Post) -> None:
    wants(desk, "hourly")
    happens(desk, key="one")
    passes(post, NOON)
    with tenancy.activate(desk.account.pk):
        letter = AlertMail.objects.get()
        Mail.objects.filter(pk=letter.mail_id).update(tries=1)
        happens_at = letter.slot - timedelta(seconds=1)
        raise_alert("stock_refused", "two", "About two", now=happens_at, merchant_id=desk.merchants[0].pk)
    with clock.frozen(happens_at):
        planning.plan_all(happens_at)
    with tenancy.activate(desk.account.pk):
        assert [len(row.news) for row in AlertMail.objects.order_by("slot")] == [1, 1]
