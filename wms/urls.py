"""Addresses of the WMS setup, below /a/<account>/."""

from django.urls import path

from wms.views import setup, ship_methods

urlpatterns = [
    path("wms/", setup.wms, name="wms"),
    path("wms/choose/", setup.wms_choose, name="wms_choose"),
    path("wms/test/", setup.wms_test, name="wms_test"),
    path("wms/contacts/", setup.wms_contacts, name="wms_contacts"),
    path("wms/contacts/export/", setup.wms_contacts_csv, name="wms_contacts_csv"),
    path("wms/lacking/export/", setup.wms_lacking_csv, name="wms_lacking_csv"),
    path("wms/ship-methods/", ship_methods.wms_ship_methods, name="wms_ship_methods"),
    path("wms/ship-methods/csv/", ship_methods.wms_ship_methods_csv, name="wms_ship_methods_csv"),
    path("wms/ship-methods/import/", ship_methods.wms_ship_methods_import, name="wms_ship_methods_import"),
    path("wms/setup/<slug:system>/", setup.wms_edit, name="wms_edit"),
]
