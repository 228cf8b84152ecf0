"""Purchase orders are found by the WMS's key, by the files they leave in, and by what no cart takes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_invitations_with_a_password"),
        ("carts", "0015_would_be_held"),
        ("merchants", "0014_purchase_orders"),
        ("orders", "0020_search_components"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="purchaseorder",
            index=models.Index(
                condition=models.Q(("wms_key", ""), _negated=True),
                fields=["merchant", "wms_key"],
                name="purchase_by_wms_key",
            ),
        ),
        migrations.AddIndex(
            model_name="purchaseorder",
            index=models.Index(
                condition=models.Q(("out_file_id__isnull", False)), fields=["out_file_id"], name="purchase_in_file"
            ),
        ),
        migrations.AddIndex(
            model_name="purchaseorder",
            index=models.Index(
                condition=models.Q(("tell_file_id__isnull", False)),
                fields=["tell_file_id"],
                name="purchase_told_in_file",
            ),
        ),
        migrations.AddIndex(
            model_name="purchaseorder",
            index=models.Index(
                condition=models.Q(("tell_at__isnull", True), models.Q(("tell_error", ""), _negated=True)),
                fields=["cart"],
                name="purchase_untold",
            ),
        ),
    ]
