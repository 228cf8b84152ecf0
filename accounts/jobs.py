"""The tasks of this app: mails, and what is forgotten at night."""

import logging
from datetime import timedelta

from allauth.usersessions.models import UserSession
from celery import shared_task
from django.contrib.sessions.models import Session
from django.db import close_old_connections

from accounts import mail
from accounts.models import Mail, SignInLink, Tries
from integration_manager import tenancy
from integration_manager.kit import clock

log = logging.getLogger(__name__)
KEPT = timedelta(days=30)  # that a mail was sent, when and to whom


@shared_task(ignore_result=True)
@tenancy.without_tenant
def send_mails() -> None:
    """Sends the mails that are due."""
    close_old_connections()
    mail.send_due(clock.now())


@shared_task(ignore_result=True)
@tenancy.without_tenant
def tidy() -> None:
    """Forgets ended sessions, used links, old counters and mails."""
    close_old_connections()
    now = clock.now()
    Session.objects.filter(expire_date__lt=now).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    SignInLink.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    Tries.objects.filter(until__lt=now).delete()
    Mail.objects.filter(retry_at__isnull=True, created_at__lt=now - KEPT).delete()


def hint() -> None:
    """Says that there is a mail to send. With Redis away it goes with the next tick."""
    try:
        send_mails.apply_async(retry=False, expires=10)
    except send_mails.OperationalError:
        log.warning("Redis is away: mails wait for the next tick")
