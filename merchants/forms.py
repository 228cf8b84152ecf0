"""The forms of a merchant."""

import re
from typing import Any

from django import forms

from merchants import frequencies
from merchants.models import Merchant, Schedule, Service


class MerchantForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A merchant's name and code. The code is in references and stays as it is once given."""

    class Meta:
        model = Merchant
        fields = ["name", "code", "list_products"]
        labels = {"name": "Merchant Name", "code": "Code", "list_products": "Sync Products To Carts"}
        help_texts = {
            "name": "Shown on these pages and in mails. Example: Alder & Finch.",
            "code": "Up to 8 letters and digits; part of references where the WMS knows one account. Example: AF.",
            "list_products": "Products that the WMS has and a shop has not are created in the shop, with their name "
            "and without a price. Only in the carts that say so too, under Additional Product Options.",
        }
        widgets = {"list_products": forms.Select(choices=[(False, "No"), (True, "Yes, WMS to Carts")])}

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if self.instance.pk:
            self.fields["code"].disabled = True
            self.fields["code"].help_text = "Stands in references at the WMS, so it cannot be changed."
        if self.is_bound and "list_products" not in self.data:  # a form without it leaves it as it is
            del self.fields["list_products"]

    @property
    def who(self) -> list[forms.BoundField]:
        """Who the merchant is."""
        return [self["name"], self["code"]]

    @property
    def additional(self) -> list[forms.BoundField]:
        """Additional Settings."""
        return [self[name] for name in ("list_products",) if name in self.fields]

    def clean_name(self) -> str:
        """Outer space goes."""
        return str(self.cleaned_data["name"]).strip()

    def clean_code(self) -> str:
        """Letters and digits only, and unique in the account."""
        code = str(self.cleaned_data["code"]).strip().upper()
        if not re.fullmatch(r"[A-Z0-9]{1,8}", code):
            raise forms.ValidationError("Use letters and digits only.")
        if Merchant.objects.filter(code=code).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("Another merchant has this code.")
        return code


class MerchantUserForm(forms.Form):
    """*Setup Merchant User*: an invitation for somebody who sees this merchant only."""

    setup_user = forms.BooleanField(label="Setup Merchant User", required=False)
    email = forms.EmailField(
        label="E-mail",
        required=False,
        max_length=254,
        help_text="Gets a mail with a link, good for 7 days, to choose a name and a password. Sees this merchant only, "
        "and is told of its alerts.",
    )

    def clean(self) -> dict[str, Any]:
        """With the tick the address is needed; without it nobody is invited."""
        data = self.cleaned_data
        if data.get("setup_user") and not data.get("email") and "email" not in self.errors:
            self.add_error("email", "Who is to be invited? Write the address, or take the tick away.")
        return data

    def invited(self) -> str:
        """The address to invite, after validation; "" for nobody."""
        return str(self.cleaned_data["email"]).lower() if self.cleaned_data.get("setup_user") else ""


DEFAULTS = {Service.DELIVER: frequencies.AUTO, Service.SHIP_CONFIRM: "3600", Service.INVENTORY: "3600"}
DOES = {
    Service.DELIVER: "Sends orders to the WMS. Automatic: as soon as they arrive or are edited.",
    Service.SHIP_CONFIRM: "Fetches tracking numbers from the WMS.",
    Service.INVENTORY: "Fetches stock levels from the WMS, and what it tells of its products.",
}


class ServicesForm(forms.Form):
    """Synchronization with WMS: how often each of the merchant's services runs."""

    def __init__(self, schedules: list[Schedule], min_every: Any, *args: Any, **kwargs: Any) -> None:
        """`schedules`: as they are; one that is not stored yet begins with the usual frequency."""
        super().__init__(*args, **kwargs)
        self.schedules, self.min_every = schedules, min_every
        for schedule in schedules:
            service = Service(schedule.service)
            self.fields[f"every_{service}"] = forms.ChoiceField(
                label=service.label,
                choices=frequencies.options(service, min_every),
                initial=frequencies.value_of(schedule) if schedule.pk else DEFAULTS[service],
                help_text=DOES[service],
            )

    def chosen(self) -> dict[str, str]:
        """{"every_<service>": value} after validation, as `service_rows.save` takes it."""
        return dict(self.cleaned_data)

    def any_on(self) -> bool:
        """Whether a service is to run, after validation."""
        return any(value != frequencies.OFF for value in self.cleaned_data.values())
