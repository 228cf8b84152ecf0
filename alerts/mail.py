"""Writes the mails about alerts at the moment when they are sent: what is new and still so, with the way to its fix."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Case, Q, QuerySet, When
from django.urls import reverse
from django.utils import timezone

from accounts.mail import WRITERS, Writer, link
from accounts.models import Account, Mail
from alerts import kinds, links, planning, stopping
from alerts.audience import Recipient, audience
from alerts.kinds import Acts
from alerts.models import Alert, AlertMail, Preference
from alerts.planning import KIND
from integration_manager import tenancy
from integration_manager.kit import clock

MOST = 15  # causes in one mail
MOST_RESOLVED = 3
MOST_ROWS = 500  # causes that are counted
SAID = 200  # characters of the other system's own words
OPEN = Q(resolved_at__isnull=True, dismissed_at__isnull=True)
HOW_OFTEN = {
    Preference.Frequency.IMMEDIATELY: "as soon as something is new",
    Preference.Frequency.HALF_HOURLY: "every half hour when there is something new",
    Preference.Frequency.HOURLY: "every hour when there is something new",
    Preference.Frequency.FOUR_HOURLY: "every 4 hours when there is something new",
    Preference.Frequency.DAILY: "once a day when there is something new",
}

WithOrders = Callable[[QuerySet[Alert]], QuerySet[Alert]]


def register(with_orders: WithOrders) -> None:
    """Has these mails written here. `with_orders`: orders/alerted.py, which is above this app."""
    WRITERS[KIND] = Writer(lambda mail: _write(mail, with_orders), _refused, _given_up)


def _write(mail: Mail, with_orders: WithOrders) -> dict[str, Any] | None:
    account = _account(mail)
    if account is None:
        return None
    with tenancy.activate(account.pk):
        letter, to = _letter(mail, account)
        if not letter or not to:
            return None
        if mail.to != to.address:  # they have another one since it was planned
            mail.to = to.address
            mail.save(update_fields=["to"])
        with timezone.override(_zone(to.zone)):
            return written(account, letter, to, _rows(letter, to, with_orders))


def _account(mail: Mail) -> Account | None:
    pk = mail.context.get("account")
    if pk is None:  # an older version wrote it while there was no mail server, and kept nothing else
        with tenancy.everyone("whose a mail about alerts is"):
            pk = AlertMail.objects.filter(mail=mail).values_list("account", flat=True).first()
    return Account.objects.filter(pk=pk).first()


def _letter(mail: Mail, account: Account) -> tuple[AlertMail | None, Recipient | None]:
    """What was planned, and whom for: that is asked again, since somebody may have left meanwhile."""
    letter = AlertMail.objects.select_related("user").filter(mail=mail).first()
    return letter, letter and next((one for one in audience(account) if _is_for(letter, one)), None)


def _is_for(letter: AlertMail, one: Recipient) -> bool:
    if letter.user_id is not None:
        return one.user is not None and one.user.pk == letter.user_id
    return one.user is None and one.address == letter.address


def _rows(letter: AlertMail, to: Recipient, with_orders: WithOrders) -> list[Any]:
    """What the mail may be about: its news first, in a digest all other causes that are open, what was resolved lately.

    Of the merchants of whom this person is told.
    """
    whose = Q(merchant__archived_at=None)  # so are alerts of no merchant
    if not to.everywhere:
        whose &= Q(merchant__in=to.merchants)
    about = Q(pk__in=letter.news)
    if not letter.at_once:
        about |= OPEN | Q(resolved_at__gt=letter.slot - timedelta(hours=24))
    rows = Alert.objects.filter(about, whose).select_related("merchant", "cart")
    return list(with_orders(rows).order_by(Case(When(pk__in=letter.news, then=0), default=1), "-last_seen")[:MOST_ROWS])


def written(account: Account, letter: AlertMail, to: Recipient, rows: Sequence[Any]) -> dict[str, Any] | None:
    """What the templates say; None where nothing new is left."""
    now = clock.now()
    active = [alert for alert in rows if alert.active and _worth_it(alert)]
    new = [alert for alert in active if alert.pk in letter.news]
    if not new:
        return None
    listed = new + [alert for alert in active if alert.pk not in letter.news]
    resolved = [alert for alert in rows if alert.resolved_at and _worth_it(alert)]
    items = [_item(account, alert, may_fix=to.may(links.needed(alert))) for alert in listed[:MOST]]
    more = len(listed) - MOST
    return {
        "to": to.address,
        "subject": _subject(account, listed, items),
        "title": kinds.of(listed[0].kind).title if len(listed) == 1 else _sum(listed),
        "where": f"{account.name} · {_moment(now, to.zone)}",
        "lede": _lede(new, listed),
        "items": items,
        "more": f"And {more} more: see all alerts." if more > 0 else "",
        "resolved": _ended(resolved),
        "how_often": _how_often(letter, to),
        "url": items[0]["url"],
        "all_url": link(reverse("alerts", args=[account.public_id])),
        "change_url": link(reverse("profile", args=[account.public_id])) if to.user else "",
        "unsubscribe": stopping.link(account.pk, to.user, to.address),
    }


def _worth_it(alert: Any) -> bool:
    """What is tried again by itself is told once it has lasted."""
    return bool(alert.count >= kinds.of(alert.kind).patience)


def headline(alert: Any) -> str:
    """What it is about, with how many orders wait: "17 orders: …"."""
    number = getattr(alert, "waiting", 0)
    return f"{number} orders: {alert.message}" if number > 1 else str(alert.message)


def _item(account: Account, alert: Any, *, may_fix: bool) -> dict[str, str]:
    known = kinds.of(alert.kind)
    theirs = may_fix or links.needed(alert) != "wms.edit"
    fix = (alert.fix or known.text) if theirs else links.NOT_YOURS
    number = alert.waiting
    one = getattr(alert, "order_number", None) if number <= 1 else None
    which = [f"Order {one}"] if one and one not in alert.message else []
    whose = ", ".join([*which, *(part.name for part in (alert.merchant, alert.cart) if part)])
    first, last = _short(alert.first_seen), _short(alert.last_seen)
    when = f"First {first}." if first == last else f"First {first}, last {last}."
    said = " ".join(alert.said.split())
    button = f"{known.button} for {number} orders" if number > 1 and known.at_once else known.button
    return {
        "word": "Error" if known.acts is Acts.PERSON else "Look",
        "tone": "bad" if known.acts is Acts.PERSON else "wait",
        "title": headline(alert),
        "text": " ".join(part for part in (f"{whose}." if whose else "", when, fix) if part),
        "said": said if len(said) <= SAID else f"{said[:SAID]}…",
        "button": button if may_fix else "See what it says",
        "url": link(links.fix(account, alert) if may_fix else links.page(account, alert)),
    }


def _subject(account: Account, listed: Sequence[Any], items: Sequence[dict[str, str]]) -> str:
    if len(listed) == 1:
        title = items[0]["title"]
        return f"{title if len(title) <= 100 else title[:99] + '…'} – {account.name}"
    return f"{_sum(listed)} at {account.name}"


def _sum(listed: Sequence[Any]) -> str:
    """How much waits: "23 orders wait for you, and 2 causes more"."""
    orders = sum(alert.waiting for alert in listed)
    others = sum(1 for alert in listed if not alert.waiting)
    if not orders:
        return f"{others} alerts need a look"
    held = f"{orders} order{' waits' if orders == 1 else 's wait'} for you"
    return f"{held}, and {others} other alert{'' if others == 1 else 's'}" if others else held


def _lede(new: Sequence[Any], listed: Sequence[Any]) -> str:
    needs = "Nothing here cures itself: each needs one of you."
    if any(kinds.of(alert.kind).acts is not Acts.PERSON for alert in listed):
        needs = "The red ones need one of you."
    if len(new) == len(listed):
        return needs if len(new) > 1 else "It does not cure itself." if needs.startswith("Nothing") else "To know."
    return f"New: {len(new)} of the {len(listed)} causes below. {needs}"


def _ended(resolved: Sequence[Any]) -> str:
    named = "; ".join(alert.message[:80] for alert in resolved[:MOST_RESOLVED])
    more = len(resolved) - MOST_RESOLVED
    return named + (f"; and {more} more" if more > 0 else "")


def _how_often(letter: AlertMail, to: Recipient) -> str:
    if letter.at_once:
        return "at once, since it stops orders"
    return HOW_OFTEN[Preference.Frequency(to.frequency)]


def _refused(mail: Mail, said: str) -> None:
    account = _account(mail)
    if account is not None:
        with tenancy.activate(account.pk):
            stopping.refused(mail.to, said, clock.now())


def _given_up(mail: Mail) -> None:
    account = _account(mail)
    if account is not None:
        with tenancy.activate(account.pk):
            letter, to = _letter(mail, account)
            if letter and to:
                planning.again(account, to, letter, clock.now())


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _moment(at: datetime, zone: str) -> str:
    local = timezone.localtime(at)
    place = zone.rpartition("/")[2].replace("_", " ")
    return f"{local:%A} {local.day} {local:%B}, {local:%H:%M} {place} time"


def _short(at: datetime) -> str:
    local, today = timezone.localtime(at), timezone.localtime(clock.now())
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local.day} {local:%b} {local:%H:%M}"
