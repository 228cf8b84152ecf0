"""The form for editing an order: addresses, method, dates, notes, and a row for each item."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.core import signing

from integration_manager.kit.countries import alpha_2
from orders.editing import ADDRESS, MOST_LINES, PLAIN, SIDES, LineValue, Values

SALT = "order-edit"
EMPTY_ROWS = 3  # for items to add; more on demand
LABELS = {
    "company": "Company",
    "first_name": "First name",
    "last_name": "Last name",
    "address_1": "Street",
    "address_2": "Second line",
    "address_3": "Third line",
    "city": "City",
    "state": "State or province",
    "zip": "Postcode",
    "country": "Country",
    "phone": "Phone",
    "e_mail": "E-mail",
}
LONGEST = {"company": 100, "zip": 20, "phone": 40, "country": 60, "state": 60}


def _address(name: str) -> forms.Field:
    if name == "e_mail":
        return forms.EmailField(label=LABELS[name], required=False, max_length=254)
    help_text = "A code or a name. Example: GB." if name == "country" else ""
    return forms.CharField(
        label=LABELS[name], required=False, max_length=LONGEST.get(name, 100), help_text=help_text, strip=True
    )


class EditForm(forms.Form):
    """All but the items. What it showed first travels along in `base`, signed."""

    base = forms.CharField(widget=forms.HiddenInput)
    ship_code = forms.CharField(
        label="Ship method",
        required=False,
        max_length=100,
        help_text="As the cart calls it: it is mapped like that of any order. Example: GROUND.",
        widget=forms.TextInput(attrs={"list": "ship-codes", "class": "mono-in", "autocomplete": "off"}),
    )
    requested_ship_date = forms.DateField(
        label="Ship on",
        required=False,
        help_text="Not before this day.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    latest_ship_date = forms.DateField(
        label="Cancel after",
        required=False,
        help_text="The last day on which it may ship.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    expected_delivery_date = forms.DateField(
        label="Expected delivery",
        required=False,
        help_text="The day on which it is to arrive.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    shipping_instructions = forms.CharField(
        label="Instructions",
        required=False,
        max_length=1000,
        help_text="For the warehouse. Example: Ring twice.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    gift_message = forms.CharField(
        label="Gift message", required=False, max_length=1000, widget=forms.Textarea(attrs={"rows": 2})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for side in SIDES:
            for name in ADDRESS:
                self.fields[f"{side}_{name}"] = _address(name)
        for field in self.fields.values():
            field.kept = True  # type: ignore[attr-defined]  # no field has to be filled, so no label says so

    def side(self, side: str) -> list[forms.BoundField]:
        """The fields of an address."""
        return [self[f"{side}_{name}"] for name in ADDRESS]

    def clean(self) -> dict[str, Any]:
        """Countries are ISO codes; a last day, and the one of its arrival, are not before the first.

        Days that stay as they are may be: they are the shop's, and stand in the way of nothing else.
        """
        data = self.cleaned_data
        base = unseal(data.get("base", ""))
        was = base.fields if base is not None else {}
        for side in SIDES:
            country = data.get(f"{side}_country") or ""
            code = alpha_2(country) if country else ""
            if code is None:
                self.add_error(f"{side}_country", f"“{country}” is no country. Example: GB, or United Kingdom.")
            else:
                data[f"{side}_country"] = code
        first = data.get("requested_ship_date")
        for name, why in (
            ("latest_ship_date", "This is before the day on which it is to ship."),
            ("expected_delivery_date", "It cannot arrive before the day on which it is to ship."),
        ):
            changed = any(_plain(data.get(day)) != was.get(day, "") for day in ("requested_ship_date", name))
            if changed and first and data.get(name) and data[name] < first:
                self.add_error(name, why)
        return data

    def fields_of(self) -> dict[str, str]:
        """The values as they are stored."""
        names = [f"{side}_{name}" for side in SIDES for name in ADDRESS]
        return {name: _plain(self.cleaned_data.get(name)) for name in (*names, *PLAIN)}


class LineForm(forms.Form):
    """One item. `key`: the line's id, "" where it is new; an empty new row is no item."""

    key = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)
    item = forms.CharField(
        label="SKU", required=False, max_length=100, widget=forms.TextInput(attrs={"class": "form-control mono-in"})
    )
    quantity = forms.DecimalField(
        label="Quantity",
        required=False,
        max_digits=12,
        decimal_places=4,
        widget=forms.NumberInput(
            attrs={"step": "any", "min": "0", "inputmode": "decimal", "class": "form-control w-num"}
        ),
    )
    remove = forms.BooleanField(
        label="Remove", required=False, widget=forms.CheckboxInput(attrs={"class": "form-check-input"})
    )

    def clean(self) -> dict[str, Any]:
        """An item that stays has a quantity; a new one has both."""
        data = self.cleaned_data
        if data.get("remove") or self.is_blank:
            return data
        if "quantity" not in self.errors and (data.get("quantity") is None or data["quantity"] <= 0):
            self.add_error("quantity", "More than 0, or remove the item.")
        if not data.get("key") and not data.get("item") and "item" not in self.errors:
            self.add_error("item", "Which item is to be added?")
        return data

    @property
    def is_blank(self) -> bool:
        """A row for a new item that nobody has used."""
        data = self.cleaned_data
        return not data.get("key") and not data.get("item") and data.get("quantity") is None

    def value(self) -> LineValue | None:
        """The line; None where it is none, or not any more."""
        data = self.cleaned_data
        if data.get("remove") or self.is_blank:
            return None
        return LineValue(data.get("key") or "", data.get("item") or "", _plain(data.get("quantity")))


@dataclass(slots=True)
class Editor:
    """Both forms together. `names`: what the source calls the items, by line id.

    `kept`: the items, where they are too many for a form; they stay as they are, and the rest can be edited.
    """

    form: EditForm
    lines: list[LineForm]
    names: dict[str, str]
    kept: tuple[LineValue, ...] = ()

    @classmethod
    def showing(cls, values: Values, base: Values, data: dict[str, Any]) -> "Editor":
        """`values` to be edited, which were made of `base`; `data`: the stored form."""
        form = EditForm(initial={**values.fields, "base": seal(base)})
        if len(base.lines) > MOST_LINES:
            return cls(form, [], _names(data), base.lines)
        lines = [LineForm(prefix=f"line{n}", initial=vars_of(line)) for n, line in enumerate(values.lines, 1)]
        here = len(lines)
        lines += [LineForm(prefix=f"line{n}") for n in range(here + 1, here + EMPTY_ROWS + 1)]
        return cls(form, lines, _names(data))

    @classmethod
    def posted(cls, posted: Any, data: dict[str, Any]) -> "Editor":
        """What was sent, with three more rows where they were asked for."""
        base, count = unseal(posted.get("base", "")), 0
        if base is not None and len(base.lines) > MOST_LINES:
            return cls(EditForm(posted), [], _names(data), base.lines)
        while count < MOST_LINES + 50 and f"line{count + 1}-item" in posted:
            count += 1
        lines = [LineForm(posted, prefix=f"line{n}") for n in range(1, count + 1)]
        return cls(EditForm(posted), lines, _names(data))

    def more_rows(self) -> None:
        """Three more rows for new items."""
        count = len(self.lines)
        self.lines += [LineForm(prefix=f"line{n}") for n in range(count + 1, count + EMPTY_ROWS + 1)]

    def is_valid(self) -> bool:
        """Checks both; errors stand beside their fields."""
        ok = self.form.is_valid()
        wrong = [line for line in self.lines if not line.is_valid()]
        ok = ok and not wrong
        if ok and not self.kept and not any(line.value() for line in self.lines):
            self.form.add_error(None, "An order needs an item. If nothing is to be sent, cancel it instead.")
            return False
        return ok

    @property
    def wrong_lines(self) -> int:
        """How many items have an error beside them."""
        return sum(1 for line in self.lines if line.is_bound and line.errors)

    def values(self) -> Values:
        """What was typed, once it is valid."""
        lines = tuple(value for line in self.lines if (value := line.value()) is not None)
        return Values(self.form.fields_of(), self.kept or lines)

    def base(self) -> Values | None:
        """What the form was made of; None where it was not made here."""
        return unseal(self.form.data.get("base", ""))

    def rows(self) -> Sequence[tuple[LineForm, str]]:
        """The items with the source's names."""
        return [(line, self.names.get(str(line["key"].value() or ""), "")) for line in self.lines]


def vars_of(line: LineValue) -> dict[str, str]:
    """A line as the initial values of its form."""
    return {"key": line.key, "item": line.item, "quantity": line.quantity}


def seal(values: Values) -> str:
    """Values that come back as they went out."""
    return signing.dumps(values.to_json(), salt=SALT, compress=True)


def unseal(text: str) -> Values | None:
    """The inverse; None for what was not sealed here."""
    try:
        return Values.from_json(signing.loads(text, salt=SALT))
    except signing.BadSignature:
        return None


def _names(data: dict[str, Any]) -> dict[str, str]:
    return {str(line["line_id"]): line.get("description") or "" for line in data.get("lines") or []}


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, date):
        return value.isoformat()
    return str(value).replace("\r\n", "\n").strip()
