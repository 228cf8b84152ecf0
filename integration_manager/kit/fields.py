"""What a person enters to connect a system: the form, the API schema and the masking follow from it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from integration_manager.kit.filefields import Kind
from integration_manager.kit.filepresets import presets_of

if TYPE_CHECKING:
    from integration_manager.kit.connector import Connector


class Field:
    """One value a person gives when connecting: the form, the API schema and the masking follow.

    `when`: (name of a choice of the same level, values of it) for a field that plays a part with these values
    only; with others it is neither shown, nor required, nor kept.

    kind: text, url, host, int, bool, choice, textarea, format. level: "account" or "merchant" (a WMS's
    values that differ per merchant). `option`: how to work, not how to get in; passed to the mapping.

    A format's value is the key of a preset of `files`, or "custom:<public id>" of one that a person
    mapped; what the connector gets in its place is that format itself (see `filepresets.chosen`).
    """

    name: str

    def __init__(
        self,
        label: str,
        *,
        kind: Literal["text", "url", "host", "int", "bool", "choice", "textarea", "format"] = "text",
        secret: bool = False,
        option: bool = False,
        required: bool = True,
        default: Any = None,
        choices: Sequence[tuple[str, str]] = (),
        files: Kind | None = None,
        level: Literal["account", "merchant"] = "account",
        when: tuple[str, Sequence[str]] | None = None,
        help: str = "",
        example: str = "",
    ) -> None:
        if files is not None:
            choices = [(preset.key, preset.label) for preset in presets_of(files)]
        self.label, self.kind, self.secret, self.option = label, kind, secret, option
        self.required = required and default is None
        self.default, self.choices, self.level, self.files = default, tuple(choices), level, files
        self.help, self.example = help, example
        self.when = (when[0], tuple(when[1])) if when else None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "Connector", owner: type) -> Any: ...
    def __get__(self, instance: "Connector | None", owner: type) -> Any:
        """On the class the field itself, on a connector its value (a secret unwrapped)."""
        if instance is None:
            return self
        value = revealed(instance.values.get(self.name))
        return self.default if value in (None, "") else value


def revealed(value: Any) -> Any:
    """A value without its wrapping: as it is stored, each is one that never prints."""
    reveal = getattr(value, "reveal", None)
    return reveal() if reveal else value
