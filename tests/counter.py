"""Somebody at the counter: a browser that is signed in to the account of a running world."""

from typing import Any

from accounts.models import Membership, User
from tests.desk import signed_in
from tests.world import World

PART = {"HX-Request": "true"}


class Counter:
    """One person of the world's account, by role. `merchant`: a merchant user's own."""

    def __init__(self, world: World, role: str = "primary", merchant: Any = None) -> None:
        self.world = world
        self.user = User.objects.create_user(f"{role}@counter.example", "x" * 14, name=role.title())
        Membership.objects.create(user=self.user, role=role, merchant=merchant)
        self.browser = signed_in(self.user)

    def url(self, path: str = "") -> str:
        """An address of the account; `path` "cart/…" begins at the world's cart."""
        path = path.replace("cart/", f"carts/{self.world.cart.public_id}/", 1) if path.startswith("cart/") else path
        return f"/a/{self.world.account.public_id}/{path}"

    def get(self, path: str, **kwargs: Any) -> Any:
        """A page."""
        return self.browser.get(self.url(path), **kwargs)

    def post(self, path: str, said: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        """A form, and the page that it leads to."""
        kwargs.setdefault("follow", True)
        return self.browser.post(self.url(path), said or {}, **kwargs)


def text(answer: Any) -> str:
    """A page's text, white space folded."""
    return " ".join(answer.content.decode().split())
