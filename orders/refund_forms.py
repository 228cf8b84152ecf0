"""What a person may choose when an order is canceled or refunded in its cart."""

from decimal import Decimal
from typing import Any

from django import forms

from integration_manager.kit.canonical import Refund
from orders import refunds
from orders.refunds import Left, NotPossible, money, plain

WHOLE, PART = "whole", "part"
NONE, FULL, AMOUNT = "none", "full", "amount"


class RefundForm(forms.Form):
    """The whole order, or units of its lines and some of the shipping; with a note."""

    what = forms.ChoiceField(
        label="What is refunded",
        choices=[(WHOLE, "The whole order: it is canceled"), (PART, "A part of it")],
        widget=forms.RadioSelect,
        initial=WHOLE,
    )
    shipping = forms.ChoiceField(
        label="Shipping of a part",
        choices=[(NONE, "None"), (FULL, "All of it"), (AMOUNT, "This amount")],
        widget=forms.RadioSelect,
        initial=NONE,
        required=False,
    )
    note = forms.CharField(
        label="Refund note",
        required=False,
        max_length=200,
        help_text="Goes to the cart, which may show it to the customer. Example: Out of stock.",
    )

    def __init__(self, left: Left, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.left = left
        places = -int(left.step.as_tuple().exponent)
        self.fields["shipping_amount"] = forms.DecimalField(
            label=f"Amount of shipping, in {left.currency}",
            required=False,
            min_value=Decimal(0),
            max_digits=12,
            decimal_places=places,
            help_text=f"Tax included; up to {money(left.shipping, left.currency)}.",
            widget=forms.NumberInput(attrs={"step": str(left.step), "inputmode": "decimal"}),
        )
        # By their place: a shop's own ids may be anything.
        self.names = {line.line_id: f"line-{place}" for place, line in enumerate(left.lines, 1)}
        for line in left.lines:
            # A cart that sells by weight has parts of units.
            step = "1" if line.ordered == line.ordered.to_integral_value() else "any"
            self.fields[self.names[line.line_id]] = forms.DecimalField(
                label=f"Units of {line.item or line.description or 'a line without SKU'}",
                required=False,
                min_value=Decimal(0),
                max_value=line.quantity,
                max_digits=12,
                decimal_places=0 if step == "1" else 4,
                error_messages={"max_value": f"At most {plain(line.quantity)} left."},
                widget=forms.NumberInput(attrs={"step": step, "inputmode": "decimal"}),
            )

    def lines(self) -> list[dict[str, Any]]:
        """The lines with their fields, for a table."""
        return [{"left": line, "field": self[self.names[line.line_id]]} for line in self.left.lines]

    def refund(self, key: str) -> Refund | None:
        """What was chosen; None where that cannot be, with the errors beside the fields."""
        if not self.is_valid():
            return None
        data = self.cleaned_data
        note = " ".join((data.get("note") or "").split())
        try:
            if data["what"] == WHOLE:
                return refunds.whole(self.left, key, note)
            quantities = {line.line_id: data.get(self.names[line.line_id]) or Decimal(0) for line in self.left.lines}
            return refunds.part(self.left, quantities, self._shipping(), key, note)
        except NotPossible as error:
            field = self.names.get(error.field, error.field)
            self.add_error(field if field in self.fields else None, str(error))
            return None

    def _shipping(self) -> Decimal:
        chosen = self.cleaned_data.get("shipping") or NONE
        if chosen == FULL:
            return self.left.shipping
        amount: Decimal | None = self.cleaned_data.get("shipping_amount")
        if chosen == AMOUNT and not amount:
            raise NotPossible("Say how much of the shipping is refunded.", "shipping_amount")
        return amount if chosen == AMOUNT and amount else Decimal(0)
