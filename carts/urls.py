"""Addresses of carts, below /a/<account>/."""

from django.urls import path

from carts import views

urlpatterns = [
    path("carts/", views.carts, name="carts"),
    path("carts/new/", views.cart_gallery, name="cart_gallery"),
    path("carts/new/<str:system>/", views.cart_new, name="cart_new"),
    path("carts/<str:cart>/", views.cart, name="cart"),
    path("carts/<str:cart>/edit/", views.cart_edit, name="cart_edit"),
    path("carts/<str:cart>/test/", views.cart_test, name="cart_test"),
    path("carts/<str:cart>/services/", views.cart_services, name="cart_services"),
    path("carts/<str:cart>/<str:what>/<str:service>/", views.cart_service, name="cart_service"),
]
