"""Child processes that never outlive us: for `make run`, the tests and the crash test.

Each child leads a session of its own, so that Ctrl-C reaches only the supervisor, which
then stops them in order. The kernel signals a child whose supervisor dies (Linux), and a
record on file lets the next start end what is left of the last one, and only that.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(sig: int = signal.SIGTERM) -> None:
    """Ask the kernel to signal this process when its parent dies; elsewhere than Linux nothing."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(sig), 0, 0, 0)


def identity(pid: int) -> str:
    """What tells this process from a later one with the same number; "" if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return ""
    else:
        fields = stat.rpartition(")")[2].split()
        if fields[0] == "Z":  # dead, only not yet waited for
            return ""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{fields[19]}"
    ps = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)  # noqa: S603, S607
    return ps.stdout.strip()


def session_members(leader: int) -> list[int]:
    """Every living process of the session that `leader` opened (Linux; elsewhere the leader only)."""
    if not Path("/proc/self/stat").exists():
        return [leader] if identity(leader) else []
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader and fields[0] != "Z":
                    found.append(int(entry))
    return found


@dataclass
class Child:
    """One child: how it is started and stopped."""

    name: str
    command: list[str]
    env: Mapping[str, str] | None = None
    stop_signal: int = signal.SIGTERM
    user: tuple[int, int] | None = None  # (uid, gid) to become, when we are root
    log: Path | None = None
    cwd: Path | None = None
    popen: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    crashes: int = field(default=0)

    def start(self) -> None:
        """Start it; to be called from the main thread, with whose life the death signal is tied."""
        parent = os.getpid()

        def before_exec() -> None:
            die_with_parent(self.stop_signal)
            if os.getppid() != parent:  # the supervisor died while we were forked
                os._exit(1)

        extra: dict[str, Any] = {}
        if self.user is not None:
            extra = {"user": self.user[0], "group": self.user[1], "extra_groups": []}
        with contextlib.ExitStack() as stack:
            output: IO[bytes] | int = subprocess.DEVNULL
            if self.log is not None:
                output = stack.enter_context(self.log.open("ab"))
            self.popen = subprocess.Popen(  # noqa: S603 (our own commands, no shell)
                self.command,
                env=dict(self.env) if self.env is not None else None,
                cwd=self.cwd or "/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=before_exec,
                **extra,
            )
        self.started_at = time.monotonic()

    @property
    def pid(self) -> int:
        """Its process number, 0 before the first start."""
        return self.popen.pid if self.popen else 0

    @property
    def alive(self) -> bool:
        """Whether it runs right now."""
        return self.popen is not None and self.popen.poll() is None

    def signal(self, sig: int) -> None:
        """Signal the child itself; its own children are its business."""
        if self.alive and self.popen is not None:
            with contextlib.suppress(ProcessLookupError):
                self.popen.send_signal(sig)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it came in time."""
        if self.popen is None:
            return True
        try:
            self.popen.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, seconds: float) -> None:
        """Stop it: its own signal first, SIGKILL for it and its session when the time is over."""
        self.signal(self.stop_signal)
        self.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL for it and all that is left of its session."""
        if self.popen is None:
            return
        if self.popen.poll() is None or session_members(self.popen.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, signal.SIGKILL)
        self.wait(2)

    def record(self) -> dict[str, Any]:
        """What the next start needs to end what is left of this one."""
        return {
            "name": self.name,
            "pid": self.pid,
            "identity": identity(self.pid),
            "signal": int(self.stop_signal),
        }


def end_leftovers(records: Iterable[Mapping[str, Any]], seconds: float = 4.0) -> list[str]:
    """End what an earlier supervisor left behind; the names of what was still there.

    A process number that was given to somebody else since has another start time: it is
    left alone. A session whose leader is dead still holds its number, so its members are ours.
    """
    left: list[tuple[str, int, int]] = []
    for record in records:
        pid = int(record["pid"])
        now = identity(pid)
        ours = now == record["identity"] if now else True
        if pid > 0 and ours and session_members(pid):
            left.append((str(record["name"]), pid, int(record["signal"])))
    for _, pid, sig in left:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, sig) if identity(pid) else os.killpg(pid, sig)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(session_members(pid) for _, pid, _ in left):
        time.sleep(0.05)
    for _, pid, _ in left:
        if session_members(pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
    return [name for name, _, _ in left]
