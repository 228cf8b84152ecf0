"""The pages about somebody's own sign-in: each is ours; addresses, passwords, sessions, two steps, proofs."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import allauth
import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.test import Client
from django.urls import path

from accounts import adapters, breach
from accounts.forms import SignUpForm
from accounts.models import AuditEntry, User
from accounts.reauth import recently_authenticated
from integration_manager import tenancy
from integration_manager.embedded import CLONE
from integration_manager.kit import clock
from integration_manager.urls import urlpatterns as all_urls
from tests import desk as desks
from tests.desk import PASSWORD, Desk, code
from tests.smtp_server import Post, post
from tests.test_sign_in import OWNER, is_in, sign_in

pytestmark = pytest.mark.django_db
__all__ = ["post"]
TEMPLATES = CLONE / "templates"
ALLAUTH = Path(allauth.__file__).parent / "templates"


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


# ── all of it is in our look ──


@pytest.mark.parametrize(
    "name",
    [str(f.relative_to(TEMPLATES)) for d in ("account", "mfa", "accounts") for f in (TEMPLATES / d).rglob("*.html")],
)
def test_every_page_extends_our_frame(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    part = "{% comment %}" in text or "{% block" not in text
    assert part or re.match(r'\{% extends "(plain|app|error)\.html" %\}', text), name


def views() -> Iterator[tuple[str, str]]:
    """(name, template) of every page of allauth that has an address here."""
    from accounts import urls

    for entry in urls.urlpatterns:
        view = getattr(entry.callback, "view_class", None)
        template = getattr(view, "template_name", None)
        if template:
            yield entry.name, template


@pytest.mark.parametrize(("name", "template"), list(views()))
def test_no_page_of_allauth_is_reached_unstyled(name: str, template: str) -> None:
    assert str(get_template(template).origin.name).startswith(str(TEMPLATES)), f"{name}: {template}"


def test_every_mail_and_message_that_allauth_can_send_is_ours() -> None:
    for prefix, (kind, _) in adapters.MAILS.items():
        assert (ALLAUTH / f"{prefix}_message.txt").exists(), prefix
        assert get_template(f"mail/{kind}.html")
    ours_not = {
        "login_code",
        "password_reset_code",
        "email_confirm",
        "email_deleted",
        "base",
    }  # codes; several addresses
    for subject in [*ALLAUTH.glob("account/email/*_subject.txt"), *ALLAUTH.glob("mfa/email/*_subject.txt")]:
        prefix = str(subject.relative_to(ALLAUTH)).removesuffix("_subject.txt")
        assert prefix in adapters.MAILS or prefix.split("/")[-1] in ours_not, prefix


def test_the_pages_of_a_person_are_for_that_person(desk: Desk) -> None:
    from accounts import urls

    for entry in urls.urlpatterns:
        where = "/" + re.sub(r"<\w+:\w+>", "1", str(entry.pattern))
        if where.startswith("/security/"):
            for answer in (Client().get(where), Client().post(where)):
                assert answer.status_code in (302, 405), where
                to = answer.headers.get("Location", "")
                assert answer.status_code == 405 or "/login/" in to or to == "/security/", where
    key = Authenticator.objects.create(
        user=desk.users["stranger"], type="webauthn", data={"name": "theirs", "credential": {}}
    )
    for what in ("rename", "remove"):
        assert desk.client("owner").post(f"/security/passkeys/{key.pk}/{what}/").status_code == 404


# ── password ──


def test_a_forgotten_password(desk: Desk, post: Post) -> None:
    elsewhere = Client()
    sign_in(elsewhere)
    client = Client()
    assert client.post("/password/", {"email": OWNER}).headers["Location"] == "/password/sent/"
    link = post.deliver().link(OWNER)
    for _ in range(2):  # scanners follow it too, and use nothing up
        assert Client().get(link, follow=True).status_code == 200
    form = client.get(link, follow=True)
    where = form.redirect_chain[-1][0]
    assert link.split("-", 1)[1] not in where, "the secret is out of the address before anything is loaded"
    short = client.post(where, {"password1": "short"})
    assert "too short" in short.content.decode()
    assert client.post(where, {"password1": "another few words"}).headers["Location"] == "/password/done/"
    assert not is_in(elsewhere), "all sessions end"
    assert not is_in(client)
    assert "does not work" in Client().get(link, follow=True).content.decode()
    assert sign_in(Client(), "another few words").headers["Location"] == "/"
    assert post.deliver().last(OWNER)["Subject"] == "Your password was changed"


def test_a_reset_for_nobody_looks_the_same(desk: Desk, post: Post) -> None:
    assert Client().post("/password/", {"email": "nobody@northquay.example"}).headers["Location"] == "/password/sent/"
    assert post.deliver().last("nobody@northquay.example")["Subject"] == "Nobody signs in by this address"


def test_the_link_in_somebody_elses_browser_signs_them_out_only_when_it_is_used(desk: Desk, post: Post) -> None:
    Client().post("/password/", {"email": OWNER})
    link, other = post.deliver().link(OWNER), Client()
    sign_in(other, email="stranger@northquay.example")
    where = other.get(link, follow=True).redirect_chain[-1][0]
    assert is_in(other)
    other.post(where, {"password1": "another few words"})
    assert not is_in(other)


def test_changing_it_ends_all_other_sessions_and_renews_this_one(desk: Desk, post: Post) -> None:
    here, elsewhere = Client(), Client()
    sign_in(here)
    sign_in(elsewhere)
    key = here.cookies["im_session"].value
    assert (
        "not your password"
        in here.post("/security/password/", {"oldpassword": "wrong", "password1": "another few words"}).content.decode()
    )
    here.post("/security/password/", {"oldpassword": PASSWORD, "password1": "another few words"})
    assert is_in(here)
    assert here.cookies["im_session"].value != key
    assert not is_in(elsewhere)
    assert post.deliver().last(OWNER)["Subject"] == "Your password was changed"


# ── e-mail ──


def test_a_new_address_counts_once_it_is_verified_and_the_old_one_is_told(desk: Desk, post: Post) -> None:
    client, new = Client(), "new@northquay.example"
    sign_in(client)
    client.post("/security/email/", {"email": new, "action_add": ""})
    assert User.objects.filter(email=OWNER).exists()
    assert "do not match" in sign_in(Client(), email=new).content.decode()
    link = post.deliver().link(new)
    client.get(link)
    assert User.objects.filter(email=OWNER).exists(), "opening it changes nothing"
    client.post(link)
    assert User.objects.get(email=new).pk == desk.users["owner"].pk
    assert post.deliver().last(OWNER)["Subject"] == "Your address was changed"
    assert sign_in(Client(), email=new).headers["Location"] == "/"


def test_an_address_that_somebody_else_has_tells_nothing_and_takes_nothing(desk: Desk, post: Post) -> None:
    client, theirs = Client(), "stranger@northquay.example"
    sign_in(client)
    answer = client.post("/security/email/", {"email": theirs, "action_add": ""})
    assert answer.headers["Location"] == "/security/email/"
    client.post(post.deliver().link(theirs))
    assert User.objects.get(email=theirs).pk == desk.users["stranger"].pk
    assert User.objects.filter(email=OWNER).exists()


# ── sessions ──


def test_sessions_are_listed_and_signed_out(desk: Desk) -> None:
    here, there, stranger = Client(), Client(), Client()
    sign_in(here, headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"})
    sign_in(there, REMOTE_ADDR="198.51.100.7", headers={"User-Agent": "Mozilla/5.0 (iPhone) Safari/605.1"})
    sign_in(stranger, email="stranger@northquay.example")
    page = here.get("/security/").content.decode()
    for word in ("Firefox on Linux", "this browser", "Safari on iPhone", "198.51.100.7"):
        assert word in page
    mine = UserSession.objects.get(session_key=here.cookies["im_session"].value)
    theirs = UserSession.objects.get(session_key=stranger.cookies["im_session"].value)
    other = UserSession.objects.get(session_key=there.cookies["im_session"].value)
    assert here.post(f"/security/sessions/{theirs.pk}/end/").status_code == 404
    assert here.post(f"/security/sessions/{mine.pk}/end/").status_code == 404
    assert here.post(f"/security/sessions/{other.pk}/end/").status_code == 302
    assert not is_in(there)
    assert is_in(here)
    third = Client()
    sign_in(third)
    here.post("/security/sessions/0/end/")
    assert not is_in(third)
    assert is_in(stranger)


# ── two steps ──


@pytest.mark.django_db(transaction=True)  # allauth writes this notice once the app is stored
def test_setting_up_an_app_gives_recovery_codes_that_are_shown_once(desk: Desk, post: Post) -> None:
    client = Client()
    sign_in(client)
    page = client.get("/security/app/add/").content.decode()
    key = re.search(r"<code[^>]*>([A-Z2-7]{16,})</code>", page)
    assert key
    assert "data:image/svg+xml;base64," in page
    assert "wrong" in client.post("/security/app/add/", {"code": "000000"}).content.decode()
    assert client.post("/security/app/add/", {"code": code(key[1])}).headers["Location"] == "/security/codes/"
    shown = client.get("/security/codes/").content.decode()
    codes = re.findall(r"<li><code>(\d{8})</code>", shown)
    assert len(codes) == 10
    assert f"{codes[0]}%0A" in shown, "they can be downloaded"
    again = client.get("/security/codes/").content.decode()
    assert not any(each in again for each in codes)
    assert post.deliver().last(OWNER)["Subject"] == "An authenticator app was set up"
    for _ in range(2):
        other = Client()
        sign_in(other)
        other.post("/login/second/", {"code": codes[0]})
    assert not is_in(other), "each works once"
    client.post("/security/app/remove/")
    assert not Authenticator.objects.exists()


def test_an_account_may_require_it_and_others_are_not_affected(desk: Desk) -> None:
    owner, colleague, rule = desk.client("owner"), desk.client("colleague"), desk.url("profile/security/")
    assert owner.post(rule, {"require_two_step": "on"}).headers["Location"] == "/security/", "not before they have it"
    desks.with_app(desk.users["owner"])
    owner.post(rule, {"require_two_step": "on"})
    with tenancy.activate(desk.account.pk):
        entry = AuditEntry.objects.get(verb="account.changed")
    assert entry.changes == {"require_two_step": [False, True]}
    assert owner.get(desk.url()).status_code == 200
    for answer in (colleague.get(desk.url("orders/")), colleague.post(desk.url("alerts/dismiss/"))):
        assert answer.headers["Location"] == "/security/"
    assert colleague.session["two_step_next"] == desk.url(), "a page, not what only takes a form"
    assert "requires two-step" in colleague.get("/security/").content.decode()
    assert colleague.get(desk.url(), headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
    other = desks.build("Elsewhere", orders=0)
    with tenancy.activate(other.account.pk):
        from accounts.models import Membership

        Membership.objects.create(user=desk.users["colleague"], role="admin")
    assert colleague.get(other.url()).status_code == 200
    desks.with_app(desk.users["colleague"])
    assert colleague.get(desk.url("orders/")).status_code == 200
    owner.post(rule, {})
    desk.account.refresh_from_db()
    assert not desk.account.require_two_step


def test_a_merchants_user_does_not_set_the_rule(desk: Desk) -> None:
    assert desk.client("colleague").post(desk.url("profile/security/"), {"require_two_step": "on"}).status_code == 403


# ── a recent proof ──


@recently_authenticated
def delicate(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.method} {request.POST.get('role', '')} {request.GET.get('of', '')}")


urlpatterns = [path("delicate/", delicate), *all_urls]


@pytest.mark.urls("tests.test_sign_in_pages")
def test_a_delicate_page_asks_and_then_goes_on_without_loss(desk: Desk) -> None:
    client = Client()
    with time_machine.travel(clock.now(), tick=False) as now:
        sign_in(client)
        assert client.post("/delicate/", {"role": "admin"}).content == b"POST admin "
        now.shift(timedelta(minutes=15, seconds=1))
        asked = client.post("/delicate/?of=priya", {"role": "admin & owner", "secret": "CANARY-typed"})
        assert asked.headers["Location"].startswith("/security/again/?next=")
        assert "CANARY" not in str(client.session.items()), "what waits is encrypted"
        wrong = client.post(asked.headers["Location"], {"password": "wrong"})
        assert "not your password" in wrong.content.decode()
        back = client.post(asked.headers["Location"], {"password": PASSWORD}).headers["Location"]
        assert client.get(back).content == b"POST admin & owner priya"
        assert client.get(back).content == b"GET  priya", "once"


@pytest.mark.urls("tests.test_sign_in_pages")
def test_what_waits_opens_only_for_its_own_session_and_after_the_proof(desk: Desk) -> None:
    client, stranger = Client(), desk.client("stranger")
    client.force_login(desk.users["owner"])  # as by a mailed link: no proof
    asked = client.post("/delicate/", {"role": "admin"}).headers["Location"]
    resume = re.search(r"resume%3D([\w-]+)", asked)
    assert resume
    where = f"/delicate/?resume={resume[1]}"
    assert client.get(where).headers["Location"].startswith("/security/again/")
    assert stranger.get(where).content == b"GET  "
    client.post("/security/again/", {"password": PASSWORD})
    assert client.get(f"/login/link/?resume={resume[1]}").status_code == 200, "nor at another address"
    assert client.get(where).content == b"POST admin "


@pytest.mark.urls("tests.test_sign_in_pages")
def test_a_second_factor_is_a_proof_too(desk: Desk) -> None:
    client = Client()
    client.force_login(desk.users["owner"])
    key = desks.with_app(desk.users["owner"])
    client.get("/delicate/")
    answer = client.post("/security/again/code/?next=/delicate/", {"code": code(key)})
    assert client.get(answer.headers["Location"]).content == b"GET  "


def test_the_session_that_asks_is_the_persons(desk: Desk) -> None:
    page = Client().get("/security/again/?next=/delicate/")
    assert "/login/" in page.headers["Location"]


# ── stolen passwords ──


class Range(BaseHTTPRequestHandler):
    """The range interface, with one stolen password."""

    asked: list[str] = []
    stolen = hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).hexdigest().upper()
    status = 200
    wait = 0.0

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        time.sleep(self.wait)
        self.send_response(self.status)
        self.end_headers()
        lines = [f"{'0' * 35}:0"]
        if self.path == f"/range/{self.stolen[:5]}":
            lines.append(f"{self.stolen[5:]}:17")
        self.wfile.write("\r\n".join(lines).encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def stolen(settings: Any) -> Iterator[type[Range]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Range)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Range.asked, Range.status = [], 200
    settings.IM_BREACH_CHECK, settings.IM_BREACH_URL = True, f"http://127.0.0.1:{server.server_port}"
    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    breach._guard.cache_clear()
    yield Range
    server.shutdown()
    server.server_close()
    thread.join()
    breach._guard.cache_clear()


def test_a_stolen_password_warns_at_sign_in_and_is_refused_when_it_is_new(desk: Desk, stolen: type[Range]) -> None:
    client = Client()
    sign_in(client)
    assert "stolen passwords" in client.get("/security/").content.decode()
    assert stolen.asked == [f"/range/{stolen.stolen[:5]}"], "five digits leave"
    form = SignUpForm({"password1": PASSWORD})
    form.is_valid()
    assert "stolen" in str(form.errors["password1"])
    assert not breach.is_breached("another few words")


def test_it_fails_open_and_is_off_unless_the_operator_wants_it(stolen: type[Range], settings: Any) -> None:
    stolen.status = 503
    assert not breach.is_breached(PASSWORD)
    settings.IM_BREACH_URL = "http://127.0.0.1:9"
    assert not breach.is_breached(PASSWORD)
    settings.IM_EGRESS_ALLOW = []
    breach._guard.cache_clear()
    assert not breach.is_breached(PASSWORD)
    stolen.asked.clear()
    settings.IM_BREACH_CHECK = False
    assert not breach.is_breached(PASSWORD)
    assert stolen.asked == []


def test_address_of_a_verified_person_is_the_one_they_sign_in_by(desk: Desk) -> None:
    assert EmailAddress.objects.get(user=desk.users["owner"]).email == OWNER
