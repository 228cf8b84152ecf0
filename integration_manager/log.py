"""JSON log lines: what happened, with the ids of whom it concerned, and without secrets.

with log.context(account=7, order=12):
    logger.info("sent")     # → {"at": …, "message": "sent", "account": 7, "order": 12}
"""

import contextlib
import json
import logging
import re
import time
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from integration_manager.kit.redact import MASK, Redactor, is_secret

_ids: ContextVar[dict[str, Any]] = ContextVar("log_ids", default={})  # noqa: B039 (never changed)

_redactor = Redactor()
# What the kit's redaction, made for requests and bodies, does not look for.
_MORE = (
    (re.compile(r"(?i)\b(api_?user)=[^&\s\"'<>;,)]+"), rf"\1={MASK}"),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), rf"\1{MASK}@"),  # user:password@host
    (re.compile(r"(/hooks/)[\w-]{16,}"), rf"\1{MASK}"),  # the address of a cart's webhooks
    (re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(\s*:\s*)[^\"'\n]+"), rf"\1\2{MASK}"),
)
_REPR_PAIR = re.compile(r"'([\w.\-]{1,80})'(\s*:\s*)'((?:[^'\\]|\\.)*)'")  # in a dictionary's repr


def redact(text: str) -> str:
    """The text without anything that looks like a secret."""
    text = _redactor.text(text)
    for pattern, replacement in _MORE:
        text = pattern.sub(replacement, text)
    return _REPR_PAIR.sub(lambda m: f"'{m[1]}'{m[2]}'{MASK}'" if is_secret(m[1]) else m[0], text)


@contextlib.contextmanager
def context(**ids: Any) -> Iterator[None]:
    """Every log line inside names these ids (account, cart, order, run, …)."""
    mark = _ids.set({**_ids.get(), **{name: value for name, value in ids.items() if value is not None}})
    try:
        yield
    finally:
        _ids.reset(mark)


def ids() -> dict[str, Any]:
    """The ids that a log line written now would carry."""
    return dict(_ids.get())


class Redaction(logging.Filter):
    """Attaches the ids and takes secrets out, before any formatter sees the record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        if not hasattr(record, "im_ids"):
            record.im_ids = ids()
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a wrong format string must not lose the line
            message = f"{record.msg} {record.args!r}"
        record.msg, record.args = redact(message), None
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "at": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "im_ids", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["trace"] = redact("".join(traceback.format_exception(*record.exc_info)))
        return json.dumps(line, ensure_ascii=False, default=str)


def configuration(*, gunicorn: bool = False, level: str = "INFO") -> dict[str, Any]:
    """The logging settings: everything to standard error, as JSON."""
    loggers: dict[str, Any] = {
        "django": {"level": "INFO"},
        "django.server": {"handlers": ["line"], "propagate": False},
        "paramiko": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},  # else one line every 2 s
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    }
    if gunicorn:
        for name in ("gunicorn.error", "gunicorn.access"):
            loggers[name] = {"level": "INFO", "handlers": ["line"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"redaction": {"()": "integration_manager.log.Redaction"}},
        "formatters": {"json": {"()": "integration_manager.log.JsonFormatter"}},
        "handlers": {
            "line": {
                "class": "logging.StreamHandler",
                "filters": ["redaction"],
                "formatter": "json",
            }
        },
        "loggers": loggers,
        "root": {"level": level, "handlers": ["line"]},
    }
