"""Ids in addresses: letters and digits only, so that nothing else reaches a query."""

from integration_manager.ids import public_id


class PublicId:
    """A public id; what does not look like one is not found."""

    regex = "[a-z0-9]{1,20}"

    def to_python(self, value: str) -> str:
        """As it stands."""
        return value

    def to_url(self, value: str) -> str:
        """As it stands."""
        return value


def looks_like_one(text: str) -> bool:
    """Whether a text from a query string may be looked up as a public id."""
    return text.isascii() and text.isalnum() and len(text) <= len(public_id())
