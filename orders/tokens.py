"""Where the tokens of a connection by OAuth are kept: a row of carts.Access, for all processes."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from psycopg2.errors import LockNotAvailable

from carts.models import Access
from integration_manager import tenancy
from integration_manager.kit.errors import AuthFailed, Transient
from integration_manager.kit.oauth import ACCESS, plain
from integration_manager.kit.tokens import HOLD, Token

T = TypeVar("T")
WAIT = 5  # seconds, for a row that somebody else is changing


class StoredTokens:
    """A `kit.tokens.TokenStore` over one Access, also from threads that have no tenant yet."""

    def __init__(self, access: Access) -> None:
        self._id, self._scope = access.pk, tenancy.current()
        self._thread = threading.get_ident()
        self.address: Mapping[str, Any] = access.address

    def load(self) -> Token | None:
        """See `TokenStore.load`. Read anew each time: another process may have renewed it."""
        found = self._in_tenant(lambda: Access.objects.filter(pk=self._id).first())
        return token_in(found.token) if found is not None else None

    def save(self, token: Token) -> None:
        """See `TokenStore.save`. Raises AuthFailed where the connection was given up meanwhile.

        Waits longer than others for the row: the old token may be worth nothing any more, and this one is kept nowhere
        else. Raises Transient after HOLD seconds.
        """

        def write() -> None:
            found = Access.objects.filter(pk=self._id).first()
            if found is None:
                raise AuthFailed("This connection was removed.")
            found.token = stored(token)
            found.save(update_fields=["token"])

        give_up = time.monotonic() + HOLD
        while True:
            try:
                return self._in_tenant(write)
            except Transient:
                if time.monotonic() >= give_up:
                    raise

    def hold(self, seconds: float) -> bool:
        """See `TokenStore.hold`. By PostgreSQL's clock. Raises AuthFailed where nobody will ever renew it."""

        def take() -> bool:
            free, until = Q(held_until=None) | Q(held_until__lt=Now()), Now() + timedelta(seconds=seconds)
            mine = Access.objects.filter(pk=self._id)
            if mine.filter(free).update(held_until=until):
                return True
            if not mine.exists():
                raise AuthFailed("This connection was removed.")
            return False

        return self._in_tenant(take)

    def release(self) -> None:
        """See `TokenStore.release`."""
        self._in_tenant(lambda: Access.objects.filter(pk=self._id).update(held_until=None))

    def _in_tenant(self, do: Callable[[], T]) -> T:
        """In the thread that opened the connection as it is; a thread of its calls has its own connection."""
        if threading.get_ident() == self._thread:
            return do()
        account = self._scope.account_id
        assert account is not None
        try:
            with tenancy.activate(account, self._scope.merchants), transaction.atomic(), connection.cursor() as cursor:
                # Who holds the row may wait for this thread.
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{WAIT}s"])
                return do()
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            raise Transient("What this connection gets in by is being changed at the moment.") from None
        finally:
            connection.close()


def tokens_of(values: Mapping[str, Any]) -> StoredTokens | None:
    """The store that a connection's values name; None where nobody granted access yet."""
    name = plain(values, ACCESS)
    access = Access.objects.filter(public_id=name).first() if name else None
    return StoredTokens(access) if access is not None else None


def stored(token: Token) -> dict[str, Any]:
    """A token as an Access keeps it."""
    ends = token.expires_at.isoformat() if token.expires_at else ""
    return {"value": token.value, "refresh": token.refresh, "expires_at": ends}


def token_in(kept: Mapping[str, Any]) -> Token | None:
    """The inverse of `stored`; None where there is none."""
    if not plain(kept, "value"):
        return None
    ends = plain(kept, "expires_at")
    return Token(plain(kept, "value"), datetime.fromisoformat(ends) if ends else None, plain(kept, "refresh"))
