"""What is sent for kits, component by component; parcels that the cart is not told of by themselves."""

import django.db.models.deletion
import integration_manager.tenancy
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_own_password'),
        ('orders', '0017_addresses'),
    ]

    operations = [
        migrations.AddField(
            model_name='shipment',
            name='for_cart',
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.CreateModel(
            name='LinePart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField()),
                ('number', models.PositiveIntegerField()),
                ('line_id', models.CharField(max_length=110)),
                ('item', models.CharField(max_length=100)),
                ('quantity', models.DecimalField(decimal_places=4, max_digits=20)),
                ('qty_shipped', models.DecimalField(decimal_places=4, default=0, max_digits=20)),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.account')),
                ('order', integration_manager.tenancy.TenantKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orders.order')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('account', 'order', 'position', 'number'), name='line_part_number')],
            },
        ),
        integration_manager.tenancy.Wall("LinePart"),
    ]
