"""`make run`, with real processes: start, stop, crash, repair."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration_manager.embedded import CLONE, make_folder
from integration_manager.processes import Child, end_leftovers, identity, session_members
from tests import services

SERVICES = {"PostgreSQL", "Redis"}
ONCE = ("Bringing the tables", "Compressing styles")  # what only a first start does
PATIENCE = 480  # seconds for a start on a busy machine; the README's time is measured on a quiet one


class Run:
    """One `manage.py im run` in a folder of its own, outside the folders that only root may enter."""

    def __init__(self, name: str, extra: dict[str, str] | None = None) -> None:
        self.data = make_folder(Path(os.environ["IM_DATA"]) / name)
        self.port = free_port()
        ours = (
            "DATABASE_URL",
            "REDIS_URL",
            "SECRET_KEY",
            "IM_KEYS",
            "IM_EMBEDDED",
            "IM_TESTING",
            "IM_ADMIN_DATABASE_URL",
        )
        kept = {key: value for key, value in os.environ.items() if key not in ours and not key.startswith("PYTEST")}
        self.env = {**kept, "IM_DATA": str(self.data), "PORT": str(self.port), **(extra or {})}
        self.output = self.data / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and wait until it says that it is ready; the seconds it took."""
        began = time.monotonic()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "im", "run"], env=self.env, cwd=CLONE, stdout=output, stderr=output
            )
        while "is ready" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() - began < PATIENCE, self.said()
            time.sleep(0.1)
        return time.monotonic() - began

    def said(self) -> str:
        return self.output.read_text()

    def children(self) -> dict[str, int]:
        record = json.loads((self.data / "run.json").read_text())
        return {child["name"]: child["pid"] for child in record["children"]}

    def ready(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=30) as answer:
            return str(json.loads(answer.read())["status"])

    def listening(self) -> bool:
        """Whether every worker has found Redis: one that starts without it ends, and is started again."""
        logs = list((self.data / "log").glob("*-worker.log"))
        return bool(logs) and all(" ready." in log.read_text() for log in logs)

    def stop(self, sig: int = signal.SIGINT) -> tuple[int, float]:
        """Signal it; its exit code, and the seconds until it was gone."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(sig)
        return self.process.wait(60), time.monotonic() - began

    def clean(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.data, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: object, seconds: float = PATIENCE) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(0.2)
    return False


@pytest.fixture
def run() -> Iterator[Run]:
    started = Run("run")
    yield started
    started.clean()


def test_a_life_of_make_run(run: Run) -> None:
    run.start()
    assert all(step in run.said() for step in ONCE)
    first = run.children()
    assert {"web", "beat", "tick worker", "mail worker", "side worker", "runs worker", *SERVICES} <= set(first)
    assert run.ready() == "ok"
    assert (run.data / "secrets.json").stat().st_mode & 0o077 == 0

    # A second one in the same folder says so, one on a taken port too.
    command = [sys.executable, "manage.py", "im", "run"]
    again = subprocess.run(command, env=run.env, cwd=CLONE, capture_output=True, text=True)
    assert again.returncode == 1
    assert "running already" in again.stdout
    other = Run("other", {"PORT": str(run.port)})
    taken = subprocess.run(command, env=other.env, cwd=CLONE, capture_output=True, text=True)
    other.clean()
    assert taken.returncode == 1
    assert f"Port {run.port} is taken" in taken.stdout

    # What crashes is started again, and said in one line. The worker last: it starts anew, and needs Redis for it.
    assert wait_for(run.listening)
    for killed in (("Redis", "PostgreSQL"), ("runs worker",)):
        for name in killed:
            os.kill(first[name], signal.SIGKILL)
        assert wait_for(lambda names=killed: all(run.children()[name] != first[name] for name in names))
        assert wait_for(lambda: run.ready() == "ok"), run.said()
    ended = re.findall(r"• (.+) ended \(.*\); starting it again", run.said())
    assert sorted(ended) == ["PostgreSQL", "Redis", "runs worker"], run.said()

    # kill -9 of the supervisor: the next start repairs what it left.
    assert run.process is not None
    before = run.children()
    run.process.kill()
    run.process.wait()
    run.start()
    assert not any(step in run.said() for step in ONCE), "it is quick: nothing is done that was done before"
    assert run.ready() == "ok"
    assert not any(identity(pid) for name, pid in before.items() if pid != run.children().get(name))

    # Ctrl-C ends everything in time.
    pids = list(run.children().values())
    code, seconds = run.stop()
    assert code == 0
    assert seconds < 20  # 4 s, after which it ends them by force, and what a busy machine adds
    assert "Nothing is lost" in run.said()
    assert not any(session_members(pid) for pid in pids)
    assert not (run.data / "run.json").exists()


def test_with_services_of_ones_own_nothing_is_embedded() -> None:
    name = f"external{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    url = os.environ["DATABASE_URL"].replace("/test", f"/{name}_test")
    environment = {**os.environ, "DATABASE_URL": url}
    services.create_database(environment)
    external = {key: environment[key] for key in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "IM_KEYS")}
    run = Run(name, external)
    try:
        run.start()
        assert not SERVICES & set(run.children())
        assert not (run.data / "postgresql").exists()
        assert run.ready() == "ok"
        assert run.stop(signal.SIGTERM)[0] == 0
    finally:
        run.clean()


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"PORT": "no"}, "PORT=no is not a port number"),
        ({"REDIS_URL": "redis://x"}, "Only REDIS_URL is set"),
    ],
)
def test_wrong_settings_are_said(extra: dict[str, str], words: str) -> None:
    run = Run("wrong", extra)
    result = subprocess.run(
        [sys.executable, "manage.py", "im", "run"], env=run.env, cwd=CLONE, capture_output=True, text=True
    )
    run.clean()
    assert result.returncode == 1
    assert words in result.stdout


def test_only_what_is_ours_is_ended(tmp_path: Path) -> None:
    ours, stranger = (Child(name, ["sleep", "60"]) for name in ("ours", "stranger"))
    ours.start()
    stranger.start()
    try:
        # The stranger got a process number that an earlier run had noted for one of its own.
        records = [ours.record(), {**stranger.record(), "identity": "an earlier start"}]
        assert end_leftovers(records) == ["ours"]
        assert wait_for(lambda: not ours.alive)
        assert stranger.alive
    finally:
        stranger.stop(1)


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    if sys.platform != "linux":
        return
    code = (
        "import os, time; from integration_manager.processes import Child\n"
        "c = Child('c', ['sleep', '60']); c.start(); print(c.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=CLONE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert identity(pid)
    parent.kill()
    parent.wait()
    assert wait_for(lambda: not identity(pid))
