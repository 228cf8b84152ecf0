"""The users of an account: who sees them, who changes them, and what nobody may do."""

import re
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import addresses, invitations, people, tries
from accounts.models import Account, AuditEntry, Invitation, Mail, Membership, User
from alerts import contacts
from alerts.models import ErrorContact
from integration_manager import tenancy
from integration_manager.kit import clock
from tests import desk as desks
from tests.desk import PASSWORD, Desk

pytestmark = pytest.mark.django_db
MOST_QUERIES = 12


@pytest.fixture
def desk() -> Desk:
    """An account with a primary user (owner), an admin, and a merchant user of the second merchant (colleague)."""
    made = desks.build(orders=0)
    made.users["admin"] = User.objects.create_user("admin@northquay.example", PASSWORD, name="Admin")
    addresses.confirm(made.users["admin"])
    with tenancy.activate(made.account.pk):
        Membership.objects.create(user=made.users["admin"], role="admin")
    return made


def member(desk: Desk, who: str) -> Membership:
    with tenancy.activate(desk.account.pk):
        return Membership.objects.get(user=desk.users[who])


def page(desk: Desk, who: str, act: str = "") -> str:
    return desk.url(f"users/{member(desk, who).public_id}/{act}")


def verbs(desk: Desk) -> list[str]:
    with tenancy.activate(desk.account.pk):
        return list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True))


def newcomer(**more: Any) -> dict[str, Any]:
    return {"name": "New Comer", "email": "new@comer.example", "role": "admin", "how": "link", "password": ""} | more


def link_of(kind: str, part: str) -> str:
    url = Mail.objects.filter(kind=kind).latest("id").context["url"].reveal()
    return part + url.split(part)[1]


# --- the list ---


def test_the_list_tells_who_may_what_and_what_state_they_are_in(desk: Desk) -> None:
    desks.with_app(desk.users["admin"])
    with tenancy.activate(desk.account.pk):
        Membership.objects.filter(user=desk.users["admin"]).update(billing=True)
    desk.client("owner").post(desk.url("users/new/"), newcomer())
    text = desk.client("owner").get(desk.url("users/")).content.decode()
    for words in (
        "Primary user",
        "Admin user",
        "Merchant user",
        "Northquay Two",
        "new@comer.example",
        "Pending",
        "Active",
    ):
        assert words in text, words
    assert text.count(">On<") == 1
    assert "Northquay One" not in text


def test_a_merchant_user_sees_the_users_of_the_own_merchant_only(desk: Desk) -> None:
    client = desk.client("colleague")
    desk.client("owner").post(desk.url("users/new/"), newcomer())
    text = client.get(desk.url("users/")).content.decode()
    assert "colleague@" in text
    assert "admin@" not in text
    assert "owner@" not in text
    assert "new@comer" not in text
    assert "New Admin User" not in text
    with tenancy.activate(desk.account.pk):
        place = people.Place("merchant", [desk.merchants[0], desk.merchants[1]])
        Membership.objects.filter(user=desk.users["admin"]).update(**place.fields())
    text = client.get(desk.url("users/")).content.decode()
    assert "admin@" in text, "a colleague for one of the merchants is one"
    assert "Northquay One" not in text, "what else that one sees is nobody's business"


def test_the_pages_ask_little_of_the_database(desk: Desk) -> None:
    with tenancy.activate(desk.account.pk):
        for number in range(30):
            user = User.objects.create_user(f"p{number}@many.example", None, name=f"Person {number}")
            place = people.Place("merchant", desk.merchants if number % 2 else desk.merchants[:1])
            Membership.objects.create(user=user, **place.fields())
    client = desk.client("owner")
    for path in ("users/", "users/?q=person", "users/new/", "users/permissions/", "audit/"):
        client.get(desk.url(path))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(desk.url(path)).status_code == 200
        assert len(queries) <= MOST_QUERIES, f"{path}: {len(queries)}"
    for path in (page(desk, "colleague"), page(desk, "colleague", "remove/")):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        assert len(queries) <= MOST_QUERIES, f"{path}: {len(queries)}"


def test_the_table_of_permissions_is_the_one_that_the_pages_go_by(desk: Desk) -> None:
    text = desk.client("colleague").get(desk.url("users/permissions/")).content.decode()
    from accounts.roles import PERMISSIONS

    for does in PERMISSIONS.values():
        assert does[1:].replace("'", "&#x27;") in text


# --- adding ---


def test_an_invited_user_joins_with_role_and_merchants(desk: Desk) -> None:
    ids = [one.public_id for one in desk.merchants]
    answer = desk.client("owner").post(desk.url("users/new/"), newcomer(role="merchant", merchants=ids))
    assert answer.headers["Location"] == desk.url("users/")
    path = link_of("invitation", "/invitation/")
    browser = Client()
    assert 'value="New Comer"' in browser.get(path).content.decode(), "the name is there already"
    browser.post(path, {"name": "New Comer", "password": "a long way home"})
    with tenancy.activate(desk.account.pk):
        joined = Membership.objects.get(user__email="new@comer.example")
        assert set(joined.merchant_ids or ()) == {one.pk for one in desk.merchants}
        told, _ = contacts.to_alert(desk.merchants[1])
        assert joined.user in told, "a contact from the beginning"
    text = browser.get(desk.url("merchants/")).content.decode()
    assert "Northquay One" in text
    assert "Northquay Two" in text
    assert browser.get(desk.url("users/new/")).status_code == 403


def test_a_handed_over_password_gets_in_by_the_mailed_link_and_is_replaced_at_once(desk: Desk) -> None:
    desk.client("owner").post(desk.url("users/new/"), newcomer(how="password", password="a long way home"))
    login = {"login": "new@comer.example", "password": "a long way home"}
    assert Client().post("/login/", login).status_code == 200, "nobody is there before the mail was read"
    path, browser = link_of("user_added", "/invitation/"), Client()
    assert "given to you" in browser.get(path).content.decode()
    refused = browser.post(path, {"name": "New Comer", "password": "another long way"})
    assert (refused.status_code, User.objects.filter(email="new@comer.example").exists()) == (422, False)
    assert "not the password that owner@northquay.example has set" in refused.content.decode()
    browser.post(path, {"name": "New Comer", "password": login["password"]})
    orders = desk.url("orders/")
    assert browser.post(desk.url("alerts/dismiss/")).headers["Location"] == "/security/password/"
    assert browser.session["password_next"] == desk.url(), "a page, not what only takes a form"
    assert browser.get(orders).headers["Location"] == "/security/password/", "who added them knows the password"
    again = {"oldpassword": login["password"], "password1": login["password"]}
    assert "Choose another" in browser.post("/security/password/", again).content.decode()
    assert browser.post("/security/password/", again | {"password1": "words of my own"}).headers["Location"] == orders
    assert browser.get(orders).status_code == 200


def test_a_handed_over_password_is_not_guessed(desk: Desk) -> None:
    desk.client("owner").post(desk.url("users/new/"), newcomer(how="password", password="a long way home"))
    path = link_of("user_added", "/invitation/")
    with tenancy.activate(desk.account.pk):
        offer = Invitation.objects.get(email="new@comer.example")
    for _ in range(invitations.GUESSES.number):
        tries.take(invitations.GUESSES, offer.public_id, clock.now())
    answer = Client().post(path, {"name": "New Comer", "password": "a long way home"})
    assert answer.status_code == 422
    assert "wrong too often" in answer.content.decode()


@pytest.mark.parametrize("how", [{}, {"how": "password", "password": "a long way home"}])
def test_who_adds_somebody_does_not_learn_whether_they_sign_in_here_already(desk: Desk, how: dict[str, str]) -> None:
    owner, stranger = desk.client("owner"), desk.users["stranger"]
    owner.get(desk.url("users/new/"))
    seen = []
    for email in ("nobody@elsewhere.example", stranger.email):
        answer = owner.post(desk.url("users/new/"), newcomer(email=email, **how), follow=True)
        listed = answer.content.decode() + owner.get(desk.url("audit/")).content.decode()
        seen.append(re.sub(r'users/invitations/\w+|value="[^"]{64}"', "", listed).replace(email, "THEM"))
        with tenancy.activate(desk.account.pk):
            Invitation.objects.all().delete()
            AuditEntry.objects.all().delete()
    first, second = (re.sub(r"<time[^>]*>[^<]*</time>|nonce-[^\"']*", "", one) for one in seen)
    assert first == second
    assert "is invited by mail" in first


def test_a_handed_over_password_ends_where_the_person_comes_by_a_mailed_link(desk: Desk) -> None:
    desk.client("owner").post(desk.url("users/new/"), newcomer(how="password", password="a long way home"))
    login = {"login": "new@comer.example", "password": "a long way home"}
    Client().post(link_of("user_added", "/invitation/"), {"name": "New Comer", "password": login["password"]})
    Client().post("/login/link/", {"email": "new@comer.example"})
    browser = Client()
    assert browser.post(link_of("sign_in_link", "/login/link/")).headers["Location"] == "/"
    assert "is void" in browser.get(desk.url()).content.decode()
    assert Client().post("/login/", login).status_code == 200, "and opens nothing for who had set it"


def test_nobody_sets_the_password_of_somebody_who_is_known(desk: Desk) -> None:
    stranger = desk.users["stranger"]
    before = stranger.password
    data = newcomer(email=stranger.email.upper(), how="password", password="taken over 123")
    desk.client("owner").post(desk.url("users/new/"), data)
    stranger.refresh_from_db()
    assert stranger.password == before
    with tenancy.activate(desk.account.pk):
        assert not Membership.objects.filter(user=stranger).exists(), "not before they accept"
    browser = desk.client("stranger")
    browser.post(link_of("invitation", "/invitation/"))
    assert browser.get(desk.url()).status_code == 200
    assert desk.account.name not in [one["name"] for one in browser.get(desk.url()).context["other_accounts"]]


def test_a_weak_password_and_a_missing_merchant_are_told_beside_their_fields(desk: Desk) -> None:
    answer = desk.client("owner").post(desk.url("users/new/"), newcomer(role="merchant", how="password", password="x"))
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "Choose at least one" in text
    assert "too short" in text
    assert desk.client("owner").post(desk.url("users/new/"), {}).status_code == 422
    with tenancy.activate(desk.account.pk):
        assert not Invitation.objects.exists()


def test_who_is_a_user_already_is_not_added_twice(desk: Desk) -> None:
    answer = desk.client("owner").post(desk.url("users/new/"), newcomer(email="Admin@northquay.example"))
    assert answer.status_code == 422
    assert "is a user of this account already" in answer.content.decode()


def test_the_same_form_twice_is_one_invitation_and_one_mail(desk: Desk) -> None:
    for _ in range(2):
        assert desk.client("owner").post(desk.url("users/new/"), newcomer()).status_code == 302
    assert Mail.objects.filter(kind="invitation").count() == 1
    assert Client().get(link_of("invitation", "/invitation/")).status_code == 200


def test_an_invitation_is_for_the_address_that_it_went_to(desk: Desk) -> None:
    stranger = desk.users["stranger"]
    desk.client("owner").post(desk.url("users/new/"), newcomer(email=f" {stranger.email.title()} "))
    path = link_of("invitation", "/invitation/")
    other = desks.signed_in(User.objects.create_user("other@person.example", PASSWORD))
    text = other.get(path).content.decode()
    assert "You are signed in as other@person.example" in text
    assert f"is for {stranger.email}" in text
    assert other.post(path).status_code == 403, "somebody to whom the mail was passed on"
    with tenancy.activate(desk.account.pk):
        assert Membership.objects.count() == 3
    answer = other.post("/logout/", {"next": path})
    assert answer.headers["Location"] == path, "and there they may sign in as who is invited"
    assert "signs in already" in other.get(path).content.decode()
    browser = desk.client("stranger")
    assert browser.post(path).headers["Location"] == desk.url()
    assert browser.get(desk.url()).status_code == 200
    with tenancy.activate(desk.account.pk):
        assert Membership.objects.count() == 4


def test_an_invitation_is_mailed_again_and_withdrawn(desk: Desk) -> None:
    client = desk.client("owner")
    client.post(desk.url("users/new/"), newcomer())
    first = link_of("invitation", "/invitation/")
    with tenancy.activate(desk.account.pk):
        offer = Invitation.objects.get()
        address = desk.url(f"users/invitations/{offer.public_id}/")
        client.post(f"{address}resend/")
        assert Mail.objects.filter(kind="invitation").count() == 1, "a moment ago"
        Invitation.objects.update(created_at=clock.now() - people_pause())
        client.post(f"{address}resend/")
    second = link_of("invitation", "/invitation/")
    assert Client().get(first).status_code == 410
    assert Client().get(second).status_code == 200
    client.post(f"{address}withdraw/")
    assert Client().get(second).status_code == 410
    assert client.post(f"{address}withdraw/").status_code == 404
    assert client.get(f"{address}withdraw/").status_code == 405
    assert "user.invitation_withdrawn" in verbs(desk)


def people_pause() -> Any:
    from accounts.invitations import ONE_MAIL

    return 2 * ONE_MAIL


def test_in_a_merchant_account_there_is_no_choice_of_role(desk: Desk) -> None:
    Account.objects.filter(pk=desk.account.pk).update(kind="merchant")
    client = desk.client("owner")
    text = client.get(desk.url("users/new/")).content.decode()
    assert "New Merchant User" in text
    assert 'name="role"' not in text
    client.post(desk.url("users/new/"), newcomer(role="primary"))
    with tenancy.activate(desk.account.pk):
        assert Invitation.objects.get().role == "admin"


# --- what nobody may do ---


@pytest.mark.parametrize("role", ["primary", "staff", "", "admin,primary"])
def test_a_role_that_is_posted_by_hand_is_refused(desk: Desk, role: str) -> None:
    assert desk.client("admin").post(desk.url("users/new/"), newcomer(role=role)).status_code == 422
    assert desk.client("admin").post(page(desk, "colleague"), {"role": role}).status_code == 422
    assert member(desk, "colleague").role == "merchant"


def test_merchants_of_another_account_cannot_be_given(desk: Desk) -> None:
    other = desks.build("Elsewhere", orders=0)
    theirs = other.merchants[0].public_id
    data = newcomer(role="merchant", merchants=[theirs])
    answer = desk.client("owner").post(desk.url("users/new/"), data)
    assert answer.status_code == 422
    assert "Elsewhere" not in answer.content.decode()
    answer = desk.client("owner").post(page(desk, "colleague"), {"role": "merchant", "merchants": [theirs]})
    assert answer.status_code == 422
    assert member(desk, "colleague").merchant_id == desk.merchants[1].pk


@pytest.mark.parametrize("act", ["deactivate/", "remove/", "billing/", "no-billing/", ""])
def test_nobody_changes_themselves(desk: Desk, act: str) -> None:
    with tenancy.activate(desk.account.pk):
        Membership.objects.filter(user=desk.users["admin"]).update(billing=True)
    before = member(desk, "admin").__dict__
    desk.client("admin").post(
        page(desk, "admin", act), {"role": "merchant", "merchants": [desk.merchants[0].public_id]}
    )
    after = member(desk, "admin").__dict__
    for name in ("role", "billing", "deactivated_at", "merchant_id"):
        assert before[name] == after[name], name


@pytest.mark.parametrize("act", ["deactivate/", "remove/", "billing/", "no-billing/", "primary/", ""])
def test_nobody_changes_the_primary_user(desk: Desk, act: str) -> None:
    with tenancy.activate(desk.account.pk):
        Membership.objects.filter(user=desk.users["admin"]).update(billing=True)
    desk.client("admin").post(page(desk, "owner", act), {"role": "admin"})
    owner = member(desk, "owner")
    assert (owner.role, owner.deactivated_at) == ("primary", None)


def test_an_admin_without_billing_access_gives_none(desk: Desk) -> None:
    client = desk.client("admin")
    assert client.post(page(desk, "colleague", "billing/")).status_code == 403
    assert client.get(page(desk, "colleague", "billing/")).status_code == 403
    assert client.post(page(desk, "colleague", "primary/")).status_code == 403
    assert not member(desk, "colleague").billing
    assert desk.client("owner").post(page(desk, "colleague", "billing/")).status_code == 302
    assert member(desk, "colleague").billing
    assert "billing.access" in desk.client("colleague").get(desk.url()).wsgi_request.permissions  # type: ignore[attr-defined]


def test_who_becomes_a_merchant_user_does_not_take_billing_access_along(desk: Desk) -> None:
    owner = desk.client("owner")
    owner.post(page(desk, "admin", "billing/"))
    assert member(desk, "admin").billing
    owner.post(page(desk, "admin"), {"role": "merchant", "merchants": [desk.merchants[0].public_id]})
    found = member(desk, "admin")
    assert (found.role, found.billing) == ("merchant", False)
    with tenancy.activate(desk.account.pk):
        assert AuditEntry.objects.filter(verb="user.changed").latest("pk").changes["billing access"] == [True, False]


def test_billing_access_comes_after_the_address_is_verified(desk: Desk) -> None:
    client = desk.client("owner")
    desk.users["new"] = User.objects.create_user("new@comer.example", PASSWORD)
    with tenancy.activate(desk.account.pk):
        Membership.objects.create(user=desk.users["new"], role="admin")
    text = client.post(page(desk, "new", "billing/"), follow=True).content.decode()
    assert "has not verified the address yet" in text
    assert not member(desk, "new").billing


def test_there_is_one_primary_user_whatever_the_code_does(desk: Desk) -> None:
    with (
        tenancy.activate(desk.account.pk),
        pytest.raises(IntegrityError, match="one_primary_user"),
        transaction.atomic(),
    ):
        Membership.objects.filter(user=desk.users["admin"]).update(role="primary")


# --- changing ---


def test_role_and_merchants_are_changed_from_the_next_page_on(desk: Desk) -> None:
    colleague = desk.client("colleague")
    assert colleague.get(desk.url("wms/setup/sandbox_wms/")).status_code == 403
    one = desk.merchants[0]
    desk.client("admin").post(page(desk, "colleague"), {"role": "merchant", "merchants": [one.public_id]})
    assert colleague.get(desk.url(f"merchants/{one.public_id}/")).status_code == 200
    assert colleague.get(desk.url(f"merchants/{desk.merchants[1].public_id}/")).status_code == 404
    desk.client("admin").post(page(desk, "colleague"), {"role": "admin", "merchants": [one.public_id]})
    assert member(desk, "colleague").merchant_ids is None, "an admin sees all merchants"
    assert colleague.get(desk.url("wms/setup/sandbox_wms/")).status_code == 200
    with tenancy.activate(desk.account.pk):
        entry = AuditEntry.objects.filter(verb="user.changed").latest("pk")
    assert entry.changes == {"role": ["Merchant user of Northquay One", "Admin user"]}


def test_a_page_that_somebody_overtook_saves_nothing(desk: Desk) -> None:
    client = desk.client("owner")
    mark = client.get(page(desk, "colleague")).context["mark"]
    desk.client("admin").post(page(desk, "colleague"), {"role": "admin"})
    stale = {"role": "merchant", "merchants": [desk.merchants[0].public_id], "mark": mark}
    answer = client.post(page(desk, "colleague"), stale)
    assert answer.status_code == 422
    assert "admin@northquay.example has saved this meanwhile" in answer.content.decode()
    assert member(desk, "colleague").role == "admin"
    assert client.post(page(desk, "colleague"), stale | {"mark": answer.context["mark"]}).status_code == 302
    assert member(desk, "colleague").role == "merchant"


def test_a_deactivated_user_is_out_at_once_and_back_as_what_they_were(desk: Desk) -> None:
    colleague = desk.client("colleague")
    with tenancy.activate(desk.account.pk):
        contacts.choose(desk.merchants[1], [desk.users["colleague"].pk], alerted=False)
    assert colleague.get(desk.url()).status_code == 200
    for _ in range(2):
        desk.client("owner").post(page(desk, "colleague", "deactivate/"))
    assert colleague.get(desk.url()).status_code in (302, 404)
    again = desk.client("colleague")
    assert again.get(desk.url()).status_code == 404
    assert "No account yet" in again.get("/").content.decode()
    with tenancy.activate(desk.account.pk):
        assert desk.users["colleague"] not in contacts.to_alert(desk.merchants[1])[0]
        assert ErrorContact.objects.filter(user=desk.users["colleague"]).exists(), "what was chosen is kept"
    desk.client("owner").post(page(desk, "colleague", "reactivate/"))
    assert again.get(desk.url()).status_code == 200
    assert verbs(desk).count("user.deactivated") == 1


def test_who_signed_in_is_signed_out_by_deactivation_unless_another_account_has_them(desk: Desk) -> None:
    def signed_in() -> Client:
        browser = Client()
        browser.post("/login/", {"login": desk.users["colleague"].email, "password": PASSWORD})
        assert browser.get(desk.url()).status_code == 200
        return browser

    browser = signed_in()
    desk.client("owner").post(page(desk, "colleague", "deactivate/"))
    assert browser.get(desk.url()).headers["Location"].startswith("/login/")
    desk.client("owner").post(page(desk, "colleague", "reactivate/"))
    other = desks.build("Elsewhere", orders=0)
    with tenancy.activate(other.account.pk):
        Membership.objects.create(user=desk.users["colleague"], role="admin")
    browser = signed_in()
    desk.client("owner").post(page(desk, "colleague", "deactivate/"))
    assert browser.get(desk.url()).status_code == 404
    assert browser.get(other.url()).status_code == 200


def test_a_removed_user_keeps_other_accounts_and_is_deleted_without_one(desk: Desk) -> None:
    other = desks.build("Elsewhere", orders=0)
    for account in (desk.account, other.account):
        with tenancy.activate(account.pk):
            if account == other.account:
                Membership.objects.create(user=desk.users["colleague"], role="admin")
            ErrorContact.objects.create(user=desk.users["colleague"], alerted=False)
    desk.client("owner").post(page(desk, "colleague", "remove/"))
    browser = desk.client("colleague")
    assert browser.get(desk.url()).status_code == 404
    assert browser.get(other.url()).status_code == 200
    with tenancy.activate(desk.account.pk):
        assert not ErrorContact.objects.exists()
        assert AuditEntry.objects.get(verb="user.removed").target == "colleague@northquay.example"
    with tenancy.activate(other.account.pk):
        assert ErrorContact.objects.filter(user=desk.users["colleague"]).exists()
        there = Membership.objects.get(user=desk.users["colleague"]).public_id
    other.client("owner").post(other.url(f"users/{there}/remove/"))
    assert not User.objects.filter(pk=desk.users["colleague"].pk).exists()
    assert other.client("owner").post(other.url(f"users/{there}/remove/")).status_code == 404


def test_the_primary_role_is_handed_over_once(desk: Desk) -> None:
    owner = desk.client("owner")
    assert "cannot undo this yourself" in owner.get(page(desk, "colleague", "primary/")).content.decode()
    owner.post(page(desk, "colleague", "primary/"))
    new, old = member(desk, "colleague"), member(desk, "owner")
    assert (new.role, new.merchant_ids, new.billing) == ("primary", None, True)
    assert (old.role, old.merchant_ids) == ("admin", None)
    assert owner.post(page(desk, "admin", "primary/")).status_code == 403
    assert member(desk, "colleague").role == "primary"
    desk.client("colleague").post(page(desk, "owner", "deactivate/"))
    text = desk.client("colleague").post(page(desk, "owner", "primary/"), follow=True).content.decode()
    assert "is deactivated" in text
    assert member(desk, "colleague").role == "primary", "not to somebody who does not get in"


def test_delicate_pages_ask_who_is_there_and_go_on_afterwards(desk: Desk) -> None:
    client = Client()
    client.force_login(desk.users["owner"])
    asked = client.post(page(desk, "colleague", "deactivate/"))
    assert asked.headers["Location"].startswith("/security/again/")
    assert member(desk, "colleague").deactivated_at is None
    answer = client.post(asked.headers["Location"], {"password": PASSWORD})
    assert answer.status_code == 302
    client.get(answer.headers["Location"])
    assert member(desk, "colleague").deactivated_at is not None
    for path in ("users/new/", f"users/{member(desk, 'admin').public_id}/"):
        fresh = Client()
        fresh.force_login(desk.users["owner"])
        assert fresh.get(desk.url(path)).headers["Location"].startswith("/security/again/"), path


def test_when_somebody_was_last_seen(desk: Desk) -> None:
    assert member(desk, "colleague").seen_at is None
    desk.client("colleague").get(desk.url())
    seen = member(desk, "colleague").seen_at
    assert seen is not None
    desk.client("colleague").get(desk.url("orders/"))
    assert member(desk, "colleague").seen_at == seen, "written at most once in ten minutes"


# --- several accounts ---


def test_the_switcher_lists_the_other_accounts_from_the_first_page_on(desk: Desk) -> None:
    for number in range(10):
        other = Account.objects.create(name=f"Branch {number}")
        with tenancy.activate(other.pk):
            Membership.objects.create(user=desk.users["admin"], role="admin")
    browser = Client()
    login = {"login": "admin@northquay.example", "password": PASSWORD}
    browser.post(f"/login/?next={desk.url('orders/')}", login)
    text = browser.get(desk.url("orders/")).content.decode()
    assert "Branch 0" in text
    assert "All your accounts" in text
    assert "Branch 9" not in text
    found = browser.get("/?q=branch%209").content.decode()
    assert "Branch 9" in found
    assert "Branch 8" not in found
    assert "None of your accounts" in browser.get("/?q=zzz").content.decode()
