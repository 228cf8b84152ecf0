"""Plans mails about what is new: one row per person and slot, all of it in one transaction per account.

What is new stands in `Alert.news_at`. A crash before the commit leaves it there, one after it leaves the
rows: nothing is forgotten, and nobody gets two mails for one slot.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from accounts import mail
from accounts.models import Account, Mail
from alerts import kinds, posting
from alerts.audience import Recipient, audience, shown_merchants
from alerts.models import Alert, AlertMail
from alerts.slots import half_hour
from integration_manager import tenancy

log = logging.getLogger(__name__)

KIND = "alerts"  # of the mail: templates/mail/alerts.*
MOST_AT_ONCE = 6  # mails in an hour that come at once; more of them wait for the half hour


def plan_all(now: datetime) -> int:
    """Plans the news of every account that has some. Returns how many alerts that were."""
    with tenancy.everyone("news of alerts"):
        rows = Alert.objects.filter(news_at__isnull=False).order_by()
        accounts = sorted(set(rows.values_list("account_id", flat=True)))
    told = 0
    for account in accounts:
        try:
            with tenancy.activate(account):
                told += plan(Account.objects.get(pk=account), now)
        except Exception:  # a mistake of ours too: the others are told, and it is tried again the next time
            log.exception("the news of account %s wait", account)
    return told


def plan(account: Account, now: datetime) -> int:
    """Plans the news of the active account."""
    with transaction.atomic():
        news = list(Alert.objects.select_for_update(skip_locked=True, of=("self",)).filter(news_at__isnull=False))
        Alert.objects.filter(pk__in=[alert.pk for alert in news]).update(news_at=None)  # the rows in hand keep it
        shown = shown_merchants()
        telling = [a for a in news if a.active and (a.merchant_id is None or a.merchant_id in shown)]
        if telling and not account.suspended_at:
            for recipient in audience(account):
                _plan_for(account, recipient, telling, now)
            posting.plan(telling, now)
    return len(news)


def _plan_for(account: Account, recipient: Recipient, news: Sequence[Alert], now: datetime) -> None:
    mine = [alert for alert in news if recipient.hears_of(alert.merchant_id)]
    at_once = [alert for alert in mine if _at_once(recipient, alert)]
    if at_once:
        crowded = _lately(recipient, now) >= MOST_AT_ONCE
        slot = half_hour(now, recipient.whom) if crowded else now
        _add(account, recipient, slot, [alert.pk for alert in at_once], at_once=not crowded)
    rest = [alert for alert in mine if not _at_once(recipient, alert)]
    slot_of_rest = recipient.slot(now)
    if rest and slot_of_rest is not None:
        _add(account, recipient, slot_of_rest, [alert.pk for alert in rest], at_once=False)


def _at_once(recipient: Recipient, alert: Alert) -> bool:
    return recipient.user is not None and kinds.of(alert.kind).at_once


def _lately(recipient: Recipient, now: datetime) -> int:
    """Mails at once of the last hour."""
    return AlertMail.objects.filter(user=recipient.user, at_once=True, slot__gt=now - timedelta(hours=1)).count()


def _add(account: Account, recipient: Recipient, slot: datetime, ids: Sequence[int], *, at_once: bool) -> None:
    """Adds these alerts to the mail of this slot."""
    row, created = AlertMail.objects.get_or_create(
        user=recipient.user,
        address="" if recipient.user else recipient.address,
        slot=slot,
        defaults={"news": list(ids), "at_once": at_once},
    )
    if created:
        row.mail = mail.queue(KIND, recipient.address, {"account": account.pk}, send_at=slot)
        row.save(update_fields=["mail"])
        return
    # Locked, so that it is not sent without them at this very moment.
    waits = Mail.objects.select_for_update().filter(pk=row.mail_id, retry_at__isnull=False, tries=0).exists()
    if not waits:
        _add(account, recipient, slot + timedelta(seconds=1), ids, at_once=at_once)
        return
    row.refresh_from_db(fields=["news"])  # as it is under the lock: others may have added theirs
    AlertMail.objects.filter(pk=row.pk).update(news=list(dict.fromkeys([*row.news, *ids])))


def again(account: Account, recipient: Recipient, letter: AlertMail, now: datetime) -> None:
    """Its mail could not be sent for so long that it is given up: its news goes with the next one."""
    with transaction.atomic():
        _later(account, recipient, letter.news, now)


def _later(account: Account, recipient: Recipient, news: Sequence[int], now: datetime) -> None:
    """News that was planned already goes with the next digest; what would have come at once, with the half hour."""
    found = Alert.objects.filter(pk__in=news)
    urgent = {alert.pk for alert in found if recipient.user is not None and kinds.of(alert.kind).at_once}
    slots = (half_hour(now, recipient.whom), urgent), (recipient.slot(now), set(news) - urgent)
    for slot, ids in slots:
        if slot is not None and ids:
            _add(account, recipient, slot, [pk for pk in news if pk in ids], at_once=False)


def replan(user_id: int, now: datetime) -> None:
    """A user wants mails at other times: what waits in digests of the active account goes with the next of those."""
    account = Account.objects.get(pk=tenancy.account_id())
    found = next((one for one in audience(account) if one.user is not None and one.user.pk == user_id), None)
    with transaction.atomic():
        planned = AlertMail.objects.filter(user_id=user_id, at_once=False).values("mail_id")
        waiting = Mail.objects.select_for_update().filter(pk__in=planned, retry_at__isnull=False, tries=0)
        mails = [mail.pk for mail in waiting]
        letters = AlertMail.objects.filter(mail__in=mails)
        news = dict.fromkeys(pk for letter in letters.order_by("slot") for pk in letter.news)
        letters.delete()
        Mail.objects.filter(pk__in=mails).delete()
        if found:
            _later(account, found, list(news), now)
