"""Users of an account: addresses of their pages, several merchants, deactivation, last seen; what an entry came through."""

import django.contrib.postgres.fields
from django.db import migrations, models

import integration_manager.ids
import integration_manager.kit.clock


def ids_for(table: str) -> migrations.RunSQL:
    """A random id for every row that is there; new rows get theirs from Python."""
    return migrations.RunSQL(
        f"UPDATE {table} SET public_id = substr(translate(gen_random_uuid()::text, '-', ''), 1, 12)",
        migrations.RunSQL.noop,
    )


def not_unique_yet() -> models.CharField:
    return models.CharField(default="", editable=False, max_length=12)


def unique() -> models.CharField:
    return models.CharField(default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True)


def ids() -> models.Field:
    return django.contrib.postgres.fields.ArrayField(
        base_field=models.BigIntegerField(), blank=True, default=list, size=None
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_invitations")]

    operations = [
        migrations.AddField("membership", "public_id", not_unique_yet()),
        migrations.AddField("invitation", "public_id", not_unique_yet()),
        ids_for("accounts_membership"),
        ids_for("accounts_invitation"),
        migrations.AlterField("membership", "public_id", unique()),
        migrations.AlterField("invitation", "public_id", unique()),
        migrations.AddField("membership", "further", ids()),
        migrations.AddField("invitation", "further", ids()),
        migrations.AddField("invitation", "name", models.CharField(blank=True, max_length=100, default="")),
        migrations.AlterField("invitation", "name", models.CharField(blank=True, max_length=100)),
        migrations.AddField(
            "membership", "created_at", models.DateTimeField(default=integration_manager.kit.clock.now)
        ),
        migrations.AddField("membership", "seen_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("membership", "deactivated_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddConstraint(
            "membership",
            models.UniqueConstraint(
                condition=models.Q(("role", "primary")), fields=("account",), name="one_primary_user"
            ),
        ),
        migrations.AddField(
            "auditentry",
            "via",
            models.CharField(
                choices=[("web", "Web"), ("api", "API"), ("staff", "Staff"), ("system", "System")],
                default="web",
                max_length=6,
            ),
        ),
        migrations.AddIndex("auditentry", models.Index(fields=["account", "actor", "-at"], name="audit_by_actor")),
    ]
