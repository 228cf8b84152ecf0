"""Whether a request really comes from this machine."""

from django.http import HttpRequest

_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_VIA")


def from_this_machine(request: HttpRequest) -> bool:
    """True for loopback. A proxy on this machine speaks from there too: what it forwards does not count."""
    local = request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"}
    return local and not any(header in request.META for header in _FORWARDED)
