"""Python environments beside the project's: the cloud's own (OpenStack and the Vault-API server), and Tempest's.

Each is made of a lock in ``requirements`` and lives in the cache under the lock's digest, so that several clouds and
clones share it and a new lock never changes one that is in use.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud.errors import InstallError
from agglo_devcloud.jobs import Task
from agglo_devcloud.layout import cache

_LOCKS = Path(__file__).parents[2] / "requirements"
LOCK = _LOCKS / "devcloud.txt"


@dataclass(frozen=True)
class Environment:
    """The environment ``name`` of the packages that ``lock`` pins; ``what`` says to people what they are."""

    name: str
    what: str
    lock: Path

    @property
    def directory(self) -> Path:
        """Where it is for this lock and this Python, made or not."""
        digest = hashlib.sha256(self.lock.read_bytes() + platform.python_version().encode()).hexdigest()
        return cache() / f"{self.name}-{digest[:16]}"

    @property
    def ready(self) -> bool:
        """True when it is complete: it gets its name only then."""
        return self.directory.is_dir()

    def program(self, name: str) -> Path:
        """One of its programs."""
        return self.directory / "bin" / name

    def ensure(self, task: Task) -> None:
        """Make it if it is not there; what was downloaded before is not downloaded again."""
        if self.ready:
            return
        task.say(f"installing {self.what}")
        target, log = self.directory, cache() / f"{self.name}-environment.log"
        part = target.with_name(f"{target.name}.part")
        uv = find_uv()
        task.run([uv, "venv", "-q", "--clear", "--relocatable", "--python", _base_python(), part], log=log)
        install: list[str | Path] = [uv, "pip", "install", "-q", "--python", part / "bin" / "python"]
        install += ["--require-hashes", "--no-build-isolation"]
        backend = part / "build-backend.txt"  # some packages have no wheel; what builds them is in the lock as well
        backend.write_text(locked(self.lock.read_text(), "setuptools"))
        task.run([*install, "-r", backend], log=log)
        task.run([*install, "-r", self.lock], log=log)
        task.say(f"compiling {self.what}")  # here, as nothing writes into it later; without its tests, half of it
        compiled: list[str | Path] = ["-m", "compileall", "-q", "-j", "0", "-x", "/tests?/", part / "lib"]
        task.run([part / "bin" / "python", *compiled], log=log)
        part.rename(target)


def tempest() -> Environment:
    """OpenStack's own tests of its APIs."""
    return Environment("tempest", "Tempest", _LOCKS / "tempest.txt")


def _cloud() -> Environment:
    return Environment("cloud", "OpenStack", LOCK)


def directory() -> Path:
    """Where the cloud's environment is, made or not."""
    return _cloud().directory


def python() -> Path:
    """Its interpreter."""
    return _cloud().program("python")


def bao() -> Path:
    """The Vault-API server's program."""
    return _cloud().program("bao")


def ready() -> bool:
    """True when the cloud's environment is complete."""
    return _cloud().ready


def ensure(task: Task) -> None:
    """Make the cloud's environment if it is not there."""
    _cloud().ensure(task)


def locked(lock: str, package: str) -> str:
    """The requirement of ``package``, with its hashes, in the text of a lock."""
    found = re.search(rf"^{re.escape(package)}==.*(?:\n    .*)*", lock, re.MULTILINE)
    if not found:
        raise InstallError(f"{package} is not in the lock of its environment", hint="make lock")
    return found[0] + "\n"


def find_uv() -> Path:
    """The uv that ``infra/setup.sh`` brought, else the one on PATH."""
    found = sorted(cache().glob("uv-*/bin/uv"))
    command = str(found[-1]) if found else shutil.which("uv")
    if not command:
        raise InstallError("uv is absent: it makes the cloud's Python environment", hint="make setup")
    return Path(command)


def _base_python() -> Path:
    """The machine's own Python: the project's environment may be removed while a cloud runs."""
    system = Path("/usr/bin/python3")
    return system if system.exists() else Path(shutil.which("python3") or "python3")
