"""What the tick needs to be fair: each account's line, and the leases it holds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("merchants", "0003_wider_amounts")]

    operations = [
        migrations.AddIndex(
            "schedule",
            models.Index(
                fields=["account", "next_run"], name="schedule_in_turn", condition=models.Q(next_run__isnull=False)
            ),
        ),
        migrations.AddIndex(
            "schedule",
            models.Index(fields=["account"], name="schedule_held", condition=models.Q(lease_until__isnull=False)),
        ),
    ]
