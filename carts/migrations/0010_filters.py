"""A cart's filters: which items are not sent, and which orders are not loaded."""

import django.db.models.deletion
import integration_manager.kit.clock
import integration_manager.tenancy
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_own_password'),
        ('carts', '0009_stock'),
    ]

    operations = [
        migrations.AddField(
            model_name='cart',
            name='filter_whole_order',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='cart',
            name='item_filter',
            field=models.CharField(blank=True, choices=[('', 'Disabled'), ('blacklist', 'Blacklist: everything but what is listed'), ('whitelist', 'Whitelist: only what is listed')], db_default='', default='', max_length=9),
        ),
        migrations.AddField(
            model_name='cart',
            name='order_filters',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list),
        ),
        migrations.CreateModel(
            name='ItemFilter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('item', models.CharField(blank=True, max_length=100)),
                ('key', models.CharField(blank=True, max_length=100)),
                ('created_at', models.DateTimeField(default=integration_manager.kit.clock.now)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.account')),
                ('cart', integration_manager.tenancy.TenantKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='carts.cart')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('account', 'cart', 'key'), name='filtered_item_once')],
            },
        ),
        integration_manager.tenancy.Wall("ItemFilter"),
    ]
