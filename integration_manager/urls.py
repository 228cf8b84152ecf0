"""Which app answers which address."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path, register_converter

from alerts.views import staff, stop
from carts.views import by_link, consent, webhooks
from integration_manager import health, operators
from integration_manager.converters import PublicId

register_converter(PublicId, "id")

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path(settings.IM_ADMIN_PATH, operators.site.urls),
    path("hooks/<str:token>/", webhooks.receive, name="webhook"),
    path("oauth/callback/", consent.callback, name="oauth_callback"),
    path("oauth/keys/<str:state>/", consent.receive_keys, name="oauth_keys"),
    path("staff/alerts/", staff.staff_alerts, name="staff_alerts"),
    path("staff/alerts/export/", staff.staff_alerts_csv, name="staff_alerts_csv"),
    path("mails/stop/<str:token>/", stop.stop, name="alerts_stop"),
    path("setup/<str:token>/", by_link.setup_link, name="setup_link"),
    path("", include("accounts.urls")),
    # Below /a/<public id>/ the middleware has made this account the active tenant.
    path(
        "a/<id:account>/",
        include(
            [
                path("", include("integration_manager.dashboard_urls")),
                path("", include("accounts.account_urls")),
                path("", include("integration_manager.mapping.urls")),  # before what takes any word in its place
                path("", include("integration_manager.files.urls")),
                path("", include("merchants.urls")),
                path("", include("carts.urls")),
                path("", include("wms.urls")),
                path("", include("orders.urls")),
                path("", include("alerts.urls")),
            ]
        ),
    ),
]
