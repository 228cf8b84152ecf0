"""Files that leave as mails: the phases between begun and known, and the index of what is open."""

from django.db import migrations, models

PHASES = [
    ("planned", "Planned"),
    ("uploaded", "Uploaded under a temporary name"),
    ("posting", "The one step that nobody can look up has begun"),
    ("parked", "Whether it arrived a person has to say"),
    ("done", "Done"),
    ("dropped", "Dropped: its records go in another file"),
]


class Migration(migrations.Migration):
    dependencies = [("orders", "0008_cart_effects")]

    operations = [
        migrations.RemoveIndex(model_name="outfile", name="out_file_open"),
        migrations.AlterField(
            model_name="outfile",
            name="phase",
            field=models.CharField(choices=PHASES, default="planned", max_length=8),
        ),
        migrations.AddIndex(
            model_name="outfile",
            index=models.Index(
                condition=models.Q(phase__in=["planned", "uploaded", "posting", "parked"]),
                fields=["merchant", "kind", "id"],
                name="out_file_open",
            ),
        ),
    ]
