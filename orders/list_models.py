"""What people do with the order list: how they like to see it, and what they did to many orders at once."""

from django.db import models

from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


class SavedView(TenantModel):
    """Filters under a name, and the columns with them. The one without a name is how its user sees the list now."""

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    user = models.ForeignKey("accounts.User", models.CASCADE, related_name="+")
    name = models.CharField(max_length=60, blank=True, default="")
    query = models.CharField(max_length=1000, blank=True, default="")  # the list's address behind its question mark
    columns = models.JSONField(default=list, blank=True)  # keys of orders/columns.py; none: those of the user's list
    shared = models.BooleanField(default=False)  # with everybody who sees all merchants
    default = models.BooleanField(default=False)  # what its user sees first

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "user", "name"], name="view_name_once"),
            models.UniqueConstraint(
                fields=["account", "user"], name="one_default_view", condition=models.Q(default=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BulkAction(TenantModel):
    """One action on many orders, which a person asked for. Which orders these are is fixed when it is confirmed."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    key = models.CharField(max_length=32)  # of the page that asked for it: confirmed twice, it is begun once
    action = models.CharField(max_length=20)  # one of orders/many.py
    user = models.ForeignKey("accounts.User", models.SET_NULL, null=True, related_name="+")
    actor = models.CharField(max_length=254)
    about = models.CharField(max_length=500, blank=True, default="")  # which orders, in words
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=7, choices=State, default=State.RUNNING)
    problem = models.TextField(blank=True, default="")  # why it was stopped
    created_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    # The claim of the task that is at it.
    token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)  # PostgreSQL's clock

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "key"], name="bulk_action_once")]
        indexes = [
            models.Index(fields=["account", "-id"], name="bulk_action_newest"),
            models.Index(fields=["lease_until"], name="bulk_action_running", condition=models.Q(state="running")),
        ]

    @property
    def waiting(self) -> int:
        """How many orders it has not come to yet."""
        return self.total - self.done - self.refused


class BulkRow(TenantModel):
    """One order of a bulk action, and what became of it. It is decided once, in the transaction that acts."""

    class Outcome(models.TextChoices):
        WAITING = "", "Waiting"
        DONE = "done", "Done"
        REFUSED = "refused", "Not done"

    bulk = TenantKey(BulkAction, models.CASCADE, related_name="rows", db_index=False)
    order_id = models.BigIntegerField()  # below zero: that of a skipped order, which is to be loaded
    outcome = models.CharField(max_length=7, choices=Outcome, default=Outcome.WAITING, blank=True)
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=clock.now)

    class Meta(TenantModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account", "bulk", "order_id"], name="bulk_row_once")]
        indexes = [
            models.Index(fields=["account", "bulk", "outcome", "order_id"], name="bulk_row_by_outcome"),
        ]
