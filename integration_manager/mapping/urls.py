"""Addresses of the mapping screens, below /a/<account>/: the same pages for a merchant's carts and for the WMS."""

from collections.abc import Callable

from django.urls import URLPattern, path

from integration_manager.mapping import views
from integration_manager.mapping.owner import Page, of_merchant, of_wms


def _pages(base: str, name: str, door: Callable[[Page], Page]) -> list[URLPattern]:
    return [
        path(f"{base}formats/", door(views.formats), name=f"{name}_formats"),
        path(f"{base}formats/export/", door(views.formats_csv), name=f"{name}_formats_csv"),
        path(f"{base}formats/new/<slug:kind>/", door(views.format_new), name=f"{name}_format_new"),
        path(f"{base}formats/draft/<id:draft>/", door(views.format_draft), name=f"{name}_format_draft"),
        path(f"{base}formats/<id:format>/<slug:what>/", door(views.format_act), name=f"{name}_format_act"),
    ]


urlpatterns = [*_pages("merchants/<id:merchant>/", "merchant", of_merchant), *_pages("wms/", "wms", of_wms)]
