"""Pages about the person: the start page, the theme, the profile."""

from allauth.usersessions.models import UserSession
from csp.decorators import csp
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import switching, two_step
from accounts.forms import ProfileForm
from accounts.models import User
from accounts.outbox import ITS_STYLES
from accounts.requests import AccountRequest
from accounts.roles import open_to, require
from alerts import contacts
from alerts.forms import PreferenceForm
from integration_manager.context import THEME_COOKIE
from integration_manager.kept import typed
from integration_manager.searched import search_text


@open_to("signed_in")
@require_GET
def home(request: HttpRequest) -> HttpResponseBase:
    """Leads to the user's account; lets them choose where there are several."""
    if not request.user.is_authenticated:
        return redirect_to_login("/")
    user = request.user
    accounts = switching.remember(request)
    if len(accounts) == 1 and not user.is_staff:
        return redirect("dashboard", accounts[0].public_id)
    text = search_text(request, 60)
    shown = [account for account in accounts if text.casefold() in account.name.casefold()]
    context = {"accounts": shown, "text": text, "searchable": len(accounts) > switching.SHOWN, "any": bool(accounts)}
    return render(request, "accounts/home.html", context)


@open_to("anyone")
@require_POST
def theme(request: HttpRequest) -> HttpResponseBase:
    """Sets light, dark or the system's theme, for the user or, before login, for the browser."""
    chosen = request.POST.get("theme", "")
    if chosen not in User.Theme.values:
        raise Http404
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        back = "/"
    response = _themed(redirect(back), chosen)
    if isinstance(request.user, User):
        User.objects.filter(pk=request.user.pk).update(theme=chosen)
    return response


@require("profile.edit")
@require_http_methods(["GET", "POST"])
def profile(request: AccountRequest) -> HttpResponse:
    """The person who is signed in: name, time zone, theme, mail about alerts; and the way to their sign-in."""
    user = request.user
    zone, sent = user.timezone, typed(request)
    form = ProfileForm(sent, instance=User.objects.get(pk=user.pk))  # another one: a page shows what is stored
    mail = PreferenceForm(sent, instance=contacts.preference(user), prefix="mail")
    if request.method == "POST" and form.is_valid() & mail.is_valid():
        saved = form.save()
        contacts.set_preference(user, mail.cleaned_data["frequency"], mail.cleaned_data["at_hour"])
        told = "Saved."
        if saved.timezone != zone:
            contacts.moved(user)
            told = f"Saved. Times are shown in {saved.timezone.replace('_', ' ')} from now on."
        messages.success(request, told)
        return _themed(redirect("profile", request.account.public_id), saved.theme)
    context = {"form": form, "mail": mail, "has_two_step": two_step.has_two_step(user)}
    context["refused"] = contacts.refused(user)
    context["browsers"] = UserSession.objects.filter(user=user).count()
    return render(request, "accounts/profile.html", context, status=422 if request.method == "POST" else 200)


@open_to("anyone")
@require_GET
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component in every state, on a developer's machine."""
    if not settings.DEBUG:
        raise Http404
    from integration_manager.styleguide import samples

    return render(request, "styleguide.html", samples())


@open_to("anyone")
@csp(ITS_STYLES)  # type: ignore[arg-type]  # its types know no view with arguments
@require_GET
def styleguide_mail(request: HttpRequest, kind: str) -> HttpResponse:
    """One of the mails, as a mail program shows it. Its styles stand in it, as those need them."""
    if not settings.DEBUG:
        raise Http404
    from integration_manager.styleguide import mails

    shown = mails().get(kind)
    if shown is None:
        raise Http404
    return HttpResponse(str(shown.alternatives[0][0]))


def _themed(response: HttpResponse, chosen: str) -> HttpResponse:
    """The browser remembers the theme too, for the pages before somebody is signed in."""
    response.set_cookie(THEME_COOKIE, chosen, max_age=400 * 86400, samesite="Lax", httponly=True, secure=settings.HTTPS)
    return response
