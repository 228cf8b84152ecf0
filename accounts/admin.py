"""Accounts and people on the operators' site (integration_manager/operators.py)."""

import zoneinfo
from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest

from accounts import people
from accounts.models import Account, AuditEntry, Invitation, Mail, Membership, SignInLink, User
from alerts import contacts
from integration_manager.kit import clock
from integration_manager.operators import OperatorAdmin, site
from orders import delaying


class ZoneForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Something with a time zone, by which services run and pages show times: one that the system knows."""

    def clean_timezone(self) -> str:
        """As the system calls it."""
        name = str(self.cleaned_data["timezone"]).strip()
        if name not in zoneinfo.available_timezones():
            raise forms.ValidationError("There is no such time zone. Example: Europe/Berlin.")
        return name


class PersonForm(ZoneForm):
    """A person, found by their address however it is written."""

    def clean_email(self) -> str:
        """As addresses are kept."""
        return str(self.cleaned_data["email"]).strip().lower()


@admin.register(Account, site=site)
class AccountAdmin(OperatorAdmin):
    """Customers. Suspended: nothing of theirs runs."""

    form = ZoneForm

    list_display = ("name", "public_id", "kind", "created_at", "suspended_at", "require_two_step")
    list_filter = ("kind", "require_two_step", ("suspended_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "=public_id")
    fields = ("name", "public_id", "kind", "timezone", "created_at", "suspended_at", "require_two_step")
    editable = ("name", "timezone", "suspended_at", "require_two_step")

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        """Orders that wait for an hour or a day of the account's wait for that of the new time zone."""
        super().save_model(request, obj, form, change)
        if "timezone" in form.changed_data:
            # No account is activated within the admin's own transaction.
            transaction.on_commit(lambda: delaying.zone_changed(obj, clock.now(), actor=str(request.user)))


@admin.register(User, site=site)
class UserAdmin(OperatorAdmin):
    """People. A new one signs in by a mailed link, or asks for a password."""

    form = PersonForm

    list_display = ("email", "name", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    fields = (
        "email", "name", "timezone", "is_active", "is_staff", "is_superuser",
        "date_joined", "last_login", "terms_accepted_at",
    )  # fmt: skip
    editable = ("name", "timezone", "is_active", "is_staff", "is_superuser")
    when_adding = ("email", "name", "timezone")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nobody takes their own rights away, and so the last operator stays one."""
        mine = ("is_active", "is_staff", "is_superuser") if obj is not None and obj.pk == request.user.pk else ()
        return (*super().get_readonly_fields(request, obj), *mine)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Who loses rights is signed out, who moves is mailed by the new time zone; a new user has no password yet."""
        if not change:
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)
        if change and {"is_active", "is_staff", "is_superuser"} & set(form.changed_data):
            people.end_sessions(obj)
        if change and "timezone" in form.changed_data:
            transaction.on_commit(lambda: contacts.moved(obj))


@admin.register(Membership, site=site)
class MembershipAdmin(OperatorAdmin):
    """Who is what in which account. A new one is an admin user; the action below makes the primary user."""

    list_display = ("user", "account", "role", "merchant", "billing", "seen_at", "deactivated_at")
    list_filter = ("role", "billing", ("deactivated_at", admin.EmptyFieldListFilter))
    list_select_related = ("user", "account", "merchant")
    search_fields = ("user__email", "user__name", "account__name", "=account__public_id")
    fields = ("user", "account", "role", "merchant", "billing", "created_at", "seen_at", "deactivated_at")
    editable = ("billing", "deactivated_at")
    when_adding = ("user", "account")
    autocomplete_fields = ("user", "account")
    actions = ("appoint",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A new one is an admin user."""
        if not change:
            obj.role = Membership.Role.ADMIN
        super().save_model(request, obj, form, change)

    @admin.action(description="Make the primary user of their account")
    def appoint(self, request: HttpRequest, queryset: Any) -> None:
        """For an account whose primary user is gone: the former one becomes an admin user."""
        for member in queryset:
            try:
                people.appoint(member, cast(User, request.user))
            except people.Refused as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                self.message_user(request, f"{member.user} is the primary user of {member.account}.")


@admin.register(Invitation, site=site)
class InvitationAdmin(OperatorAdmin):
    """Places that wait. To withdraw one, delete it."""

    list_display = ("email", "account", "role", "invited_by", "created_at", "expires_at", "accepted_at")
    list_filter = ("role", ("accepted_at", admin.EmptyFieldListFilter))
    search_fields = ("email", "account__name")
    fields = ("email", "name", "account", "role", "merchant", "invited_by", "created_at", "expires_at", "accepted_at")
    deletable = True


@admin.register(AuditEntry, site=site)
class AuditEntryAdmin(OperatorAdmin):
    """The audit logs of all accounts."""

    plural = "audit entries"

    list_display = ("at", "account", "actor", "via", "verb", "target")
    list_filter = ("via",)
    search_fields = ("=actor", "=account__public_id", "account__name")
    fields = ("at", "account", "actor", "via", "verb", "target", "changes")


@admin.register(Mail, site=site)
class MailAdmin(OperatorAdmin):
    """Mails to people: whether they went out. What they say is not shown."""

    list_display = ("created_at", "kind", "to", "sent_at", "retry_at", "tries", "problem")
    list_filter = (("sent_at", admin.EmptyFieldListFilter), ("retry_at", admin.EmptyFieldListFilter))
    date_hierarchy = "created_at"
    search_fields = ("=to", "=key")
    fields = ("key", "kind", "to", "created_at", "expires_at", "retry_at", "tries", "sent_at", "problem")


@admin.register(SignInLink, site=site)
class SignInLinkAdmin(OperatorAdmin):
    """Links that sign in, and whether they were used. Delete one that went astray."""

    list_display = ("user", "email", "expires_at", "used_at")
    list_filter = (("used_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user",)
    search_fields = ("=email",)
    fields = ("user", "email", "expires_at", "used_at")
    deletable = True


@admin.register(EmailAddress, site=site)
class EmailAddressAdmin(OperatorAdmin):
    """The addresses that people sign in by. Verified: they have read a mail there, or an operator says so."""

    list_display = ("email", "user", "verified", "primary")
    list_filter = ("verified",)
    list_select_related = ("user",)
    search_fields = ("email",)
    fields = ("email", "user", "verified", "primary")
    editable = ("verified",)


@admin.register(Authenticator, site=site)
class AuthenticatorAdmin(OperatorAdmin):
    """Two-step sign-in. Delete those of somebody who has lost telephone and recovery codes."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("=user__email",)
    fields = ("user", "type", "created_at", "last_used_at")
    deletable = True


@admin.register(UserSession, site=site)
class UserSessionAdmin(OperatorAdmin):
    """Where people are signed in. Deleting one signs that browser out."""

    list_display = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    list_select_related = ("user",)
    search_fields = ("=user__email", "=ip")
    fields = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    deletable = True

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """The session itself, not only our note of it."""
        obj.end()
