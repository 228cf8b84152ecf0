"""Template tags of every page: icons and times.

A time is shown in the user's time zone (middleware activates it): short or relative in the text, exact
on hover and for machines.
"""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from html import escape
from typing import Any

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_manager.kit import clock

register = template.Library()


def _sprite() -> str:
    """The address of the sprite, which has a new name whenever it changes."""
    return _sprite_once() if not settings.DEBUG else static("icons.svg")


@lru_cache(maxsize=1)
def _sprite_once() -> str:
    return static("icons.svg")


@register.simple_tag
def icon(name: str, classes: str = "s") -> SafeString:
    """One icon of the sprite. `classes`: "s" for 16 px (the default), "" for 20 px, or a tone."""
    return _icon(_sprite(), name, classes)


@lru_cache(maxsize=500)  # a list shows the same few a hundred times
def _icon(sprite: str, name: str, classes: str) -> SafeString:
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>', classes, sprite, name)


@register.simple_tag
def wrong_fields(*forms: Any) -> dict[str, Any]:
    """What is to be corrected in these forms (nothing, where one is missing): the fields, and what no field has."""
    there = [form for form in forms if form]
    fields = [field for form in there for field in form.visible_fields() if field.errors]
    others = [error for form in there for error in form.non_field_errors()]
    return {"fields": fields, "others": others, "number": len(fields) + len(others)}


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _exact(local: datetime) -> str:
    # Put together here: strftime takes four times as long, and a list has a hundred of them.
    date = f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}"
    return f"{date}, {local.hour:02}:{local.minute:02}:{local.second:02} {local.tzname()}"


def markup(pattern: str, *values: object) -> SafeString:
    """Django's format_html for plain texts, for what a page has a hundred times.

    All that is not safe already is escaped. Not asked is whether a value is a lazy text, which takes ten times as long.
    """
    return SafeString(
        pattern.format(*[value if isinstance(value, SafeString) else escape(str(value)) for value in values])
    )


def _time(value: datetime, text: str) -> SafeString:
    local = timezone.localtime(value)
    return markup('<time datetime="{}" title="{}">{}</time>', local.isoformat(timespec="seconds"), _exact(local), text)


def spell(delta: timedelta) -> str:
    """A length of time in one unit: "40 s", "2 min", "4 h", "3 days"."""
    seconds = int(abs(delta).total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h"
    return f"{seconds // 86400} days"


def when(value: datetime) -> str:
    """ "14:05" today, "18 Nov, 14:05" on another day, with the year where it is another one."""
    local, today = timezone.localtime(value), timezone.localtime(clock.now())
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if local.year == today.year:
        return f"{local.day} {local:%b, %H:%M}"
    return f"{local.day} {local:%b %Y}"


@register.filter
def ago(value: datetime | None) -> str:
    """How long ago: "4 min ago". A time to come reads "in 4 min"."""
    if value is None:
        return ""
    delta = clock.now() - value
    if timedelta(seconds=-2) < delta < timedelta(seconds=2):
        return _time(value, "just now")
    if delta < timedelta(0):
        return _time(value, f"in {spell(delta)}")
    return _time(value, f"{spell(delta)} ago")


@register.filter
def due(value: datetime | None) -> str:
    """When it comes: "in 4 min". What should have begun by now reads "now"."""
    if value is None:
        return ""
    return _time(value, "now") if value - clock.now() < timedelta(seconds=2) else ago(value)


@register.filter
def age(value: datetime | None) -> str:
    """How old, without "ago", for narrow columns: "4 min"."""
    return "" if value is None else _time(value, spell(clock.now() - value))


@register.filter
def at(value: datetime | None) -> str:
    """The time of day, with the date where it is not today."""
    return "" if value is None else _time(value, when(value))


@register.filter
def day(value: date | None) -> str:
    """A day in a list: "18 Nov", with the year where it is another one."""
    if value is None:
        return ""
    same = value.year == timezone.localdate(clock.now()).year
    return f"{value.day} {value:%b}" if same else f"{value.day} {value:%b %Y}"


@register.filter
def at_second(value: datetime | None) -> str:
    """To the second, for a timeline."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    same = local.date() == timezone.localtime(clock.now()).date()
    return _time(value, f"{local:%H:%M:%S}" if same else f"{local.day} {local:%b, %H:%M:%S}")


@register.filter
def counted(number: int, noun: str) -> str:
    """A number and what is counted, the noun given as of one: "1 order", "2 orders", "3 entries", "1,284 aliases"."""
    if number != 1:
        entries = noun.endswith("y") and noun[-2] not in "aeiou"
        noun = noun[:-1] + "ies" if entries else noun + ("es" if noun.endswith(("s", "x", "ch")) else "s")
    return f"{number:,} {noun}"


@register.filter
def kept(words: str, what: str) -> str:
    """Words that tell how long something is kept here: `"for %s"|kept:"runs"`, by a name of IM_KEEP_DAYS."""
    return words % counted(settings.IM_KEEP_DAYS[what], "day")


@register.filter
def initials(name: str) -> str:
    """Two letters for the round mark of a person or the square one of a system."""
    words = re.findall(r"\w+", name)
    if len(words) > 1:
        return (words[0][0] + words[-1][0]).upper()
    return name[:2].upper()
