"""Products that leave in files, to the WMS or to a cart: which are in which file, and what a dropped one means."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from orders.models import CartListing, CartProduct, OutFile

MODELS: dict[str, type[CartProduct | CartListing]] = {
    "products": CartProduct,
    "catalog": CartListing,
}  # by kind of file
AGAIN = timedelta(minutes=1)


def into(file: OutFile, ids: Sequence[int], tokens: Sequence[int]) -> bool:
    """Notes which products leave in a file. False: some of them belong to somebody else meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE {MODELS[file.kind]._meta.db_table} p SET out_file_id = %s
                FROM unnest(%s::bigint[], %s::bigint[]) AS g(id, token)
                WHERE p.id = g.id AND p.token = g.token AND p.state = 'waiting'""",  # noqa: S608 (a table of ours)
            [file.pk, list(ids), list(tokens)],
        )
        return bool(cursor.rowcount == len(ids))


def out_of(file: OutFile, now: datetime, code: str, why: str, *, unread: bool) -> None:
    """The file was dropped: its products go in another one. `unread`: nobody can have read it, so none was begun."""
    begun = {"starts": 0} if unread else {}
    MODELS[file.kind].objects.filter(out_file_id=file.pk).update(
        out_file_id=None, lease_until=None, retry_at=now + AGAIN, error_code=code[:40], error_message=why, **begun
    )
