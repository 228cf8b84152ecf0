"""The link in a mail about alerts that stops them, without a login. Looking at it does nothing: scanners do."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.models import Account, User
from accounts.roles import open_to
from alerts import stopping
from integration_manager import tenancy
from integration_manager.kit import clock


@open_to("anyone")
@never_cache
@csrf_exempt  # a mail program presses it without a page of ours (RFC 8058): the link itself is the proof
@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """Asks, or stops (and starts again) the mails that this link is about."""
    found = stopping.read(token)
    account = Account.objects.filter(pk=found["a"]).first() if found else None
    if found is None or account is None:
        raise Http404
    if found["u"] is not None and not User.objects.filter(pk=found["u"], email=found["e"]).exists():
        raise Http404  # the address is somebody else's now
    with tenancy.activate(account.pk):
        whose = stopping.still(found["u"]), found["e"]
        if request.method == "POST" and request.POST.get("want") == "again":
            stopping.start(*whose)
        elif request.method == "POST":
            stopping.stop(*whose, clock.now())
        stopped = stopping.stopped(*whose)
    context = {"address": found["e"], "name": account.name, "stopped": stopped}
    return render(request, "alerts/stop.html", context)
