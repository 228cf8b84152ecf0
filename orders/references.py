"""The reference we send: at most 16 characters, unique, never reused, and a pure function.

It depends on the cart, the source's key and the revision alone, so it survives the restore of an old
backup: what was sent before is found again under the same name.
"""

import base64
import hashlib
import re

LENGTH = 16
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_OURS = re.compile(r"_r?\d+$|^x-")  # what we make ourselves must not be taken by a plain number


def wms_ref(cart_id: str, cart_number: int, cart_key: str, number: str, revision: int, prefix: str = "") -> str:
    """The reference of an order.

    `cart_id`: the cart's public id; `cart_number`: 1 for the merchant's first cart; `number`: the
    order's short number at its source; `prefix`: the merchant's code where references are unique in
    the whole account. The number itself where that is possible, else number and cart, else (as without a number)
    a hash.
    """
    plain = f"{prefix}-{number}" if prefix else number
    if cart_number > 1:
        plain += f"_{cart_number}"
    if revision:
        plain += f"_r{revision}"
    if number and len(plain) <= LENGTH and _PLAIN.fullmatch(plain) and not _OURS.search(number) and "-" not in prefix:
        return plain
    digest = hashlib.sha256(f"{prefix}|{cart_id}|{cart_key}|{revision}".encode()).digest()
    return "x-" + base64.b32encode(digest).decode().lower()[: LENGTH - 2]
