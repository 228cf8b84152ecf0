"""The form of a ship code that a person adds."""

from django import forms

from wms.models import WmsShipMethod


class ShipMethodForm(forms.ModelForm):  # type: ignore[type-arg]
    """A shipping method as the WMS calls it."""

    class Meta:
        model = WmsShipMethod
        fields = ["code", "description", "carrier"]
        labels = {"code": "Ship code"}
        help_texts = {
            "code": "Exactly as the WMS writes it. Example: UPS-GROUND.",
            "description": "For people. Example: UPS Ground, 1 to 5 days.",
            "carrier": "Example: UPS.",
        }

    def clean_code(self) -> str:
        """Once in the list."""
        code = str(self.cleaned_data["code"]).strip()
        if WmsShipMethod.objects.filter(wms=self.instance.wms_id, code=code).exists():
            raise forms.ValidationError("This code is in the list already.")
        return code
