"""The pages before somebody is signed in: sign-up, verification, sign-in links, password reset.

allauth's views, with what they lack: what belongs together is one transaction with its mail, and opening
a link (as mail scanners do) changes nothing.
"""

from typing import Any

from allauth.account import views as allauth
from allauth.account.internal.stagekit import clear_login
from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from accounts import magic
from accounts.models import Account
from accounts.roles import open_to
from accounts.sign_in_forms import LinkForm
from integration_manager import tenancy
from integration_manager.kit import clock

LINK_SENT_TO = "link_sent_to"  # in the session, for the page that says so


class _LinksChangeNothing:
    """A link that is only opened signs nobody out."""

    request: HttpRequest

    def logout(self) -> None:
        """What allauth does when somebody else is signed in: once they press the button."""
        if self.request.method == "POST":
            super().logout()  # type: ignore[misc]


class SignUp(allauth.SignupView):
    """A new account with its first user."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Account, user, membership and mail in one transaction, as the tenant that it makes."""
        with tenancy.activate(_next_account_id()):
            try:
                with transaction.atomic():
                    return super().form_valid(form)
            except IntegrityError:  # the same address a moment ago: as if it had been there
                clear_login(self.request)
                form.account_already_exists = True
                return super().form_valid(form)


class VerifyAddress(_LinksChangeNothing, allauth.ConfirmEmailView):
    """The link of a verification mail."""

    def logout_other_user(self, confirmation: Any) -> None:
        """Only once the button is pressed."""
        if self.request.method == "POST":
            super().logout_other_user(confirmation)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Whose address it is: somebody else may have typed it in."""
        found = self.object.email_address.user if self.object else None
        return super().get_context_data(**kwargs) | {"person": found}

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """The address and the notice to the old one are one thing."""
        with transaction.atomic():
            return super().post(*args, **kwargs)


class ResetPassword(_LinksChangeNothing, allauth.PasswordResetFromKeyView):
    """The link of a password mail."""

    def form_valid(self, form: Any) -> HttpResponse:
        """The password and the notice of it are one thing."""
        with transaction.atomic():
            return super().form_valid(form)


@open_to("anyone")
@never_cache
@require_http_methods(["GET", "POST"])
def link_request(request: HttpRequest) -> HttpResponseBase:
    """Asks where the sign-in link is to be sent, and sends it."""
    form = LinkForm(request.POST or None, initial={"email": request.GET.get("email", "")[:254]})
    then = (request.POST.get("next") or request.GET.get("next", ""))[:500]
    if request.method == "POST" and form.is_valid():
        email = form.cleaned_data["email"]
        if magic.request_link(request, email, then, clock.now()):
            request.session[LINK_SENT_TO] = email
            return redirect("account_link_sent")
        form.add_error("email", "That was often enough: look into the mailbox, or wait ten minutes.")
    status = 429 if form.is_bound and form.is_valid() is False and "wait" in str(form.errors) else 200
    return render(request, "account/link_request.html", {"form": form, "next": then}, status=status)


@open_to("anyone")
@never_cache
@require_GET
def link_sent(request: HttpRequest) -> HttpResponse:
    """Says that a mail is on its way, whether or not anybody has this address."""
    return render(request, "account/link_sent.html", {"email": request.session.get(LINK_SENT_TO, "")})


@sensitive_variables("token")
@open_to("anyone")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def link_open(request: HttpRequest, token: str) -> HttpResponseBase:
    """Where the link leads: a button. Only the button signs in."""
    if request.method == "POST":
        answer = magic.use(request, token, clock.now())
        if answer is not None:
            return answer
    link = magic.find(token, clock.now())
    return render(request, "account/link_open.html", {"link": link}, status=200 if link else 410)


def _next_account_id() -> int:
    """A number for an account to be made: its tenant must be active before the transaction begins."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [Account._meta.db_table])
        (number,) = cursor.fetchone()
    return int(number)
