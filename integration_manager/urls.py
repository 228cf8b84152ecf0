"""Which app answers which address."""

import importlib.util

from django.urls import URLPattern, URLResolver, include, path

from integration_manager import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("accounts/", include("allauth.urls")),
]
for _app in ("accounts", "merchants", "carts", "wms", "orders", "alerts", "billing"):
    if importlib.util.find_spec(f"{_app}.urls"):
        urlpatterns.append(path("", include(f"{_app}.urls")))
