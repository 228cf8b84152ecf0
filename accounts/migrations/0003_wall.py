"""The second wall between tenants: see integration_manager/tenancy.py."""

from django.db import migrations

from integration_manager.tenancy import Wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_initial"),
        ("merchants", "0001_initial"),
        ("carts", "0002_initial"),
        ("wms", "0001_initial"),
        ("alerts", "0002_initial"),
        ("orders", "0001_initial"),
    ]

    operations = [
        Wall("Membership"),
        Wall("AuditEntry"),
    ]
