"""What waits for a person has an index of its own, so that the list's tabs count it for one merchant at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0024_skipped_shown_again"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("status__in", ["error", "gave_up", "held"])),
                fields=["account", "merchant", "-id"],
                include=("status", "held_by"),
                name="order_waiting",
            ),
        ),
    ]
