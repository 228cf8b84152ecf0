"""What look-ups of addresses cost: by how many there were in the billing period, each at the price of its step."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation


@dataclass(frozen=True, slots=True)
class Step:
    """Look-ups up to this number (None: all further ones) cost so much each."""

    up_to: int | None
    price: Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    """The steps of one kind of look-up, the smallest first. None: they cost nothing."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def of(cls, text: str) -> "Prices":
        """From "30: 0, 500: 0.02, 0.015": the last may be for all further ones. Raises ValueError in words."""
        steps: list[Step] = []
        for part in (part.strip() for part in text.split(",") if part.strip()):
            number, colon, price = part.rpartition(":")
            try:
                step = Step(int(number) if colon else None, Decimal(price.strip()))
            except (ValueError, InvalidOperation):
                raise ValueError(f"“{part}” is no step of prices. Write them as in 30: 0, 500: 0.02, 0.015.") from None
            if steps and (steps[-1].up_to is None or (step.up_to is not None and step.up_to <= steps[-1].up_to)):
                raise ValueError(f"“{part}” comes after a step that is as large.")
            if not step.price.is_finite() or step.price < 0:
                raise ValueError(f"“{part}” has no price.")
            steps.append(step)
        return cls(tuple(steps))

    def cost(self, number: int) -> Decimal:
        """Of so many look-ups. Those beyond the last step cost what its look-ups do."""
        total, done = Decimal(0), 0
        for step in self.steps:
            last = step is self.steps[-1]
            upper = number if last or step.up_to is None else min(number, step.up_to)
            if upper > done:
                total += (upper - done) * step.price
                done = upper
        return total
