"""The form of a connector: made from its Fields, so that a connector needs no form of its own."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.utils.html import format_html

from accounts.audit import Changes, difference
from integration_manager.crypto import Secret
from integration_manager.kit.connector import Connector, Field
from integration_manager.kit.fields import revealed
from integration_manager.kit.filefields import Kind

KEEP = "Stored. Type to replace it"
AGAIN = "Enter the key again: the address has changed."
LONGEST = 4000
_ADDRESS = ("port", "user", "place", "security")  # of a folder; with "place" also whether it is encrypted


class Formats(Protocol):
    """Whose formats of files a connection may use: ours, and those that its people mapped."""

    def choices(self, kind: Kind) -> list[tuple[str, str]]:
        """Value and label of each, for one kind of file."""

    def url(self, page: str) -> str:
        """The address of the page "formats"."""


class ConnectorForm(forms.Form):
    """The values of one level of a system. A stored secret is never shown; left empty, it is kept."""

    def __init__(
        self,
        system: type[Connector],
        level: str,
        stored: Mapping[str, Any],
        *args: Any,
        formats: "Formats | None" = None,
        **kwargs: Any,
    ) -> None:
        """`stored`: the values as they are now, secrets wrapped. `formats`: those of files that may be chosen."""
        kwargs.setdefault("prefix", "c")
        super().__init__(*args, **kwargs)
        self.system = system
        self.stored = dict(stored)
        self.of_level = {name: field for name, field in system.fields.items() if field.level == level}
        for name, field in self.of_level.items():
            self.fields[name] = _form_field(field, self.stored.get(name))
            if formats is not None and field.files:
                _offer(self.fields[name], formats, field.files, self.stored.get(name))
            if system.oauth is not None and system.oauth.when and system.oauth.when[0] == name:
                _by_consent_if_offered(self.fields[name], system, self.stored.get(name))
            if field.when:
                self.fields[name].when = (self.add_prefix(field.when[0]), " ".join(field.when[1]))  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """A stored secret goes to the address that it was entered for, and to no other.

        Whoever may change the address need not know the secret, and would read it there.
        """
        self._drop_what_plays_no_part()
        if not self.moved():
            return self.cleaned_data
        kept = [name for name in self._secrets() if self.stored.get(name) and not self.cleaned_data.get(name)]
        typed = any(self.cleaned_data.get(name) for name in self._secrets())
        for name in kept:
            if typed and not self.of_level[name].required:  # one of several ways in: a password, or a key
                del self.stored[name]
            else:
                self.add_error(name, AGAIN)
        return self.cleaned_data

    def _drop_what_plays_no_part(self) -> None:
        """Fields of another choice than the one made are neither checked nor kept."""
        chosen = dict(self.cleaned_data)
        for name in self.of_level:
            if not self.system.applies(name, chosen):
                self.errors.pop(name, None)
                self.cleaned_data.pop(name, None)
                self.stored.pop(name, None)

    def without(self, names: Iterable[str]) -> None:
        """These need not be typed, nor are they taken from what is stored: the system gives them itself."""
        for name in names:
            self.fields[name].required = False
            self.stored.pop(name, None)

    def moved(self) -> bool:
        """Whether the values typed lead elsewhere than the stored ones."""
        if not self.stored:
            return False
        names = [
            name
            for name, field in self.of_level.items()
            if field.kind in ("url", "host") or (self.system.uses == "folder" and name.endswith(_ADDRESS))
        ]
        return bool(self._other(names))

    def changed_openly(self) -> list[str]:
        """The fields that are no secrets and are to be stored with another value than before."""
        return self._other([name for name, field in self.of_level.items() if not field.secret])

    def get_in(self) -> list[forms.BoundField]:
        """The fields for getting in: address and credentials."""
        return [self[name] for name, field in self.of_level.items() if not field.option]

    def how(self) -> list[forms.BoundField]:
        """The fields that say how to work."""
        return [self[name] for name, field in self.of_level.items() if field.option]

    def credentials(self) -> dict[str, Any]:
        """What is to be stored encrypted, after validation: what was typed, else what was there."""
        return self._values(option=False)

    def options(self) -> dict[str, Any]:
        """What is to be stored in the open, after validation."""
        return self._values(option=True)

    def values(self) -> dict[str, Any]:
        """Both, as a connector takes them."""
        return {**self.options(), **self.credentials()}

    def changes_credentials(self) -> bool:
        """Whether saving stores another way in than before, after validation."""
        stored = {name: self.stored.get(name) for name, field in self.of_level.items() if not field.option}
        return bool(difference({name: revealed(value) for name, value in stored.items() if value not in (None, "")},
                               {name: revealed(value) for name, value in self.credentials().items()}))  # fmt: skip

    def changes(self) -> Changes:
        """What saving changes, for the record: secrets say only that they did."""
        plain = {
            name: self.stored.get(name) if field.secret else revealed(self.stored.get(name))
            for name, field in self.of_level.items()
        }
        return difference({name: value for name, value in plain.items() if value is not None}, self.values())

    def _secrets(self) -> list[str]:
        return [name for name, field in self.of_level.items() if field.secret]

    def _other(self, names: list[str]) -> list[str]:
        """Those of `names` whose value is another than the one that is stored (or stands for none stored)."""
        found = []
        for name in names:
            default = self.of_level[name].default
            before, after = revealed(self.stored.get(name)), self.cleaned_data.get(name)
            if name in self.cleaned_data and _or(before, default) != _or(after, default):
                found.append(name)
        return found

    def _values(self, *, option: bool) -> dict[str, Any]:
        found = {}
        for name, field in self.of_level.items():
            if field.option != option:
                continue
            value = self.cleaned_data.get(name)
            if field.secret and value in (None, ""):
                value = self.stored.get(name)
            if value not in (None, ""):
                found[name] = Secret(value) if field.secret and isinstance(value, str) else value
        return found


def _by_consent_if_offered(field: forms.Field, system: type[Connector], stored: Any) -> None:
    """Access by consent wants an app of the operator's: without one it is no choice."""
    assert system.oauth is not None and system.oauth.when is not None
    if system.key not in settings.IM_OAUTH:
        gone = {value for value in system.oauth.when[1] if value != stored}
        field.choices = [pair for pair in field.choices if pair[0] not in gone]  # type: ignore[attr-defined]  # a select


def _offer(field: forms.Field, formats: Formats, kind: Kind, stored: Any) -> None:
    """Lets a select offer the mapped formats too, and leads to where they are made."""
    choices = formats.choices(kind)
    if stored and stored not in dict(choices):
        choices.append((stored, "A format that was deleted: choose another one"))
    field.choices = choices  # type: ignore[attr-defined]
    link = format_html('<a href="{}">Manage CSV formats</a>', formats.url("formats"))
    field.help_text = format_html("{} {}", field.help_text, link) if field.help_text else link


def _form_field(field: Field, stored: Any) -> forms.Field:
    """One form field, with the help and the example of the connector's Field."""
    common: dict[str, Any] = {"label": field.label, "help_text": _help(field, stored)}
    common["required"] = field.required and not (field.secret and stored)
    if field.secret:
        widget: forms.Widget = forms.PasswordInput(
            attrs={"autocomplete": "new-password", "placeholder": KEEP if stored else ""}, render_value=False
        )
        if field.kind == "textarea":
            widget = forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "placeholder": KEEP if stored else ""})
        secret = forms.CharField(widget=widget, max_length=LONGEST, **common)
        secret.kept = bool(stored)  # type: ignore[attr-defined]  # so that its label does not say "optional"
        return secret
    common["initial"] = revealed(stored) if stored not in (None, "") else field.default
    if field.kind == "int":
        return forms.IntegerField(**common)
    if field.kind == "bool":
        common["required"] = False
        return forms.BooleanField(**common)
    if field.kind in ("choice", "format"):
        return forms.ChoiceField(choices=field.choices, **common)
    if field.kind == "textarea":
        return forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), max_length=LONGEST, **common)
    if field.kind == "url":
        return AddressField(max_length=500, **common)
    return forms.CharField(max_length=500, **common)


class AddressField(forms.CharField):
    """A web address. Which addresses may be called is the egress guard's matter, not the form's."""

    widget = forms.URLInput

    def clean(self, value: Any) -> Any:
        """Refuses what is no http address, or carries a user name that would be stored in the open."""
        text = super().clean(value)
        if not text:
            return text
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            good = False
        if not good:
            raise forms.ValidationError("Write a whole web address, beginning with https://.")
        if parts.username or parts.password:
            raise forms.ValidationError("Leave user name and password out of the address; they have their own fields.")
        return text


def _help(field: Field, stored: Any) -> str:
    parts = [field.help]
    if field.example:
        parts.append(f"Example: {field.example}.")
    if field.secret:
        parts.append(
            "Never shown again. Leave empty to keep it." if stored else "Stored encrypted and never shown again."
        )
    return " ".join(part for part in parts if part)


def _or(value: Any, default: Any) -> str:
    return str(default if value in (None, "") else value).strip()
