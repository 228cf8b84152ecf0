"""Addresses outside any account: start page, sign-in, theme."""

from allauth.account import views as allauth
from django.conf import settings
from django.urls import path

from accounts import views

urlpatterns = [
    path("", views.home, name="home"),
    path("theme/", views.theme, name="theme"),
    path("login/", allauth.login, name="account_login"),
    path("login/inactive/", allauth.account_inactive, name="account_inactive"),
    path("logout/", allauth.logout, name="account_logout"),
    path("staff/open/<id:account>/", views.staff_open, name="staff_open"),
]
if settings.DEBUG:
    urlpatterns.append(path("styleguide/", views.styleguide, name="styleguide"))
