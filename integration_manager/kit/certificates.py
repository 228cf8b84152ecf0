"""TLS to servers that a customer names: the certificate is verified, or it is the pinned one.

Many file and mail servers have a certificate that they made themselves. Such a one is accepted only by its
fingerprint, which a person compares once and enters, as an SSH server's host key; nothing is ever sent to a
server whose certificate is neither verified nor pinned.
"""

import hashlib
import re
import socket
import ssl

from integration_manager.kit.errors import AuthFailed, ConnectionFailed

_PIN = re.compile(r"(?:sha-?256[\s:=]+(?:fingerprint[\s:=]+)?)?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})", re.I)


class CertificateUnknown(AuthFailed):
    """The server's certificate cannot be verified. `fingerprint` is what to enter once it has been compared."""

    code = "certificate_unknown"

    def __init__(self, host: str, fingerprint: str, why: str) -> None:
        super().__init__(
            f"The certificate of {host} cannot be verified: {why}. If that is meant to be, compare its fingerprint,"
            f" {fingerprint}, with the one that the server's operator names, then enter it as the certificate."
            " Nothing was sent."
        )
        self.fingerprint = fingerprint


class CertificateChanged(AuthFailed):
    """The server shows another certificate than the pinned one. `fingerprint`: of the one it shows."""

    code = "certificate_changed"

    def __init__(self, host: str, fingerprint: str) -> None:
        super().__init__(
            f"{host} shows the certificate {fingerprint}, which is not the one that was entered. Either the server"
            " has a new one, or somebody stands between. Nothing was sent to it. Ask the server's operator; if the"
            " new one is right, enter its fingerprint, or clear the field if it is a public certificate now."
        )
        self.fingerprint = fingerprint


def fingerprint(certificate: bytes) -> str:
    """A certificate (DER) as people compare it: "SHA256 AB:CD:…", as openssl prints it."""
    return _written(hashlib.sha256(certificate).hexdigest())


class Trust:
    """What is expected of one server's certificate: that it verifies, or that it is the pinned one."""

    def __init__(self, host: str, pin: str = "") -> None:
        """`pin`: a fingerprint as `fingerprint` or openssl writes it; "" verifies by the system's authorities.

        Raises AuthFailed for a pin that is none.
        """
        self.host, self.pin = host, ""
        if pin.strip():
            found = _PIN.fullmatch(pin.strip())
            if found is None:
                raise AuthFailed(
                    "The certificate has to be a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons.",
                    code="bad_certificate",
                )
            self.pin = _written(found.group(1))
        self.context = ssl.create_default_context()
        if self.pin:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE  # `check` compares it before anything is sent

    def wrap(self, sock: socket.socket, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        """TLS over a connection, its certificate checked. The socket is closed where it is not as expected.

        `session`: of the connection whose TLS session is to go on. Raises CertificateChanged,
        ConnectionFailed; ssl.SSLCertVerificationError is for `explain`.
        """
        try:
            secure = self.context.wrap_socket(sock, server_hostname=self.host, session=session)
            self.check(secure)
            return secure
        except ssl.SSLCertVerificationError:
            sock.close()
            raise
        except (OSError, ValueError):
            sock.close()
            raise ConnectionFailed(f"{self.host} does not offer TLS here, or broke off.", code="no_tls") from None

    def check(self, secure: ssl.SSLSocket) -> None:
        """Raises CertificateChanged (after closing) where the certificate is not the pinned one."""
        if not self.pin:
            return
        shown = fingerprint(secure.getpeercert(binary_form=True) or b"")
        if shown != self.pin:
            secure.close()
            raise CertificateChanged(self.host, shown)

    def explain(self, error: ssl.SSLCertVerificationError, sock: socket.socket) -> CertificateUnknown:
        """The error with the fingerprint to pin, read from a fresh connection that is ready for TLS.

        Nothing but the handshake is done on `sock`, and it is closed. Raises ConnectionFailed.
        """
        blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
        try:
            with blind.wrap_socket(sock, server_hostname=self.host) as secure:
                shown = fingerprint(secure.getpeercert(binary_form=True) or b"")
        except (OSError, ValueError):
            raise ConnectionFailed(f"{self.host} does not offer TLS here, or broke off.", code="no_tls") from None
        finally:
            sock.close()
        return CertificateUnknown(self.host, shown, (error.verify_message or "it is not trusted").rstrip("."))


def _written(digits: str) -> str:
    plain = digits.replace(":", "").upper()
    return "SHA256 " + ":".join(plain[at : at + 2] for at in range(0, len(plain), 2))
