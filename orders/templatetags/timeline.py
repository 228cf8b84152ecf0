"""Titles and icons of what stands in a timeline."""

from django import template
from django.utils.safestring import SafeString

from accounts.templatetags.face import icon
from orders.models import Event
from orders.state_words import face_of

register = template.Library()
_ICONS = {"loaded": "s-new", "changed": "edit", "edited": "edit", "failed": "resend", "resend": "resend"}


@register.filter
def event_title(event: Event) -> str:
    """What happened, in two words: the state that the order came to, else the kind of thing."""
    if event.to and event.to != event.frm:
        return f"{face_of(event.to).word}:" if event.message else face_of(event.to).word
    return event.kind.replace("_", " ").capitalize() + (":" if event.message else "")


@register.simple_tag
def event_icon(event: Event) -> SafeString:
    """The icon of the state that the order came to, else of the kind of thing."""
    if event.to and event.to != event.frm:
        face = face_of(event.to)
        return icon(face.icon, f"st-{face.tone}")
    return icon(_ICONS.get(event.kind, "info"), "")
