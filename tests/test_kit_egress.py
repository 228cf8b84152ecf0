"""The egress guard: what a customer may make us connect to."""

import ipaddress
import socket
from typing import Any

import pytest

from integration_manager.kit import egress
from integration_manager.kit.egress import Guard, is_public
from integration_manager.kit.errors import AddressRefused, ConnectionFailed
from integration_manager.kit.transport import Http
from tests.kit_server import serving

REFUSED = [
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "[::1]",
    "0.0.0.0",  # noqa: S104 (an address to refuse, not to bind)
    "::",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.100.100.200",
    "100.64.0.1",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "fd00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "3fff::1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "127.0.0.01",
    "8.8.2056",
    "127.0.0.1.",
    "0",
    "",
    "a b",
    "evil.example\x00.shop.example",
    "a" * 300,
    "localhost",
]


@pytest.mark.parametrize("host", REFUSED)
def test_refused(host: str) -> None:
    with pytest.raises(AddressRefused) as raised:
        Guard().resolve(host, 443)
    assert len(str(raised.value)) > 20


@pytest.mark.parametrize("host", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"])
def test_public_addresses_pass(host: str) -> None:
    assert [address.ip for address in Guard().resolve(host, 443)] == [host]


def test_every_private_network_that_python_knows_is_refused() -> None:
    for ip in ("10.0.0.1", "192.168.0.1", "172.20.1.1", "127.0.0.1", "169.254.1.1", "fc00::1", "fe80::1", "::1"):
        address = ipaddress.ip_address(ip)
        assert address.is_private
        assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://shop.example/",
        "ftp://shop.example/",
        "javascript:alert(1)",
        "//shop.example/",
        "shop.example",
        "http://shop.example@169.254.169.254/",
        "http://user:pass@shop.example/",
        "http://shop.example\\@127.0.0.1/",
        "http://127.0.0.1\t.shop.example/",
        "http://shop.example\r\nHost: evil/",
        "http://",
        "http://shop.example:0/",
        "http://shop.example:99999/",
        "http://[::1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
    ],
)
def test_addresses_that_are_refused_before_any_look_up(url: str) -> None:
    with pytest.raises(AddressRefused):
        Guard().check_url(url)


def test_a_web_address_in_its_parts() -> None:
    guard = Guard()
    assert guard.check_url("https://Shop.Example/wp-json?x=1") == ("https", "shop.example", 443)
    assert guard.check_url("http://shop.example:8080") == ("http", "shop.example", 8080)
    assert guard.check_url("https://bücher.example/") == ("https", "xn--bcher-kva.example", 443)
    assert guard.check_url("https://[2606:4700::1111]/") == ("https", "2606:4700::1111", 443)


def test_the_operators_exceptions() -> None:
    guard = Guard(["10.1.0.0/16", "192.168.5.5", "wms.lan", "localhost:8443", "10.2.0.1:22", "[fd00::5]:80", " "])
    for host, port in (
        ("10.1.9.9", 1),
        ("192.168.5.5", 443),
        ("::ffff:10.1.0.1", 80),
        ("10.2.0.1", 22),
        ("fd00::5", 80),
    ):
        assert guard.resolve(host, port)
    assert guard.resolve("LOCALHOST", 8443)[0].ip in ("127.0.0.1", "::1")
    for host, port in (
        ("localhost", 443),
        ("10.2.0.1", 23),
        ("192.168.5.6", 443),
        ("fd00::5", 81),
        ("127.0.0.1", 8443),
    ):
        with pytest.raises(AddressRefused):
            guard.resolve(host, port)
    assert "exceptions" in repr(guard)


@pytest.mark.parametrize("entry", ["http://wms.lan", "10.0.0.0/99", "a b", "wms.lan/x", "u@wms.lan", "2130706433"])
def test_an_exception_that_is_none_is_told_at_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match="neither a host"):
        Guard([entry])


class Names:
    """A name server whose answers change: stands in for the system's resolver only."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): list(lists) for name, lists in answers.items()}
        self.asked: list[str] = []
        self._real = socket.getaddrinfo
        monkeypatch.setattr(egress.socket, "getaddrinfo", self._answer)

    def _answer(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host not in self.answers:
            return self._real(host, port, *args, **kwargs)
        self.asked.append(host)
        lists = self.answers[host]
        ips = lists.pop(0) if len(lists) > 1 else lists[0]
        if not ips:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [entry for ip in ips for entry in self._real(ip, port, type=socket.SOCK_STREAM)]


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, shop_example=[["8.8.8.8", "127.0.0.1"]])
    with pytest.raises(AddressRefused, match=r"private network \(127\.0\.0\.1\)"):
        Guard().resolve("shop.example", 443)


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, shop_example=[[]])
    with pytest.raises(ConnectionFailed, match=r"no server with the name shop\.example"):
        Guard().resolve("shop.example", 443)


def test_dns_rebinding_has_no_second_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer is allowed, all later ones lead to a server that must never be reached."""
    with serving() as allowed, serving("127.0.0.2") as inside:
        names = Names(monkeypatch, shop_example=[["127.0.0.1"], ["127.0.0.2"]])
        guard = Guard(["127.0.0.1"])
        with Http(base_url=f"http://shop.example:{allowed.port}", guard=guard, limiter=None, journal=None) as http:
            http.get("a")
            http.get("b")
            assert names.asked == ["shop.example"]
            assert allowed.asked[0].headers["Host"] == f"shop.example:{allowed.port}"
            http.close()
            with pytest.raises(AddressRefused):
                http.get("c")
        assert len(allowed.asked) == 2
        assert not inside.asked


def test_a_refused_address_is_never_connected_to() -> None:
    with serving() as server:
        for host in ("127.0.0.1", "localhost"):
            http = Http(base_url=f"http://{host}:{server.port}", guard=Guard(), limiter=None, journal=None)
            with http, pytest.raises(AddressRefused):
                http.post("orders", json={})
        with pytest.raises(AddressRefused):
            Guard().connect("127.0.0.1", server.port, 1.0)
        assert not server.asked


def test_a_plain_connection_for_other_protocols() -> None:
    with serving() as server, Guard([f"127.0.0.1:{server.port}"]).connect("127.0.0.1", server.port, 2.0) as sock:
        assert sock.gettimeout() == 2.0
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert sock.recv(8) == b"HTTP/1.1"


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        Names(monkeypatch, shop_example=[["127.0.0.3", "127.0.0.1"]])
        with Guard(["127.0.0.0/8"]).connect("shop.example", server.port, 2.0) as sock:
            assert sock.getpeername()[0] == "127.0.0.1"


def test_a_slow_name_server_does_not_hold_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading
    import time

    wait = threading.Event()
    monkeypatch.setattr(egress.socket, "getaddrinfo", lambda *a, **k: wait.wait(60) and [])
    began = time.monotonic()
    with pytest.raises(ConnectionFailed, match="no answer"):
        Guard().resolve("shop.example", 443, 0.2)
    wait.set()
    assert time.monotonic() - began < 30
