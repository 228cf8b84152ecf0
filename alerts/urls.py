"""Addresses of alerts, below /a/<account>/."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
