"""Addresses of orders, below /a/<account>/."""

from django.urls import path

from orders import action_views, views

urlpatterns = [
    path("orders/", views.orders, name="orders"),
    path("orders/skipped/", views.skipped, name="skipped"),
    path("orders/filter/", views.order_filter, name="order_filter"),
    path("orders/<id:order>/", views.order, name="order"),
    path("orders/<id:order>/do/<slug:action>/", action_views.order_act, name="order_act"),
    path("orders/<id:order>/exchanges/", views.exchanges, name="order_exchanges"),
]
