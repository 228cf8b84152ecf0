"""Addresses of carts, below /a/<account>/."""

from django.urls import path

from carts.views import gallery, golive, life, listing, made_up, page, preview, setup, share, ship_methods, webhooks

urlpatterns = [
    path("ship-methods/", ship_methods.ship_methods, name="ship_methods"),
    path("ship-methods/<id:cart>/", ship_methods.ship_map, name="ship_map"),
    path("ship-methods/<id:cart>/csv/", ship_methods.ship_map_csv, name="ship_map_csv"),
    path("ship-methods/<id:cart>/import/", ship_methods.ship_map_import, name="ship_map_import"),
    path("carts/", listing.carts, name="carts"),
    path("carts/new/", gallery.cart_gallery, name="cart_gallery"),
    path("carts/new/<slug:system>/", setup.cart_new, name="cart_new"),
    path("carts/share/<slug:system>/", share.share_new, name="share_new"),
    path("carts/<id:cart>/share/", share.share, name="share"),
    path("carts/<id:cart>/share/<id:link>/revoke/", share.share_revoke, name="share_revoke"),
    path("carts/why/", preview.why_not, name="why_not"),
    path("carts/<id:cart>/", page.cart, name="cart"),
    path("carts/<id:cart>/edit/", setup.cart_edit, name="cart_edit"),
    path("carts/<id:cart>/test/", page.cart_test, name="cart_test"),
    path("carts/<id:cart>/preview/", preview.cart_preview, name="cart_preview"),
    path("carts/<id:cart>/going-live/", golive.cart_golive, name="cart_golive"),
    path("carts/<id:cart>/earliest/", golive.cart_earliest, name="cart_earliest"),
    path("carts/<id:cart>/dry-run/", golive.cart_dry_run, name="cart_dry_run"),
    path("carts/<id:cart>/dry-run-stop/", golive.cart_dry_stop, name="cart_dry_stop"),
    path("carts/<id:cart>/handled/", golive.cart_handled, name="cart_handled"),
    path("carts/<id:cart>/on/", life.cart_on, name="cart_on"),
    path("carts/<id:cart>/off/", life.cart_off, name="cart_off"),
    path("carts/<id:cart>/repull/", life.cart_repull, name="cart_repull"),
    path("carts/<id:cart>/delete/", life.cart_delete, name="cart_delete"),
    path("carts/<id:cart>/restore/", life.cart_restore, name="cart_restore"),
    path("carts/<id:cart>/test-orders/", made_up.cart_test_orders, name="cart_test_orders"),
    path("carts/<id:cart>/runs/", page.cart_runs, name="cart_runs"),
    path("carts/<id:cart>/services/", page.cart_services, name="cart_services"),
    path("carts/<id:cart>/webhooks/<slug:act>/", webhooks.cart_webhooks, name="cart_webhooks"),
    path("carts/<id:cart>/cancel-upload/", webhooks.cart_cancel_upload, name="cart_cancel_upload"),
    path("carts/<id:cart>/<slug:what>/<slug:service>/", page.cart_service, name="cart_service"),
]
