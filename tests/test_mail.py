"""Mails as rows: sent once, tried again while it makes sense, blanked afterwards."""

import smtplib
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.mail.backends.smtp import EmailBackend
from django.db import connection, transaction

from accounts import mail
from accounts.models import Mail
from integration_manager.kit import clock
from tests.smtp_server import Post, post, serving, text_of

pytestmark = pytest.mark.django_db
__all__ = ["post"]
TO = "priya@alder.example"
CANARY = "https://im.example/login/link/CANARY-of-a-token/"


def write(to: str = TO, **kwargs: Any) -> Mail:
    return mail.queue("sign_in_link", to, {"url": CANARY, "name": "Priya"}, **kwargs)


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(m::text, ' ') FROM accounts_mail m")
        (text,) = cursor.fetchone()
    return str(text)


def test_it_is_sent_once_and_forgotten(post: Post) -> None:
    row = write()
    assert "CANARY" not in stored(), "the link is encrypted while it waits"
    post.deliver().deliver()
    made = post.last(TO)
    assert len(post.mails) == 1
    assert CANARY in text_of(made)
    assert made["Message-ID"] == f"<{row.key}@localhost>"
    row.refresh_from_db()
    assert row.sent_at is not None
    assert row.retry_at is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT context FROM accounts_mail")
        assert cursor.fetchone() == ("",)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_sent(post: Post) -> None:
    class Undone(Exception):
        pass

    with pytest.raises(Undone), transaction.atomic():
        write()
        raise Undone
    assert post.deliver().mails == []


def test_a_server_that_is_away_loses_nothing(settings: Any) -> None:
    settings.EMAIL_URL, settings.EMAIL_HOST, settings.EMAIL_PORT = "smtp://127.0.0.1:9", "127.0.0.1", 9
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with time_machine.travel(clock.now(), tick=False) as now:
        row, pauses = write(), []
        for _ in range(5):
            mail.send_due(clock.now())
            row.refresh_from_db()
            assert row.retry_at is not None
            pauses.append(row.retry_at - clock.now())
            assert "Refused" in row.problem
            now.move_to(row.retry_at)
        assert pauses == mail.PAUSES[:5], "longer and longer"
        with serving(settings) as post:
            assert len(post.deliver().mails) == 1


def test_not_before_its_pause_is_over(post: Post) -> None:
    post.answers[TO] = "450 try later"
    with time_machine.travel(clock.now(), tick=False) as now:
        write()
        post.deliver()
        post.answers.clear()
        assert post.deliver().mails == []
        now.shift(mail.PAUSES[0])
        assert len(post.deliver().mails) == 1


def test_after_hours_it_gives_up(post: Post) -> None:
    post.answers[TO] = "450 try later"
    with time_machine.travel(clock.now(), tick=False) as now:
        row = write()
        now.shift(mail.GIVE_UP + timedelta(minutes=1))
        post.deliver()
        row.refresh_from_db()
        assert (row.retry_at, row.sent_at) == (None, None)
        assert "try later" in row.problem


@pytest.mark.parametrize("where", ["recipient", "content"])
def test_an_address_that_is_refused_for_good_is_not_tried_again_and_holds_up_nobody(post: Post, where: str) -> None:
    if where == "recipient":
        post.answers[TO] = "550 no such user"
    else:
        post.data_answer = "554 unwanted"
    row = write()
    post.deliver()
    post.answers.clear()
    post.data_answer = ""
    write("other@alder.example")
    post.deliver()
    assert [made["To"] for made in post.mails] == ["other@alder.example"]
    row.refresh_from_db()
    assert (row.retry_at, row.sent_at) == (None, None)
    assert row.problem.startswith("55")
    assert "CANARY" not in str(row.context)


def test_a_refused_recipient_does_not_keep_the_next_mail_waiting(post: Post) -> None:
    post.answers[TO] = "550 no such user"
    write()
    write("other@alder.example")
    assert [made["To"] for made in post.deliver().mails] == ["other@alder.example"]


@pytest.mark.parametrize(
    ("where", "answer"),
    [
        ("sender", "550 5.4.5 Daily sending quota exceeded"),
        ("sender", "530 Must issue a STARTTLS command first"),
        ("sender", "553 sender not allowed"),
        ("recipient", "554 5.7.1 Relay access denied"),
        ("recipient", "550 5.7.1 blocked using zen.spamhaus.org"),
        ("recipient", "550 5.1.8 the sender's domain is unknown"),
        ("recipient", "554 no"),
        ("recipient", "550 relay not permitted"),
        ("recipient", "550 Sender verify failed"),
        ("recipient", "550 Administrative prohibition"),
        ("recipient", "550"),
        ("recipient", "550 Rejected because 192.0.2.1 is in a black list"),
        ("content", "554 Message rejected: Email address is not verified."),
        ("content", "554 Sending quota exceeded"),
        ("content", "550 5.4.5 Daily user sending limit exceeded"),
        ("content", "554 5.7.1 your host is blocked"),
    ],
)
def test_what_is_between_the_server_and_us_passes_also_where_it_says_never(post: Post, where: str, answer: str) -> None:
    with time_machine.travel(clock.now(), tick=False) as now:
        row = write()
        if where == "recipient":
            post.answers[TO] = answer
        else:
            setattr(post, "sender_answer" if where == "sender" else "data_answer", answer)
        post.deliver()
        row.refresh_from_db()
        assert row.retry_at is not None and row.problem == answer
        post.answers.clear()
        post.sender_answer = post.data_answer = ""
        now.shift(mail.PAUSES[0])
        assert len(post.deliver().mails) == 1


def test_a_login_that_the_server_refuses_is_the_operators_matter_not_the_mails(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any) -> None:
        raise smtplib.SMTPAuthenticationError(535, b"who are you")

    row = write()
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "open", refuse)
        post.deliver()
    row.refresh_from_db()
    assert row.retry_at is not None


def test_a_link_that_works_no_longer_is_not_mailed(post: Post) -> None:
    with time_machine.travel(clock.now(), tick=False) as now:
        row = write(lives=timedelta(minutes=15))
        now.shift(timedelta(minutes=15))
        assert post.deliver().mails == []
    row.refresh_from_db()
    assert row.retry_at is None
    assert not row.context


def test_a_crash_between_sending_and_recording_costs_one_repetition(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    write()
    with monkeypatch.context() as patch:
        patch.setattr(mail, "_done", die)
        with pytest.raises(Killed):
            post.deliver()
    post.deliver()
    assert len(post.mails) == 1, "its lease is not over yet"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_mail SET lease_until = now() - interval '1 second'")
    post.deliver().deliver()
    assert len(post.mails) == 2
    assert post.mails[0]["Message-ID"] == post.mails[1]["Message-ID"]


def test_who_took_longer_than_its_lease_records_nothing(post: Post) -> None:
    row = write()
    late = mail._claim(clock.now())
    assert late is not None
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_mail SET lease_until = now() - interval '1 second'")
    assert mail._claim(clock.now()) is not None
    mail._done(late, sent_at=clock.now())
    row.refresh_from_db()
    assert row.sent_at is None


@pytest.mark.django_db(transaction=True)
def test_two_senders_send_each_mail_once(post: Post) -> None:
    for number in range(8):
        write(f"p{number}@alder.example")
    start = threading.Barrier(2)

    def send() -> None:
        start.wait()
        try:
            mail.send_due(clock.now())
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made["To"] for made in post.mails) == [f"p{number}@alder.example" for number in range(8)]


def test_without_a_server_it_waits_and_the_demo_shows_it(settings: Any, client: Any) -> None:
    settings.EMAIL_URL = ""
    row = write()
    mail.send_due(clock.now())
    row.refresh_from_db()
    assert row.retry_at is not None
    assert client.get("/outbox/").status_code == 404, "not in production"
    settings.IM_DEMO = True
    assert "Your sign-in link" in client.get("/outbox/").content.decode()
    shown = client.get(f"/outbox/?mail={row.key}").content.decode()
    assert CANARY in shown
    html = client.get(f"/outbox/{row.key}/")
    assert CANARY in html.content.decode()
    assert "default-src 'none'" in html.headers["Content-Security-Policy"]
    assert "script" not in html.headers["Content-Security-Policy"]
    assert client.get("/outbox/", REMOTE_ADDR="192.0.2.7").status_code == 404
    assert client.get("/outbox/", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 404
    settings.EMAIL_URL = "smtp://mail.example"
    assert client.get("/outbox/").status_code == 404
    assert client.get(f"/outbox/{row.key}/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_old_rows_are_forgotten_at_night() -> None:
    from accounts.jobs import KEPT, tidy

    with time_machine.travel(clock.now(), tick=False) as now:
        old, waiting = write(), write()
        Mail.objects.filter(pk=old.pk).update(retry_at=None, sent_at=clock.now())
        now.shift(KEPT + timedelta(days=1))
        tidy()
    assert list(Mail.objects.all()) == [waiting]
