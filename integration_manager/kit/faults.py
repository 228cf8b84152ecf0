"""What may go wrong between us and another system, on purpose: by script or by a seeded plan."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class Fault(StrEnum):
    """One way to fail. The first group does no work; the second has done it when it fails."""

    ERROR = "error"  # 500 with the system's own error body
    BAD_GATEWAY = "bad_gateway"  # 502 and an HTML page
    LIMITED = "limited"  # 429 with Retry-After
    LIMITED_BARE = "limited_bare"  # 429 without
    HANG = "hang"  # no answer until the client gives up
    DROP = "drop"  # the connection is cut
    REDIRECT = "redirect"  # to another host, which counts who follows
    ECHO = "echo"  # 400, repeating the request with its credentials

    ERROR_AFTER = "error_after"  # 500, yet the work is done
    DROP_AFTER = "drop_after"  # the work is done and the connection is cut
    LATE = "late"  # the connection is cut and the work is done `seconds` later
    LATE_HANG = "late_hang"  # no answer, and the work is done `seconds` later
    TRUNCATED = "truncated"  # half of the JSON, under a length that fits
    CUT = "cut"  # half of the answer, then the connection is cut
    GARBAGE = "garbage"  # 200 and an HTML page
    ALIEN = "alien"  # 200 and JSON of quite another form
    TWICE = "twice"  # the same answer two times on the wire
    HUGE = "huge"  # the answer behind 30 MB of white space
    SLOW = "slow"  # a byte every now and then


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault chosen for one request. `seconds`: how late, or what Retry-After says."""

    fault: Fault
    seconds: float


@dataclass(slots=True)
class _Script:
    match: str
    fault: Fault
    times: int
    skip: int
    seconds: float


@dataclass(slots=True)
class _Plan:
    match: str
    rates: list[tuple[float, Fault]]  # cumulative
    late: tuple[float, float]


class Faults:
    """Chooses the fault of each request.

    `match` is "METHOD /path" with * as a wildcard, or one of the words "read" and "write".
    """

    def __init__(self, seed: int = 0) -> None:
        self._scripts: list[_Script] = []
        self._plans: list[_Plan] = []
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose

    def script(self, match: str, fault: Fault | str, *, times: int = 1, skip: int = 0, seconds: float = 1) -> None:
        """The next `times` requests that match, after the first `skip`, fail in this way."""
        self._scripts.append(_Script(match, Fault(fault), times, skip, seconds))

    def plan(
        self,
        rates: Mapping[Fault, float] | Mapping[str, float],
        *,
        match: str = "*",
        late: tuple[float, float] = (0.5, 4.5),
    ) -> None:
        """A share of all requests that match fails, from 0 to 1 for each fault."""
        total, table = 0.0, []
        for name, share in rates.items():
            total += share
            table.append((total, Fault(name)))
        self._plans.append(_Plan(match, table, late))

    def seed(self, seed: int) -> None:
        """Starts the plans' dice anew."""
        self._random.seed(seed)

    def clear(self) -> None:
        """From now on everything works."""
        self._scripts.clear()
        self._plans.clear()

    def pick(self, name: str, writes: bool) -> Injected | None:
        """The fault of the request "METHOD /path", if any. Scripts come before plans."""
        if not self._scripts and not self._plans:
            return None

        def meant(match: str) -> bool:
            if match in ("read", "write"):
                return writes is (match == "write")
            return fnmatchcase(name, match)

        for script in self._scripts:
            if not script.times or not meant(script.match):
                continue
            if script.skip:
                script.skip -= 1
                continue
            script.times -= 1
            return Injected(script.fault, script.seconds)
        for plan in self._plans:
            if meant(plan.match):
                roll = self._random.random()
                for limit, fault in plan.rates:
                    if roll < limit:
                        return Injected(fault, self._random.uniform(*plan.late))
        return None
