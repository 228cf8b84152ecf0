from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from alerts import mail
        from orders.alerted import with_orders

        mail.register(with_orders)
