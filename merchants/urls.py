"""Addresses of merchants, below /a/<account>/."""

from django.urls import path

from integration_manager import list_exports
from merchants import stock_urls
from merchants.views import archiving, country_rules, listing, page, scac, setup

urlpatterns = [
    path("merchants/", listing.merchants, name="merchants"),
    path("merchants/export/", list_exports.merchants_csv, name="merchants_csv"),
    path("merchants/new/", setup.merchant_new, name="merchant_new"),
    path("merchants/<id:merchant>/", page.merchant, name="merchant"),
    path("merchants/<id:merchant>/edit/", setup.merchant_edit, name="merchant_edit"),
    path("merchants/<id:merchant>/test/", page.merchant_test, name="merchant_test"),
    path("merchants/<id:merchant>/contacts/", page.merchant_contacts, name="merchant_contacts"),
    path("merchants/<id:merchant>/runs/export/", page.merchant_runs_csv, name="merchant_runs_csv"),
    path("merchants/<id:merchant>/contacts/export/", page.merchant_contacts_csv, name="merchant_contacts_csv"),
    path("merchants/<id:merchant>/services/", page.merchant_services, name="merchant_services"),
    path("merchants/<id:merchant>/archive/", archiving.merchant_archive, name="merchant_archive"),
    path("merchants/<id:merchant>/restore/", archiving.merchant_restore, name="merchant_restore"),
    path("merchants/<id:merchant>/delete/", archiving.merchant_delete, name="merchant_delete"),
    path("merchants/<id:merchant>/scac/", scac.merchant_scac, name="merchant_scac"),
    path("merchants/<id:merchant>/scac/csv/", scac.merchant_scac_csv, name="merchant_scac_csv"),
    path("merchants/<id:merchant>/scac/import/", scac.merchant_scac_import, name="merchant_scac_import"),
    path("merchants/<id:merchant>/countries/", country_rules.merchant_countries, name="merchant_countries"),
    path("merchants/<id:merchant>/countries/csv/", country_rules.merchant_countries_csv, name="merchant_countries_csv"),
    path(
        "merchants/<id:merchant>/countries/import/",
        country_rules.merchant_countries_import,
        name="merchant_countries_import",
    ),
    *stock_urls.urlpatterns,
    path("merchants/<id:merchant>/<slug:what>/<slug:service>/", page.merchant_service, name="merchant_service"),
]
