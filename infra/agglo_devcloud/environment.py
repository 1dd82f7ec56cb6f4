"""The cloud's own Python environment: OpenStack and the Vault-API server, from the lock in ``requirements``.

It lives in the cache under the digest of the lock, so that several clouds and clones share it and a new lock
never changes one that is in use.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
from pathlib import Path

from agglo_devcloud.errors import InstallError
from agglo_devcloud.jobs import Task
from agglo_devcloud.layout import cache

LOCK = Path(__file__).parents[2] / "requirements" / "devcloud.txt"


def directory() -> Path:
    """Where the environment for this lock and this Python is, made or not."""
    digest = hashlib.sha256(LOCK.read_bytes() + platform.python_version().encode()).hexdigest()
    return cache() / f"cloud-{digest[:16]}"


def python() -> Path:
    """Its interpreter."""
    return directory() / "bin" / "python"


def bao() -> Path:
    """The Vault-API server's program."""
    return directory() / "bin" / "bao"


def ready() -> bool:
    """True when the environment is complete: it gets its name only then."""
    return directory().is_dir()


def ensure(task: Task) -> None:
    """Make the environment if it is not there; what was downloaded before is not downloaded again."""
    if ready():
        return
    task.say("installing OpenStack")
    target, log = directory(), cache() / "cloud-environment.log"
    part = target.with_name(f"{target.name}.part")
    uv = find_uv()
    task.run([uv, "venv", "-q", "--clear", "--relocatable", "--python", _base_python(), part], log=log)
    install: list[str | Path] = [uv, "pip", "install", "-q", "--python", part / "bin" / "python"]
    install += ["--require-hashes", "--no-build-isolation"]
    backend = part / "build-backend.txt"  # two packages have no wheel; what builds them is in the lock as well
    backend.write_text(locked(LOCK.read_text(), "setuptools"))
    task.run([*install, "-r", backend], log=log)
    task.run([*install, "-r", LOCK], log=log)
    task.say("compiling OpenStack")  # here, as services never write into it; without its tests, half of it
    compiled: list[str | Path] = ["-m", "compileall", "-q", "-j", "0", "-x", "/tests?/", part / "lib"]
    task.run([part / "bin" / "python", *compiled], log=log)
    part.rename(target)


def locked(lock: str, package: str) -> str:
    """The requirement of ``package``, with its hashes, in the text of a lock."""
    found = re.search(rf"^{re.escape(package)}==.*(?:\n    .*)*", lock, re.MULTILINE)
    if not found:
        raise InstallError(f"{package} is not in {LOCK}", hint="make lock")
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
