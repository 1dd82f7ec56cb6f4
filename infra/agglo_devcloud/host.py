"""Whether this machine can run an embedded cloud; every problem is found before anything is changed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

from agglo_devcloud import processes
from agglo_devcloud.commands import succeeds
from agglo_devcloud.errors import HostError
from agglo_devcloud.layout import LOOPBACK, Layout

GIB = 1024**3
MEMORY = 6 * GIB  # with a bastion, an edge, a portal and room for the engine
DISK = 5 * GIB
PACKAGES = Path(__file__).parents[2] / "requirements" / "apt.txt"
_FILE_SYSTEMS = ("overlay", "squashfs")
_LOOP = Path("/dev/loop-control")


def check(layout: Layout) -> None:
    """Raises HostError that names every problem of this machine for this cloud.

    Memory, disk and ports are looked at only while nothing of the cloud runs, recorded or not: they may be its own.
    """
    problems = [*root_problems(os.geteuid()), *package_problems(missing_packages()), *kernel_problems()]
    if not _runs(layout):
        problems += memory_problems(Path("/proc/meminfo").read_text())
        problems += disk_problems(layout.base, shutil.disk_usage(_existing(layout.base)).free)
        problems += port_problems(layout)
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise HostError(
            f"this machine cannot run the embedded cloud; nothing was changed\n{lines}", hint="agglo doctor"
        )


def _runs(layout: Layout) -> bool:
    """True when a process of the cloud runs, or when only root could tell."""
    try:
        return any(processes.find(layout, name) for name in processes.names(layout)) or bool(processes.strays(layout))
    except PermissionError:
        return True


def root_problems(user: int) -> list[str]:
    """``user`` is the effective user's number."""
    return [] if user == 0 else ["root is needed, for network namespaces, mounts and guests: sudo agglo dev up"]


def package_problems(missing: Iterable[str]) -> list[str]:
    """``missing`` are Debian packages."""
    names = " ".join(missing)
    return [f"missing Debian packages: {names} (sudo make setup installs them)"] if names else []


def memory_problems(meminfo: str) -> list[str]:
    """``meminfo`` is the text of ``/proc/meminfo``."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
    free = int(found[1]) * 1024 if found else 0
    return [] if free >= MEMORY else [f"free memory: {_gib(free)}; the cloud needs {_gib(MEMORY)}"]


def disk_problems(where: Path, free: int) -> list[str]:
    """``free`` is in bytes."""
    return [] if free >= DISK else [f"free disk for {where}: {_gib(free)}; the cloud needs {_gib(DISK)}"]


def port_problems(layout: Layout) -> list[str]:
    """Ports of the cloud on loopback that somebody else listens on."""
    taken = [(name, port) for name, port in sorted(layout.ports().items()) if not _is_free(port)]
    return [f"port {port} ({name}) is taken{_holder(port)}" for name, port in taken]


def kernel_problems() -> list[str]:
    """File systems and devices that the kernel neither has nor can load."""
    known = Path("/proc/filesystems").read_text().split()
    missing = [name for name in _FILE_SYSTEMS if name not in known and not _load(name)]
    problems = [f"this kernel has no {name}: guests' disks need it" for name in missing]
    if not _LOOP.exists() and not _load("loop"):
        problems.append(f"no {_LOOP}: volumes need loop devices")
    return problems


def wanted_packages(text: str) -> list[str]:
    """Packages in the text of ``requirements/apt.txt``: one a line, ``#`` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def missing_packages() -> list[str]:
    """Debian packages that are needed and not installed."""
    wanted = wanted_packages(PACKAGES.read_text())
    form = "${Package} ${db:Status-Status}\n"
    answer = subprocess.run(["dpkg-query", "-W", f"-f={form}", *wanted], capture_output=True, text=True, check=False)
    present = {line.split()[0] for line in answer.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in present]


def _load(module: str) -> bool:
    return bool(shutil.which("modprobe")) and succeeds(["modprobe", "--quiet", module])


def _existing(path: Path) -> Path:
    """The nearest directory above that is there."""
    return path if path.exists() else _existing(path.parent)


def _is_free(port: int) -> bool:
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closed one may linger
        try:
            made.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    """Who listens on ``port``, as far as it can be known: `` by nginx (process 12)``."""
    if not shutil.which("ss"):
        return ""
    command = ["ss", "-Hltnp", f"sport = :{port}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r'users:\(\("([^"]+)",pid=(\d+)', answer.stdout)
    return f" by {found[1]} (process {found[2]})" if found else ""


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
