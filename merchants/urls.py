"""Addresses of merchants, below /a/<account>/."""

from django.urls import path

from merchants import views

urlpatterns = [
    path("merchants/", views.merchants, name="merchants"),
    path("merchants/new/", views.merchant_new, name="merchant_new"),
    path("merchants/<id:merchant>/", views.merchant, name="merchant"),
    path("merchants/<id:merchant>/edit/", views.merchant_edit, name="merchant_edit"),
    path("merchants/<id:merchant>/test/", views.merchant_test, name="merchant_test"),
    path("merchants/<id:merchant>/services/", views.merchant_services, name="merchant_services"),
    path("merchants/<id:merchant>/<slug:what>/<slug:service>/", views.merchant_service, name="merchant_service"),
]
