"""The Celery app. Its messages are hints: all that they say stands in the database too."""

import logging.config
import os
import warnings
from typing import Any

from celery import Celery, signals
from celery.beat import Scheduler
from celery.platforms import SecurityWarning
from celery.schedules import crontab, schedule

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_manager.settings")

# `make run` as root is meant, and messages are JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("integration_manager")
app.config_from_object("django.conf:settings", namespace="CELERY")
# A task stands in <app>/jobs.py, or in the one file of its app that is named after what it does.
app.autodiscover_tasks(related_name="jobs")
app.autodiscover_tasks(["orders"], related_name="bulk_run")
app.autodiscover_tasks(["orders"], related_name="watch")
app.autodiscover_tasks(["orders.services"], related_name="dry_run")
app.autodiscover_tasks(["billing"], related_name="usage")

TICK_SECONDS = 2
BEAT: dict[str, dict[str, Any]] = {
    # Expires as fast as it comes, so that a stopped worker finds one tick and not a thousand.
    "tick": {
        "task": "orders.jobs.tick",
        "schedule": schedule(TICK_SECONDS),
        "options": {"queue": "tick", "expires": TICK_SECONDS},
    },
    "sign-in mail": {
        "task": "accounts.jobs.send_mails",
        "schedule": schedule(3),
        "options": {"queue": "mail", "expires": 3},
    },
    "tidy": {
        "task": "accounts.jobs.tidy",
        "schedule": crontab(hour="3", minute="41"),
        "options": {"queue": "side", "expires": 6 * 3600},
    },
    "alerts": {
        "task": "alerts.jobs.tell",
        "schedule": schedule(15),
        "options": {"queue": "mail", "expires": 15},
    },
    "posts": {
        "task": "alerts.jobs.post",
        "schedule": schedule(15),
        "options": {"queue": "side", "expires": 15},
    },
    "watch": {
        "task": "orders.watch.watch",
        "schedule": schedule(300),
        "options": {"queue": "side", "expires": 300},
    },
    "bulk actions": {
        "task": "orders.bulk_run.rescue",
        "schedule": schedule(30),
        "options": {"queue": "side", "expires": 30},
    },
    "nightly": {
        "task": "orders.jobs.nightly",
        "schedule": crontab(hour="2", minute="17"),
        "options": {"queue": "side", "expires": 6 * 3600},
    },
}


class Beat(Scheduler):  # type: ignore[misc]  # celery has no types
    """Keeps its timetable in memory: a killed beat leaves no file to repair."""

    def setup_schedule(self) -> None:
        """The entries whose task exists."""
        self.app.loader.import_default_modules()
        entries = {name: entry for name, entry in BEAT.items() if entry["task"] in self.app.tasks}
        self.merge_inplace(entries)


@signals.setup_logging.connect
def _log_as_everywhere(**kwargs: Any) -> None:
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@signals.worker_init.connect
@signals.beat_init.connect
def _refuse_wrong_role(**kwargs: Any) -> None:
    from integration_manager.startup import refuse_wrong_role

    refuse_wrong_role()


@signals.worker_process_init.connect
def _spare_collector(**kwargs: Any) -> None:
    from integration_manager.startup import give_way_sooner, spare_collector

    spare_collector()
    give_way_sooner()
