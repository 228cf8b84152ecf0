"""A web server's entry point for test_isolation_stream.py: our middleware and settings, two addresses of its own."""

from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

from integration_manager.wsgi import application

__all__ = ["application"]


def _names() -> Iterator[str]:
    from merchants.models import Merchant

    for name in Merchant.objects.order_by("name").values_list("name", flat=True).iterator():
        yield f"{name}\n"


def kept(request: HttpRequest, account: int) -> StreamingHttpResponse:
    """A streamed export as it should be."""
    from integration_manager import tenancy

    return StreamingHttpResponse(tenancy.stream(account, None, _names))


def lost(request: HttpRequest, account: int) -> StreamingHttpResponse:
    """The same without `tenancy.stream`: the rows are read when the tenant is gone."""
    from integration_manager import tenancy

    with tenancy.activate(account):
        return StreamingHttpResponse(_names())


urlpatterns = [path("kept/<int:account>", kept), path("lost/<int:account>", lost)]
settings.ROOT_URLCONF = __name__
