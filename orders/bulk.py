"""Many rows in one statement: arrays in, `unnest` out. Five times as fast as the ORM's bulk_create."""

from collections.abc import Iterable
from typing import Any

import orjson
from django.db import connection, models

from integration_manager import tenancy


class PerRow(list[Any]):
    """A column's values, one per row. Anything else is the same value in every row."""


def insert(
    model: type[models.Model],
    columns: dict[str, Any],
    *,
    conflict: str = "",
    returning: Iterable[str] = (),
) -> list[tuple[Any, ...]]:
    """Inserts rows into a tenant's table; columns not named get their field's default.

    `conflict`: an ON CONFLICT clause. Returns the `returning` columns of the rows that were written.
    """
    columns = {"account_id": tenancy.account_id(), **columns}
    names, sources, values, arrays = [], [], [], []
    for field in model._meta.local_concrete_fields:
        if field.primary_key:
            continue
        name = str(field.column)
        value = columns.pop(name) if name in columns else field.get_default()
        kind = str(field.db_type(connection)).split("(")[0]
        is_json = kind == "jsonb"
        names.append(f'"{name}"')
        if isinstance(value, PerRow):
            arrays.append((name, "text" if is_json else kind))
            values.append([_json(v) for v in value] if is_json else list(value))
            sources.append(f'u."{name}"::jsonb' if is_json else f'u."{name}"')
        else:
            sources.append((name, kind, _json(value) if is_json else value))  # type: ignore[arg-type]
    if columns:
        raise TypeError(f"{model.__name__} has no column {', '.join(columns)}")
    scalars: list[Any] = []
    parts = []
    for source in sources:
        if isinstance(source, tuple):
            scalars.append(source[2])
            parts.append(f"%s::{source[1]}")
        else:
            parts.append(source)
    quoted = ", ".join(f'"{name}"' for name, _ in arrays)
    sql = (
        f"INSERT INTO {model._meta.db_table} ({', '.join(names)}) SELECT {', '.join(parts)} "  # noqa: S608 (names of ours)
        f"FROM unnest({', '.join(f'%s::{kind}[]' for _, kind in arrays)}) "
        f"AS u({quoted}) {conflict}"
    )
    wanted = list(returning)
    if wanted:
        sql += f" RETURNING {', '.join(wanted)}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*scalars, *values])
        return cursor.fetchall() if wanted else []


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()
