"""Formats of CSV files that people mapped, and those that are being mapped."""

import django.db.models.deletion
import integration_manager.crypto
import integration_manager.ids
import integration_manager.kit.clock
import integration_manager.tenancy
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_wall'),
        ('merchants', '0004_turns'),
    ]

    operations = [
        migrations.CreateModel(
            name='FileFormat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True)),
                ('kind', models.CharField(choices=[('orders', 'Orders'), ('confirmations', 'Confirmations'), ('inventory', 'Inventory')], max_length=13)),
                ('direction', models.CharField(choices=[('in', 'Comes in'), ('out', 'Goes out')], max_length=3)),
                ('name', models.CharField(max_length=60)),
                ('spec', models.JSONField()),
                ('created_at', models.DateTimeField(default=integration_manager.kit.clock.now)),
                ('changed_at', models.DateTimeField(default=integration_manager.kit.clock.now)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.account')),
                ('merchant', integration_manager.tenancy.TenantKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='merchants.merchant')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='FormatDraft',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True)),
                ('based_on', models.DateTimeField(blank=True, null=True)),
                ('name', models.CharField(blank=True, max_length=60)),
                ('spec', models.JSONField()),
                ('sample', integration_manager.crypto.EncryptedJSON(blank=True, default=dict)),
                ('changed_at', models.DateTimeField(default=integration_manager.kit.clock.now)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.account')),
                ('format', integration_manager.tenancy.TenantKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='merchants.fileformat')),
                ('merchant', integration_manager.tenancy.TenantKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='merchants.merchant')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddConstraint(
            model_name='fileformat',
            constraint=models.UniqueConstraint(fields=('account', 'merchant', 'kind', 'name'), name='format_name', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='formatdraft',
            index=models.Index(fields=['changed_at'], name='draft_by_age'),
        ),
        integration_manager.tenancy.Wall("FileFormat"),
        integration_manager.tenancy.Wall("FormatDraft"),
    ]
