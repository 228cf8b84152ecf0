"""Addresses of orders, below /a/<account>/."""

from django.urls import path

from orders import views

urlpatterns = [
    path("orders/", views.orders, name="orders"),
    path("orders/filter/", views.order_filter, name="order_filter"),
    path("orders/<id:order>/", views.order, name="order"),
    path("orders/<id:order>/exchanges/", views.exchanges, name="order_exchanges"),
]
