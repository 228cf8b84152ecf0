"""Delivery Delay and hold rules of a cart."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('carts', '0010_filters'),
    ]

    operations = [
        migrations.AddField(
            model_name='cart',
            name='delay_minutes',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='cart',
            name='delay_since',
            field=models.CharField(choices=[('loaded', 'When the order is loaded here'), ('placed', 'When the order is placed in the shop')], db_default='loaded', default='loaded', max_length=6),
        ),
        migrations.AddField(
            model_name='cart',
            name='hold_rules',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list),
        ),
        migrations.AddField(
            model_name='cart',
            name='send_not_before',
            field=models.TimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='cart',
            name='send_working_days',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
