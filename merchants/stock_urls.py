"""Addresses of Locations & Products, below a merchant's."""

from django.urls import path

from merchants.views import kits, managed, products, warehouses

_OF = "merchants/<id:merchant>/"

urlpatterns = [
    path(f"{_OF}products/", products.products, name="products"),
    path(f"{_OF}products/new/", products.product_new, name="product_new"),
    path(f"{_OF}products/import/<slug:kind>/", products.products_import, name="products_import"),
    path(f"{_OF}products/export/<slug:kind>/", products.products_csv, name="products_csv"),
    path(f"{_OF}products/<id:product>/", products.product, name="product"),
    path(f"{_OF}products/<id:product>/adjust/", managed.adjust, name="product_adjust"),
    path(f"{_OF}products/<id:product>/<slug:what>/", products.product_act, name="product_act"),
    path(f"{_OF}kits/", kits.kits, name="kits"),
    path(f"{_OF}kits/new/", kits.kit_new, name="kit_new"),
    path(f"{_OF}kits/csv/", kits.kits_csv, name="kits_csv"),
    path(f"{_OF}kits/import/", kits.kits_import, name="kits_import"),
    path(f"{_OF}kits/<id:kit>/", kits.kit, name="kit"),
    path(f"{_OF}warehouses/", warehouses.warehouses, name="warehouses"),
    path(f"{_OF}warehouses/new/", warehouses.warehouse_new, name="warehouse_new"),
    path(f"{_OF}warehouses/csv/", warehouses.warehouses_csv, name="warehouses_csv"),
    path(f"{_OF}warehouses/map/", warehouses.warehouses_map, name="warehouses_map"),
    path(f"{_OF}warehouses/<id:warehouse>/", warehouses.warehouse, name="warehouse"),
    path(f"{_OF}warehouses/<id:warehouse>/edit/", warehouses.warehouse_edit, name="warehouse_edit"),
    path(f"{_OF}warehouses/<id:warehouse>/csv/", warehouses.warehouse_csv, name="warehouse_csv"),
    path(f"{_OF}warehouses/<id:warehouse>/<slug:what>/", warehouses.warehouse_act, name="warehouse_act"),
    path(f"{_OF}adjustments/", managed.adjustments, name="adjustments"),
    path(f"{_OF}adjustments/export/", managed.adjustments_csv, name="adjustments_csv"),
]
