from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_users")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="password_handed_over",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
