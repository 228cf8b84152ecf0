"""Addresses of alerts, below /a/<account>/."""

from django.urls import path

from alerts import channel_pages, views
from integration_manager import list_exports

urlpatterns = [
    path("alerts/", views.alerts, name="alerts"),
    path("alerts/export/", list_exports.alerts_csv, name="alerts_csv"),
    path("alerts/dismiss/", views.alerts_dismiss, name="alerts_dismiss"),
    path("alerts/channels/", channel_pages.channels, name="channels"),
    path("alerts/channels/watch/", channel_pages.watch, name="alerts_watch"),
    path("alerts/channels/new/<slug:kind>/", channel_pages.channel_new, name="channel_new"),
    path("alerts/channels/<id:channel>/", channel_pages.channel, name="channel"),
    path("alerts/channels/<id:channel>/<slug:act>/", channel_pages.channel_act, name="channel_act"),
    path("alerts/<id:alert>/", views.alert, name="alert"),
    path("alerts/<id:alert>/file/<slug:answer>/", views.alert_file, name="alert_file"),
    path("alerts/<id:alert>/reopen/", views.alert_reopen, name="alert_reopen"),
]
