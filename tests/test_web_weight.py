"""What the pages weigh on the wire and ask of the database, and what must stand in none of them.

One walk through all of them, with static files collected as `make run` and the image do.
"""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings

from accounts.templatetags import face
from tests import every_page
from tests.desk import CANARY

pytestmark = pytest.mark.django_db
MOST = 200_000  # bytes of a first view
MOST_LATER = 30_000  # bytes of a later one, compressed
MOST_QUERIES = 12
KEEPS_COUNT = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "SELECT set_config")  # read no row
PACKED = {"Accept-Encoding": "gzip"}


@dataclass
class Seen:
    """One page as it came: what it asked the database, and what came over the wire."""

    address: str
    queries: list[str]
    wire: bytes
    encoding: str

    @property
    def html(self) -> bytes:
        """As it reads."""
        return gzip.decompress(self.wire) if self.encoding == "gzip" else self.wire


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    backend = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    with override_settings(
        STATIC_ROOT=tmp_path_factory.mktemp("static"),
        WHITENOISE_USE_FINDERS=False,
        WHITENOISE_AUTOREFRESH=False,
        STORAGES={**settings.STORAGES, "staticfiles": {"BACKEND": backend}},
    ):
        call_command("collectstatic", interactive=False, verbosity=0)
        face._sprite_once.cache_clear()
        yield
    face._sprite_once.cache_clear()


@pytest.fixture(scope="module")
def walked(kept: None, collected: None) -> dict[str, Seen]:
    """Every page that the owner of a filled account sees, by its name."""
    seen: dict[str, Seen] = {}

    def visit(client: Client, address: str) -> HttpResponse:
        with CaptureQueriesContext(connection) as queries:
            answer: HttpResponse = client.get(address, headers=PACKED)
        counted = [q["sql"] for q in queries if not q["sql"].startswith(KEEPS_COUNT)]
        if not answer.streaming:
            encoding = answer.headers.get("Content-Encoding", "")
            seen[address] = Seen(address, counted, answer.content, encoding)
        return answer

    pages = every_page.build(visit=visit)
    assert {answer.status_code for answer in pages.seen().values()} == {200}
    return {name: seen[address] for name, address in pages.signed_in.items()}


def test_every_page_within_its_budget_of_queries_and_light(walked: dict[str, Seen]) -> None:
    """Later views load the page alone: style and script are kept by the browser."""
    too_much = []
    for name, page in walked.items():
        if len(page.queries) > MOST_QUERIES:
            too_much.append(f"{name}: {len(page.queries)} queries\n" + "\n".join(sql[:200] for sql in page.queries))
        if len(page.wire) > MOST_LATER:
            too_much.append(f"{name}: {len(page.wire)} bytes")
        assert page.encoding == "gzip", name
    assert too_much == [], "\n\n".join(too_much)


def test_no_page_has_inline_code_or_a_secret(walked: dict[str, Seen]) -> None:
    for name, page in walked.items():
        text = page.html.decode()
        assert CANARY not in text, name
        assert not re.search(r"<script(?![^>]*\b(src=|type=\"application/json\"))", text), name
        assert not re.search(r"\sstyle=|\son[a-z]+=\"|<style|javascript:", text), name
        assert "<script>x</script>" not in text, name
        assert len(re.findall(r"<h1\b", text)) == 1, name


class Visitor:
    """A browser that has seen nothing yet. What pages share is fetched once and counted for each of them."""

    def __init__(self) -> None:
        self._client = Client()
        self._sizes: dict[str, tuple[int, list[str]]] = {}

    def first_view(self, address: str, html: bytes) -> dict[str, int]:
        """The bytes of a page and of all that it loads, as a browser asks for it."""
        sizes = {address: len(html)}
        found = re.findall(r'(?:src|href)="(/static/[^"#]+)', html.decode())
        while found:
            address = found.pop()
            if address not in sizes:
                sizes[address], more = self._fetch(address)
                found += more
        return sizes

    def _fetch(self, address: str) -> tuple[int, list[str]]:
        if address not in self._sizes:
            answer = self._client.get(address, headers=PACKED)
            assert answer.status_code == 200, address
            size, more = len(b"".join(answer.streaming_content)), list[str]()  # type: ignore[attr-defined]
            if address.endswith(".css"):
                assert answer.headers["Content-Encoding"] == "gzip", address
                assert "immutable" in answer.headers["Cache-Control"], address
                plain = b"".join(self._client.get(address).streaming_content).decode()  # type: ignore[attr-defined]
                more = [urljoin(address, name) for name in re.findall(r'url\("?([^"):]+)"?\)', plain)]
            self._sizes[address] = size, more
        return self._sizes[address]


def test_the_first_view_is_light_whatever_it_is(walked: dict[str, Seen]) -> None:
    """Of every page: what only some of them load is counted too. Pages are counted as they are, not compressed."""
    visitor, stranger = Visitor(), Client()
    views = {page.address: page.html for page in walked.values()}
    views |= {address: stranger.get(address).content for address in every_page.OUTSIDE.values()}
    loaded = set[str]()
    for address, html in views.items():
        sizes = visitor.first_view(address, html)
        assert sum(sizes.values()) <= MOST, sizes
        loaded |= set(sizes)
    words = {"bootstrap", "htmx", "webauthn"}
    assert {word for word in words for address in loaded if word in address} == words, "what is loaded was found"
