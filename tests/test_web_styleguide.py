"""The style guide: on a developer's machine only, and made of the parts that the pages are made of."""

from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory

from integration_manager.styleguide import samples

pytestmark = pytest.mark.django_db


@pytest.fixture
def shown() -> str:
    return render_to_string("styleguide.html", samples(), RequestFactory().get("/styleguide/"))


def test_it_shows_the_real_parts_without_any_row_stored(shown: str, django_assert_num_queries: Any) -> None:
    for part in ("invalid-feedback", "btn-danger", 'class="timeline"', "data-mover", 'class="gallery"', "checklist"):
        assert part in shown, part
    for part in ("toasts", "table-signs", "has-check", 'class="exch"', "as staff", 'rel="next"', "mails/invitation/"):
        assert part in shown, part
    for word in ("Credentials refused", "Paused", "as data arrives", "Off", "Last 38 runs", "2 fields to correct"):
        assert word in shown, word
    with django_assert_num_queries(0):
        samples()


def test_every_state_of_an_order_is_there(shown: str) -> None:
    assert all(face.word in shown for face in samples()["faces"])
