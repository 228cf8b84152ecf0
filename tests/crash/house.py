"""A whole installation for the crash test: services, workers, beat and simulator, each a process to kill."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg2
import redis

from integration_manager.embedded import CLONE
from integration_manager.processes import Child, session_members
from tests import services

CELERY = [sys.executable, "-m", "celery", "-q", "-A", "tests.crash.app"]
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
# What is killed, and how often in comparison.
TARGETS = {"one run": 60, "runs": 6, "tick": 5, "beat": 5, "redis": 6, "redis flushed": 5, "postgres": 5}


class House:
    """Everything that `make run` starts but the web, with a simulator that keeps the books."""

    def __init__(self, accounts: dict[str, str], *, extra: dict[str, str] | None = None) -> None:
        """`accounts`: {name: system of its WMS}."""
        self.accounts = accounts
        self.services = services.TestServices(durable=True)
        self.port = _free_port()
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "IM_", "DJANGO"))},
            **self.services.environment("crash"),
            "DJANGO_SETTINGS_MODULE": "integration_manager.settings",
            "IM_EGRESS_ALLOW": "127.0.0.1",
            "IM_LOG_LEVEL": "WARNING",
            **(extra or {}),
        }
        self.kills: Counter[str] = Counter()
        self.children: dict[str, Child] = {}

    def open(self) -> None:
        """Starts it all."""
        services.create_database(self.env)
        simulator = [sys.executable, "-m", "tests.crash.simulator", str(self.port), *self.accounts]
        self._start("simulator", simulator)
        self.run("tests.crash.setup", str(self.port), *(f"{n}={s}" for n, s in self.accounts.items()))
        self._start("tick", [*CELERY, "worker", "-Q", "tick", "-n", "tick@%h", *QUIET, "-P", "solo"])
        self._start("runs", [*CELERY, "worker", "-Q", "runs", "-n", "runs@%h", *QUIET, "-P", "prefork", "-c", "2"])
        self._start("beat", [*CELERY, "beat", "-S", "integration_manager.celery:Beat", "--pidfile="])

    def run(self, module: str, *arguments: str) -> None:
        """Runs one of the test's modules to its end."""
        subprocess.run([sys.executable, "-m", module, *arguments], env=self.env, cwd=CLONE, check=True)

    def _start(self, name: str, command: list[str]) -> None:
        env = {**self.env, "IM_PROCESS": "worker"}
        log = self.services.folder / "log" / f"{name}.log"
        child = self.children[name] = Child(name, command, env, signal.SIGTERM, None, log, CLONE)
        child.start()

    def close(self) -> None:
        """Ends it all, and deletes its folder."""
        for child in self.children.values():
            child.kill()
        self.services.stop()

    # ── kills ──

    @property
    def killed(self) -> int:
        """How many have been killed."""
        return sum(self.kills.values())

    def kill_one(self, dice: random.Random) -> None:
        """Kills something, as the dice say, and starts it again where nobody else does."""
        (what,) = dice.choices(list(TARGETS), weights=list(TARGETS.values()))
        if what == "one run":
            leader = self.children["runs"].pid
            members = [pid for pid in session_members(leader) if pid != leader]
            if not members:
                return
            os.kill(dice.choice(members), signal.SIGKILL)
        elif what.startswith("redis"):
            if what.endswith("flushed"):
                redis.Redis.from_url(self.services.services.redis_url()).flushall()
            self.services.services.redis.kill()
            self.services.services.redis.start()
            self.services.services.wait_for_redis()
        elif what == "postgres":
            postgres = self.services.services.postgres
            postgres.signal(signal.SIGQUIT)  # PostgreSQL's immediate stop: no checkpoint, no farewell
            postgres.wait(5)
            postgres.kill()
            postgres.start()
            self.services.services.wait_for_postgres()
        else:
            self.children[what].kill()
            self.children[what].start()
        self.kills[what] += 1

    def keep_alive(self) -> None:
        """Starts again what has ended by itself."""
        for child in self.children.values():
            if not child.alive:
                self.kills[f"{child.name} ended by itself"] += 1
                child.kill()
                child.start()

    # ── questions ──

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Reads everybody's rows."""
        for _ in range(50):
            try:
                with services.admin(self.env, "crash") as cursor:
                    cursor.execute(sql)
                    return list(cursor.fetchall())
            except psycopg2.OperationalError:
                time.sleep(0.2)  # it was killed a moment ago
        raise AssertionError("PostgreSQL does not come back")

    def sim(self, place: str, name: str, **said: Any) -> Any:
        """Speaks to the simulator about one of its systems, behind the system's back."""
        url = f"http://127.0.0.1:{self.port}/{place}/_sim/{name}"
        data = json.dumps(said).encode() if said or name == "clear" else None
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as answer:
            return json.loads(answer.read())

    def log(self, name: str) -> str:
        """The end of what a process said."""
        path: Path = self.services.folder / "log" / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
