"""Loop devices: files of this machine as block devices. Standard library only: nova's and cinder's drivers use it too.

Which file a device stands for is asked of the kernel each time, so that nothing is remembered wrongly after a crash.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from agglo_devcloud.commands import run, succeeds
from agglo_devcloud.errors import StartError

_RELEASE_SECONDS = 10.0
_FREEZE, _THAW = 0xC0045877, 0xC0045878  # linux/fs.h: FIFREEZE, FITHAW


def attach(file: Path) -> Path:
    """The loop device of ``file``; made when there is none. Raises StartError."""
    return Path(run(["losetup", "--nooverlap", "--find", "--show", file]).strip())


def find(file: Path) -> Path | None:
    """The loop device of ``file``, if there is one."""
    return _devices().get(file)


def refresh(file: Path) -> None:
    """Give the loop device of ``file`` the file's size of now; nothing when there is no device."""
    device = find(file)
    if device:
        run(["losetup", "--set-capacity", device])


def busy(device: Path) -> bool:
    """True when a file system on ``device`` is mounted anywhere, or somebody else uses it for himself alone."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    except OSError:
        return True
    return False


def detach(file: Path) -> None:
    """Take the loop device of ``file`` away; nothing when there is none. Raises StartError when somebody holds it."""
    device = find(file)
    if device is None:
        return
    run(["losetup", "--detach", device])
    end = time.monotonic() + _RELEASE_SECONDS  # who looks at devices (blkid) holds it for a moment
    while find(file) == device:
        if time.monotonic() > end:
            raise StartError(f"{device} of {file} is still in use", hint=f"lsof {device}; grep {device} /proc/*/mounts")
        time.sleep(0.05)


@contextlib.contextmanager
def still(file: Path) -> Iterator[None]:
    """Meanwhile ``file`` is whole and does not change: a file system on it that a guest has mounted is frozen."""
    device = find(file)
    if device is None:
        yield
        return
    try:
        _tell_file_system(device, _FREEZE)
        with device.open("rb") as opened:  # what was written without a file system
            os.fsync(opened.fileno())
        yield
    finally:
        _tell_file_system(device, _THAW)


def thaw_below(directory: Path) -> None:
    """Thaw what somebody who was killed in ``still`` left frozen."""
    for device in below(directory):
        _tell_file_system(device, _THAW)


def _tell_file_system(device: Path, command: int) -> None:
    """Freeze or thaw the file system on ``device``, wherever it is mounted; nothing when it is so already."""
    for mount_point in _mount_points(device):
        with contextlib.suppress(OSError):
            opened = os.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.ioctl(opened, command, 0)
                return  # one mount is enough: they are of one file system
            finally:
                os.close(opened)


def _mount_points(device: Path) -> Iterator[Path]:
    """Where ``device`` is mounted, in any mount namespace, as a path of this one."""
    wanted = ":".join(map(str, number(device)))
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):  # the process ended
            for _, _, known, _, where, *_ in map(str.split, table.read_text().splitlines()):
                if known == wanted:
                    yield Path(f"{table.parent}/root{where.encode().decode('unicode_escape')}")


def below(directory: Path) -> list[Path]:
    """Loop devices of files below ``directory``, deleted ones too."""
    return [device for file, device in _devices().items() if file.is_relative_to(directory)]


def detach_below(directory: Path) -> None:
    """Take away every loop device of a file below ``directory``; one that is in use goes with its last user."""
    for device in below(directory):
        succeeds(["losetup", "--detach", device])


def number(device: Path) -> tuple[int, int]:
    """Major and minor number of a device."""
    known = device.stat().st_rdev
    return os.major(known), os.minor(known)


def _devices() -> dict[Path, Path]:
    """File to loop device."""
    listed = json.loads(run(["losetup", "--json", "--list", "--output", "NAME,BACK-FILE"]) or '{"loopdevices": []}')
    named = [entry for entry in listed["loopdevices"] if entry["back-file"]]
    return {Path(entry["back-file"].removesuffix(" (deleted)")): Path(entry["name"]) for entry in named}
