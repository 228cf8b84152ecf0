"""The form of a merchant."""

import re

from django import forms

from merchants.models import Merchant


class MerchantForm(forms.ModelForm):  # type: ignore[type-arg]
    """A merchant's name and code. The code is in references and stays as it is once given."""

    class Meta:
        model = Merchant
        fields = ["name", "code"]
        labels = {"name": "Merchant name", "code": "Code"}
        help_texts = {
            "name": "Shown on these pages and in mails. Example: Alder & Finch.",
            "code": "Up to 8 letters and digits; part of references where the WMS knows one account. Example: AF.",
        }

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if self.instance.pk:
            self.fields["code"].disabled = True
            self.fields["code"].help_text = "Stands in references at the WMS, so it cannot be changed."

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
