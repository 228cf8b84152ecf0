"""Addresses of merchants, below /a/<account>/."""

from django.urls import path

from merchants import views

urlpatterns = [
    path("merchants/", views.merchants, name="merchants"),
    path("merchants/new/", views.merchant_new, name="merchant_new"),
    path("merchants/<str:merchant>/", views.merchant, name="merchant"),
    path("merchants/<str:merchant>/edit/", views.merchant_edit, name="merchant_edit"),
    path("merchants/<str:merchant>/services/", views.merchant_services, name="merchant_services"),
    path("merchants/<str:merchant>/<str:what>/<str:service>/", views.merchant_service, name="merchant_service"),
]
