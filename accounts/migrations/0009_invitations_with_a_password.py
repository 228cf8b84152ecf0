from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_addresses")]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="password",
            field=models.CharField(blank=True, db_default="", default="", max_length=128),
        ),
    ]
