"""Hold rules: an order that fits one waits until a person releases it, or until it fits none any more."""

from merchants.rules.draft import HOLD_RULE, Draft, Hold
from merchants.rules.known import Rules


def apply(draft: Draft, rules: Rules) -> None:
    """Holds what fits a rule: the first one says why."""
    for known in rules.hold_rules:
        if known.catches(draft.order):
            draft.wait(Hold(HOLD_RULE, known.why(draft.order)))
            return
