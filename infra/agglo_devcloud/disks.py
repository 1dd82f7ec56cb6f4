"""A guest's disks: files of volumes on loop devices, as ``/dev/vdb`` and so on in the guest.

As on KVM, ``/dev/disk/by-id/virtio-<first 20 characters of the volume's id>`` leads to each. What a guest has is in
its ``disks.json``; its systemd-tmpfiles makes the nodes as it boots, from a file of ours in its ``/etc/tmpfiles.d``,
also when it boots again by itself. Standard library only: nova's driver uses it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud import devices, guests, loops
from agglo_devcloud.guests import Guest
from agglo_devcloud.layout import Layout

_MODE = 0o660
_GROUP = 6  # "disk" in every Debian
_SERIAL = 20  # characters: what virtio shows of a disk's serial number
_LINKS = ("dev", "disk", "by-id")
TMPFILES = Path("etc/tmpfiles.d/agglo-disks.conf")


@dataclass(frozen=True)
class Disk:
    """A disk ``name`` ("vdb") of volume ``volume`` (Cinder's id), whose data are in ``file``."""

    name: str
    volume: str
    file: Path

    @property
    def link(self) -> str:
        """Its stable name in ``/dev/disk/by-id``."""
        return f"virtio-{self.volume[:_SERIAL]}"


def known(guest: Guest) -> list[Disk]:
    """The guest's disks, whether it runs or not."""
    try:
        text = _record(guest).read_text()
    except FileNotFoundError:
        return []
    return [Disk(name, volume, Path(file)) for name, volume, file in json.loads(text)]


def prepare(guest: Guest, disks: Iterable[Disk]) -> list[tuple[int, int]]:
    """Give a guest that is about to boot exactly these disks; the numbers of their devices. Its root is mounted."""
    wanted = list(disks)
    for gone in set(known(guest)) - set(wanted):
        loops.detach(gone.file)
    _remember(guest, wanted)
    return _write_tmpfiles(guest, wanted)


def attach(guest: Guest, disk: Disk) -> None:
    """Give the guest one more disk, at once when it runs. Raises StartError."""
    others = [other for other in known(guest) if other.name != disk.name]
    _remember(guest, [*others, disk])
    if not guest.process():
        return
    numbers = _write_tmpfiles(guest, [*others, disk])
    devices.limit(guest.layout, guest.machine, numbers)
    with _slash_dev(guest) as dev:
        if dev is not None:
            _make_node(dev, disk, numbers[-1])


def detach(guest: Guest, volume: str) -> None:
    """Take the disk of a volume away, at once. Raises StartError while it is in use."""
    disks = known(guest)
    for disk in (disk for disk in disks if disk.volume == volume):
        left = [other for other in disks if other.volume != volume]
        if guest.process():
            _take(guest, disk, left)
        loops.detach(disk.file)
        _remember(guest, left)


def in_use(guest: Guest, volume: str) -> bool:
    """True while the guest has a file system of the volume mounted."""
    found = (loops.find(disk.file) for disk in known(guest) if disk.volume == volume)
    return any(device and loops.busy(device) for device in found)


def release(guest: Guest) -> None:
    """Take the loop devices of a guest that has stopped away; it gets them again as it boots."""
    for disk in known(guest):
        loops.detach(disk.file)


def release_all(layout: Layout) -> None:
    """Take away every loop device of the cloud, known to a guest or not."""
    loops.detach_below(layout.run)


def _record(guest: Guest) -> Path:
    return guest.directory / "disks.json"


def _remember(guest: Guest, disks: Sequence[Disk]) -> None:
    scratch = _record(guest).with_suffix(".new")
    scratch.write_text(json.dumps([(disk.name, disk.volume, str(disk.file)) for disk in disks]))
    scratch.replace(_record(guest))


def _write_tmpfiles(guest: Guest, disks: Sequence[Disk]) -> list[tuple[int, int]]:
    """Attach each disk's loop device and tell the guest's systemd-tmpfiles its number; the numbers."""
    numbers = [loops.number(loops.attach(disk.file)) for disk in disks]
    lines = [tmpfiles_lines(disk, number) for disk, number in zip(disks, numbers, strict=True)]
    with _below(guest.root, TMPFILES.parent.parts) as directory:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(TMPFILES.name, flags, 0o644, dir_fd=directory), "w") as file:
            file.write("".join(lines))
    return numbers


def tmpfiles_lines(disk: Disk, number: tuple[int, int]) -> str:
    """What makes the disk's node and link, in the language of ``man tmpfiles.d``."""
    major, minor = number
    return (
        f"b+ /dev/{disk.name} {_MODE:04o} root disk - {major}:{minor}\n"
        f"L+ /{'/'.join(_LINKS)}/{disk.link} - - - - ../../{disk.name}\n"
    )


def _take(guest: Guest, disk: Disk, left: Sequence[Disk]) -> None:
    with _slash_dev(guest) as dev:
        if dev is not None:
            _remove(disk.name, dev)
            with _below(dev, _LINKS[1:]) as links:
                _remove(disk.link, links)
    devices.limit(guest.layout, guest.machine, _write_tmpfiles(guest, left))


def _make_node(dev: int, disk: Disk, number: tuple[int, int]) -> None:
    _remove(disk.name, dev)
    os.mknod(disk.name, stat.S_IFBLK | _MODE, os.makedev(*number), dir_fd=dev)
    os.chmod(disk.name, _MODE, dir_fd=dev)  # mknod obeys the umask
    os.chown(disk.name, 0, _GROUP, dir_fd=dev, follow_symlinks=False)
    with _below(dev, _LINKS[1:]) as links:
        _remove(disk.link, links)
        os.symlink(f"../../{disk.name}", disk.link, dir_fd=links)


def _remove(name: str, directory: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


@contextmanager
def _slash_dev(guest: Guest) -> Iterator[int | None]:
    """The running guest's ``/dev``; None while it boots and has none yet: then its tmpfiles will make the nodes."""
    leader = guests.leader(guest)
    if leader is None:
        yield None
        return
    with _below(Path(f"/proc/{leader}/root"), ()) as root, _below(root, _LINKS[:1]) as dev:
        inside = os.path.samestat(os.fstat(root), guest.root.stat())
        yield dev if inside and os.fstat(dev).st_dev != os.fstat(root).st_dev else None


@contextmanager
def _below(start: Path | int, names: Sequence[str]) -> Iterator[int]:
    """A directory below ``start``, made where missing; a link of the guest's that leads elsewhere is not followed."""
    flags = os.O_RDONLY | os.O_DIRECTORY
    current = os.dup(start) if isinstance(start, int) else os.open(start, flags)
    try:
        for name in names:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=current)
            above, current = current, os.open(name, flags | os.O_NOFOLLOW, dir_fd=current)
            os.close(above)
        yield current
    finally:
        os.close(current)
