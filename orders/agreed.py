"""What a person was shown and agreed to. Where more came before the form was sent, its page asks again."""

from datetime import datetime


def more_than_agreed(number: int, agreed: str) -> bool:
    """Whether these are more than the form says, which may say anything. Fewer are no reason to ask."""
    return number > (int(agreed[:18]) if agreed.isascii() and agreed.isdigit() else 0)


def shown_at(agreed: str) -> datetime | None:
    """When a person was shown it, as the form says; None where it does not."""
    try:
        moment = datetime.fromisoformat(agreed)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
