"""No secret in a repr, an error, or what is kept of the exchanges."""

import traceback
from collections.abc import Iterator
from typing import Any

from integration_manager.kit.acceptance.bench import START, Bench, Check, Running
from integration_manager.kit.acceptance.calls import reads
from integration_manager.kit.acceptance.writes import writes
from integration_manager.kit.redact import forms
from integration_manager.kit.simulator import Fault

FAULTS = (Fault.ECHO, Fault.ERROR, Fault.GARBAGE, Fault.DROP_AFTER, Fault.REDIRECT, Fault.ALIEN)


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    if bench.has("check"):
        return [("no secret slips out", lambda: kept(bench))]
    return []


def kept(bench: Bench) -> None:
    """Reads and writes, rightly and wrongly, and searches everything that is said about it."""
    with bench.running() as running:
        secrets = bench.secrets(running.values)
        if not secrets:
            return
        long = all(len(secret) >= 8 for secret in secrets)
        assert long, "the fake's credentials are too short to be recognised (8 characters)"
        running.connector.http.trace = True
        said = [repr(running.connector), repr(running.connector.http)]
        for fault in (None, *FAULTS):
            for what, call in _all(bench, running):
                if fault:
                    running.fail("*", fault, times=9)
                try:
                    call()
                except Exception as error:
                    said += [f"{what}: {text}" for text in traceback.format_exception(error)]
                    said.append(f"{what}: {error!r} {vars(error)}")
                running.heal()
        assert running.exchanges, "nothing was said at all"
        said += [f"{ex.method} exchange: {ex!r}" for ex in running.exchanges]
        for secret in secrets:
            for form in forms(secret):
                leaks = [text for text in said if form in text]
                assert not leaks, f"a secret stands in {leaks[0].replace(secret, '•••')[:300]}"


def _all(bench: Bench, running: Running) -> Iterator[tuple[str, Any]]:
    connector = running.connector
    yield "check()", connector.check
    running.fake.place(1, START) if bench.is_cart else None
    yield from reads(bench, connector)
    for write in writes(bench):
        about = write.prepare(running)
        yield f"{write.method}()", lambda write=write, about=about: write.call(connector, about)
