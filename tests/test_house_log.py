"""Log lines: JSON, with ids, without secrets."""

import io
import json
import logging
import sys

import pytest

from integration_manager import log

CANARY = "canary-7f3a91"


def line(message: str, *args: object, **kwargs: object) -> dict[str, object]:
    """What the configured handler would write."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(log.Redaction())
    handler.setFormatter(log.JsonFormatter())
    record = logging.LogRecord("test", logging.WARNING, __file__, 1, message, args, kwargs.get("exc_info"))  # type: ignore[arg-type]
    handler.handle(record)
    found: dict[str, object] = json.loads(stream.getvalue())
    return found


def test_a_line_carries_the_ids_of_its_context_and_nothing_afterwards() -> None:
    with log.context(account=7, cart=None), log.context(order=12):
        inside = line("sent %s", "x")
    assert (inside["message"], inside["account"], inside["order"]) == ("sent x", 7, 12)
    assert "cart" not in inside
    assert "account" not in line("later")


@pytest.mark.parametrize(
    "text",
    [
        f"GET /v1/orders?api_user={CANARY}&api_key={CANARY}&page=2",
        f"POST form password={CANARY}&x=1",
        f"Authorization: Bearer {CANARY}",
        f"headers {{'Authorization': 'Basic {CANARY}'}}",
        f'{{"consumer_secret": "{CANARY}"}}',
        f"{{'api_key': '{CANARY}'}}",
        f"postgresql://im:{CANARY}@db/im",
        f"Cookie: im_session={CANARY}; a=b",
        f"Set-Cookie: x={CANARY}",
    ],
)
def test_secrets_do_not_reach_a_line(text: str) -> None:
    assert CANARY not in json.dumps(line("%s", text))


def test_secrets_do_not_reach_the_trace_of_an_error() -> None:
    try:
        raise ValueError(f"refused: api_key={CANARY}")
    except ValueError:
        found = line("failed", exc_info=sys.exc_info())
    assert found["error"] == "ValueError"
    assert CANARY not in str(found["trace"])
    assert "refused" in str(found["trace"])


def test_what_is_no_secret_stays() -> None:
    assert line("order %s of cart %s", "100-7", "Oak & Pine")["message"] == "order 100-7 of cart Oak & Pine"


def test_a_wrong_format_string_does_not_lose_the_line() -> None:
    assert "two" in str(line("one %s %s", "two")["message"])
