"""The goals of `make bench`, and the table at its end."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One goal's figures. `value` is what gate and aim are about: a ratio to bare, or ours itself."""

    goal: str
    what: str
    ours: str
    bare: str
    value: float
    gate: float
    aim: float
    unit: str = ""
    more_is_better: bool = True

    def reaches(self, limit: float) -> bool:
        """Whether the value is on the good side of a limit."""
        return self.value >= limit if self.more_is_better else self.value <= limit

    @property
    def verdict(self) -> str:
        """One word."""
        return "aim" if self.reaches(self.aim) else "gate" if self.reaches(self.gate) else "MISSED"

    def cells(self) -> list[str]:
        """The row of the table."""
        sign = "≥" if self.more_is_better else "≤"

        def limit(value: float) -> str:
            return f"{sign} {value:g}{self.unit}"

        value = f"{self.value:.2f}{self.unit}"
        return [self.goal, self.what, self.ours, self.bare, value, limit(self.gate), limit(self.aim), self.verdict]


HEAD = ["goal", "what", "ours", "bare", "value", "gate", "aim", "reached"]


def table(results: Sequence[Result]) -> str:
    """All results, in columns."""
    rows = [HEAD, *(result.cells() for result in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])
