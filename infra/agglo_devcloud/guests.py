"""Guests on this machine: containers of systemd-nspawn on an overlay of an image, one per Nova server.

Nova's driver (``openstack.virt``) starts them; the rest of the package finds, stops and cleans them, also when Nova is
gone. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud import cgroups, devices, network, processes
from agglo_devcloud.commands import run, succeeds
from agglo_devcloud.layout import Layout

_PREFIX = "guest-"
REBOOT = 133  # exit code of systemd-nspawn --keep-unit when the guest asked to be booted again
_STOP_SECONDS = 15
# Enter the control groups named first (their number is $1), then become the rest of the command line.
_ENTER = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1" || exit 1; shift; n=$((n-1)); done; exec "$@"'
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_WANTED = 8192  # each guest's systemd takes some; the usual 128 ends at about 20 guests
_NSPAWN_STATE = Path("/run/systemd/nspawn")


@dataclass(frozen=True)
class Guest:
    """One server's container; ``uuid`` is Nova's."""

    layout: Layout
    uuid: str

    @property
    def short(self) -> str:
        """Eight characters that tell guests of a cloud apart."""
        return self.uuid[:8]

    @property
    def machine(self) -> str:
        """Machine name for systemd-nspawn."""
        return f"agglo-{self.layout.name}-{self.short}"

    @property
    def netns(self) -> str:
        """The guest's network namespace."""
        return self.layout.netns(f"g{self.short}")

    @property
    def directory(self) -> Path:
        """Where its overlay and console log are."""
        return self.layout.run / "nova" / "instances" / self.uuid

    @property
    def host(self) -> str:
        """Name of the compute host that it was booted on; empty when unknown."""
        try:
            return (self.directory / "host").read_text()
        except OSError:
            return ""

    @property
    def root(self) -> Path:
        """Its root file system, when mounted."""
        return self.directory / "root"

    @property
    def rescue(self) -> Path:
        """What a rescue keeps; the directory is there while the guest is rescued."""
        return self.directory / "rescue"

    @property
    def rescued_root(self) -> Path:
        """Its own root file system while it is rescued."""
        return self.rescue / "disk"

    @property
    def console(self) -> Path:
        """What it wrote to its console."""
        return self.directory / "console.log"

    @property
    def process_name(self) -> str:
        """Name of its process in ``processes``."""
        return f"{_PREFIX}{self.uuid}"

    def process(self) -> processes.Process | None:
        """Its systemd-nspawn, or None when it does not run."""
        return processes.find(self.layout, self.process_name)


def all_guests(layout: Layout) -> list[Guest]:
    """Every guest that has files, running or not."""
    directory = layout.run / "nova" / "instances"
    if not directory.is_dir():
        return []
    return [Guest(layout, path.name) for path in sorted(directory.iterdir()) if len(path.name) == 36]


def mount(guest: Guest, host: str, image: Path) -> None:
    """Mount its root: an overlay of its own files over ``image``, a directory; nothing when it is mounted.

    While it is rescued, the root is another image's and its own is ``rescued_root``. ``host`` is the compute host's
    name, remembered.
    """
    if guest.root.is_mount():
        return
    guest.directory.mkdir(parents=True, exist_ok=True)
    (guest.directory / "host").write_text(host)
    rescue = _rescue_image(guest)
    if rescue is None:
        _mount_overlay(image, guest.directory, guest.root)
        return
    if not guest.rescued_root.is_mount():
        _mount_overlay(image, guest.directory, guest.rescued_root)
    _mount_overlay(rescue, guest.rescue, guest.root)


def _mount_overlay(image: Path, files: Path, root: Path) -> None:
    """Mount on ``root`` an overlay over ``image`` that keeps what is written in ``files``."""
    upper, work = files / "upper", files / "work"
    for path in (upper, work, root):
        path.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "overlay", "-o", f"lowerdir={image},upperdir={upper},workdir={work}", "overlay", root])


def begin_rescue(guest: Guest, image: Path) -> None:
    """Have a guest that has stopped boot ``image``, a directory, until ``end_rescue``."""
    unmount(guest)
    guest.rescue.mkdir(exist_ok=True)
    (guest.rescue / "image").write_text(str(image))


def end_rescue(guest: Guest) -> None:
    """Have a guest that has stopped boot its own root again, and forget what was written outside of it."""
    unmount(guest)
    shutil.rmtree(guest.rescue)


def _rescue_image(guest: Guest) -> Path | None:
    try:
        return Path((guest.rescue / "image").read_text())
    except FileNotFoundError:
        return None


def start(guest: Guest, *, hostname: str, memory_mib: int, disks: Iterable[tuple[int, int]] = ()) -> processes.Process:
    """Boot it; its root must be mounted and its namespace there. The process that runs until it is powered off.

    ``disks`` are the block devices that it may use, by major and minor number.
    """
    _make_room()
    entries = cgroups.make(guest.layout, guest.machine, memory_mib)
    devices.limit(guest.layout, guest.machine, disks)
    command = ["sh", "-c", _ENTER, "sh", str(len(entries)), *map(str, entries)]
    command += network.enter(guest.netns, *_nspawn(guest, hostname))
    with guest.console.open("ab") as out:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env=_environment(guest)
        )
    child.returncode = 0  # it is meant to outlive this object, which would complain
    return processes.record(guest.layout, guest.process_name, child.pid)


def leader(guest: Guest) -> int | None:
    """PID of its first process as this machine sees it, the child of systemd-nspawn; None when there is none."""
    found = guest.process()
    if not found:
        return None
    with contextlib.suppress(OSError):  # it just ended
        children = Path(f"/proc/{found.pid}/task/{found.pid}/children").read_text().split()
        return int(children[-1]) if children else None
    return None


def _make_room() -> None:
    """Raise the kernel's limit that many guests run into; until the next reboot."""
    if int(_INOTIFY.read_text()) < _INOTIFY_WANTED:
        with contextlib.suppress(OSError):
            _INOTIFY.write_text(str(_INOTIFY_WANTED))


def _nspawn(guest: Guest, hostname: str) -> list[str]:
    """The container's command: works with any init on the host, since it talks to no machined and no system manager."""
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={guest.root}",
        f"--machine={guest.machine}",
        f"--hostname={hostname}",
        "--register=no",
        "--keep-unit",
        "--console=read-only",
        "--capability=CAP_NET_ADMIN",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--setenv=product_name=OpenStack Nova",  # cloud-init looks for a config drive only on OpenStack
        *([f"--bind={guest.rescued_root}:/mnt"] if guest.rescue.is_dir() else []),
    ]


def _environment(guest: Guest) -> dict[str, str]:
    """Nothing of the caller's environment reaches a guest; it uses cgroup v2 and sets its network's own sysctls."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        processes.MARK: str(guest.layout.run),
    }


def stop(layout: Layout, stopped: Iterable[Guest]) -> None:
    """Shut the guests down together (their systemd stops its services), kill what does not end; keep their files."""
    wanted = list(stopped)
    processes.stop(layout, [guest.process_name for guest in wanted], timeout=_STOP_SECONDS)
    for guest in wanted:
        cgroups.remove(layout, guest.machine)
        with contextlib.suppress(OSError):
            (_NSPAWN_STATE / "propagate" / guest.machine).rmdir()


def unmount(guest: Guest) -> None:
    """Unmount its root, and its own while it is rescued."""
    for root in (guest.root, guest.rescued_root):
        if root.is_mount() and not succeeds(["umount", root]):
            run(["umount", "--lazy", root])


def remove(guest: Guest) -> None:
    """Stop it and delete its files and namespace."""
    stop(guest.layout, [guest])
    unmount(guest)
    network.remove_namespace(guest.netns)
    shutil.rmtree(guest.directory, ignore_errors=True)


def stop_all(layout: Layout) -> None:
    """Stop every guest of the cloud, recorded or not, unmount their roots, and leave no control group."""
    recorded = [name.removeprefix(_PREFIX) for name in processes.names(layout) if name.startswith(_PREFIX)]
    uuids = {guest.uuid for guest in all_guests(layout)} | set(recorded)
    found = [Guest(layout, uuid) for uuid in sorted(uuids)]
    stop(layout, found)
    for guest in found:
        unmount(guest)
    _unmount_below(layout.run)
    cgroups.remove(layout)


def _unmount_below(directory: Path) -> None:
    """Unmount whatever is left below the run directory, deepest first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount_point in sorted((m for m in mounts if Path(m).is_relative_to(directory)), reverse=True):
        run(["umount", "--lazy", mount_point.replace("\\040", " ")])
