from django.apps import AppConfig


class IntegrationManagerConfig(AppConfig):
    name = "integration_manager"
    verbose_name = "Integration Manager"

    def ready(self) -> None:
        """Make our Celery app the current one wherever Django runs.

        Not in the package's __init__, so that the kit stays importable without Django.
        """
        from integration_manager import celery  # noqa: F401
