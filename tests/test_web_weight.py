"""What a first view weighs on the wire, with static files collected as `make run` and the image do."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.test import Client

from accounts.templatetags import face
from tests import every_page

pytestmark = pytest.mark.django_db
MOST = 200_000  # bytes


@pytest.fixture
def collected(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.STATIC_ROOT = tmp_path
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = False
    backend = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    assert staticfiles_storage is not None
    call_command("collectstatic", interactive=False, verbosity=0)
    face._sprite_once.cache_clear()
    yield
    face._sprite_once.cache_clear()


class Visitor:
    """A browser that has seen nothing yet. What pages share is fetched once and counted for each of them."""

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, list[str]]] = {}

    def first_view(self, client: Client, page: str) -> dict[str, int]:
        """The bytes of a page and of all that it loads, as a browser asks for it."""
        html = client.get(page)
        sizes = {page: len(html.content)}
        found = re.findall(r'(?:src|href)="(/static/[^"#]+)', html.content.decode())
        while found:
            address = found.pop()
            if address not in sizes:
                sizes[address], more = self._fetch(client, address)
                found += more
        return sizes

    def _fetch(self, client: Client, address: str) -> tuple[int, list[str]]:
        if address not in self._sizes:
            answer = client.get(address, headers={"Accept-Encoding": "gzip"})
            assert answer.status_code == 200, address
            size, more = len(b"".join(answer.streaming_content)), list[str]()  # type: ignore[attr-defined]
            if address.endswith(".css"):
                assert answer.headers["Content-Encoding"] == "gzip", address
                assert "immutable" in answer.headers["Cache-Control"], address
                plain = b"".join(client.get(address).streaming_content).decode()  # type: ignore[attr-defined]
                more = [urljoin(address, name) for name in re.findall(r'url\("?([^"):]+)"?\)', plain)]
            self._sizes[address] = size, more
        return self._sizes[address]


@pytest.mark.usefixtures("collected")
def test_the_first_view_is_light_whatever_it_is() -> None:
    """Of every page: what only some of them load is counted too. Pages are counted as they are, not compressed."""
    pages, visitor = every_page.build(), Visitor()
    owner = pages.desk.client("owner")
    views = [(owner, address) for address in pages.signed_in.values()]
    views += [(Client(), address) for address in every_page.OUTSIDE.values()]
    loaded = set[str]()
    for client, address in views:
        sizes = visitor.first_view(client, address)
        assert sum(sizes.values()) <= MOST, sizes
        loaded |= set(sizes)
    assert {"bootstrap", "htmx", "webauthn"} <= {
        word for word in ("bootstrap", "htmx", "webauthn") for address in loaded if word in address
    }, "what is loaded was found"
