"""Files kept in the database: uploaded by people, or written for them to fetch."""

import django.db.models.deletion
import integration_manager.ids
import integration_manager.kit.clock
import integration_manager.tenancy
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_wall'),
        ('carts', '0004_wider_amounts'),
        ('merchants', '0006_archived'),
    ]

    operations = [
        migrations.CreateModel(
            name='StoredFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=integration_manager.ids.public_id, editable=False, max_length=12, unique=True)),
                ('directory', models.CharField(blank=True, max_length=500)),
                ('name', models.CharField(max_length=255)),
                ('title', models.CharField(blank=True, max_length=255)),
                ('size', models.BigIntegerField(default=0)),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('whole', models.BooleanField(default=False)),
                ('modified_at', models.DateTimeField(default=integration_manager.kit.clock.now)),
                ('by', models.CharField(blank=True, max_length=254)),
                ('started_at', models.DateTimeField(null=True)),
                ('loaded_at', models.DateTimeField(null=True)),
                ('counts', models.JSONField(default=dict)),
                ('fetched_at', models.DateTimeField(null=True)),
                ('fetched_by', models.CharField(blank=True, max_length=254)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.account')),
                ('cart', integration_manager.tenancy.TenantKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='carts.cart')),
                ('merchant', integration_manager.tenancy.TenantKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='merchants.merchant')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='StoredPiece',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('data', models.BinaryField()),
                ('modified_at', models.DateTimeField()),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.account')),
                ('file', integration_manager.tenancy.TenantKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='pieces', to='merchants.storedfile')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddIndex(
            model_name='storedfile',
            index=models.Index(fields=['account', 'sha256'], name='stored_file_content'),
        ),
        migrations.AddConstraint(
            model_name='storedfile',
            constraint=models.UniqueConstraint(condition=models.Q(('whole', True)), fields=('account', 'merchant', 'cart', 'directory', 'name'), name='stored_file_path', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='storedpiece',
            constraint=models.UniqueConstraint(fields=('account', 'file', 'number'), name='stored_piece_once'),
        ),
        integration_manager.tenancy.Wall("StoredFile"),
        integration_manager.tenancy.Wall("StoredPiece"),
    ]
