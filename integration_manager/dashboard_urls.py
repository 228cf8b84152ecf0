"""The dashboard's address, below /a/<account>/."""

from django.urls import path

from integration_manager import dashboard

urlpatterns = [path("", dashboard.dashboard, name="dashboard")]
