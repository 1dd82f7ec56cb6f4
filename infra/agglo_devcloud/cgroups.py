"""Control groups of guests, on hosts with cgroup v2, v1 or both (hybrid).

Every guest has a group ``agglo-<cloud>/<machine>`` in each hierarchy that matters; on v1, ``systemd-nspawn`` would
otherwise put all of them in one. Standard library only: nova's driver uses it too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud.layout import Layout

INNER = "guest"  # the group below the guest's own where v1 limits devices: its root may loosen the limits of its own
_V1_WANTED = frozenset({"memory", "pids", "name=systemd"})


@dataclass(frozen=True)
class Hierarchy:
    """A mounted hierarchy: version 2, or 1 with ``memory`` and ``devices`` when it limits those."""

    mount: Path
    version: int
    memory: bool
    devices: bool = False

    def group(self, layout: Layout, machine: str) -> Path:
        """The group of a guest."""
        return self.mount / parent_name(layout) / machine

    def entry(self, group: Path) -> Path:
        """The file by which a guest's first process enters ``group``."""
        return (group / INNER if self.devices else group) / "cgroup.procs"

    def limit_file(self, group: Path) -> Path | None:
        """The file of ``group`` that limits memory, if this hierarchy can."""
        if self.version == 2:
            return group / "memory.max"
        return group / "memory.limit_in_bytes" if self.memory else None


def hierarchies(mounts: str) -> list[Hierarchy]:
    """The hierarchies that guests need, from the text of ``/proc/mounts``.

    >>> hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0")
    [Hierarchy(mount=PosixPath('/sys/fs/cgroup'), version=2, memory=True)]
    """
    found: dict[Path, Hierarchy] = {}
    fields = [line.split() for line in mounts.splitlines()]
    alone = all(kind != "cgroup2" for _, _, kind, *_ in fields)  # version 2 limits devices by itself
    wanted = _V1_WANTED | {"devices"} if alone else _V1_WANTED
    for _, mount, kind, options, *_ in fields:
        controllers = set(options.split(",")) & wanted
        if kind == "cgroup2":
            found[Path(mount)] = Hierarchy(Path(mount), 2, memory=True)
        elif kind == "cgroup" and controllers:
            found[Path(mount)] = Hierarchy(Path(mount), 1, "memory" in controllers, "devices" in controllers)
    return list(found.values())


def mounted() -> list[Hierarchy]:
    """The hierarchies of this machine."""
    return hierarchies(Path("/proc/mounts").read_text())


def parent_name(layout: Layout) -> str:
    """Name of the group that holds all guests of a cloud."""
    return f"agglo-{layout.name}"


def make(layout: Layout, machine: str, memory_mib: int) -> list[Path]:
    """Make the guest's groups with its memory limit; the ``cgroup.procs`` files that it has to enter.

    Where v1 limits devices, ``devices.limit`` makes the one that it enters.
    """
    entries = []
    for hierarchy in mounted():
        parent = hierarchy.mount / parent_name(layout)
        group = hierarchy.group(layout, machine)
        group.mkdir(parents=True, exist_ok=True)
        if hierarchy.version == 2:
            _delegate(hierarchy.mount)
            _delegate(parent)
        limit = hierarchy.limit_file(group)
        if limit and limit.exists():  # absent where v2 has no memory controller (hybrid)
            limit.write_text(str(memory_mib * 1024 * 1024))
        entries.append(hierarchy.entry(group))
    return entries


def _delegate(group: Path) -> None:
    """Let sub-groups use the memory and pids controllers; a container may not be allowed to, then there is no limit."""
    offered = set((group / "cgroup.controllers").read_text().split())
    wanted = " ".join(f"+{name}" for name in ("memory", "pids") if name in offered)
    if wanted:
        with contextlib.suppress(OSError):
            (group / "cgroup.subtree_control").write_text(wanted)


def groups(layout: Layout, machine: str = "") -> list[Path]:
    """Existing groups of one guest, or of the whole cloud."""
    paths = [hierarchy.mount / parent_name(layout) / machine for hierarchy in mounted()]
    return [path for path in paths if path.is_dir()]


def members(group: Path) -> Iterator[int]:
    """PIDs in the group and below."""
    for path in group.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            yield from map(int, path.read_text().split())


def memory_used(layout: Layout, machine: str) -> int:
    """Bytes that a guest uses; 0 when unknown."""
    for group in groups(layout, machine):
        for name in ("memory.current", "memory.usage_in_bytes"):
            if (group / name).exists():
                return int((group / name).read_text())
    return 0


def remove(layout: Layout, machine: str = "", *, timeout: float = 5) -> None:
    """Kill what is left in the guest's groups (or the cloud's) and remove them."""
    end = time.monotonic() + timeout
    while left := {pid for group in groups(layout, machine) for pid in members(group)}:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    for group in groups(layout, machine):
        for path in [*sorted(_directories(group), reverse=True), group]:
            with contextlib.suppress(OSError):
                path.rmdir()


def _directories(group: Path) -> list[Path]:
    return [path for path in group.rglob("*") if path.is_dir()]
