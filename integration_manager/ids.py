"""Public ids: random, so that nobody can guess another's or count ours."""

import secrets

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else
_LENGTH = 12
_NUMBERS = len(_ALPHABET) ** _LENGTH  # one of them is drawn: cheaper than a letter at a time


def public_id() -> str:
    """Twelve letters and digits, about 59 bits."""
    number, letters = secrets.randbelow(_NUMBERS), []
    for _ in range(_LENGTH):
        number, letter = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[letter])
    return "".join(letters)
