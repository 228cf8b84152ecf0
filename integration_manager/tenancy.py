"""The active account: the first of the two walls between tenants, and the door to the second.

Every tenant table has an account. `activate(account)` sets the account for the code inside it, here
(the managers filter by it) and in PostgreSQL (`app.account`, which the row-level security policies
read). With none active a query raises, it never answers empty or with everything. This file knows
ids only, no models.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from django.db import Error, connection, models
from django.db.migrations.operations.base import Operation
from django.db.models.expressions import Expression
from django.db.models.sql.compiler import SQLCompiler

P = ParamSpec("P")
T = TypeVar("T")


class NoTenant(RuntimeError):
    """A tenant's rows were asked for while no account was active."""


class WrongTenant(RuntimeError):
    """A row of one account was to be written while another account was active."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows are visible. `merchants` None: all of the account's; `account_id` None: everyone's."""

    account_id: int | None
    merchants: tuple[int, ...] | None = None


_EVERYONE = Scope(None)
_scope: ContextVar[Scope | None] = ContextVar("tenancy", default=None)


def current() -> Scope:
    """The active scope. Raises NoTenant where there is none."""
    scope = _scope.get()
    if scope is None:
        raise NoTenant("no account is active: wrap this in tenancy.activate() or tenancy.everyone()")
    return scope


def account_id() -> int:
    """The active account's id. Raises NoTenant, also inside everyone()."""
    found = current().account_id
    if found is None:
        raise NoTenant("this needs one account, and everyone() is active")
    return found


def _tell_database(scope: Scope | None, before: Scope | None) -> None:
    """Makes PostgreSQL's wall agree with `scope`. Session settings: a rollback would undo local ones."""
    with connection.cursor() as cursor:
        if before is _EVERYONE and scope is not _EVERYONE:
            cursor.execute("RESET ROLE")
        account = "" if scope is None or scope.account_id is None else str(scope.account_id)
        cursor.execute("SELECT set_config('app.account', %s, false)", [account])
        if scope is _EVERYONE and before is not _EVERYONE:
            cursor.execute("SET ROLE im_system")


def in_transaction() -> bool:
    """Whether one is open, so that the tenant may not change. A TestCase's own ends with the test and does no harm."""
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def _refuse_transaction() -> None:
    # A rolled-back transaction would restore the tenant of before.
    if in_transaction():
        raise RuntimeError("the tenant may not change inside a transaction")


@contextlib.contextmanager
def _enter(scope: Scope) -> Iterator[None]:
    _refuse_transaction()
    before = _scope.get()
    mark = _scope.set(scope)
    try:
        _tell_database(scope, before)
        yield
    finally:
        _scope.reset(mark)
        try:
            if connection.connection is not None:
                _tell_database(before, scope)
        except Error:  # a connection with a tenant left on it must not live
            connection.close()


def activate(account: int, merchants: Iterable[int] | None = None) -> contextlib.AbstractContextManager[None]:
    """Only this account's rows are visible inside; `merchants` narrows that to what a user may see."""
    return _enter(Scope(account, None if merchants is None else tuple(merchants)))


def everyone(reason: str) -> contextlib.AbstractContextManager[None]:
    """Opens both walls. `reason` names the use; the list of uses is frozen in a test."""
    if not reason:
        raise ValueError("say why")
    return _enter(_EVERYONE)


def stream(account: int, merchants: Iterable[int] | None, chunks: Callable[[], Iterator[T]]) -> Iterator[T]:
    """A streamed answer's chunks, with its tenant: it outlives the middleware that activated it."""
    with activate(account, merchants):
        yield from chunks()


def without_tenant(function: Callable[P, T]) -> Callable[P, T]:
    """Starts a task or a thread with no tenant, whatever ran before it in this process."""

    @functools.wraps(function)
    def clean(*args: P.args, **kwargs: P.kwargs) -> T:
        mark = _scope.set(None)
        try:
            return function(*args, **kwargs)
        finally:
            _scope.reset(mark)

    return clean


def condition(account: str, merchant: str = "") -> tuple[str, tuple[Any, ...]]:
    """The tenant filter as SQL over these columns, with its parameters; for statements that are written out, too.

    `merchant`: the column by which a merchant user's view is narrowed. Raises NoTenant.
    """
    scope = current()
    if scope.account_id is None:
        return "TRUE", ()
    if scope.merchants is None or not merchant:
        return f"{account} = %s", (scope.account_id,)
    return f"({account} = %s AND {merchant} = ANY(%s))", (scope.account_id, list(scope.merchants))


class _InScope(Expression):
    """The tenant filter, decided when the query runs and not when it was written."""

    conditional = True
    output_field = models.BooleanField()

    def __init__(self, account: Any, merchant: Any = None) -> None:
        super().__init__()
        self.account, self.merchant = account, merchant

    def get_source_expressions(self) -> list[Any]:
        return [self.account, self.merchant]

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        self.account, self.merchant = exprs

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[Any, ...]]:
        columns = [compiler.compile(column)[0] for column in self.get_source_expressions() if column is not None]
        return condition(*columns)


class TenantQuerySet(models.QuerySet[Any]):
    """A query set that writes only into the active account."""

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        rows = list(objs)
        for row in rows:
            row.claim_tenant()
        return super().bulk_create(rows, *args, **kwargs)


class TenantManager(models.Manager.from_queryset(TenantQuerySet)):  # type: ignore[misc]
    """The default manager of every tenant model: filters by the active account, or raises."""

    def get_queryset(self) -> TenantQuerySet:
        query = _scoped(self.model).clone()
        # Django copies the names of its tables but not their lists, into which joins are entered.
        query.table_map = {table: [*names] for table, names in query.table_map.items()}
        return TenantQuerySet(self.model, query=query, using=self._db)


@functools.cache  # a page asks twenty times, and it says the same each time: the scope is read when a query runs
def _scoped(model: Any) -> Any:
    merchant = model.merchant_field
    scope = _InScope(models.F("account_id"), models.F(merchant) if merchant else None)
    return TenantQuerySet(model).filter(scope).query


class TenantModel(models.Model):
    """A row that belongs to one account."""

    # The column by which a merchant user's view is narrowed; "" where the table has none.
    merchant_field = ""

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="+", db_index=False)
    objects = TenantManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def claim_tenant(self) -> None:
        """Fills in the active account; refuses another one."""
        scope = current()
        if self.account_id is None:
            self.account_id = account_id()
        elif scope.account_id is not None and self.account_id != scope.account_id:
            raise WrongTenant(f"{type(self).__name__} of account {self.account_id} while {scope.account_id} is active")

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.claim_tenant()
        super().save(*args, **kwargs)


class OwnedModel(TenantModel):
    """A row that always has a `TenantKey`, which proves its account with it.

    The account needs no constraint of its own then, which would be looked at for every row once more: these are
    the tables with the most rows.
    """

    account = models.ForeignKey(
        "accounts.Account", models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )

    class Meta(TenantModel.Meta):
        abstract = True


class TenantKey(models.ForeignKey[Any, Any]):
    """A foreign key between tenant tables. The database's constraint is composite, made by `Wall`.

    A plain one would let a row point into another account: policies do not guard foreign keys.
    """

    def __init__(self, to: Any, on_delete: Any, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        super().__init__(to, on_delete, **kwargs)


class Wall(Operation):
    """Migration operation: row-level security and composite foreign keys for one tenant model.

    Policies are enabled, not forced: the owner migrates and dumps, and must see everything.
    """

    reversible = True

    def __init__(self, name: str) -> None:
        self.name = name

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(self, app_label: str, editor: Any, before: Any, state: Any) -> None:
        model = state.apps.get_model(app_label, self.name)
        table = model._meta.db_table
        editor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        mine = "account_id = current_setting('app.account')::bigint"
        editor.execute(f"CREATE POLICY tenant ON {table} TO im_app USING ({mine}) WITH CHECK ({mine})")
        editor.execute(f"CREATE POLICY system ON {table} TO im_system USING (true) WITH CHECK (true)")
        for key in model._meta.local_fields:
            if isinstance(key, TenantKey):
                target = key.remote_field.model._meta.db_table
                editor.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {target}_tenant ON {target} (account_id, id)")
                editor.execute(
                    f"ALTER TABLE {table} ADD CONSTRAINT {table}_{key.column}_tenant "
                    f"FOREIGN KEY (account_id, {key.column}) REFERENCES {target} (account_id, id) "
                    "DEFERRABLE INITIALLY DEFERRED"
                )

    def database_backwards(self, app_label: str, editor: Any, before: Any, state: Any) -> None:
        model = before.apps.get_model(app_label, self.name)
        table = model._meta.db_table
        for key in model._meta.local_fields:
            if isinstance(key, TenantKey):
                editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_{key.column}_tenant")
        editor.execute(f"DROP POLICY tenant ON {table}")
        editor.execute(f"DROP POLICY system ON {table}")
        editor.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")

    def describe(self) -> str:
        return f"Raises the tenant wall around {self.name}"
