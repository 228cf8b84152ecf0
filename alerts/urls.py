"""Addresses of alerts, below /a/<account>/."""

from django.urls import path

from alerts import views

urlpatterns = [
    path("alerts/", views.alerts, name="alerts"),
    path("alerts/dismiss/", views.alerts_dismiss, name="alerts_dismiss"),
    path("alerts/<id:alert>/", views.alert, name="alert"),
    path("alerts/<id:alert>/file/<slug:answer>/", views.alert_file, name="alert_file"),
    path("alerts/<id:alert>/reopen/", views.alert_reopen, name="alert_reopen"),
]
