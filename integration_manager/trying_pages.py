"""The pages around *Test connection*: of a form that is not saved yet, and of what is stored."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts import audit
from accounts.requests import AccountRequest
from integration_manager.connector_form import ConnectorForm
from integration_manager.kit import clock
from integration_manager.trying import Answer
from merchants.models import Schedule
from merchants.schedules import resume


def of_form(
    request: AccountRequest,
    template: str,
    context: dict[str, Any],
    values: ConnectorForm,
    check: Callable[[dict[str, Any]], Answer],
) -> HttpResponse:
    """Answers the test of a form, within the page or as the whole of it."""
    inside = request.headers.get("HX-Request")
    if values.is_valid():
        if values.has_changed():  # who called what from here, though nothing is saved
            audit.record(request.user, "connection.tested", values.system.label, values.changes())
        context["answer"] = check(values.values())
    elif inside:
        wrong = [f"{values.fields[name].label}: {' '.join(map(str, said))}" for name, said in values.errors.items()]
        context["answer"] = Answer(False, "Some fields are missing or wrong", " ".join(wrong))
    return render(request, "parts/answer.html" if inside else template, context)


def of_stored(request: AccountRequest, answer: Answer, page: str, *ids: str) -> HttpResponse:
    """Shows the answer of what is stored, within its page or on top of it."""
    if request.headers.get("HX-Request"):
        return render(request, "parts/answer.html", {"answer": answer})
    (messages.success if answer.works else messages.error)(request, f"{answer.title}. {answer.text}")
    return redirect(page, request.account.public_id, *ids)


def let_in_again(**which: Any) -> None:
    """The credentials work: the services among `which` that were paused because they did not go on."""
    resume(list(Schedule.objects.filter(paused=Schedule.Paused.AUTH, **which)), clock.now())
