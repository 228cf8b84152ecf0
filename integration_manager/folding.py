"""Texts as a search compares them."""

import unicodedata


class _Bare(dict[int, str | None]):
    """What becomes of each character, by its number: combining marks and NUL go. Found out once for each."""

    def __missing__(self, number: int) -> str | None:
        char = chr(number)
        self[number] = found = None if unicodedata.combining(char) or char == "\x00" else char
        return found


_BARE = _Bare()


def fold(text: str | None, length: int = 100) -> str:
    """A search key: compatibility forms, accents, case and outer space folded away."""
    text = text or ""
    if text.isascii():  # most are, and there is nothing to take apart
        return text.lower().replace("\x00", "").strip()[:length]
    return unicodedata.normalize("NFKD", text.casefold()).translate(_BARE).strip()[:length]
