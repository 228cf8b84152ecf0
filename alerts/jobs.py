"""The tasks of this app: what is new is planned for everybody who is told of it, and posts to channels leave."""

from celery import shared_task
from django.db import close_old_connections

from alerts import planning, posting
from integration_manager import tenancy
from integration_manager.kit import clock


@shared_task(ignore_result=True)
@tenancy.without_tenant
def tell() -> None:
    """Plans mails and posts about what is new. The mails leave by accounts/jobs.py."""
    close_old_connections()
    planning.plan_all(clock.now())


@shared_task(ignore_result=True)
@tenancy.without_tenant
def post() -> None:
    """Sends the posts to channels that are due."""
    close_old_connections()
    posting.send_due()
