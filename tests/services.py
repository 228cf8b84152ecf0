"""PostgreSQL and Redis for the tests: of their own, beside a running `make run`.

The process that pytest was called as starts them once; xdist's workers find them in their
environment, and each has a database of its own, copied from one migrated template.
"""

import atexit
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg2
from psycopg2 import sql

from integration_manager.embedded import CLONE, Services, data_folder, make_folder, postgres_programs
from integration_manager.im import migrate_roles
from integration_manager.processes import end_leftovers

TEMPLATE = "im_template"
WEEK = 7 * 24 * 3600  # seconds


class TestServices:
    """One folder with both services, deleted at the end."""

    __test__ = False

    def __init__(self, *, durable: bool = False) -> None:
        """Start them. `durable=True` for tests that kill PostgreSQL and count on its rows."""
        home = make_folder(data_folder())
        base = make_folder(home / "tests")
        _sweep(base)
        self.folder = Path(tempfile.mkdtemp(dir=base))
        self.lock = _locked(self.folder)
        self.services = Services(self.folder, programs=home, durable=durable)
        try:
            self.services.start()
        finally:
            children = [child.record() for child in (self.services.postgres, self.services.redis) if child.pid]
            (self.folder / "run.json").write_text(json.dumps(children))

    def environment(self, database: str, redis: int = 0) -> dict[str, str]:
        """For processes of ours that use the given database (see `create_database`)."""
        return {
            **self.services.environment(),
            "DATABASE_URL": self.services.url(database),
            "REDIS_URL": self.services.redis_url(redis),
            "IM_ADMIN_DATABASE_URL": self.services.admin_url(),
            "IM_DATA": str(self.folder),
            "IM_TESTING": "1",
        }

    def stop(self) -> None:
        """Stop both and delete their folder."""
        self.services.stop(2)
        self.services.remove()
        if self.lock is not None:
            self.lock.close()


def _locked(folder: Path) -> IO[str] | None:
    """The folder's lock, held as long as this process lives; None if another holds it."""
    lock = (folder / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _sweep(base: Path) -> None:
    """Remove what killed test runs left; a folder in use is locked."""
    for folder in base.iterdir():
        try:
            if not (folder / "run.json").exists():
                continue  # another run begins there right now
            lock = _locked(folder)
            if lock is None:
                continue
            end_leftovers(json.loads((folder / "run.json").read_text()))
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()
        except (OSError, ValueError):
            continue


def begin() -> None:
    """Start the services of this test run and point the environment at them."""
    tests = TestServices()
    os.environ.update(tests.environment("test"))
    owner = os.getpid()

    def finish() -> None:
        if os.getpid() == owner:  # a fork of ours ends earlier than we do
            tests.stop()

    atexit.register(finish)


def choose_database() -> None:
    """This process' own database and Redis numbers: xdist's workers must not meet."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    number = int(worker.removeprefix("gw")) if worker else 0
    base, _, rest = os.environ["DATABASE_URL"].rpartition("/test")
    query = rest[rest.index("?") :]
    os.environ["DATABASE_URL"] = f"{base}/test{worker and '_' + worker}{query}"
    os.environ["REDIS_URL"] = os.environ["REDIS_URL"].partition("?")[0] + f"?db={2 * number % 14}"


def create_database(environment: dict[str, str] | os._Environ[str]) -> None:
    """The database that DATABASE_URL names, as a copy of the migrated template."""
    name = environment["DATABASE_URL"].rpartition("?")[0].rpartition("/")[2]
    with (Path(environment["IM_DATA"]) / "template.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with admin(environment) as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate", [TEMPLATE])
            if cursor.fetchone() is None:
                _make_template(environment, name)
                cursor.execute(f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE true")
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
            )


def _make_template(environment: dict[str, str] | os._Environ[str], name: str) -> None:
    url = environment["DATABASE_URL"].replace(f"/{name}?", f"/{TEMPLATE}?")
    home = Path(environment["IM_DATA"]).parents[1]  # of every test run of this clone
    with (make_folder(home / "tests-template") / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second loads what the first has made
        _fill_template(environment, url, home)


def _fill_template(environment: dict[str, str] | os._Environ[str], url: str, home: Path) -> None:
    known = _dump(home)
    if known.exists():
        migrate_roles.ensure(url, environment["IM_ADMIN_DATABASE_URL"])
        _program(home, "psql", environment, "-q", "-1", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, "-f", str(known))
        return
    result = subprocess.run(
        [sys.executable, "manage.py", "im", "migrate"],
        env={**os.environ, **environment, "DATABASE_URL": url},
        cwd=CLONE,
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise RuntimeError(f"the test database cannot be migrated:\n{result.stdout}{result.stderr}")
    begun = known.with_suffix(f".{os.getpid()}")
    _program(home, "pg_dump", environment, "-f", str(begun))
    begun.rename(known)


def _dump(home: Path) -> Path:
    """What migrating made last, for the next run: good as long as nothing that migrating goes by has changed."""
    folder = make_folder(home / "tests-template")
    sources = [*CLONE.glob("*/migrations/*.py"), *CLONE.glob("integration_manager/im/migrate*.py")]
    sources += [CLONE / "integration_manager/tenancy.py", CLONE / "requirements.txt", Path(__file__)]
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(path.name.encode() + path.read_bytes())
    known = folder / f"{digest.hexdigest()[:20]}.sql"
    for other in folder.glob("*.sql"):
        if other != known and other.stat().st_mtime < time.time() - WEEK:
            other.unlink(missing_ok=True)
    return known


def _program(home: Path, name: str, environment: dict[str, str] | os._Environ[str], *arguments: str) -> None:
    """Runs one of PostgreSQL's programs on the template, as its superuser."""
    found = postgres_programs(home) / name
    url = environment["IM_ADMIN_DATABASE_URL"].replace("/postgres?", f"/{TEMPLATE}?")
    result = subprocess.run([str(found), "-d", url, *arguments], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{name} failed on the test database:\n{result.stderr[-2000:]}")


@contextlib.contextmanager
def admin(environment: dict[str, str] | os._Environ[str], database: str = "postgres") -> Iterator[Any]:
    """A superuser's cursor, in autocommit mode."""
    url = environment["IM_ADMIN_DATABASE_URL"].replace("/postgres?", f"/{database}?")
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
