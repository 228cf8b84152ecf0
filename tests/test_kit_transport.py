"""The transport over real sockets: answers, deadlines, repetition, redirects, what counts as sent."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integration_manager.kit import clock
from integration_manager.kit.egress import Guard
from integration_manager.kit.errors import (
    AuthFailed,
    BadAnswer,
    ConnectionFailed,
    ConnectorError,
    NeedsHuman,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    Transient,
)
from integration_manager.kit.transport import Answer, Exchange, Http
from tests.kit_server import Authority, Handler, Server, gzipped, serving

MB = 1024 * 1024


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def kept() -> list[Exchange]:
    return []


@pytest.fixture
def http(server: Server, kept: list[Exchange]) -> Iterator[Http]:
    with open_http(server.url, kept) as opened:
        yield opened


def open_http(url: str, kept: list[Exchange] | None = None, **more: Any) -> Http:
    """A transport that may call this machine, and gives up early."""
    journal = kept.append if kept is not None else None
    more = {"timeout": 2.0, "guard": Guard(["127.0.0.1", "::1"]), **more}
    return Http(base_url=url, limiter=None, journal=journal, **more)


# ── answers ──


def test_an_answer_has_exact_numbers_and_the_remote_time(server: Server, http: Http) -> None:
    server.play = lambda h: h.say(200, b'{"total": 19.10, "n": 3}', Date="Sat, 21 Nov 2026 10:00:00 GMT")
    answer = http.get("orders", params={"page": 2})
    assert answer.json() == {"total": Decimal("19.10"), "n": 3}
    assert answer.json()["total"].as_tuple() == Decimal("19.10").as_tuple()
    assert answer.remote_time == http.remote_time == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert server.asked[0].path == "/orders?page=2"


def test_without_a_date_the_remote_time_is_unknown(server: Server, http: Http) -> None:
    assert http.remote_time is None
    server.play = lambda h: h.say(200, b"{}", Date="yesterday")
    assert http.get("x").remote_time is None
    assert http.remote_time is None


def test_what_the_connector_sets_goes_with_every_request(server: Server, http: Http) -> None:
    http.auth, http.headers, http.params = ("shop", "pass"), {"X-Version": "7"}, {"v": 1}
    http.post("/orders", json={"price": Decimal("1.50"), "n": Decimal(2), "name": "Zoë"}, params=[("a", 1), ("a", 2)])
    asked = server.asked[0]
    assert asked.path == "/orders?v=1&a=1&a=2"
    assert asked.headers["Authorization"] == "Basic c2hvcDpwYXNz"
    assert asked.headers["X-Version"] == "7"
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.body.decode() == '{"price": 1.5, "n": 2, "name": "Zoë"}'


def test_whole_urls_of_the_same_host_get_the_credentials_and_others_do_not(http: Http, server: Server) -> None:
    http.auth, http.headers = ("shop", "pass"), {"X-Key": "abc"}
    http.get(f"{server.url}/next?page=2")
    with serving() as other:
        http.get(f"{other.url}/report")
        assert "Authorization" in server.asked[0].headers
        assert not {"Authorization", "X-Key"} & set(other.asked[0].headers)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><html><body>Login</body></html>", "a web page instead of data"),
        (b'{"orders": [{"id": 1}, {"id"', "ends in the middle"),
        (b"[1, 2", "ends in the middle"),
        (b"Notice: Undefined index", "not valid JSON"),
        (b"", "nothing where data was expected"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": 1e999999999}', "not valid JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "not valid JSON"),
        (b'{"a": "\xff\xfe"}', "not valid JSON"),
    ],
)
def test_what_is_no_json_is_a_bad_answer_in_plain_words(server: Server, http: Http, body: bytes, words: str) -> None:
    server.play = lambda h: h.say(200, body)
    with pytest.raises(BadAnswer, match=words) as raised:
        http.get("x").json()
    assert raised.value.__context__ is None
    with pytest.raises(OutcomeUnknown, match=words):
        http.post("x").json()


def test_text_comes_in_the_character_set_it_was_sent_in(server: Server, http: Http) -> None:
    server.play = lambda h: h.say(200, "Zoë".encode("latin-1"), Content_Type="text/csv; charset=ISO-8859-1")
    assert http.get("x").text == "Zoë"
    server.play = lambda h: h.say(200, b"\xef\xbb\xbf" + '{"a": "Zoë"}'.encode(), Content_Type="x; charset=nonsense")
    assert http.get("x").json() == {"a": "Zoë"}


# ── connections ──


def test_a_connection_is_kept_per_thread_and_no_cookie_is(server: Server, http: Http) -> None:
    server.play = lambda h: h.say(200, {}, Set_Cookie="session=abc; Path=/")

    def three() -> None:
        for _ in range(3):
            http.get("x")

    threads = [threading.Thread(target=three) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 6
    assert len({asked.connection for asked in server.asked}) == 2
    assert not any("Cookie" in asked.headers for asked in server.asked)
    assert http.calls == 6


def test_proxies_and_netrc_of_the_environment_are_ignored(
    server: Server, http: Http, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password it\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    http.get("x")
    assert "Authorization" not in server.asked[0].headers


def test_ipv6_works() -> None:
    with serving("::1") as server, open_http(f"http://[::1]:{server.port}") as http:
        assert http.get("x").json() == {"ok": True}
        assert server.asked[0].headers["Host"] == f"[::1]:{server.port}"


def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept: list[Exchange] = []
    with (
        open_http(f"http://127.0.0.1:{port}", kept) as http,
        pytest.raises(ConnectionFailed, match="refuses") as raised,
    ):
        http.post("orders", json={})
    assert raised.value.code == "unreachable"
    assert [(entry.status, entry.error) for entry in kept] == [(None, "ConnectionFailed")] * 3


def test_a_server_that_comes_back_at_once_gets_the_post() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def answer() -> None:
        time.sleep(0.05)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    with open_http(f"http://127.0.0.1:{port}") as http:
        assert http.post("orders", json={}).status == 201
    thread.join()
    listener.close()


def test_an_unknown_name_is_a_failed_connection() -> None:
    with open_http("https://no-such-host.invalid", timeout=5) as http, pytest.raises(ConnectionFailed) as raised:
        http.get("x")
    assert raised.value.code == "dns"
    assert "no-such-host.invalid" in str(raised.value)


# ── TLS ──


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def test_tls_with_a_known_authority(authority: Authority) -> None:
    with serving(tls=authority.context("127.0.0.1", "localhost")) as server:
        allowed = Guard(["127.0.0.1", "localhost"])
        for name in ("127.0.0.1", "localhost"):
            url = f"https://{name}:{server.port}"
            with open_http(url, guard=allowed, ca_file=authority.ca_file) as http:
                assert http.post("x", json={"a": "b" * 200_000}).json() == {"ok": True}
                assert http.get("x").json() == {"ok": True}
        assert len({asked.connection for asked in server.asked}) == 2


@pytest.mark.parametrize(
    ("names", "expired", "trusted", "words"),
    [
        (["127.0.0.1"], True, True, "has expired"),
        (["shop.example"], False, True, "made out to another"),
        (["127.0.0.1"], False, False, "authority that is not known"),
    ],
)
def test_a_bad_certificate_is_told_in_words(
    authority: Authority, names: list[str], expired: bool, trusted: bool, words: str
) -> None:
    with serving(tls=authority.context(*names, expired=expired)) as server:
        ca_file = authority.ca_file if trusted else None
        with open_http(server.url, ca_file=ca_file) as http, pytest.raises(ConnectionFailed, match=words) as raised:
            http.post("orders", json={})
        assert raised.value.code == "tls"
        assert not server.asked


def test_a_server_without_tls(server: Server) -> None:
    with open_http(f"https://127.0.0.1:{server.port}") as http, pytest.raises(ConnectionFailed) as raised:
        http.get("x")
    assert raised.value.code == "tls"


def test_a_handshake_that_never_ends_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with open_http(url, timeout=60, connect_timeout=0.4) as http, pytest.raises(ConnectionFailed):
            http.post("x")
        assert time.monotonic() - began < 30


# ── the deadline ──


DRIPPING = 10  # seconds that each of these takes at least, if it is heard to its end


def drip_head(handler: Handler) -> None:
    """One byte of the head every 50 ms, for ever."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 200:
        handler.raw(bytes([byte]))
        time.sleep(0.05)


def drip_body(handler: Handler) -> None:
    """The head at once, then one byte of the body every 50 ms."""
    handler.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n")
    for _ in range(200):
        handler.raw(b"a")
        time.sleep(0.05)


def drip_chunks(handler: Handler) -> None:
    """The same, chunked."""
    handler.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(200):
        handler.raw(b"1\r\na\r\n")
        time.sleep(0.05)


def say_nothing(handler: Handler) -> None:
    """No answer."""
    time.sleep(3)
    handler.hang_up()


@pytest.mark.parametrize("play", [drip_head, drip_body, drip_chunks, say_nothing])
@pytest.mark.parametrize("secure", [False, True])
def test_a_call_ends_at_its_deadline(authority: Authority, play: Any, secure: bool) -> None:
    with serving(tls=authority.context("127.0.0.1") if secure else None) as server:
        server.play = play
        with open_http(server.url, timeout=1.5, ca_file=authority.ca_file) as http:
            began = time.monotonic()
            with pytest.raises(Transient, match=r"127\.0\.0\.1 did not answer within 1\.5 seconds") as raised:
                http.get("x")
            assert 0.5 < time.monotonic() - began < DRIPPING
            assert type(raised.value) is Transient
            began = time.monotonic()
            with pytest.raises(OutcomeUnknown, match=r"within 1 second\."):
                http.post("x", json={}, timeout=1.0)  # in less a busy machine may not have come to sending it
            assert time.monotonic() - began < DRIPPING
        assert len(server.asked) == 2


def test_a_server_that_does_not_read_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        began = time.monotonic()
        with open_http(url, timeout=0.5) as http, pytest.raises(OutcomeUnknown):
            http.post("x", data=b"a" * 30 * MB)
        assert time.monotonic() - began < 30


def test_a_slow_but_whole_answer_within_the_deadline_is_fine(server: Server, http: Http) -> None:
    def slow(handler: Handler) -> None:
        time.sleep(0.3)
        handler.say(200, {"a": 1})

    server.play = slow
    assert http.get("x").json() == {"a": 1}


# ── the size ──


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_body_that_is_too_large(server: Server, method: str) -> None:
    def endless(handler: Handler) -> None:
        handler.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            handler.raw(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")

    bomb = gzipped(b"\0" * 50 * MB)
    assert len(bomb) < 100_000
    plays = [
        endless,
        lambda h: h.say(200, b"a" * 2 * MB),
        lambda h: h.say(200, bomb, Content_Encoding="gzip"),
        lambda h: h.say(200, gzipped(bomb), Content_Encoding="gzip, gzip"),
    ]
    error: type[ConnectorError] = BadAnswer if method == "get" else OutcomeUnknown
    with open_http(server.url, max_body=MB, timeout=10) as http:
        for play in plays:
            server.play = play
            with pytest.raises(error, match="too large"):
                getattr(http, method)("x")
    assert len(server.asked) == len(plays)


def test_a_packed_answer_is_unpacked(server: Server, http: Http) -> None:
    server.play = lambda h: h.say(200, gzipped(b'{"a": 1}'), Content_Encoding="gzip")
    assert http.get("x").json() == {"a": 1}


def test_a_body_of_exactly_the_limit_is_read(server: Server) -> None:
    server.play = lambda h: h.say(200, b"a" * MB)
    with open_http(server.url, max_body=MB) as http:
        assert len(http.get("x").content) == MB


# ── failures after sending ──


def short(handler: Handler) -> None:
    """Promises more than it sends."""
    handler.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id"')
    handler.hang_up()


def no_http(handler: Handler) -> None:
    """Speaks another language."""
    handler.raw(b"220 ftp.example.com ready\r\n\r\n")
    handler.hang_up()


def bad_gzip(handler: Handler) -> None:
    """Says gzip and is none."""
    handler.say(200, b"plain", Content_Encoding="gzip")


def close(handler: Handler) -> None:
    """Goes away."""
    handler.hang_up()


def reset(handler: Handler) -> None:
    """Goes away impolitely."""
    handler.hang_up(reset=True)


@pytest.mark.parametrize(
    ("play", "error", "calls"),
    [
        (close, Transient, 3),
        (reset, Transient, 3),
        (short, BadAnswer, 3),
        (bad_gzip, BadAnswer, 1),
        (no_http, BadAnswer, 1),
    ],
)
def test_failures_after_sending(
    server: Server, http: Http, kept: list[Exchange], play: Any, error: type[ConnectorError], calls: int
) -> None:
    server.play = play
    with pytest.raises(error) as raised:
        http.get("x")
    assert type(raised.value) is error
    assert len(server.asked) == calls
    with pytest.raises(OutcomeUnknown, match="may have carried out"):
        http.post("x", json={})
    assert len(server.asked) == calls + 1, "a write is never repeated"
    with pytest.raises(error):
        http.post("x", json={}, safe=True)
    assert len(server.asked) == 2 * calls + 1
    assert [entry.error for entry in kept].count("OutcomeUnknown") == 1


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_writes_are_not_repeated_either(server: Server, http: Http, method: str) -> None:
    server.play = close
    with pytest.raises(OutcomeUnknown):
        getattr(http, method)("x")
    assert len(server.asked) == 1


def test_a_small_trouble_is_not_seen(server: Server, http: Http) -> None:
    server.script(close, short, lambda h: h.say(200, {"a": 1}))
    assert http.get("x").json() == {"a": 1}
    assert len(server.asked) == 3


def test_a_kept_connection_that_breaks_counts_as_sent(server: Server, http: Http) -> None:
    server.script(lambda h: h.say(200, {}), close)
    http.get("x")
    with pytest.raises(OutcomeUnknown):
        http.post("orders", json={})
    assert len({asked.connection for asked in server.asked}) == 1
    assert [asked.method for asked in server.asked] == ["GET", "POST"]


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(server: Server, http: Http) -> None:
    def last(handler: Handler) -> None:
        handler.say(200, {})
        handler.hang_up()

    server.script(last, lambda h: h.say(201, {}))
    http.get("x")
    time.sleep(0.1)
    assert http.post("orders", json={}).status == 201


# ── what a status means ──


@pytest.mark.parametrize(
    ("status", "reading", "writing", "code"),
    [
        (400, Permanent, Permanent, "http_400"),
        (401, AuthFailed, AuthFailed, "auth_failed"),
        (403, Permanent, Permanent, "forbidden"),
        (404, Permanent, Permanent, "http_404"),
        (408, Transient, Transient, "remote_unavailable"),
        (409, Permanent, Permanent, "http_409"),
        (410, Permanent, Permanent, "http_410"),
        (422, Permanent, Permanent, "http_422"),
        (425, Transient, Transient, "remote_unavailable"),
        (429, RateLimited, RateLimited, "rate_limited"),
        (500, Transient, Transient, "remote_unavailable"),
        (501, Permanent, Permanent, "http_501"),
        (502, Transient, OutcomeUnknown, None),
        (503, Transient, Transient, "remote_unavailable"),
        (504, Transient, OutcomeUnknown, None),
        (524, Transient, OutcomeUnknown, None),
    ],
)
def test_what_a_status_means(
    server: Server, http: Http, status: int, reading: type[Exception], writing: type[Exception], code: str | None
) -> None:
    server.play = lambda h: h.say(status, b"<html><title>Oh</title><script>x</script><p>The  words</p></html>")
    for method, error in (("get", reading), ("post", writing)):
        with pytest.raises(ConnectorError) as raised:
            getattr(http, method)("x")
        assert type(raised.value) is error
        assert code is None or raised.value.code == code
        assert raised.value.said == "Oh The words"
        assert "127.0.0.1" in str(raised.value)
    assert len(server.asked) == 2


def test_a_refusal_with_an_unreadable_body_is_still_a_refusal(server: Server, http: Http) -> None:
    def refuse(handler: Handler) -> None:
        handler.raw(b"HTTP/1.1 422 No\r\nContent-Length: 100\r\n\r\nbad")
        handler.hang_up()

    server.play = refuse
    with pytest.raises(Permanent):
        http.post("orders", json={})


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        ("7", 7),
        ("1.5", 1.5),
        ("Sat, 21 Nov 2026 10:02:00 GMT", 120),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0),
        ("99999999", 86400),
        ("soon", None),
        ("-5", None),
        (None, None),
    ],
)
def test_retry_after_goes_by_the_clock_of_the_other_side(
    server: Server, http: Http, after: str | None, seconds: float | None
) -> None:
    headers = {"Date": "Sat, 21 Nov 2026 10:00:00 GMT"} | ({"Retry_After": after} if after else {})
    at = datetime(2030, 1, 1, tzinfo=UTC)
    for status in (429, 503):
        server.play = lambda h, status=status: h.say(status, b"", **headers)
        with clock.frozen(at), pytest.raises(Transient) as raised:
            http.get("x")
        expected = None if seconds is None else at + timedelta(seconds=seconds)
        assert raised.value.retry_at == expected


def test_the_connector_is_asked_first(server: Server, http: Http, kept: list[Exchange]) -> None:
    def classify(answer: Answer) -> Exception | None:
        if answer.json().get("error"):
            return NeedsHuman(answer.json()["error"], field="ship_code")
        return None

    http.classify = classify
    server.play = lambda h: h.say(200, {"error": "no such method"})
    with pytest.raises(NeedsHuman, match="no such method"):
        http.get("x")
    assert kept[0].error == "NeedsHuman"
    server.play = lambda h: h.say(502, b"<html>Bad gateway</html>")
    with pytest.raises(OutcomeUnknown):
        http.post("x")
    server.play = lambda h: h.say(200, b"<html>Maintenance</html>")
    with pytest.raises(BadAnswer):
        http.get("x")
    server.play = lambda h: h.say(404, {"error": ""})
    with pytest.raises(Permanent):
        http.get("x")


def test_a_connector_may_raise_what_it_finds(server: Server, http: Http) -> None:
    def classify(answer: Answer) -> Exception | None:
        raise NeedsHuman("the warehouse is closed")

    http.classify = classify
    server.play = lambda h: h.say(500, {})
    with pytest.raises(NeedsHuman):
        http.get("x")


# ── redirects ──


def to(where: str, status: int = 302) -> Any:
    """A step that redirects."""
    return lambda handler: handler.say(status, b"", Location=where)


def test_a_redirect_on_the_same_host_is_followed(server: Server, http: Http) -> None:
    http.auth = ("shop", "pass")
    server.script(to("/b?x=1"), to(f"{server.url}/c"), lambda h: h.say(200, {"a": 1}))
    assert http.get("a", params={"x": 2}).json() == {"a": 1}
    assert [asked.path for asked in server.asked] == ["/a?x=2", "/b?x=1", "/c"]
    assert all("Authorization" in asked.headers for asked in server.asked)


def test_a_redirect_to_another_host_or_port_is_not_followed(server: Server, http: Http) -> None:
    http.auth = ("shop", "pass")
    with serving() as other:
        for target in (other.url, f"http://localhost:{server.port}/", "http://169.254.169.254/", "ftp://127.0.0.1/"):
            server.play = to(target)
            with pytest.raises(BadAnswer, match="sends us on") as raised:
                http.get("x")
            assert raised.value.code == "redirected"
        assert not other.asked


def test_a_redirect_from_https_to_http_is_not_followed(authority: Authority, server: Server) -> None:
    with serving(tls=authority.context("127.0.0.1")) as secure:
        secure.play = to(server.url)
        with open_http(secure.url, ca_file=authority.ca_file) as http, pytest.raises(BadAnswer):
            http.get("x")
    assert not server.asked


def test_redirects_end(server: Server, http: Http) -> None:
    server.play = to("/x")
    with pytest.raises(BadAnswer, match="in circles"):
        http.get("x")
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("status", "error"), [(301, AuthFailed), (308, AuthFailed), (302, OutcomeUnknown), (303, OutcomeUnknown)]
)
def test_a_write_is_not_redirected(server: Server, http: Http, status: int, error: type[ConnectorError]) -> None:
    server.play = to("/elsewhere", status)
    with pytest.raises(error) as raised:
        http.post("orders", json={})
    assert raised.value.code == "redirected"
    assert len(server.asked) == 1


# ── the journal ──


def test_the_journal_keeps_writes_failures_and_what_is_asked_for(
    server: Server, http: Http, kept: list[Exchange]
) -> None:
    http.get("a")
    http.post("graphql", json={"query": "{ orders { id } }"}, safe=True)
    assert kept == []
    http.post("graphql", json={"query": "mutation { ship }"}, safe=True)
    http.post("orders", json={"ref": "A-1"})
    http.trace = True
    http.get("b")
    assert [(entry.method, entry.url.rpartition("/")[2], entry.wrote) for entry in kept] == [
        ("POST", "graphql", True),
        ("POST", "orders", True),
        ("GET", "b", False),
    ]
    entry = kept[1]
    assert (entry.status, entry.error) == (200, "")
    assert entry.request_body == '{"ref": "A-1"}'
    assert entry.response_body == '{"ok": true}'
    assert 0 < entry.seconds < 60
    assert abs((clock.now() - entry.started_at).total_seconds()) < 60


def test_an_exchange_is_cut_to_16_kb(server: Server, http: Http, kept: list[Exchange]) -> None:
    server.play = lambda h: h.say(200, b"x" * 100_000)
    http.post("x", data=b"y" * 100_000)
    assert 15_000 < len(kept[0].request_body) <= 16_001
    assert 15_000 < len(kept[0].response_body) <= 16_001


def test_a_journal_that_fails_does_not_lose_an_order(server: Server) -> None:
    def full(entry: Exchange) -> None:
        raise OSError("no space left on device")

    with Http(base_url=server.url, guard=None, limiter=None, journal=full) as http:
        assert http.post("orders", json={}).status == 200


# ── addresses ──


@pytest.mark.parametrize("url", ["ftp://shop.example", "shop.example", "http://user:pass@shop.example", "https://", ""])
def test_an_address_that_is_none(url: str) -> None:
    with open_http(url, guard=None) as http, pytest.raises(AuthFailed):
        http.get("orders")


def test_credentials_that_cannot_be_sent(server: Server, http: Http) -> None:
    for wrong in ("key\r\nX-Evil: 1", "key 🔑"):
        http.headers = {"X-Key": wrong}
        with pytest.raises(AuthFailed, match="characters"):
            http.get("x")
    assert not server.asked


def test_tls_settings_cannot_be_weakened(authority: Authority) -> None:
    from integration_manager.kit.wire import tls_context

    context = tls_context(authority.ca_file)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
