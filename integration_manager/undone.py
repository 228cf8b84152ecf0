"""A click that PostgreSQL undoes, since it and another transaction waited for each other, is done once more."""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from psycopg2.errors import DeadlockDetected

log = logging.getLogger(__name__)


class OnceMore:
    """Asks the same view again, as the person would by a second click. Once, and never with files, which are read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The page, as ever."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """The second answer; None where something else went wrong."""
        asked = request.resolver_match
        if asked is None or request.FILES or not isinstance(error.__cause__, DeadlockDetected):
            return None
        log.warning("%s %s gave way to another transaction: once more", request.method, asked.view_name)
        answer: HttpResponseBase = asked.func(request, *asked.args, **asked.kwargs)
        return answer
