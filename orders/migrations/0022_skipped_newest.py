"""The list of skipped orders is read without what was here once, of which there may be much more."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0021_purchase_indexes"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="skippedorder",
            index=models.Index(
                condition=models.Q(("reason", "gone"), _negated=True),
                fields=["account", "-id"],
                name="skipped_newest",
            ),
        ),
    ]
