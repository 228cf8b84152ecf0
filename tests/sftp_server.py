"""A real SFTP server for tests: OpenSSH's sshd on a high port, its users locked into one folder.

It needs root (sshd has to change user, and a password needs a user of the system) and OpenSSH's server;
`why_not()` says what is missing. The user is named after the process that made it, so that what a killed
test run left behind is removed by the next one.
"""

import contextlib
import itertools
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

HOME = Path("/var/lib")  # every directory above a jail has to be root's alone, so not below /tmp
USER = re.compile(r"imsftp(\d+)x\d+")
_numbers = itertools.count(1)

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin no
PasswordAuthentication yes
KbdInteractiveAuthentication no
AllowUsers {user}
MaxStartups 100
LoginGraceTime 20
Subsystem sftp internal-sftp
ForceCommand internal-sftp -d /files
ChrootDirectory {folder}/jail
AllowTcpForwarding no
X11Forwarding no
"""


def sshd() -> str | None:
    """Where OpenSSH's server is; it stands outside a plain user's PATH."""
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def why_not() -> str:
    """What is missing for a real SFTP server; "" if nothing is."""
    if sshd() is None:
        return "no OpenSSH server: apt-get install openssh-server"
    if os.geteuid() != 0:
        return "sshd can lock users into a folder only when it is started as root"
    return ""


class SftpServer:
    """One sshd. `files` is the folder in which its user lands, as this machine sees it."""

    def __init__(self) -> None:
        _sweep()
        self.user = f"imsftp{os.getpid()}x{next(_numbers)}"
        self.password = secrets.token_urlsafe(12)
        self.folder = HOME / f"{self.user}-{secrets.token_hex(3)}"
        self.files = self.folder / "jail" / "files"
        self.process: subprocess.Popen[bytes] | None = None
        self._add_user()
        self.files.mkdir(parents=True)
        self.folder.chmod(0o711)
        os.chown(self.files, self.uid, self.gid)
        self.private_key = self._key("client_key")
        shutil.copy(self.folder / "client_key.pub", self.folder / "authorized_keys")
        self.new_host_key()

    def _add_user(self) -> None:
        try:
            known = pwd.getpwnam(self.user)
        except KeyError:
            subprocess.run(
                ["useradd", "--no-create-home", "--home-dir", "/files", "--shell", "/bin/false", self.user],
                check=True,
                capture_output=True,
            )
            known = pwd.getpwnam(self.user)
        self.uid, self.gid = known.pw_uid, known.pw_gid
        line = f"{self.user}:{self.password}\n".encode()
        subprocess.run(["chpasswd"], input=line, check=True, capture_output=True)

    def _key(self, name: str, kind: str = "ed25519") -> str:
        """Makes a key pair; gives the private key as text."""
        file = self.folder / name
        file.unlink(missing_ok=True)
        bits = ["-b", "2048"] if kind == "rsa" else []  # a longer one takes seconds to find
        command = ["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-f", file]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return file.read_text()

    def new_host_key(self, kind: str = "ed25519") -> str:
        """Gives the server another host key, and the key to pin. Takes effect at the next start."""
        self._key("host_key", kind)
        shown = subprocess.run(
            ["ssh-keygen", "-l", "-f", self.folder / "host_key.pub"], check=True, capture_output=True, text=True
        )
        name = (self.folder / "host_key.pub").read_text().split()[0]
        self.host_key = f"{name} {shown.stdout.split()[1]}"
        return self.host_key

    def start(self) -> "SftpServer":
        """Starts sshd on a free port of loopback, or on the port it had before."""
        program = sshd()
        assert program is not None
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.port = getattr(self, "port", 0) or _free_port()
        config = self.folder / "sshd_config"
        text = CONFIG.format(port=self.port, folder=self.folder, user=self.user)
        # Newer servers shut out an address that fails to log in, as our tests do on purpose.
        config.write_text(text + "PerSourcePenalties no\n")
        if subprocess.run([program, "-t", "-f", config], capture_output=True).returncode:
            config.write_text(text)
        log = self.folder / "log"
        self.process = subprocess.Popen([program, "-D", "-f", config, "-E", log], stdin=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"sshd did not start: {log.read_text() if log.exists() else ''}")

    def stop(self) -> None:
        """Stops sshd; connections under way stay until `cut()`."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def cut(self) -> None:
        """Breaks the connections under way, in the middle of whatever they do."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if process.stat().st_uid == self.uid:
                    os.kill(int(process.name), signal.SIGKILL)

    def close(self) -> None:
        """Stops sshd and removes user and files."""
        self.stop()
        self.cut()
        shutil.rmtree(self.folder, ignore_errors=True)
        _remove_user(self.user)

    def make(self, *names: str) -> Path:
        """Creates directories that belong to the user; gives the last one, as this machine sees it."""
        path = self.files
        for name in names:
            path = path / name
            path.mkdir(exist_ok=True)
            os.chown(path, self.uid, self.gid)
        return path

    def values(self, **changes: str) -> dict[str, str]:
        """What a person enters to connect to this server by password."""
        values = {
            "place": "sftp",
            "host": "127.0.0.1",
            "port": str(self.port),
            "user": self.user,
            "password": self.password,
            "host_key": self.host_key,
        }
        return values | changes


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sweep() -> None:
    """Removes users and folders of test runs that are over."""
    for user in [entry.pw_name for entry in pwd.getpwall() if USER.fullmatch(entry.pw_name)]:
        found = USER.fullmatch(user)
        assert found is not None
        if not Path(f"/proc/{found.group(1)}").exists():
            for folder in HOME.glob(f"{user}-*"):
                shutil.rmtree(folder, ignore_errors=True)
            _remove_user(user)


def _remove_user(user: str) -> None:
    for _ in range(20):
        done = subprocess.run(["userdel", user], capture_output=True)
        if done.returncode != 8:  # 8: one of its processes is still ending
            return
        time.sleep(0.1)
