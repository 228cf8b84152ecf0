"""The operators' site: Django's admin for superusers, behind two-step sign-in and a recent proof.

It lies at IM_ADMIN_PATH, and for everybody else it is not there, nor for who has not signed in: a sign-in page
would tell a stranger that they have found it. Operators sign in where everybody does, then come here. It sees all
tenants, so it shows settings and states, but no secrets and nothing of an order's customer; who needs more opens
the account, on record. What it changes in an account stands in that account's audit log. Each app registers its
models in its admin.py.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLResolver

from accounts import audit, reauth, two_step
from accounts.models import Account, User
from accounts.roles import open_to
from integration_manager import tenancy
from integration_manager.crypto import EncryptedJSON

View = Callable[..., HttpResponseBase]
HIDDEN = "•••"


class OperatorSite(admin.AdminSite):
    """Django's site with our door."""

    site_header = "Integration Manager · operators"
    site_title = "Operators"
    index_title = "All accounts"
    site_url = "/staff/"

    def has_permission(self, request: HttpRequest) -> bool:
        """Superusers; that they have shown who they are is seen to by `admin_view`."""
        return isinstance(request.user, User) and request.user.is_active and request.user.is_superuser

    def get_urls(self) -> list[Any]:
        """Django's addresses, each declared to be for staff, as every page declares whom it is for."""
        patterns = super().get_urls()
        _declare(patterns)
        return patterns

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Every page of the site: the door, then both walls between tenants open until the page is written."""
        inner = super().admin_view(view, cacheable)

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not self.has_permission(request):
                raise Http404
            wanting = two_step.staff_needs_two_step(request)
            if wanting is not None:
                return wanting
            if not reauth.is_recent(request):
                return reauth.ask(request)
            with tenancy.everyone("admin"), audit.through("staff"):
                response = inner(request, *args, **kwargs)
                if hasattr(response, "render"):
                    response.render()
            return response

        return guarded

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one sign-in for everybody, and it is not here."""
        if not self.has_permission(request):
            raise Http404
        return redirect("admin:index")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """To the sign-in. A link that somebody is led to signs nobody out."""
        if request.method != "POST":
            return redirect("account_logout")
        logout(request)
        return redirect("account_login")

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """On the page where everybody does that."""
        return redirect("account_change_password")


def _declare(patterns: list[Any]) -> None:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            _declare(pattern.url_patterns)
        elif inspect.ismethod(pattern.callback):
            open_to("staff")(pattern.callback.__func__)  # a method takes no mark, what it calls does
        else:
            open_to("staff")(pattern.callback)


site = OperatorSite(name="admin")


class OperatorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """A model as operators see it: what `fields` names, read-only but for `editable`, without adding or deleting."""

    editable: tuple[str, ...] = ()
    when_adding: tuple[str, ...] = ()  # the fields of a new row; empty: none can be added
    deletable = False
    plural = ""  # what several are called, where that is not one with an s
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False

    def __init__(self, model: Any, admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        if self.plural:
            model._meta.verbose_name_plural = self.plural

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the account, which most lists name."""
        found = super().get_queryset(request)
        return found.select_related("account") if self._has("account") else found

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new row has fields of its own."""
        return super().get_fields(request, obj) if obj is not None else self.when_adding

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All that is not to be edited."""
        if obj is None:
            return ()
        return [name for name in self.get_fields(request, obj) if name not in self.editable]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Where fields of a new row are named."""
        return bool(self.when_adding) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Where anything is to be edited; all can be looked at."""
        return bool(self.editable) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only of what nothing hangs on."""
        return self.deletable and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Writes what was changed and nothing else, and notes it in the account's audit log."""
        if change:
            obj.save(update_fields=[name for name in form.changed_data if self._has(name)])
        else:
            obj.save()
        if form.changed_data:
            values = {name: (form.initial.get(name), form.cleaned_data[name]) for name in form.changed_data}
            self._note(request, obj, "changed" if change else "added", values)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Notes it too."""
        self._note(request, obj, "deleted")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """One by one, so that each is noted."""
        for obj in queryset:
            self.delete_model(request, obj)

    def _has(self, name: str) -> bool:
        return any(one.name == name for one in self.model._meta.local_fields)

    def _note(self, request: HttpRequest, obj: Any, what: str, changes: audit.Changes | None = None) -> None:
        account_id = obj.pk if isinstance(obj, Account) else getattr(obj, "account_id", None)
        if account_id is not None:
            target = f"{self.model._meta.verbose_name} {obj}"
            audit.record_of(account_id, request.user, f"operator.{what}", target, changes)


def masked(name: str) -> Any:
    """A read-only field for an encrypted one: the names of what is kept, never the values."""

    @admin.display(description=name.replace("_", " "))
    def show(obj: Any) -> str:
        field = obj._meta.get_field(name)
        if not isinstance(field, EncryptedJSON):
            raise TypeError(f"{name} is not encrypted")
        return ", ".join(f"{key}: {HIDDEN}" for key in sorted(getattr(obj, name))) or "—"

    show.__name__ = f"masked_{name}"
    return show


@admin.register(admin.models.LogEntry, site=site)
class LogEntryAdmin(OperatorAdmin):
    """What operators did on this site."""

    list_display = ("action_time", "user", "action_flag", "content_type", "object_repr")
    list_filter = ("action_flag",)
    search_fields = ("=user__email", "object_repr")
    fields = ("action_time", "user", "action_flag", "content_type", "object_id", "object_repr", "change_message")
    list_select_related = ("user", "content_type")
