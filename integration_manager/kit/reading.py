"""Reads another system's JSON: what has not the form it should have becomes an error of the taxonomy.

`Reader` is for the pure mapping of one record (`Unmappable`), `pick` for the answer to a call.
"""

from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar

from integration_manager.kit.errors import BadAnswer, OutcomeUnknown, Unmappable

if TYPE_CHECKING:
    from integration_manager.kit.transport import Answer

T = TypeVar("T")
DIGITS = 15  # of money and quantities, before the point


def pick(answer: "Answer", name: str, kind: type[T]) -> T:
    """The member `name` of an answer ("data.order" one within one), which has to be a `kind` (list, str, bool …).

    Raises BadAnswer, or OutcomeUnknown where a request was accepted that must not be repeated.
    """
    value = answer.json()
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, kind):
        return value
    why = f"{answer.host} sent an answer without {name!r}, which it should have."
    if not answer.sure and answer.status < 300:
        raise OutcomeUnknown(f"{why} It may have carried out the request all the same.")
    raise BadAnswer(why, said=answer.said)


def listed(text: Any) -> list[str]:
    """The names that a person has typed with commas between them."""
    return [one.strip() for one in str(text or "").split(",") if one.strip()]


class Reader:
    """An object of raw JSON. Missing and null are unknown (`None`); a wrong type is `Unmappable`."""

    def __init__(self, raw: Any, at: str = "") -> None:
        """`at`: where it stands in the whole order, for the words of an error."""
        if not isinstance(raw, dict):
            raise Unmappable(at or "order", "an object was expected")
        self.raw, self.at = raw, at

    def _name(self, name: str) -> str:
        return f"{self.at}.{name}" if self.at else name

    def text(self, name: str) -> str | None:
        """Text, trimmed; a number as its digits. What no database can store is replaced."""
        value = self.raw.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise Unmappable(self._name(name), "text was expected")
        text = str(value).replace("\x00", "").strip()
        return text.encode("utf-8", "replace").decode()

    def need(self, name: str) -> str:
        """Text that must be there."""
        text = self.text(name)
        if not text:
            raise Unmappable(self._name(name), "it is missing")
        return text

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, without empty ones."""
        every = [Reader({name: one}, self.at).text(name) for one in self._list(name)]
        return tuple(text for text in every if text)

    def number(self, name: str) -> Decimal | None:
        """An exact number, given as text or as a JSON number. "" is unknown."""
        value = self.raw.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise Unmappable(self._name(name), "a number was expected")
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            raise Unmappable(self._name(name), f"{str(value)[:40]!r} is not a number") from None
        if not number.is_finite() or abs(number.adjusted()) > DIGITS:
            raise Unmappable(self._name(name), f"{str(value)[:40]!r} is no sensible number")
        return number

    def need_number(self, name: str) -> Decimal:
        """A number that must be there."""
        number = self.number(name)
        if number is None:
            raise Unmappable(self._name(name), "it is missing")
        return number

    def when(self, name: str, zone: tzinfo = UTC) -> datetime | None:
        """An ISO time, in UTC; one without a zone is in `zone`."""
        text = self.text(name)
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
            return (at.replace(tzinfo=zone) if at.tzinfo is None else at).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Unmappable(self._name(name), f"{text[:40]!r} is not a time") from None

    def day(self, name: str) -> date | None:
        """An ISO date, or the date of an ISO time as it is written."""
        text = self.text(name)
        if not text:
            return None
        try:
            return date.fromisoformat(text[:10])
        except ValueError:
            raise Unmappable(self._name(name), f"{text[:40]!r} is not a date") from None

    def need_day(self, name: str) -> date:
        """A date that must be there."""
        day = self.day(name)
        if day is None:
            raise Unmappable(self._name(name), "it is missing")
        return day

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self.raw.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise Unmappable(self._name(name), "true or false was expected")

    def part(self, name: str) -> "Reader":
        """An object inside; an empty one where there is none."""
        value = self.raw.get(name)
        return Reader({} if value is None else value, self._name(name))

    def parts(self, name: str) -> list["Reader"]:
        """A list of objects inside."""
        return [Reader(one, f"{self._name(name)}[{i}]") for i, one in enumerate(self._list(name))]

    def pairs(self, name: str) -> dict[str, str]:
        """A list of {key, value} inside, as text: by the key and by the name it is shown under.

        What is empty or no plain value is left out, since nobody knows what it means.
        """
        found: dict[str, str] = {}
        for one in self.parts(name):
            value = one.raw.get("display_value", one.raw.get("value"))
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                text = Reader({"value": value}).text("value") or ""
                found |= {named: text for named in (one.text("key"), one.text("display_key")) if named and text}
        return found

    def _list(self, name: str) -> list[Any]:
        value = self.raw.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Unmappable(self._name(name), "a list was expected")
        return value
