"""Forms of channels and of the watch over orders."""

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

from django import forms

from alerts.channel_models import Channel
from alerts.channels import KINDS
from alerts.channels.webhook import PREFIX, new_secret
from alerts.kinds import Acts
from alerts.models import Watch
from integration_manager.connector_form import AddressField
from merchants.models import Merchant

ALL = "All merchants"
TOPICS = [
    (Acts.PERSON.value, "What needs a person: held orders, connections, setup"),
    (Acts.KNOW.value, "To know: tracking, stock, files, single orders, orders that do not move"),
    (Acts.MACHINE.value, "Systems that are away, after three failures in a row"),
]
SECRET = 32  # bytes


class ChannelForm(forms.Form):
    """One channel. Address and secret are never shown again; empty keeps them."""

    name = forms.CharField(label="Name", max_length=60, help_text="For you. Example: Warehouse channel.")
    merchant = forms.ModelChoiceField(
        Merchant.objects.none(), label="Merchant", required=False, empty_label=ALL, to_field_name="public_id",
        help_text="Whose alerts go there.",
    )  # fmt: skip
    topics = forms.MultipleChoiceField(
        label="Which alerts", choices=TOPICS, widget=forms.CheckboxSelectMultiple, initial=[Acts.PERSON.value]
    )
    url = AddressField(label="Address", max_length=1000)

    def __init__(self, *args: Any, channel: Channel, own_only: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.channel, kind = channel, KINDS[channel.kind]
        merchants: Any = self.fields["merchant"]
        merchants.queryset = Merchant.objects.filter(archived_at__isnull=True).order_by("name")
        if own_only:
            merchants.required, merchants.empty_label = True, None
        stored = channel.credentials.get("url")
        self.fields["url"].required = not stored
        keep = f" Now one at {urlsplit(stored.reveal()).hostname}; leave empty to keep it." if stored else ""
        words = f"{kind.help} Example: {kind.example}. Stored encrypted, never shown again.{keep}"
        self.fields["url"].help_text = words
        if kind.signs:
            self.fields["secret"] = forms.CharField(
                label="Signing secret",
                required=not channel.credentials.get("secret"),
                max_length=200,
                initial="" if channel.credentials.get("secret") else new_secret(),
                widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
                help_text="Copy it now: it is not shown again. Your program checks the header webhook-signature by it."
                if not channel.credentials.get("secret")
                else "Leave empty to keep it.",
            )

    def clean_secret(self) -> str:
        """`whsec_` and at least 24 bytes in base64, as the libraries for such webhooks want it."""
        text = str(self.cleaned_data["secret"])
        if not text:
            return text
        try:
            raw = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            raw = b""
        if not text.startswith(PREFIX) or not 24 <= len(raw) <= 64:
            raise forms.ValidationError(f"It begins with {PREFIX}, then 24 to 64 bytes in base64.")
        return text

    def made_already(self) -> bool:
        """Whether the same form has made this channel before: one of this kind, name and address."""
        rows = Channel.objects.filter(kind=self.channel.kind, name=self.cleaned_data["name"].strip())
        return any(
            one.credentials["url"].reveal() == self.cleaned_data["url"] for one in rows if "url" in one.credentials
        )

    def save(self) -> Channel:
        """Stores what was typed."""
        data, channel = self.cleaned_data, self.channel
        channel.name, channel.merchant, channel.topics = data["name"].strip(), data["merchant"], data["topics"]
        typed = {name: data[name] for name in ("url", "secret") if data.get(name)}
        channel.credentials = {**channel.credentials, **typed}
        channel.save()
        return channel


class WatchForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """From when on orders that do not move are told of."""

    class Meta:
        model = Watch
        fields = ["ready_hours", "at_wms_days"]
        labels = {"ready_hours": "Ready for more than … hours", "at_wms_days": "At the WMS for more than … days"}
        help_texts = {
            "ready_hours": "Orders that could go to the WMS and have not. Where Order Delivery runs rarely, its "
            "interval is added. 0: off. Example: 2.",
            "at_wms_days": "Orders that the WMS has and has not shipped. 0: off. Example: 3.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, most in (("ready_hours", 720), ("at_wms_days", 90)):
            self.fields[name] = forms.IntegerField(
                label=self.fields[name].label, help_text=self.fields[name].help_text, min_value=0, max_value=most
            )
