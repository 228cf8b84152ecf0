"""Purchase orders on their way to the WMS, and their timelines."""

import django.db.models.deletion
import integration_manager.ids
import integration_manager.kit.clock
import integration_manager.tenancy
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_invitations_with_a_password"),
        ("carts", "0014_purchase_orders"),
        ("merchants", "0014_purchase_orders"),
        ("orders", "0018_kits"),
    ]

    operations = [
        migrations.CreateModel(
            name="PurchaseOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True
                    ),
                ),
                ("source", models.CharField(max_length=250)),
                ("key", models.CharField(db_collation="C", max_length=100)),
                ("number", models.CharField(max_length=100)),
                ("search", models.CharField(db_collation="C", max_length=100)),
                ("ref", models.CharField(db_collation="C", max_length=16)),
                ("supplier", models.CharField(blank=True, default="", max_length=200)),
                ("expected_on", models.DateField(blank=True, null=True)),
                ("data", models.JSONField()),
                ("content_hash", models.CharField(max_length=32)),
                ("modified_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "On its way"),
                            ("expected", "Expected"),
                            ("received", "Received"),
                            ("refused", "Waiting for a person"),
                            ("held", "Not sent"),
                            ("canceled", "Canceled"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("wms_key", models.CharField(blank=True, default="", max_length=100)),
                ("wms_id", models.BigIntegerField(blank=True, null=True)),
                ("sent", models.JSONField(blank=True, default=dict)),
                ("sent_hash", models.CharField(blank=True, default="", max_length=32)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("out_file_id", models.BigIntegerField(blank=True, null=True)),
                ("retry_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("token", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("starts", models.PositiveIntegerField(default=0)),
                ("rounds", models.PositiveIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("first_failed_at", models.DateTimeField(blank=True, null=True)),
                ("error_code", models.CharField(blank=True, default="", max_length=40)),
                ("error_message", models.TextField(blank=True, default="")),
                ("receipt", models.JSONField(blank=True, default=dict)),
                ("receipt_hash", models.CharField(blank=True, default="", max_length=32)),
                ("received_at", models.DateTimeField(blank=True, null=True)),
                ("told_hash", models.CharField(blank=True, default="", max_length=32)),
                ("told_at", models.DateTimeField(blank=True, null=True)),
                ("tell_at", models.DateTimeField(blank=True, null=True)),
                ("tell_file_id", models.BigIntegerField(blank=True, null=True)),
                ("tell_failures", models.PositiveIntegerField(default=0)),
                ("tell_failed_at", models.DateTimeField(blank=True, null=True)),
                ("tell_error", models.TextField(blank=True, default="")),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "cart",
                    integration_manager.tenancy.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="carts.cart",
                    ),
                ),
                (
                    "merchant",
                    integration_manager.tenancy.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="PurchaseEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("kind", models.CharField(max_length=30)),
                ("actor", models.CharField(blank=True, default="", max_length=254)),
                ("message", models.TextField(blank=True, default="")),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "purchase",
                    integration_manager.tenancy.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="orders.purchaseorder",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddIndex(
            model_name="purchaseorder",
            index=models.Index(
                condition=models.Q(("state", "waiting")), fields=["merchant", "retry_at"], name="purchase_waiting"
            ),
        ),
        migrations.AddIndex(
            model_name="purchaseorder",
            index=models.Index(
                condition=models.Q(("tell_at__isnull", False)), fields=["cart", "tell_at"], name="purchase_to_tell"
            ),
        ),
        migrations.AddIndex(
            model_name="purchaseorder",
            index=models.Index(fields=["account", "state", "-id"], name="purchase_by_state"),
        ),
        migrations.AddIndex(
            model_name="purchaseorder",
            index=models.Index(fields=["account", "-id"], name="purchase_newest"),
        ),
        migrations.AddIndex(
            model_name="purchaseorder",
            index=models.Index(fields=["account", "search"], name="purchase_by_number"),
        ),
        migrations.AddConstraint(
            model_name="purchaseorder",
            constraint=models.UniqueConstraint(
                fields=("account", "merchant", "source", "key"), name="purchase_order_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="purchaseorder",
            constraint=models.UniqueConstraint(fields=("account", "merchant", "ref"), name="purchase_ref_once"),
        ),
        migrations.AddIndex(
            model_name="purchaseevent",
            index=models.Index(fields=["account", "purchase", "id"], name="purchase_event_by_purchase"),
        ),
        integration_manager.tenancy.Wall("PurchaseOrder"),
        integration_manager.tenancy.Wall("PurchaseEvent"),
    ]
