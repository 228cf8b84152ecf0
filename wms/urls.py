"""Addresses of the WMS setup, below /a/<account>/."""

from django.urls import path

from wms import views

urlpatterns = [
    path("wms/", views.wms, name="wms"),
    path("wms/choose/", views.wms_choose, name="wms_choose"),
    path("wms/test/", views.wms_test, name="wms_test"),
    path("wms/setup/<slug:system>/", views.wms_edit, name="wms_edit"),
]
