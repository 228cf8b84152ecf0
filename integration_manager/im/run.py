"""`im run` (`make run`): the whole product on one machine, from nothing.

Starts PostgreSQL and Redis where no DATABASE_URL and REDIS_URL are given, brings roles and
tables up to date, makes the demo account on the first start, then runs web, workers, beat
and the simulator until it is told to stop. What crashes is started again.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg2

from integration_manager.embedded import CLONE, CannotStart, Services, data_folder, make_folder
from integration_manager.im import migrate_roles
from integration_manager.processes import Child, die_with_parent, end_leftovers, identity

HELP = "run everything on this machine (what `make run` calls)"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LOG_LIMIT = 20 * 1024 * 1024
WEB_START = 120  # seconds until the web server must answer; a few on a quiet machine


def run(options: dict[str, Any]) -> None:
    """The subcommand, when called through Django's command line."""
    sys.exit(main())


def main() -> int:
    """Run until stopped; the exit code."""
    try:
        Supervisor().run()
    except CannotStart as error:
        say(f"✗ {error}")
        return 1
    except _Stopped:
        return 0
    return 0


def say(text: str) -> None:
    """A line for the person at the terminal."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(text, flush=True)


class _Stopped(Exception):
    """Ctrl-C or SIGTERM came."""


class Supervisor:
    """Everything that `make run` starts, in order, and stops, in reverse."""

    def __init__(self) -> None:
        self.port = _port()
        self.bind = os.environ.get("IM_BIND", "127.0.0.1")
        self.data = make_folder(data_folder())
        self.log = self.data / "log"
        self.log.mkdir(exist_ok=True)
        self.services: Services | None = None
        self.children: list[Child] = []
        self.retry_at: dict[str, float] = {}
        self.state = _read(self.data / "state.json")
        self.lock: IO[str] | None = None

    def run(self) -> None:
        """Start everything, watch it, and stop it when told to."""
        for sig in _STOP_SIGNALS:
            signal.signal(sig, _stop)
        if os.environ.get("MAKELEVEL"):  # a killed make must not leave us behind
            die_with_parent(signal.SIGTERM)
        self._lock()
        self._end_earlier_run()
        self._refuse_taken_port()
        try:
            began = time.monotonic()
            environment = self._environment()
            self._prepare(environment)
            self._free_schedules()
            self._start(environment)
            self._welcome(environment, time.monotonic() - began)
            self._watch()
        finally:
            _ignore_signals()
            self._stop_all()

    # --- before the start ---

    def _lock(self) -> None:
        self.lock = (self.data / "lock").open("a+")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            running = _read(self.data / "run.json")
            raise CannotStart(
                f"This clone is running already (process {running.get('pid', '?')}, "
                f"http://localhost:{running.get('port', '?')}). Stop it with Ctrl-C there, "
                "or start a second one with IM_DATA=<another folder> PORT=<another port>."
            ) from None

    def _end_earlier_run(self) -> None:
        earlier = _read(self.data / "run.json")
        ended = end_leftovers(earlier.get("children", []))
        if ended:
            say("• Ended what an earlier run had left: " + ", ".join(ended))

    def _refuse_taken_port(self) -> None:
        if not _free(self.bind, self.port):
            other = next((p for p in range(self.port + 10, self.port + 1000, 10) if _free(self.bind, p)), 0)
            raise CannotStart(f"Port {self.port} is taken by another program. Try: make run PORT={other}")

    def _environment(self) -> dict[str, str]:
        """The children's environment; starts the embedded services where none are given."""
        given = {name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)}
        if len(given) == 1:
            raise CannotStart(f"Only {given.pop()} is set. Set DATABASE_URL and REDIS_URL, or neither.")
        services = Services(self.data)
        environment = {**os.environ, **services.environment()}
        environment |= {name: os.environ[name] for name in given}
        environment |= {name: os.environ[name] for name in ("SECRET_KEY", "IM_KEYS") if name in os.environ}
        environment["PORT"] = str(self.port)
        environment["PYTHONUNBUFFERED"] = "1"
        environment.setdefault("IM_FOLDER_ROOT", str(self.data / "folders"))
        environment.setdefault("IM_STATIC_ROOT", str(self.data / "static"))
        environment["IM_DEMO"] = "1" if self.bind in LOOPBACK else "0"
        if not given:
            say(
                "• Starting PostgreSQL and Redis"
                + ("" if self.state else " (the first start takes some seconds longer)")
            )
            self.services = services
            services.prepare()
            for child in (services.postgres, services.redis):
                self._begin(child)
            services.wait_for_postgres()
            services.wait_for_redis()
            self._remember()
        if _exists("simulate") and environment["IM_DEMO"] == "1":
            (self.data / "simulator").mkdir(exist_ok=True)
            environment |= self._simulator_address()
        return environment

    def _simulator_address(self) -> dict[str, str]:
        """The simulator's port, kept from run to run: the demo's connections name it."""
        port = int(self.state.get("simulator_port", 0))
        if not port or not _free("127.0.0.1", port):
            port = next((p for p in range(self.port + 1, self.port + 200) if _free("127.0.0.1", p)), 0)
        self.state["simulator_port"] = port
        allowed = [part for part in (os.environ.get("IM_EGRESS_ALLOW", ""), f"127.0.0.1:{port}") if part]
        return {
            "IM_SIMULATOR_PORT": str(port),
            "IM_EGRESS_ALLOW": ",".join(allowed),
        }

    def _prepare(self, environment: dict[str, str]) -> None:
        """Roles, tables, static files, the demo account."""
        version = _version([*CLONE.glob("*/migrations/*.py"), Path(migrate_roles.__file__)])
        if self.services is None or self.state.get("tables") != version:
            say("• Bringing the tables up to date")
            extra = {"IM_ADMIN_DATABASE_URL": self.services.admin_url()} if self.services else {}
            _manage(["im", "migrate"], {**environment, **extra})
            self.state["tables"] = version
        files = _version([path for path in (CLONE / "static").rglob("*") if path.is_file()])
        if self.state.get("static") != files or not Path(environment["IM_STATIC_ROOT"]).is_dir():
            say("• Compressing styles and scripts")
            _manage(["collectstatic", "--noinput", "--clear", "--verbosity", "0"], environment)
            self.state["static"] = files
        # The demo's connections name the simulator's port: another port, another visit.
        demo_for = environment.get("IM_SIMULATOR_PORT", "none")
        if _exists("demo") and environment["IM_DEMO"] == "1" and self.state.get("demo_for") != demo_for:
            say("• Making the demo account")
            _manage(["im", "demo"], environment)
            self.state["demo_for"] = demo_for
        _write(self.data / "state.json", self.state)

    def _free_schedules(self) -> None:
        """Whoever held a schedule is dead: with services of our own, all workers are children of ours.

        Orders keep their claims: a send that had begun may still take effect, see orders/states.py.
        """
        if self.services is None:
            return
        connect = contextlib.closing(psycopg2.connect(self.services.admin_url("im")))
        with connect as connection, connection, connection.cursor() as cursor:
            cursor.execute("UPDATE merchants_schedule SET lease_until = NULL WHERE lease_until IS NOT NULL")

    # --- running ---

    def _start(self, environment: dict[str, str]) -> None:
        for name, command, process in self._processes(environment):
            env = {**environment, "IM_PROCESS": process}
            log = self.log / f"{name.replace(' ', '-')}.log"
            child = Child(name, command, env, signal.SIGTERM, None, log, CLONE)
            self._begin(child)
            self._remember()
            if name == "web":  # first and alone: on a small machine all at once would be slower
                self._wait_for_web(child)

    def _wait_for_web(self, web: Child) -> None:
        deadline = time.monotonic() + WEB_START
        while not _answers(self.bind, self.port):
            if not web.alive or time.monotonic() > deadline:
                raise CannotStart(f"The web server does not start; the end of {web.log} says:\n{_tail(web.log)}")
            time.sleep(0.1)

    def _processes(self, environment: dict[str, str]) -> Iterator[tuple[str, list[str], str]]:
        """(name, command, IM_PROCESS) of all that is ours, in the order of the start."""
        python = sys.executable
        celery = [python, "-m", "celery", "-q", "-A", "integration_manager.celery"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        slots = os.environ.get("IM_RUN_SLOTS", "2")
        web = ["-c", "python:integration_manager.webserver", "-b", f"{self.bind}:{self.port}"]
        yield "web", [python, "-m", "gunicorn", *web, "integration_manager.wsgi"], "web"
        if "IM_SIMULATOR_PORT" in environment:
            where = ["--port", environment["IM_SIMULATOR_PORT"], "--data", str(self.data / "simulator")]
            yield "simulator", [python, "manage.py", "im", "simulate", "demo", *where], "simulator"
        workers = {"tick": ["solo"], "mail": ["solo"], "side": ["solo"], "runs": ["prefork", "-c", slots]}
        for queue, pool in workers.items():
            command = [*celery, "worker", "-Q", queue, "-n", f"{queue}@%h", *quiet, "-P", *pool]
            yield f"{queue} worker", command, "worker"
        yield "beat", [*celery, "beat", "-S", "integration_manager.celery:Beat", "--pidfile="], "beat"

    def _begin(self, child: Child) -> None:
        if child not in self.children:
            self.children.append(child)
        child.start()

    def _watch(self) -> None:
        """Start again what crashes, each time a little later; runs until a signal ends it."""
        next_look = time.monotonic() + 60
        while True:
            time.sleep(0.2)
            now = time.monotonic()
            for child in self.children:
                if child.alive:
                    continue
                if child.name not in self.retry_at:
                    child.crashes = 0 if now - child.started_at > 60 else child.crashes + 1
                    pause = min(30.0, 0.5 * 2 ** min(child.crashes, 6))
                    child.kill()  # what is left of its session
                    code = child.popen.returncode if child.popen else "?"
                    say(f"• {child.name} ended ({_reason(code)}); starting it again in {pause:g} s (see {child.log})")
                    self.retry_at[child.name] = now + pause
                elif now >= self.retry_at[child.name]:
                    del self.retry_at[child.name]
                    self._begin(child)
                    self._remember()
            if now > next_look:
                next_look = now + 60
                _shorten_logs(self.log)

    def _remember(self) -> None:
        _write(
            self.data / "run.json",
            {
                "pid": os.getpid(),
                "identity": identity(os.getpid()),
                "port": self.port,
                "children": [child.record() for child in self.children],
            },
        )

    def _stop_all(self) -> None:
        """Beat, workers, web, simulator, Redis, PostgreSQL: each has its time, 4 s in all."""
        running = [child for child in self.children if child.popen is not None]
        if running:
            say("\n• Stopping")
        began = time.monotonic()
        order = sorted(running, key=_stop_order)
        for child in order:  # these need nothing of each other to stop
            if _stop_order(child) <= 2:
                child.signal(child.stop_signal)
        for child in order:
            if _stop_order(child) > 2:
                child.signal(child.stop_signal)
            child.wait(max(0.1, _STOP_BY[_stop_order(child)] - (time.monotonic() - began)))
            child.kill()
        (self.data / "run.json").unlink(missing_ok=True)
        if running:
            say("• Stopped. Nothing is lost: start again with `make run`.")

    def _welcome(self, environment: dict[str, str], seconds: float) -> None:
        say(f"\n  Integration Manager is ready (after {seconds:.1f} s):  http://localhost:{self.port}\n")
        if _exists("demo") and environment["IM_DEMO"] == "1":
            say("  Log in as  demo@example.com  with the password  demo-password  (this machine only).\n")
            say("  What happens next: the demo's shops send an order every few seconds. Watch the order")
            say("  list: orders go from New to At WMS, Shipped and Confirmed, and some alerts come and go.\n")
        say(f"  Logs: {self.log}/*.log.   Stop with Ctrl-C.\n")


_STOP_BY = {0: 0.6, 1: 2.0, 2: 2.6, 3: 2.9, 4: 3.3, 5: 3.9}


def _stop_order(child: Child) -> int:
    names = {"beat": 0, "web": 2, "simulator": 3, "Redis": 4, "PostgreSQL": 5}
    return names.get(child.name, 1)


# --- small things -------------------------------------------------------------------


_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _ignore_signals() -> None:
    """Stopping takes 4 s at most and must not be broken off: a second signal changes nothing."""
    for sig in _STOP_SIGNALS:
        signal.signal(sig, signal.SIG_IGN)


def _stop(signum: int, frame: object) -> None:
    _ignore_signals()
    raise _Stopped


def _version(paths: list[Path]) -> str:
    """Changes with each of these files and with every library; the same: nothing to bring up to date."""
    mark = hashlib.sha256((CLONE / "requirements.txt").read_bytes())
    for path in sorted(paths):
        mark.update(path.read_bytes())
    return mark.hexdigest()[:16]


def _port() -> int:
    value = os.environ.get("PORT") or "8000"
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise CannotStart(f"PORT={value} is not a port number.")
    return int(value)


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _answers(bind: str, port: int) -> bool:
    host = "127.0.0.1" if bind in {"0.0.0.0", "localhost"} else bind  # noqa: S104 (compared, not bound)
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/healthz", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _exists(subcommand: str) -> bool:
    return importlib.util.find_spec(f"integration_manager.im.{subcommand}") is not None


def _manage(arguments: list[str], environment: dict[str, str]) -> None:
    result = subprocess.run(  # noqa: S603 (our own command, no shell)
        [sys.executable, "manage.py", *arguments],
        env=environment,
        cwd=CLONE,
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise CannotStart(f"`manage.py {' '.join(arguments)}` failed:\n{(result.stdout + result.stderr)[-3000:]}")


def _reason(code: object) -> str:
    if isinstance(code, int) and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _tail(log: Path | None) -> str:
    return log.read_text(errors="replace")[-2000:] if log and log.exists() else ""


def _shorten_logs(folder: Path) -> None:
    """Keep a log's last half when it is long; its writer appends, so it goes on at the new end."""
    for path in folder.glob("*.log"):
        if path.stat().st_size > LOG_LIMIT:
            with path.open("r+b") as file:
                file.seek(-LOG_LIMIT // 2, os.SEEK_END)
                kept = file.read()
                file.seek(0)
                file.write(kept)
                file.truncate()


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content))
    fresh.rename(path)
