from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from alerts import mail, posting
        from orders.alerted import with_orders

        mail.register(with_orders)
        posting.register(with_orders)
