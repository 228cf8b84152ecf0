"""What every test has: a migrated database, as the role that production runs as.

The database is created and migrated as im_owner; the tests run as im_app, so a forgotten
grant or policy fails here and not in production.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.test import client
from hypothesis import HealthCheck
from hypothesis import settings as drawing

from tests import services

# Before Django reads its settings: conftest is imported before pytest-django sets it up.
os.environ["DJANGO_SETTINGS_MODULE"] = "integration_manager.settings"
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs beside the ORM
for _name in ("APP_DATABASE_URL", "IM_DB_ROLE", "DEBUG", "IM_PROCESS", "PORT", "MAKELEVEL"):
    os.environ.pop(_name, None)
if "PYTEST_XDIST_WORKER" not in os.environ:
    services.begin()
services.choose_database()
django.setup()
# xdist's workers inherit the environment, and must choose their database before they read settings.
del os.environ["DJANGO_SETTINGS_MODULE"]


def _note_whole(store: dict[str, Any], signal: Any, sender: Any, template: Any, context: Any, **kwargs: Any) -> None:
    if "context" not in store:
        _note_template(store, signal, sender, template, context, **kwargs)


# `answer.context` is that of the whole page: a copy for each of its parts, too, would make every page slower.
_note_template = client.store_rendered_templates
client.store_rendered_templates = _note_whole

# A loaded machine draws and runs slowly, which says nothing of what is drawn.
drawing.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
drawing.load_profile("patient")


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """Replaces pytest-django's: ours is made by the owner, and used as im_app."""
    from django.db import connections
    from django.test import TransactionTestCase

    from integration_manager.startup import role_problem
    from tests import emptied

    services.create_database(os.environ)
    with django_db_blocker.unblock():
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == ("im_app",)
        assert role_problem() == ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: emptied.empty())
        yield
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.fixture(scope="module")
def kept(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """For a world that costs much: what a module's own fixture makes within this is there in each of its tests.

    One transaction around them, undone after the last; each test's own (`db`) is a savepoint in it, so no test sees
    what another did. PostgreSQL's now() stands still meanwhile: not for tests that go by its clock.
    """
    from django.test import TestCase

    with django_db_blocker.unblock():
        begun = TestCase._enter_atomics()
        yield
        TestCase._rollback_atomics(begun)


# --- the gate's rule: nothing is skipped, except where ../shared/specs is absent ------

SPECS = "specs:"  # a skip whose reason begins so is allowed
_skipped: list[str] = []


def _note_skip(report: Any) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(SPECS):
            _skipped.append(f"{report.nodeid}: {reason}")


def pytest_runtest_logreport(report: Any) -> None:
    """Notes each skipped test."""
    _note_skip(report)


def pytest_collectreport(report: Any) -> None:
    """Notes each skipped file."""
    _note_skip(report)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In the gate (CI=true) a skip is a failure."""
    if _skipped and os.environ.get("CI") == "true" and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says which skips the gate does not accept."""
    if _skipped and os.environ.get("CI") == "true":
        terminalreporter.section("the gate fails: skipped without leave")
        for line in _skipped:
            terminalreporter.line(line)


# One process at a time takes a file: the longest come first, lest one of them is still busy when the others are done.
FIRST = ("browser/test_every_page", "test_idor", "test_web_forms", "browser/", "test_connectors")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the long files first."""
    long = [f"tests/{name}" for name in FIRST]
    items.sort(key=lambda item: next((n for n, name in enumerate(long) if name in item.nodeid), len(long)))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """The garbage collector leaves alone what has been there since the start, as in the product's processes."""
    from integration_manager.startup import spare_collector

    spare_collector()


# --- programs of the system -----------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's Chromium (or Chrome), best without its windows, which nobody sees; skips where is none."""
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("Chromium is missing: apt-get install chromium")


@pytest.fixture(scope="session")
def sshd() -> str:
    """The path of OpenSSH's server; skips where there is none, or where we are not root."""
    from tests import sftp_server

    if why := sftp_server.why_not():
        pytest.skip(why)
    return str(sftp_server.sshd())


@pytest.fixture(scope="session")
def browser_type_launch_args(chromium: str) -> dict[str, Any]:
    """pytest-playwright's settings: the system's browser, which downloads nothing."""
    flags = (
        "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
        " --disable-sync --no-first-run --disable-dev-shm-usage"
    )
    return {"executable_path": chromium, "args": flags.split(), "headless": True}


# --- fixtures of the product: people, accounts, the simulator (below this line) -------


@contextlib.contextmanager
def _running(settings: Any) -> Iterator[Any]:
    from integration_manager import tenancy
    from orders import connections
    from tests.world import build, fake

    settings.IM_EGRESS_ALLOW = ["127.0.0.1"]
    connections.guard.cache_clear()
    shop, warehouse = fake("sandbox_shop", "oak"), fake("sandbox_wms", "wms")
    with shop.serve() as shop_url, warehouse.serve() as warehouse_url:
        made = build(shop, shop_url, warehouse, warehouse_url)
        with tenancy.activate(made.account.pk):
            yield made
    connections.guard.cache_clear()


@pytest.fixture
def world(transactional_db: None, settings: Any) -> Iterator[Any]:
    """An account on a running sandbox shop and warehouse, with its tenant active."""
    with _running(settings) as made:
        yield made


@pytest.fixture
def calm(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The same within one transaction that is undone, and without polite pauses: quicker, for one process only."""
    from integration_manager.kit import transport
    from wms.systems.sandbox_wms import SandboxWmsBlind

    monkeypatch.setattr(transport, "REPEATS", 0)
    monkeypatch.setattr(SandboxWmsBlind, "timeout", 1.0)
    with _running(settings) as made:
        yield made
