"""The keys of SSH: a server's, which is pinned, and a person's, which logs in."""

import base64
import hashlib
import io

import paramiko

from integration_manager.kit.errors import AuthFailed


class HostKeyUnknown(AuthFailed):
    """The server's host key is not pinned yet. `host_key` is what to pin once it has been compared."""

    code = "host_key_unknown"

    def __init__(self, host: str, host_key: str) -> None:
        super().__init__(
            f"{host} shows the host key {host_key}. Compare it with the one that the server's operator"
            " names, then enter it as the host key."
        )
        self.host_key = host_key


class HostKeyChanged(AuthFailed):
    """The server shows another host key than the pinned one. `host_key` is the one it shows, "" if unknown."""

    code = "host_key_changed"

    def __init__(self, host: str, host_key: str) -> None:
        super().__init__(
            f"{host} shows {f'the host key {host_key}' if host_key else 'a host key of another type'},"
            " which is not the one that was pinned. Either the"
            " server was set up anew, or somebody stands between. Nothing was sent to it. Ask the server's"
            " operator; if the new key is right, enter it as the host key."
        )
        self.host_key = host_key


def fingerprint(key: paramiko.PKey) -> str:
    """A host key as people compare it: "ssh-ed25519 SHA256:…"."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def matches(pin: str, key: paramiko.PKey) -> bool:
    """Whether a pin (see SftpFolder) means this key."""
    shown_type, shown = fingerprint(key).split()
    words = pin.split()
    if len(words) == 1:
        return words[0].rstrip("=") == shown
    if words[0] != shown_type:
        return False
    return words[1].rstrip("=") == shown or words[1] == key.get_base64()


def load_key(text: str, passphrase: str) -> paramiko.PKey:
    """A private key from its text. Raises AuthFailed in words for what is none."""
    if text.lstrip().startswith("PuTTY-User-Key-File"):
        raise AuthFailed(
            "This private key is in PuTTY's own format. In PuTTYgen choose Conversions, Export OpenSSH"
            " key, and enter that.",
            code="private_key_unreadable",
        )
    text = text.strip().replace("\r\n", "\n") + "\n"
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        for secret in dict.fromkeys((passphrase or None, None)):
            try:
                return kind.from_private_key(io.StringIO(text), password=secret)
            except (paramiko.SSHException, ValueError, IndexError, TypeError, UnicodeError):
                continue
    raise AuthFailed(
        "The private key cannot be read. Enter the whole text of an OpenSSH or PEM key; if it is"
        " protected, enter its passphrase as the password.",
        code="private_key_unreadable",
    )
