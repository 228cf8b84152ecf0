"""Kits, and their components."""

import django.db.models.deletion
import integration_manager.ids
import integration_manager.kit.clock
import integration_manager.tenancy
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_own_password'),
        ('merchants', '0012_addresses'),
    ]

    operations = [
        migrations.CreateModel(
            name='Kit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True)),
                ('sku', models.CharField(db_collation='C', max_length=100)),
                ('sku_key', models.CharField(db_collation='C', max_length=100)),
                ('created_at', models.DateTimeField(default=integration_manager.kit.clock.now)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.account')),
                ('merchant', integration_manager.tenancy.TenantKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='kits', to='merchants.merchant')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='KitPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField()),
                ('sku', models.CharField(db_collation='C', max_length=100)),
                ('sku_key', models.CharField(db_collation='C', max_length=100)),
                ('quantity', models.PositiveIntegerField()),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.account')),
                ('kit', integration_manager.tenancy.TenantKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='merchants.kit')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddIndex(
            model_name='kit',
            index=models.Index(fields=['account', 'merchant', 'sku_key'], name='kit_search'),
        ),
        migrations.AddConstraint(
            model_name='kit',
            constraint=models.UniqueConstraint(fields=('account', 'merchant', 'sku'), name='kit_sku'),
        ),
        migrations.AddIndex(
            model_name='kitpart',
            index=models.Index(fields=['account', 'sku_key'], name='kit_part_search'),
        ),
        migrations.AddConstraint(
            model_name='kitpart',
            constraint=models.UniqueConstraint(fields=('account', 'kit', 'sku'), name='kit_part_once'),
        ),
        integration_manager.tenancy.Wall("Kit"),
        integration_manager.tenancy.Wall("KitPart"),
    ]
