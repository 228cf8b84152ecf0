"""Titles and icons of what stands in a timeline."""

from django import template
from django.utils.safestring import SafeString

from accounts.templatetags.face import icon
from orders.models import Event
from orders.state_words import face_of

register = template.Library()
# kind → (title, icon); other kinds take both from the state that the order came to
_KINDS = {
    "loaded": ("Loaded", "s-new"),
    "note": ("Note", "edit"),
    "rules": ("Rules", "filter"),
    "parcel_there": ("Tracking is in the cart", "s-confirmed"),
    "changed_after_sending": ("Changed after sending", "warn"),
    "changed": ("Changed at the source", "edit"),
    "edited": ("Edited", "edit"),
    "sent": ("Accepted by the WMS", "s-wms"),
    "found_at_wms": ("Found at the WMS", "s-wms"),
    "it_arrived": ("Arrived at the WMS", "s-wms"),
    "it_did_not": ("Did not arrive", "resend"),
    "not_there": ("Not at the WMS", "s-wms"),
    "failed": ("Sending failed", "resend"),
    "unknown": ("No answer", "warn"),
    "waiting": ("Waits", "clock"),
    "released": ("Released", "resend"),
    "resend": ("Sent again", "resend"),
    "gave_up": ("Given up", "s-error"),
    "shipped": ("Shipment received", "s-shipped"),
    "parcel_voided": ("Parcel voided", "s-canceled"),
    "tracking_changed": ("Tracking changed", "edit"),
    "resend_tracking": ("Tracking sent again", "resend"),
    "confirmed": ("Tracking is in the cart", "s-confirmed"),
    "cancel_requested": ("Cancellation asked for", "s-off"),
    "cancel_refused": ("Cancellation refused", "warn"),
    "cart_cancel_asked": ("Cancellation for the cart", "s-off"),
    "canceled_in_cart": ("Canceled in the cart", "s-canceled"),
    "cart_cancel_refused": ("The cart refused the cancellation", "warn"),
    "refund_asked": ("Refund asked for", "s-off"),
    "parts": ("Parts of a kit", "s-shipped"),
    "delay": ("Delivery Delay", "s-hold"),
    "refunded": ("Refunded", "s-confirmed"),
    "refund_refused": ("Refund refused", "warn"),
    "refund_unknown": ("Refund not certain", "warn"),
    "forgotten": ("Personal data removed", "user"),
    "revision": ("Opened again", "resend"),
}


def title_of(event: Event) -> str:
    """What happened, in a few words."""
    if event.kind in _KINDS:
        return _KINDS[event.kind][0]
    return face_of(event.to).word if event.to else event.kind.replace("_", " ").capitalize()


@register.filter
def event_title(event: Event) -> str:
    """The same before the text that follows it."""
    title = title_of(event)
    return f"{title}:" if event.message else title


@register.simple_tag
def event_icon(event: Event) -> SafeString:
    """The icon of the kind of thing, in the tone of the state that the order came to."""
    face = face_of(event.to) if event.to and event.to != event.frm else None
    name = _KINDS[event.kind][1] if event.kind in _KINDS else face.icon if face else "info"
    return icon(name, f"st-{face.tone}" if face and face.tone != "neutral" else "")
