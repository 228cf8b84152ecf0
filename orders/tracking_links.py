"""Where a parcel can be followed: the link that came with it, else the page of a carrier that we know.

Both come from outside. A link is given only if it is plain https to a named host, and a number only goes into a
carrier's address if it looks like one.
"""

import re
from urllib.parse import quote, urlsplit

LONGEST = 2000  # characters of a link
_NUMBER = re.compile(r"[A-Za-z0-9]{6,40}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.[a-z]{2,}", re.IGNORECASE)
# The beginning of a carrier's name, letters and digits alone → its tracking page.
_PAGES = {
    "usps": "https://tools.usps.com/go/TrackConfirmAction?tLabels={}",
    "ups": "https://www.ups.com/track?tracknum={}",
    "fedex": "https://www.fedex.com/fedextrack/?trknbr={}",
    "fdx": "https://www.fedex.com/fedextrack/?trknbr={}",
    "dhl": "https://www.dhl.com/global-en/home/tracking.html?tracking-id={}",
    "royalmail": "https://www.royalmail.com/track-your-item#/tracking-results/{}",
    "evri": "https://www.evri.com/track/parcel/{}",
    "dpd": "https://tracking.dpd.de/status/en_US/parcel/{}",
    "gls": "https://gls-group.com/track/{}",
    "canadapost": "https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor={}",
    "purolator": "https://www.purolator.com/en/shipping/tracker?pin={}",
    "australiapost": "https://auspost.com.au/mypost/track/details/{}",
    "auspost": "https://auspost.com.au/mypost/track/details/{}",
    "ontrac": "https://www.ontrac.com/tracking?number={}",
}


def link(carrier: str | None, number: str | None, given: str | None = None) -> str:
    """An address that can stand in a page; "" where there is none. `given`: the one that the WMS sent along."""
    return _safe(given or "") or _of_carrier(carrier or "", number or "")


def _safe(given: str) -> str:
    if len(given) > LONGEST or not given.isprintable() or any(char in given for char in " \\<>\"'"):
        return ""
    try:
        parts = urlsplit(given)
        plain = parts.scheme == "https" and parts.username is None and parts.port in (None, 443)
    except ValueError:
        return ""
    return given if plain and _HOST.fullmatch(parts.hostname or "") else ""


def _of_carrier(carrier: str, number: str) -> str:
    name = "".join(char for char in carrier.lower() if char.isalnum())
    plain = re.sub(r"[\s-]", "", number)
    if not _NUMBER.fullmatch(plain) or not any(char.isdigit() for char in plain):
        return ""
    page = next((page for known, page in _PAGES.items() if name.startswith(known)), "")
    return page.format(quote(plain, safe="")) if page else ""
