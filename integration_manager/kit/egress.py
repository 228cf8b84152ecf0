"""The egress guard: where a request on a user's word may go.

Customers type the addresses of their shops, file servers and webhooks, so an address may as well lead
to a database next door or to the cloud's metadata service. Every connection to a customer's system
therefore goes through `Guard`: the name is looked up once, every address it has is judged, and the
connection is made to an address that was judged, so that a second DNS answer cannot change the target.
"""

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from integration_manager.kit.errors import AddressRefused, ConnectionFailed

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_PORTS = {"http": 80, "https": 443}

# Written out rather than left to `ipaddress.is_private`, whose answer differs between Pythons.
_REFUSED_4 = [
    ipaddress.ip_network(net)
    for net in (
        "0.0.0.0/8",  # "this host": Linux takes 0.0.0.0 for itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata service is in it
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's metadata service, the one with a public address
        "169.254.0.0/16",  # link-local, with the metadata service of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",  # reserved, with the broadcast address
    )
]
_GLOBAL_6 = ipaddress.ip_network("2000::/3")
_REFUSED_6 = [
    ipaddress.ip_network(net)
    for net in ("2001::/23", "2001:db8::/32", "3fff::/20")  # 2001::/23 has Teredo in it
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")

# What inet_aton reads as an IPv4 address: 2130706433, 0x7f.1, 0177.0.0.1 …
_NUMERIC_HOST = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\.?", re.I)
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?")


class Address(NamedTuple):
    """One address that a name has: an IP in its usual notation, and a port."""

    family: socket.AddressFamily
    ip: str
    port: int


def is_public(ip: IP) -> bool:
    """Whether `ip` is on the public internet, also judged by an IPv4 address wrapped in it."""
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in net for net in _REFUSED_4)
    if ip in _NAT64:
        return is_public(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    if ip in _SIX_TO_FOUR:
        return is_public(ipaddress.IPv4Address((int(ip) >> 80) & 0xFFFFFFFF))
    # An IPv4 address mapped into IPv6 is not in 2000::/3; nobody writes a public one like that.
    return ip in _GLOBAL_6 and not any(ip in net for net in _REFUSED_6)


def host_of(host: str) -> str:
    """A host name as it is looked up: lower case, ASCII, without brackets. Raises AddressRefused."""
    name = host.strip().lower()
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    if _ip(name) is not None:
        return name
    if _NUMERIC_HOST.fullmatch(name):
        raise AddressRefused(f"{host} is an unusual way to write an IP address. Write the name of the server.")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise AddressRefused(f"{_shown(host)} is not the name of a server.") from None
    if len(name) > 253 or not _HOST.fullmatch(name):
        raise AddressRefused(f"{_shown(host)} is not the name of a server.")
    return name


class Guard:
    """Decides which addresses may be connected to, and connects.

    `allow` are the exceptions set by the operator: hosts, host:port, IPs, IP:port, [IPv6]:port, CIDRs.
    A host in it is trusted whatever its address. Raises ValueError for an entry that is none of these.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._hosts: set[tuple[str, int | None]] = set()
        self._networks: list[tuple[Network, int | None]] = []
        for entry in filter(None, (item.strip() for item in allow)):
            self._add(entry)

    def __repr__(self) -> str:
        return f"<Guard with {len(self._hosts) + len(self._networks)} exceptions>"

    def _add(self, entry: str) -> None:
        try:
            self._networks.append((ipaddress.ip_network(entry, strict=False), None))
            return
        except ValueError:
            pass
        try:
            parts = urlsplit("//" + entry)
            name, port = parts.hostname or "", parts.port
            if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
                raise ValueError
            name = host_of(name)
        except (ValueError, AddressRefused):
            raise ValueError(f"{entry!r} is neither a host, host:port, IP address nor network") from None
        ip = _ip(name)
        if ip is None:
            self._hosts.add((name.rstrip("."), port))
        else:
            self._networks.append((ipaddress.ip_network(ip), port))

    def check_url(self, url: str) -> tuple[str, str, int]:
        """Scheme, host and port of `url`. Looks nothing up. Raises AddressRefused with a sentence.

        Refuses what is not http or https, and what two parsers could read in two ways.
        """
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
        except ValueError:
            raise AddressRefused("This is not a valid web address.") from None
        if scheme not in DEFAULT_PORTS:
            raise AddressRefused("A web address has to begin with https:// or http://.")
        if "@" in parts.netloc:
            raise AddressRefused("Leave user name and password out of the web address; they have their own fields.")
        if "\\" in url or any(ord(char) <= 32 or ord(char) == 127 for char in url):
            raise AddressRefused("The web address has characters in it that do not belong there.")
        if not host or port == 0:
            raise AddressRefused("This is not a valid web address.")
        return scheme, host_of(host), port or DEFAULT_PORTS[scheme]

    def resolve(self, host: str, port: int, timeout: float = 10.0) -> list[Address]:
        """Looks `host` up once and judges every address it has.

        `timeout` in seconds. Raises AddressRefused if one of the addresses is not public and not
        allowed (also where others are public: such a name is set up to deceive), ConnectionFailed if
        the name is unknown or the name server silent.
        """
        name = host_of(host)
        found = look_up(name, port, timeout)
        bare = name.rstrip(".")
        if (bare, None) in self._hosts or (bare, port) in self._hosts:
            return found
        for address in found:
            ip = ipaddress.ip_address(address.ip.partition("%")[0])
            if not is_public(ip) and not self._allows(ip, port):
                raise AddressRefused(
                    f"{host} leads into a private network ({address.ip}). Only public addresses can be"
                    " used; the operator of this installation can allow others."
                )
        return found

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """A TCP connection to `host`, made within `timeout` seconds to an address that was judged.

        The socket keeps that time-out. Raises AddressRefused, ConnectionFailed.
        """
        deadline = time.monotonic() + timeout
        sock = dial(self.resolve(host, port, timeout), host, deadline)
        sock.settimeout(timeout)
        return sock

    def _allows(self, ip: IP, port: int) -> bool:
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        return any(
            only in (None, port) and (ip in net or (mapped is not None and mapped in net))
            for net, only in self._networks
        )


def look_up(name: str, port: int, timeout: float) -> list[Address]:
    """All addresses of `name`, in the system's order of preference. Raises ConnectionFailed.

    The look-up runs in a thread of its own, because the system's resolver knows no time-out.
    """
    ip = _ip(name)
    if ip is not None:
        family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
        return [Address(family, name, port)]
    found: list[Any] = []
    errors: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            found.extend(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            errors.append(error)

    thread = threading.Thread(target=ask, daemon=True, name="look-up")
    thread.start()
    thread.join(max(timeout, 0.0))
    if errors and getattr(errors[0], "errno", None) != socket.EAI_AGAIN:
        raise ConnectionFailed(f"There is no server with the name {name}.", code="dns")
    if not found:
        raise ConnectionFailed(f"The name server has no answer for {name} at the moment.", code="dns")
    unique = dict.fromkeys(Address(info[0], str(info[4][0]), port) for info in found)
    return list(unique)


def dial(
    addresses: list[Address],
    host: str,
    deadline: float,
    make: Callable[[socket.AddressFamily, socket.SocketKind], socket.socket] = socket.socket,
) -> socket.socket:
    """Connects to the first of `addresses` that answers. `deadline` by `time.monotonic()`.

    `host` is for the sentences only; it is not looked up. Raises ConnectionFailed.
    """
    refused = False
    for index, address in enumerate(addresses):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        # A dead address must not use up the time that the others need.
        share = left / (len(addresses) - index)
        sock = make(address.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(share)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect((address.ip, address.port))
            return sock
        except ConnectionRefusedError:
            refused = True
            sock.close()
        except OSError:
            sock.close()
    if refused:
        raise ConnectionFailed(f"{host} refuses connections on port {addresses[0].port}.")
    raise ConnectionFailed(f"{host} cannot be reached on port {addresses[0].port}.")


def _ip(name: str) -> IP | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _shown(host: str) -> str:
    return repr(host[:100])
