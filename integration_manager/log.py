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

_ids: ContextVar[dict[str, Any]] = ContextVar("log_ids", default={})  # noqa: B039 (never changed)

HIDDEN = "•••"
_NAMES_OF_WHAT_IS_HIDDEN = (
    r"api_?user|api_?key|apikey|pass(?:word|wd|phrase)?|secret|client_secret|consumer_(?:key|secret)|"
    r"token|access_token|refresh_token|auth_token|signature|oauth_[a-z_]+|sessionid|im_session|hmac|credential"
)
_PATTERNS = (
    # name=value in URLs and forms, "name": "value" in JSON and in a dictionary's repr
    (
        re.compile(rf"(?i)\b((?:[a-z]+[_-])?(?:{_NAMES_OF_WHAT_IS_HIDDEN}))(=)[^&\s\"'<>;,)]+"),
        rf"\1\2{HIDDEN}",
    ),
    (
        re.compile(rf"(?i)([\"'](?:[a-z]+[_-])?(?:{_NAMES_OF_WHAT_IS_HIDDEN})[\"']\s*:\s*)([\"']).*?(?<!\\)\2"),
        rf"\1\2{HIDDEN}\2",
    ),
    # headers
    (
        re.compile(r"(?i)((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)(?:(\w+)\s+)?[^\s\"',;]+"),
        rf"\1\2 {HIDDEN}",
    ),
    (re.compile(r"(?i)\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b((?:set-)?cookie[\"']?\s*[:=]\s*[\"']?)[^\"'\n]+"), rf"\1{HIDDEN}"),
    # user:password@host
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), rf"\1{HIDDEN}@"),
)


def redact(text: str) -> str:
    """The text without anything that looks like a secret."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


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
