"""Addresses of alerts, below /a/<account>/."""

from django.urls import path

from alerts.views import channels, tab
from integration_manager import list_exports

urlpatterns = [
    path("alerts/", tab.alerts, name="alerts"),
    path("alerts/export/", list_exports.alerts_csv, name="alerts_csv"),
    path("alerts/dismiss/", tab.alerts_dismiss, name="alerts_dismiss"),
    path("alerts/channels/", channels.channels, name="channels"),
    path("alerts/channels/export/", channels.channels_csv, name="channels_csv"),
    path("alerts/channels/watch/", channels.watch, name="alerts_watch"),
    path("alerts/channels/new/<slug:kind>/", channels.channel_new, name="channel_new"),
    path("alerts/channels/<id:channel>/", channels.channel, name="channel"),
    path("alerts/channels/<id:channel>/<slug:act>/", channels.channel_act, name="channel_act"),
    path("alerts/<id:alert>/", tab.alert, name="alert"),
    path("alerts/<id:alert>/file/<slug:answer>/", tab.alert_file, name="alert_file"),
    path("alerts/<id:alert>/reopen/", tab.alert_reopen, name="alert_reopen"),
]
