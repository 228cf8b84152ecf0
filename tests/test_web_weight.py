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
from tests import desk as desks

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


def fetched(client: Client, page: str) -> dict[str, int]:
    """The bytes of a page and of all that it loads, as a browser asks for it."""
    html = client.get(page)
    sizes = {page: len(html.content)}
    found = re.findall(r'(?:src|href)="(/static/[^"#]+)', html.content.decode())
    while found:
        address = found.pop()
        if address in sizes:
            continue
        answer = client.get(address, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200, address
        sizes[address] = len(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
        if address.endswith(".css"):
            assert answer.headers["Content-Encoding"] == "gzip", address
            assert "immutable" in answer.headers["Cache-Control"], address
            plain = b"".join(client.get(address).streaming_content).decode()  # type: ignore[attr-defined]
            found += [urljoin(address, name) for name in re.findall(r'url\("?([^"):]+)"?\)', plain)]
    return sizes


@pytest.mark.usefixtures("collected")
def test_the_first_view_is_light() -> None:
    desk = desks.build(orders=5)
    sizes = fetched(desk.client("owner"), desk.url())
    assert any("bootstrap" in address for address in sizes)
    assert any("htmx" in address for address in sizes)
    assert sum(sizes.values()) <= MOST, sizes
