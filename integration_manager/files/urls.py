"""Addresses of files, below /a/<account>/: the same pages for carts and for a merchant's side of the WMS."""

from collections.abc import Callable

from django.urls import URLPattern, path

from integration_manager.files import listed, views
from integration_manager.files.place import Page, of_cart, of_wms


def _pages(base: str, name: str, see: Callable[[Page], Page], act: Callable[[Page], Page]) -> list[URLPattern]:
    return [
        path(f"{base}files/", see(views.files), name=f"{name}_files"),
        path(f"{base}files/export/", see(listed.files_csv), name=f"{name}_files_csv"),
        path(f"{base}files/upload/", act(views.upload), name=f"{name}_files_upload"),
        path(f"{base}files/<id:file>/", act(views.fetch), name=f"{name}_file"),
        path(f"{base}files/<id:file>/<slug:what>/", act(views.act), name=f"{name}_file_act"),
    ]


urlpatterns = [
    *_pages("carts/<id:cart>/", "cart", of_cart("carts.view"), of_cart("carts.edit")),
    *_pages("wms/of/<id:of>/", "wms", of_wms("wms.edit"), of_wms("wms.edit")),
]
