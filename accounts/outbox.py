"""The demo's mailbox: without a mail server the mails that wait are shown, to this machine only."""

import re
from typing import Any

from csp.constants import NONE, UNSAFE_INLINE
from csp.decorators import csp
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import mail
from accounts.models import Mail
from accounts.roles import open_to
from integration_manager.kit import clock
from integration_manager.loopback import from_this_machine

# A mail shown by itself has its styles in it, as mail programs need them, and nothing else.
ITS_STYLES: dict[str, Any] = {"default-src": [NONE], "style-src": [UNSAFE_INLINE], "frame-ancestors": [NONE]}

MOST = 50


def is_open(request: HttpRequest) -> bool:
    """Only in the demo or a developer's shell, on this machine, while there is no mail server."""
    return bool(settings.IM_DEMO or settings.DEBUG) and not mail.possible() and from_this_machine(request)


@open_to("anyone")
@never_cache
@require_GET
def outbox(request: HttpRequest) -> HttpResponse:
    """The mails that wait, newest first, and one of them as it would arrive."""
    if not is_open(request):
        raise Http404
    due = Mail.objects.filter(retry_at__isnull=False, created_at__lte=clock.now())
    waiting = [(each, mail.message(each)) for each in due.order_by("-created_at", "-pk")[:MOST]]
    wanted = request.GET.get("mail", "")
    shown, made = next((pair for pair in waiting if pair[0].key == wanted), (None, None))
    link = re.search(r"^https?://\S+$", str(made.body), re.M) if made else None
    context = {
        "mails": [(each, written.subject) for each, written in waiting if written],
        "shown": shown,
        "text": made.body if made else "",
        "link": link[0] if link else "",
    }
    return render(request, "accounts/outbox.html", context)


@open_to("anyone")
@never_cache
@csp(ITS_STYLES)  # type: ignore[arg-type]  # its types know no view with arguments
@require_GET
def outbox_mail(request: HttpRequest, key: str) -> HttpResponse:
    """One mail's HTML by itself. Its styles stand in it, as mail programs need them."""
    if not is_open(request):
        raise Http404
    made = mail.message(get_object_or_404(Mail, key=key, retry_at__isnull=False))
    if made is None:
        raise Http404
    return HttpResponse(str(made.alternatives[0][0]))
