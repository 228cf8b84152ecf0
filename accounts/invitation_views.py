"""Where an invitation's link leads: what is offered, and a button. Only the button accepts."""

from typing import Any

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts import invitations, people, switching
from accounts.models import Invitation, User
from accounts.roles import open_to
from integration_manager import tenancy
from integration_manager.kit import clock


class NewPersonForm(forms.Form):
    """Who the invited person is: a name, and the password they will sign in with."""

    name = forms.CharField(
        label="Name",
        max_length=100,
        help_text="Shown in timelines beside what you did. Example: Priya Raman.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label="Password",
        max_length=254,
        strip=False,
        help_text="At least 10 characters.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, offer: Invitation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer = offer
        if offer.password:
            self.fields["password"].label = "Password that was given to you"
            self.fields["password"].help_text = f"By {offer.invited_by}. You choose your own next."

    def clean_password(self) -> str:
        """The one that was handed over; else as strict as everywhere, also about one like the name or the address."""
        password = str(self.cleaned_data["password"])
        if not self.offer.password:
            validate_password(password, User(email=self.offer.email, name=self.cleaned_data.get("name", "")))
            return password
        try:
            if not invitations.hands_over(self.offer, password, clock.now()):
                raise forms.ValidationError(f"This is not the password that {self.offer.invited_by} has set.")
        except people.Refused as refused:
            raise forms.ValidationError(str(refused)) from refused
        return password


@sensitive_variables("token")
@sensitive_post_parameters("password")
@open_to("anyone")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """Joins the account as who is signed in, or as somebody new. Who is signed in as another one is told so."""
    now = clock.now()
    found = invitations.find(token, now)
    if found is None:
        return render(request, "account/invitation_gone.html", status=410)
    signed_in = isinstance(request.user, User)
    other = isinstance(request.user, User) and not invitations.is_for(found, request.user)
    known = not signed_in and invitations.known(found)
    start = {"name": found.name}
    form = None if signed_in or known else NewPersonForm(found, request.POST or None, initial=start)
    if request.method == "POST":
        if isinstance(request.user, User) and not other:
            if invitations.join(found, request.user, now):
                switching.remember(request)
                return redirect("dashboard", found.account.public_id)
            return render(request, "account/invitation_gone.html", status=410)
        if form is not None and form.is_valid():
            return _join_as_new(request, found, form)
    status = 422 if form is not None and form.is_bound else 403 if other and request.method == "POST" else 200
    with tenancy.activate(found.account_id):
        place = str(people.place_of(found))
    context = {"offer": found, "place": place, "form": form, "known": known, "other": other}
    return render(request, "account/invitation.html", context, status=status)


def _join_as_new(request: HttpRequest, found: Invitation, form: NewPersonForm) -> HttpResponseBase:
    try:
        user = invitations.join_as_new(found, form.cleaned_data["name"], form.cleaned_data["password"], clock.now())
    except IntegrityError:  # they signed up in this moment
        return redirect(request.path)
    if user is None:
        return render(request, "account/invitation_gone.html", status=410)
    record_authentication(request, user, "password", email=user.email)
    there = reverse("dashboard", args=[found.account.public_id])
    return perform_login(request, Login(user=user, email=user.email, redirect_url=there))
