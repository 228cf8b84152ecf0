"""The person's own pages, below /a/<account>/."""

from django.urls import path

from accounts import security, views

urlpatterns = [
    path("profile/", views.profile, name="profile"),
    path("profile/security/", security.account_security, name="account_security"),
]
