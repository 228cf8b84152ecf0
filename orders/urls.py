"""Addresses of orders, below /a/<account>/."""

from django.urls import path

from orders import action_views, refund_views, skipped_views, views

urlpatterns = [
    path("orders/", views.orders, name="orders"),
    path("orders/skipped/", views.skipped, name="skipped"),
    path("orders/skipped/load/", skipped_views.skipped_load, name="skipped_load"),
    path("orders/filter/", views.order_filter, name="order_filter"),
    path("orders/<id:order>/", views.order, name="order"),
    path("orders/<id:order>/do/<slug:action>/", action_views.order_act, name="order_act"),
    path("orders/<id:order>/refund/", refund_views.order_refund, name="order_refund"),
    path(
        "orders/<id:order>/refund/<slug:key>/<slug:decision>/",
        refund_views.order_refund_decide,
        name="order_refund_decide",
    ),
    path("orders/<id:order>/cancel-at-wms/", refund_views.order_cancel_at_wms, name="order_cancel_at_wms"),
    path("orders/<id:order>/exchanges/", views.exchanges, name="order_exchanges"),
]
