"""Which embedded clouds there are on this machine, and which block of ports each has.

A register of small files, one per slot, is shared by all clouds of the machine wherever their files are: ports and
network namespaces are the machine's, not a directory's.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agglo_devcloud.errors import DevCloudError, HostError
from agglo_devcloud.layout import DEFAULT_NAME, Layout, home

SLOTS = 100


def register() -> Path:
    """Directory of the register: ``AGGLO_DEV_SLOTS``, else ``/var/lib/agglo-dev/.slots``."""
    return Path(os.environ.get("AGGLO_DEV_SLOTS", "/var/lib/agglo-dev/.slots"))


def all_clouds() -> list[Layout]:
    """Every cloud of this machine, by slot. Raises HostError when the register cannot be read."""
    if not register().is_dir():
        return []
    try:
        files = sorted((file for file in register().iterdir() if file.name.isdigit()), key=lambda file: int(file.name))
        return [_read(file) for file in files]
    except (OSError, ValueError, KeyError) as error:
        raise HostError(f"{register()} cannot be read: {error}", hint="sudo agglo dev list") from error


def find(name: str) -> Layout | None:
    """The cloud ``name``, or None when it was never made."""
    return next((cloud for cloud in all_clouds() if cloud.name == name), None)


def propose(name: str) -> Layout:
    """What ``allot`` would answer now; nothing is written. Raises HostError like it."""
    found = find(name)
    if found and found.base != home():
        raise HostError(f"there is already a cloud '{name}', in {found.run}", hint="choose another --name")
    return found or Layout(name, _free_slot(name), home())


def allot(name: str) -> Layout:
    """The cloud ``name``; a new one gets the first free slot (0 is kept for the default cloud).

    Raises HostError when the name is taken by a cloud whose files are elsewhere, when no slot is left, or without root.
    """
    Layout(name, 0, home())  # refuses a wrong name before anything is written
    with _locked():
        return _write(propose(name))


def release(layout: Layout) -> None:
    """Forget the cloud; its slot is free again. The register goes with the last one."""
    with _locked():
        (register() / str(layout.slot)).unlink(missing_ok=True)
        empty = not all_clouds()
    if empty:
        _remove_register()


def _read(file: Path) -> Layout:
    content = json.loads(file.read_text())
    return Layout(content["name"], int(file.name), Path(content["base"]))


def _write(layout: Layout) -> Layout:
    text = json.dumps({"name": layout.name, "base": str(layout.base)}) + "\n"
    scratch = register() / f".{layout.slot}"
    scratch.write_text(text)
    scratch.replace(register() / str(layout.slot))
    return layout


def _free_slot(name: str) -> int:
    taken = {cloud.slot for cloud in all_clouds()}
    candidates = [0] if name == DEFAULT_NAME else range(1, SLOTS)
    free = next((slot for slot in candidates if slot not in taken), None)
    if free is None:
        raise HostError(f"all {SLOTS} places for embedded clouds are taken", hint="agglo dev reset --name NAME")
    return free


@contextmanager
def _locked() -> Iterator[None]:
    try:
        register().mkdir(parents=True, exist_ok=True)
        lock = (register() / ".lock").open("w")
    except PermissionError as error:
        raise HostError("embedded clouds need root", hint="sudo agglo dev up") from error
    except OSError as error:
        raise DevCloudError(f"{register()} cannot be made: {error}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_register() -> None:
    (register() / ".lock").unlink(missing_ok=True)
    for directory in (register(), register().parent):
        try:
            directory.rmdir()
        except OSError:
            return  # somebody else's files, or a cloud that has just been made
