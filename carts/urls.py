"""Addresses of carts, below /a/<account>/."""

from django.urls import path

from carts import views, webhook_views

urlpatterns = [
    path("carts/", views.carts, name="carts"),
    path("carts/new/", views.cart_gallery, name="cart_gallery"),
    path("carts/new/<slug:system>/", views.cart_new, name="cart_new"),
    path("carts/<id:cart>/", views.cart, name="cart"),
    path("carts/<id:cart>/edit/", views.cart_edit, name="cart_edit"),
    path("carts/<id:cart>/test/", views.cart_test, name="cart_test"),
    path("carts/<id:cart>/services/", views.cart_services, name="cart_services"),
    path("carts/<id:cart>/webhooks/<slug:act>/", webhook_views.cart_webhooks, name="cart_webhooks"),
    path("carts/<id:cart>/cancel-upload/", webhook_views.cart_cancel_upload, name="cart_cancel_upload"),
    path("carts/<id:cart>/<slug:what>/<slug:service>/", views.cart_service, name="cart_service"),
]
