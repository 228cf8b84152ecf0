"""Ship Methods: the cart's code becomes one of the WMS's, or holds the order until somebody maps it."""

from merchants.rules.draft import Applied, Draft, Problem
from merchants.rules.known import Rules
from merchants.rules.methods import MOST, cause_of, code_key

CODE = "ship_method_unmapped"
FIELD = "Ship method"


def apply(draft: Draft, rules: Rules) -> None:
    """Maps the order's ship code."""
    methods, code = rules.ship_methods, draft.order.ship_code or ""
    key = code_key(code)
    decided = methods.decide(key)
    if decided is not None:
        method = decided.method
        carrier = method.carrier or draft.order.carrier
        if method.code != code or carrier != draft.order.carrier:
            after = f"{method.code} ({carrier})" if carrier != draft.order.carrier else method.code
            draft.change(
                Applied(FIELD, f"{shown(code)} is sent as {method.code}{_BY.get(decided.by, _PATTERN)}", code, after),
                ship_code=method.code,
                carrier=carrier,
            )
    elif methods.reject:
        draft.stop(
            Problem(
                code=CODE,
                field="ship_code",
                message=f"Ship method {shown(code)} of {rules.cart_name} is not mapped.",
                fix="Map it under Ship Methods: all orders that wait for it are then sent.",
                cause=cause_of(rules.cart, key),
                of_cart=True,
            )
        )


def shown(code: str) -> str:
    """A code in a sentence."""
    text = " ".join(code.split())[:MOST]
    return f"“{text}”" if text else "(none)"


_BY = {"code": ", as mapped under Ship Methods.", "default": ": it is the cart's default ship method."}
_PATTERN = ": a pattern under Ship Methods fits it."
