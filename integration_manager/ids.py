"""Public ids: random, so that nobody can guess another's or count ours."""

import secrets

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else


def public_id() -> str:
    """Twelve letters and digits, about 59 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))
