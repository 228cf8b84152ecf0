"""Parcels that the cart is not told of any more, found by what stands against them."""


from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_invitations_with_a_password'),
        ('carts', '0017_product_listing'),
        ('merchants', '0015_product_listing'),
        ('orders', '0026_cart_listings'),
    ]

    operations = [
        migrations.AddField(
            model_name='shipment',
            name='cause',
            field=models.CharField(blank=True, db_default='', default='', max_length=200),
        ),
        migrations.AddIndex(
            model_name='shipment',
            index=models.Index(condition=models.Q(('cause', ''), _negated=True), fields=['account', 'cause'], name='shipment_by_cause'),
        ),
    ]
