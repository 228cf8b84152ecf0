"""Public ids: random, so that nobody can guess another's or count ours."""

import secrets

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else
_TRIPLES = [a + b + c for a in _ALPHABET for b in _ALPHABET for c in _ALPHABET]
_BLOCK = len(_TRIPLES)


def public_id() -> str:
    """Twelve letters and digits, about 59 bits."""
    # Drawn as one number: cheaper than a letter at a time.
    number = secrets.randbelow(_BLOCK**4)
    number, a = divmod(number, _BLOCK)
    number, b = divmod(number, _BLOCK)
    c, d = divmod(number, _BLOCK)
    return _TRIPLES[a] + _TRIPLES[b] + _TRIPLES[c] + _TRIPLES[d]
