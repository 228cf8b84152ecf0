"""The list of skipped orders has what was here once, too, where its shop shows it again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0023_order_in_list"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="skippedorder", name="skipped_newest"),
        migrations.AddIndex(
            model_name="skippedorder",
            index=models.Index(
                condition=models.Q(
                    models.Q(("reason", "gone"), _negated=True), ("raw__isnull", False), _connector="OR"
                ),
                fields=["account", "-id"],
                name="skipped_newest",
            ),
        ),
    ]
