"""Addresses of orders, below /a/<account>/."""

from django.urls import path

from orders.views import (
    acting,
    addresses,
    bulk,
    cancel,
    edit,
    export,
    importing,
    listing,
    page,
    purchases,
    refund,
    saved,
    skipped,
    timeline,
)

urlpatterns = [
    path("profile/addresses/", addresses.account_addresses, name="account_addresses"),
    path("orders/", listing.orders, name="orders"),
    path("profile/addresses/export/", addresses.account_lookups_csv, name="account_lookups_csv"),
    path("orders/skipped/", skipped.skipped, name="skipped"),
    path("orders/skipped/load/", skipped.skipped_load, name="skipped_load"),
    path("orders/skipped/export/", skipped.skipped_csv, name="skipped_csv"),
    path("orders/purchases/", purchases.purchases, name="purchases"),
    path("orders/purchases/export/", purchases.purchases_csv, name="purchases_csv"),
    path("orders/purchases/<id:purchase>/", purchases.purchase, name="purchase"),
    path("orders/purchases/<id:purchase>/timeline/", purchases.purchase_timeline, name="purchase_timeline"),
    path(
        "orders/purchases/<id:purchase>/timeline/export/", purchases.purchase_timeline_csv, name="purchase_timeline_csv"
    ),
    path("orders/purchases/<id:purchase>/do/<slug:action>/", purchases.purchase_act, name="purchase_act"),
    path("orders/bulk/", bulk.orders_bulk, name="orders_bulk"),
    path("orders/bulk/export/", bulk.bulks_csv, name="bulks_csv"),
    path("orders/bulk/<id:bulk>/", bulk.bulk, name="bulk"),
    path("orders/bulk/<id:bulk>/csv/", bulk.bulk_csv, name="bulk_csv"),
    path("orders/export/", export.orders_export, name="orders_export"),
    path("orders/import/", importing.orders_import, name="orders_import"),
    path("orders/views/", saved.order_views, name="order_views"),
    path("orders/views/export/", saved.order_views_csv, name="order_views_csv"),
    path("orders/views/<id:view>/", saved.order_view_act, name="order_view_act"),
    path("orders/columns/", saved.order_columns, name="order_columns"),
    path("orders/filter/", listing.order_filter, name="order_filter"),
    path("orders/<id:order>/", page.order, name="order"),
    path("orders/<id:order>/do/<slug:action>/", acting.order_act, name="order_act"),
    path("orders/<id:order>/refund/", refund.order_refund, name="order_refund"),
    path(
        "orders/<id:order>/refund/<slug:key>/<slug:decision>/",
        refund.order_refund_decide,
        name="order_refund_decide",
    ),
    path("orders/<id:order>/cancel-at-wms/", cancel.order_cancel_at_wms, name="order_cancel_at_wms"),
    path("orders/<id:order>/edit/", edit.order_edit, name="order_edit"),
    path("orders/<id:order>/give-back/<slug:part>/", edit.order_give_back, name="order_give_back"),
    path("orders/<id:order>/note/", edit.order_note, name="order_note"),
    path("orders/<id:order>/exchanges/", page.exchanges, name="order_exchanges"),
    path("orders/<id:order>/timeline/", timeline.timeline, name="order_timeline"),
    path("orders/<id:order>/timeline/export/", timeline.timeline_csv, name="order_timeline_csv"),
]
