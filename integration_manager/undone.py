"""A click that PostgreSQL undoes, since it and another transaction waited for each other, is done once more."""

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError
from psycopg2.errors import DeadlockDetected

log = logging.getLogger(__name__)
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


def once_more(view: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """For a view that does all it does in one transaction, and asks no other system: asks it again, once.

    Of what was undone nothing is left then, neither here nor elsewhere: it is like a person's second click.
    """

    @functools.wraps(view)
    def asked(*args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        try:
            return view(*args, **kwargs)
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
            log.warning("%s gave way to another transaction: once more", view.__name__)
        return view(*args, **kwargs)

    return asked
