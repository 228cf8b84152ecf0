"""Sign-in: by password and by link; guessing, listening in, and going elsewhere afterwards."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from accounts.models import Mail, SignInLink, Tries, User
from integration_manager.kit import clock
from tests import desk as desks
from tests.desk import PASSWORD, Desk
from tests.smtp_server import Post, post, text_of

pytestmark = pytest.mark.django_db
__all__ = ["post"]
OWNER = "owner@northquay.example"


@pytest.fixture
def desk() -> Desk:
    return desks.build(orders=0)


def sign_in(client: Client, password: str = PASSWORD, email: str = OWNER, **extra: Any) -> Any:
    return client.post("/login/", {"login": email, "password": password}, **extra)


def is_in(client: Client) -> bool:
    return "/login/" not in client.get("/").headers.get("Location", "")


# ── by password ──


def test_ten_wrong_passwords_then_a_break_of_fifteen_minutes(desk: Desk) -> None:
    client = Client()
    with time_machine.travel(clock.now(), tick=False) as now:
        for left in range(9, -1, -1):
            text = sign_in(client, "wrong").content.decode()
            assert (f"{left} tr" if left else "last try") in text
        for _ in range(2):
            assert "Too many tries" in sign_in(client).content.decode(), "not even with the right one"
        now.shift(timedelta(minutes=14))
        assert "Too many tries" in sign_in(client).content.decode()
        now.shift(timedelta(minutes=2))
        assert sign_in(client).headers["Location"] == "/"


def test_the_right_password_gives_all_tries_back(desk: Desk) -> None:
    for _ in range(8):
        sign_in(Client(), "wrong")
    sign_in(Client())
    assert "9 tries left" in sign_in(Client(), "wrong").content.decode()


def test_many_places_have_ten_tries_together_but_the_owner_comes_in_from_where_they_were(desk: Desk) -> None:
    office = Client(REMOTE_ADDR="198.51.100.7")
    assert sign_in(office).headers["Location"] == "/"
    for number in range(10):
        sign_in(Client(REMOTE_ADDR=f"203.0.113.{number}"), "wrong")
    assert "Too many tries" in sign_in(Client(REMOTE_ADDR="203.0.113.99")).content.decode()
    assert sign_in(Client(REMOTE_ADDR="198.51.100.7")).headers["Location"] == "/"


def test_unknown_addresses_are_answered_and_counted_the_same(desk: Desk) -> None:
    def shown(email: str) -> list[str]:
        pages = [sign_in(Client(), "wrong", email).content.decode() for _ in range(12)]
        return [re.sub(r'value="[^"]*"', "", page.replace(email, "")) for page in pages]

    known, unknown = shown(OWNER), shown("nobody@northquay.example")
    assert known == unknown


def test_a_hash_is_made_for_unknown_addresses_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.auth.hashers import MD5PasswordHasher

    made: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: Any, password: str, salt: str) -> str:
        made.append(password)
        return str(encode(self, password, salt))

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    sign_in(Client(), "wrong")
    known = len(made)
    sign_in(Client(), "wrong", "nobody@northquay.example")
    assert len(made) == 2 * known > 0


def test_parallel_tries_are_all_counted(transactional_db: None) -> None:
    from accounts import tries

    limit, start, left = tries.Limit("test", 5, timedelta(minutes=1)), threading.Barrier(8), []

    def take() -> None:
        start.wait()
        try:
            left.append(tries.take(limit, "key", clock.now()))
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(left) == [-1, -1, -1, 0, 1, 2, 3, 4]
    assert "key" not in Tries.objects.get().key


def test_a_new_session_key_at_every_sign_in(desk: Desk) -> None:
    client = Client()
    client.get("/login/link/")
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies["im_session"] = session.session_key
    planted = session.session_key
    sign_in(client)
    assert client.cookies["im_session"].value != planted
    assert not Session.objects.filter(session_key=planted).exists()
    cookie = client.cookies["im_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


@pytest.mark.parametrize(
    "away", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "https:evil.example"]
)
def test_nobody_is_sent_elsewhere(desk: Desk, post: Post, away: str) -> None:
    inside = Client().post("/login/", {"login": OWNER, "password": PASSWORD, "next": away})
    assert inside.headers["Location"] == "/"
    client = Client()
    client.post("/login/link/", {"email": OWNER, "next": away})
    assert client.post(post.deliver().link(OWNER)).headers["Location"] == "/"
    assert client.post("/logout/", {"next": away}).headers["Location"] == "/login/"


def test_who_is_switched_off_is_told_only_with_the_right_password(desk: Desk) -> None:
    User.objects.filter(email=OWNER).update(is_active=False)
    assert sign_in(Client()).headers["Location"] == "/login/inactive/"
    assert "do not match" in sign_in(Client(), "wrong").content.decode()


# ── by link ──


def test_a_link_signs_in_once(desk: Desk, post: Post) -> None:
    client = Client()
    there = desk.url("orders/")
    assert client.post("/login/link/", {"email": " Owner@Northquay.example", "next": there}).status_code == 302
    assert OWNER in client.get("/login/link/sent/").content.decode()
    link = post.deliver().link(OWNER)
    assert "15 minutes" in text_of(post.last(OWNER))
    assert link.split("/")[-2] not in str(list(SignInLink.objects.values_list())), "only its hash is kept"
    for _ in range(2):
        assert client.get(link).status_code == 200
        assert client.head(link).status_code == 200
    assert not is_in(client), "opening it is not using it"
    other = Client()
    assert other.post(link).headers["Location"] == there
    assert is_in(other)
    again = client.post(link)
    assert again.status_code == 410
    assert "does not work" in again.content.decode()
    assert not is_in(client)


def test_a_link_lives_for_fifteen_minutes(desk: Desk, post: Post) -> None:
    with time_machine.travel(clock.now(), tick=False) as now:
        Client().post("/login/link/", {"email": OWNER})
        link = post.deliver().link(OWNER)
        now.shift(timedelta(minutes=15))
        assert Client().post(link).status_code == 410


def test_a_link_belongs_to_its_address(desk: Desk, post: Post) -> None:
    Client().post("/login/link/", {"email": OWNER})
    link = post.deliver().link(OWNER)
    User.objects.filter(email=OWNER).update(email="new@northquay.example")
    assert Client().post(link).status_code == 410


def test_a_used_link_takes_the_others_with_it(desk: Desk, post: Post) -> None:
    Client().post("/login/link/", {"email": OWNER})
    first = post.deliver().link(OWNER)
    Client().post("/login/link/", {"email": OWNER})
    second = post.deliver().link(OWNER)
    assert Client().post(second).status_code == 302
    assert Client().post(first).status_code == 410


def test_of_two_that_press_the_button_together_one_is_in(transactional_db: None, post: Post) -> None:
    desks.build(orders=0)
    Client().post("/login/link/", {"email": OWNER})
    link, start, answers = post.deliver().link(OWNER), threading.Barrier(2), []

    def press() -> None:
        client = Client()
        start.wait()
        try:
            answers.append(client.post(link).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [302, 410]


def test_three_links_in_ten_minutes_for_one_address(desk: Desk) -> None:
    with time_machine.travel(clock.now(), tick=False) as now:
        for _ in range(3):
            assert Client().post("/login/link/", {"email": OWNER}).status_code == 302
        asked = Client().post("/login/link/", {"email": OWNER})
        assert asked.status_code == 429
        assert "wait ten minutes" in asked.content.decode()
        assert Mail.objects.count() == 3
        now.shift(timedelta(minutes=10, seconds=1))
        assert Client().post("/login/link/", {"email": OWNER}).status_code == 302


def test_ten_links_in_a_minute_from_one_place(desk: Desk) -> None:
    answers = [Client().post("/login/link/", {"email": f"p{n}@alder.example"}).status_code for n in range(11)]
    assert answers == [302] * 10 + [429]


def test_an_unknown_address_gets_the_same_answer_and_another_mail(desk: Desk, post: Post) -> None:
    known, unknown = Client(), Client()
    first = known.post("/login/link/", {"email": OWNER})
    second = unknown.post("/login/link/", {"email": "nobody@northquay.example"})
    assert first.headers["Location"] == second.headers["Location"]
    pages = [c.get("/login/link/sent/").content.decode() for c in (known, unknown)]
    assert re.sub(r"csrf\w+.*?>|owner@", "", pages[0]) == re.sub(r"csrf\w+.*?>|nobody@", "", pages[1])
    post.deliver()
    assert post.last("nobody@northquay.example")["Subject"] == "Nobody signs in by this address"


def test_a_link_verifies_its_address(desk: Desk, post: Post) -> None:
    EmailAddress.objects.filter(email=OWNER).update(verified=False)
    Client().post("/login/link/", {"email": OWNER})
    assert Client().post(post.deliver().link(OWNER)).headers["Location"] == "/"
    assert EmailAddress.objects.get(email=OWNER).verified


def test_who_signs_up_by_somebody_elses_address_does_not_wait_inside(post: Post) -> None:
    from tests.test_sign_up import ADDRESS, NEW, sign_up

    thief, login = Client(), {"login": ADDRESS, "password": NEW["password1"]}
    sign_up(thief)
    owner = Client()
    owner.post("/login/link/", {"email": ADDRESS})
    assert owner.post(post.deliver().link(ADDRESS)).headers["Location"] == "/"
    assert not User.objects.get(email=ADDRESS).has_usable_password()
    assert thief.post("/login/", login).status_code == 200, "asked again"
    assert not is_in(thief)


def test_who_signed_up_here_keeps_the_password_when_a_link_is_quicker(post: Post) -> None:
    from tests.test_sign_up import ADDRESS, sign_up

    client = Client()
    sign_up(client)
    client.post("/login/link/", {"email": ADDRESS})
    assert client.post(post.deliver().link(ADDRESS)).headers["Location"] == "/"
    assert User.objects.get(email=ADDRESS).has_usable_password()


# ── the second step ──


@pytest.mark.parametrize("way", ["password", "link"])
def test_the_second_step_is_asked_for_whatever_came_first(desk: Desk, post: Post, way: str) -> None:
    key, client = desks.with_app(desk.users["owner"]), Client()
    if way == "password":
        first = sign_in(client)
    else:
        client.post("/login/link/", {"email": OWNER})
        first = client.post(post.deliver().link(OWNER))
    assert first.headers["Location"] == "/login/second/"
    assert not is_in(client)
    assert "wrong" in client.post("/login/second/", {"code": "000000"}).content.decode()
    assert not is_in(client)
    shown = desks.code(key)
    assert client.post("/login/second/", {"code": shown}).headers["Location"] == "/"
    assert is_in(client)
    again = Client()
    sign_in(again)
    assert "wrong" in again.post("/login/second/", {"code": shown}).content.decode(), "a code works once"


def test_a_code_may_turn_while_it_is_typed_and_works_once_all_the_same(desk: Desk) -> None:
    key = desks.with_app(desk.users["owner"])
    turn = clock.now().replace(second=30, microsecond=0)

    def answered(client: Client, shown: str) -> Any:
        sign_in(client)
        return client.post("/login/second/", {"code": shown})

    with time_machine.travel(turn - timedelta(seconds=1), tick=False) as now:
        shown = desks.code(key)
        now.shift(timedelta(seconds=2))
        assert answered(Client(), shown).headers["Location"] == "/", "a second late"
        now.shift(timedelta(seconds=28))
        assert "wrong" in answered(Client(), shown).content.decode(), "once, to the end of the period it is taken in"
        now.move_to(turn)
        early = desks.code(key, 30)
        assert answered(Client(), early).headers["Location"] == "/", "an app whose clock is fast"
        now.shift(timedelta(seconds=59))
        assert "wrong" in answered(Client(), early).content.decode(), "once, for a minute and a half"
        late = desks.code(key)
        now.shift(timedelta(seconds=61))
        assert "wrong" in answered(Client(), late).content.decode(), "two periods old"


def test_codes_cannot_be_guessed(desk: Desk) -> None:
    key = desks.with_app(desk.users["owner"])
    client = Client()
    sign_in(client)
    for number in range(10):
        client.post("/login/second/", {"code": f"00000{number}"})
    assert "Too many tries" in client.post("/login/second/", {"code": desks.code(key)}).content.decode()


def test_the_key_of_an_app_is_encrypted_and_rotated(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from allauth.mfa.models import Authenticator
    from django.conf import settings
    from django.core.management import call_command

    key = desks.with_app(desk.users["owner"])
    row = Authenticator.objects.get()
    assert key not in str(row.data)
    monkeypatch.setattr(settings, "IM_KEYS", "2027:" + "B" * 43 + "=," + settings.IM_KEYS)
    call_command("rotate_keys")
    row.refresh_from_db()
    assert row.data["secret"].startswith("2027:")
    client = Client()
    sign_in(client)
    assert client.post("/login/second/", {"code": desks.code(key)}).status_code == 302
