"""What a cart is told of the stock, how its item codes are translated, and which products it does not have."""

import django.db.models.deletion
from django.db import migrations, models

import integration_manager.tenancy


class Migration(migrations.Migration):
    dependencies = [
        ("carts", "0008_ship_methods"),
        ("merchants", "0009_stock"),
    ]

    operations = [
        migrations.AddField(
            model_name="cart",
            name="stock_alias",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddField(
            model_name="cart",
            name="stock_buffer",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="cart",
            name="stock_minimum",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="cart",
            name="stock_percent",
            field=models.PositiveSmallIntegerField(db_default=100, default=100),
        ),
        migrations.AddField(
            model_name="cart",
            name="stock_warehouse",
            field=integration_manager.tenancy.TenantKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="+",
                to="merchants.warehouse",
            ),
        ),
        migrations.AddField(
            model_name="cart",
            name="translate_items",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddField(
            model_name="cartstock",
            name="skipped",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunSQL(
            """ALTER TABLE carts_cart ADD CONSTRAINT carts_cart_stock_warehouse_id_tenant
               FOREIGN KEY (account_id, stock_warehouse_id) REFERENCES merchants_warehouse (account_id, id)
               DEFERRABLE INITIALLY DEFERRED""",
            "ALTER TABLE carts_cart DROP CONSTRAINT carts_cart_stock_warehouse_id_tenant",
        ),
    ]
