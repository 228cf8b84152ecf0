"""Products with their other codes, warehouses of our own that the WMS's are mapped to, and stock kept here."""

import django.db.models.deletion
from django.db import migrations, models

import integration_manager.ids
import integration_manager.kit.clock
import integration_manager.tenancy

# Until now a warehouse was called what the WMS calls it, and the default one "". Each gets its id (letters
# and digits of ours, random), its name there and its name here; who has no default one gets it. The keys of what
# is inserted are checked at once, since a table that waits for its checks cannot be altered.
_ID = "substr(translate(replace(gen_random_uuid()::text, '-', ''), '01', 'xy'), 1, 12)"
EACH_ITS_OWN = f"""
    UPDATE merchants_warehouse SET public_id = {_ID}, wms_name = name, is_default = (name = '');
    UPDATE merchants_warehouse w SET name = CASE WHEN EXISTS (
        SELECT 1 FROM merchants_warehouse o WHERE o.merchant_id = w.merchant_id AND o.name = 'Default')
        THEN 'Default (ours)' ELSE 'Default' END WHERE name = '';
    INSERT INTO merchants_warehouse
        (account_id, merchant_id, public_id, name, wms_name, is_default, enabled, address, created_at)
    SELECT account_id, id, {_ID}, CASE WHEN EXISTS (
        SELECT 1 FROM merchants_warehouse o WHERE o.merchant_id = m.id AND o.name = 'Default')
        THEN 'Default (ours)' ELSE 'Default' END, '', true, true, '{{}}', now()
    FROM merchants_merchant m
    WHERE NOT EXISTS (SELECT 1 FROM merchants_warehouse w WHERE w.merchant_id = m.id AND w.is_default);
    SET CONSTRAINTS ALL IMMEDIATE;
    SET CONSTRAINTS ALL DEFERRED;
"""  # noqa: S608 (texts of ours)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_wall"),
        ("merchants", "0008_read_files"),
        ("orders", "0002_wall"),
    ]

    operations = [
        migrations.CreateModel(
            name="Adjustment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sku", models.CharField(max_length=100)),
                ("at", models.DateTimeField(default=integration_manager.kit.clock.now)),
                ("actor", models.CharField(blank=True, default="", max_length=254)),
                ("reason", models.CharField(blank=True, default="", max_length=200)),
                ("order_number", models.CharField(blank=True, default="", max_length=100)),
                ("before", models.DecimalField(decimal_places=4, max_digits=20)),
                ("after", models.DecimalField(decimal_places=4, max_digits=20)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True
                    ),
                ),
                ("sku", models.CharField(db_collation="C", max_length=100)),
                ("sku_key", models.CharField(blank=True, db_collation="C", default="", max_length=100)),
                ("name", models.CharField(blank=True, default="", max_length=200)),
                ("name_key", models.CharField(blank=True, db_collation="C", default="", max_length=100)),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("wms", "Found in the WMS"),
                            ("hand", "Added by hand"),
                            ("file", "Out of a file"),
                            ("cart", "Found in a cart"),
                        ],
                        default="hand",
                        max_length=4,
                    ),
                ),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ProductAlias",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True
                    ),
                ),
                ("kind", models.CharField(db_collation="C", max_length=40)),
                ("value", models.CharField(db_collation="C", max_length=100)),
                ("value_key", models.CharField(blank=True, db_collation="C", default="", max_length=100)),
                ("created_at", models.DateTimeField(default=integration_manager.kit.clock.now)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Taken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sku", models.CharField(max_length=100)),
                ("quantity", models.DecimalField(decimal_places=4, max_digits=20)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddField(
            model_name="merchant",
            name="managed_inventory",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="warehouse",
            name="address",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="warehouse",
            name="created_at",
            field=models.DateTimeField(default=integration_manager.kit.clock.now),
        ),
        migrations.AddField(
            model_name="warehouse",
            name="is_default",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="warehouse",
            name="public_id",
            field=models.CharField(default=integration_manager.ids.public_id, editable=False, max_length=12, null=True),
        ),
        migrations.AddField(
            model_name="warehouse",
            name="wms_name",
            field=models.CharField(blank=True, default="", max_length=100),
        ),
        migrations.RunSQL(EACH_ITS_OWN, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="warehouse",
            name="public_id",
            field=models.CharField(
                default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True
            ),
        ),
        migrations.AlterField(
            model_name="warehouse",
            name="name",
            field=models.CharField(max_length=100),
        ),
        migrations.AddConstraint(
            model_name="warehouse",
            constraint=models.UniqueConstraint(
                condition=models.Q(("wms_name", ""), _negated=True),
                fields=("account", "merchant", "wms_name"),
                name="warehouse_at_wms",
            ),
        ),
        migrations.AddConstraint(
            model_name="warehouse",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_default", True)), fields=("account", "merchant"), name="one_default_warehouse"
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="account",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="merchant",
            field=integration_manager.tenancy.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="merchants.merchant",
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="warehouse",
            field=integration_manager.tenancy.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="merchants.warehouse",
            ),
        ),
        migrations.AddField(
            model_name="product",
            name="account",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
            ),
        ),
        migrations.AddField(
            model_name="product",
            name="merchant",
            field=integration_manager.tenancy.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="products",
                to="merchants.merchant",
            ),
        ),
        migrations.AddField(
            model_name="productalias",
            name="account",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
            ),
        ),
        migrations.AddField(
            model_name="productalias",
            name="merchant",
            field=integration_manager.tenancy.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="merchants.merchant",
            ),
        ),
        migrations.AddField(
            model_name="productalias",
            name="product",
            field=integration_manager.tenancy.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="aliases",
                to="merchants.product",
            ),
        ),
        migrations.AddField(
            model_name="taken",
            name="account",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
            ),
        ),
        migrations.AddField(
            model_name="taken",
            name="merchant",
            field=integration_manager.tenancy.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="merchants.merchant",
            ),
        ),
        migrations.AddField(
            model_name="taken",
            name="order",
            field=integration_manager.tenancy.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="orders.order",
            ),
        ),
        migrations.AddField(
            model_name="taken",
            name="warehouse",
            field=integration_manager.tenancy.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="merchants.warehouse",
            ),
        ),
        migrations.AddIndex(
            model_name="adjustment",
            index=models.Index(fields=["account", "merchant", "-id"], name="adjustment_newest"),
        ),
        migrations.AddIndex(
            model_name="adjustment",
            index=models.Index(fields=["account", "merchant", "sku", "-id"], name="adjustment_by_sku"),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["account", "merchant", "sku_key"], name="product_search_sku"),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["account", "merchant", "name_key"], name="product_search_name"),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.UniqueConstraint(fields=("account", "merchant", "sku"), name="product_sku"),
        ),
        migrations.AddIndex(
            model_name="productalias",
            index=models.Index(fields=["account", "product"], name="alias_of_product"),
        ),
        migrations.AddIndex(
            model_name="productalias",
            index=models.Index(fields=["account", "merchant", "kind"], name="alias_by_kind"),
        ),
        migrations.AddIndex(
            model_name="productalias",
            index=models.Index(fields=["account", "merchant", "value_key"], name="alias_search"),
        ),
        migrations.AddConstraint(
            model_name="productalias",
            constraint=models.UniqueConstraint(fields=("account", "merchant", "value"), name="alias_value"),
        ),
        migrations.AddIndex(
            model_name="taken",
            index=models.Index(fields=["account", "warehouse"], name="taken_by_warehouse"),
        ),
        migrations.AddConstraint(
            model_name="taken",
            constraint=models.UniqueConstraint(fields=("account", "order", "warehouse", "sku"), name="taken_once"),
        ),
        integration_manager.tenancy.Wall("Product"),
        integration_manager.tenancy.Wall("ProductAlias"),
        integration_manager.tenancy.Wall("Adjustment"),
        integration_manager.tenancy.Wall("Taken"),
    ]
