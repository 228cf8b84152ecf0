"""Texts as a search compares them."""

import unicodedata


def fold(text: str | None, length: int = 100) -> str:
    """A search key: compatibility forms, accents, case and outer space folded away."""
    text = text or ""
    if text.isascii():  # most are, and there is nothing to take apart
        return text.lower().replace("\x00", "").strip()[:length]
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in apart if not unicodedata.combining(char) and char != "\x00")
    return bare.strip()[:length]
