"""What the benchmarks stand on: PostgreSQL (fsync on) and Redis of their own, migrated; Django as im_app.

Nothing of Django may be imported before `Ground()` has set the environment.
"""

import os
import time
from typing import Any

import psycopg2

from tests.services import TestServices, create_database


class Ground:
    """The services, as long as the benchmarks run."""

    def __init__(self) -> None:
        """Starts them and sets Django up."""
        self._services = TestServices(durable=True)
        try:
            environment = self._services.environment("bench")
            environment |= {
                "DJANGO_SETTINGS_MODULE": "integration_manager.settings",
                "IM_PROCESS": "worker",
                "IM_EGRESS_ALLOW": "127.0.0.1",
                "IM_LOG_LEVEL": "WARNING",
            }
            for name in ("APP_DATABASE_URL", "IM_DB_ROLE", "DEBUG", "REDIS_CACHE_URL"):
                os.environ.pop(name, None)
            os.environ |= environment
            create_database(os.environ)
            import django

            django.setup()
            from integration_manager.startup import give_way_sooner, spare_collector

            spare_collector()  # as in every worker
            give_way_sooner()
        except BaseException:
            self.stop()
            raise

    def connect(self) -> Any:
        """A connection past all walls, for the bare loop and for filling tables."""
        return psycopg2.connect(self._services.services.admin_url("bench"))

    def settle(self) -> None:
        """Writes out what the rounds before have left, so that this one does not pay for it.

        And lets PostgreSQL know its tables, as one does that has been in use for more than a minute.
        """
        connection = self.connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
            cursor.execute("ANALYZE")
        connection.close()
        time.sleep(0.2)

    def stop(self) -> None:
        """Stops and deletes them."""
        self._services.stop()
