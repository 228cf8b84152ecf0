"""How long a run waited for answers, and the class of its failure."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_wms_of_an_order")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="code",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddField(model_name="run", name="waited", field=models.FloatField(db_default=0, default=0)),
    ]
