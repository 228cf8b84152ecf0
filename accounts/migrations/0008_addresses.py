"""Address verification of an account: off, by rules, or by look-ups too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_own_password"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="verification",
            field=models.CharField(
                choices=[
                    ("off", "Off"),
                    ("rules", "By the built-in rules"),
                    ("online", "By the built-in rules and by look-ups"),
                ],
                db_default="rules",
                default="rules",
                max_length=6,
            ),
        ),
    ]
