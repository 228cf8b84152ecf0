"""The forms around an account, before somebody is signed in or by a link out of a mail: endless, and twice."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import invitations, people
from accounts.models import Mail, User
from integration_manager import tenancy
from tests import desk as desks
from tests import every_page
from tests.desk import PASSWORD, Desk
from tests.every_view import _link as link_of
from tests.forms_of import forms_of, searches_of

pytestmark = pytest.mark.django_db
CLEAR = (200, 302, 400, 403, 404, 422, 429)
ENDLESS = "ä1 " * 3334


@pytest.fixture(scope="module")
def desk(kept: None) -> Desk:
    """An account whose colleague has an authenticator app, with one mail of each kind that leads to a form."""
    made = desks.build(orders=0)
    with tenancy.activate(made.account.pk):
        invitations.invite(made.account, "newcomer@guests.example", people.Place("admin"), by=made.users["owner"])
    share = made.url(f"carts/share/sandbox_shop/?merchant={made.merchants[0].public_id}")
    made.client("owner").post(share, {"name": "Alder", "email": "a@alder.example"})
    for path in ("/login/link/", "/password/"):
        Client().post(path, {"email": made.users["owner"].email})
    desks.with_app(made.users["colleague"])
    return made


def half(desk: Desk) -> Client:
    """Somebody who has given the password, and not the code."""
    client = Client()
    client.post("/login/", {"login": desk.users["colleague"].email, "password": PASSWORD})
    return client


def anybody(desk: Desk) -> Client:
    return Client()


Opens = Callable[[Desk], Client]
# Where a form is → who opens it. A word without a slash: the mail whose link leads there.
PLACES: dict[str, Opens] = {
    **dict.fromkeys(every_page.OUTSIDE.values(), anybody),
    **dict.fromkeys(("invitation", "setup_link", "sign_in_link", "password_reset"), anybody),
    "/login/second/": half,
    "/security/again/code/": lambda desk: desk.client("colleague"),
    "/security/codes/new/": lambda desk: desk.client("colleague"),
    "/security/app/remove/": lambda desk: desk.client("colleague"),
}
TYPES = {
    "/login/", "/login/link/", "/signup/", "/password/", "/login/second/", "invitation", "setup_link", "password_reset",
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_ten_thousand_characters_in_a_field_get_a_clear_answer(desk: Desk, place: str) -> None:
    client = PLACES[place](desk)
    client.raise_request_exception = False
    first = client.get(place if place.startswith("/") else link_of(place), follow=True)
    address = str(first.wsgi_request.get_full_path())
    before, typed = (User.objects.count(), Mail.objects.count()), 0
    for form in forms_of(first.content.decode(), address):
        for name in form.typed:
            typed += 1
            answer = client.post(form.action, form.data | {name: [ENDLESS]})
            assert answer.status_code in CLEAR, (form.action, name)
    for form in searches_of(first.content.decode(), address):
        for name in form.data:
            assert client.get(form.action, {name: ENDLESS}).status_code in CLEAR, (form.action, name)
    assert (User.objects.count(), Mail.objects.count()) == before, "nothing was made of it"
    assert typed or place not in TYPES, "its form is there no more"
