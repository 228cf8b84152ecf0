"""Public ids: random, so that nobody can guess another's or count ours."""

import secrets

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else
_TRIPLES = [a + b + c for a in _ALPHABET for b in _ALPHABET for c in _ALPHABET]
_BLOCK = len(_TRIPLES)
_BYTES = 10  # of chance for one id: so many more than it has that each is as likely as any other


def public_id() -> str:
    """Twelve letters and digits, about 59 bits."""
    return public_ids(1)[0]


def public_ids(count: int) -> list[str]:
    """So many at once: the system is asked for all of them in one call, which other threads need not be waited for."""
    chance = secrets.token_bytes(_BYTES * count)
    return [_spelled(int.from_bytes(chance[at : at + _BYTES])) for at in range(0, len(chance), _BYTES)]


def _spelled(number: int) -> str:
    number, a = divmod(number, _BLOCK)
    number, b = divmod(number, _BLOCK)
    number, c = divmod(number, _BLOCK)
    return _TRIPLES[a] + _TRIPLES[b] + _TRIPLES[c] + _TRIPLES[number % _BLOCK]
