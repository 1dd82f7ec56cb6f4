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
from dataclasses import replace
from pathlib import Path

from agglo_devcloud.errors import DevCloudError, HostError
from agglo_devcloud.layout import DEFAULT_NAME, REGION, Layout, home, region_cloud

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
    except OSError as error:
        raise HostError(f"{register()} cannot be read: {error}", hint="sudo agglo dev list") from error
    return [cloud for file in files if (cloud := _read(file))]


def find(name: str) -> Layout | None:
    """The cloud ``name``, or None when it was never made."""
    return next((cloud for cloud in all_clouds() if cloud.name == name), None)


def propose(name: str, region: str = "") -> Layout:
    """What ``allot`` would answer now; nothing is written. Raises HostError like it."""
    wanted = Layout(name, 0, home())
    if region:
        if find(name) is None:
            raise DevCloudError(f"there is no embedded cloud '{name}' for a region beside it", hint="agglo dev up")
        wanted = Layout(region_cloud(name, region), 0, home(), region, name)
    found = find(wanted.name)
    if found and (found.base != wanted.base or (region and found.beside != name)):
        raise HostError(f"there is already a cloud '{found.name}', in {found.run}", hint="choose another name")
    return found or replace(wanted, slot=_free_slot(wanted.name))


def allot(name: str, region: str = "") -> Layout:
    """The cloud ``name``, or the one that is the region ``region`` beside it.

    A new one gets the first free slot (0 is kept for the default cloud). Raises HostError when its name is taken by a
    cloud whose files are elsewhere, when no slot is left, or without root; DevCloudError for a wrong name.
    """
    propose(name, region)  # refuses before anything is written
    with _locked():
        return _write(propose(name, region))


def regions(layout: Layout) -> list[Layout]:
    """The cloud and those that are other regions beside it, by slot."""
    return [cloud for cloud in all_clouds() if (cloud.beside or cloud.name) == (layout.beside or layout.name)]


def release(layout: Layout) -> None:
    """Forget the cloud; its slot is free again. The register goes with the last one."""
    with _locked():
        (register() / str(layout.slot)).unlink(missing_ok=True)
        empty = not all_clouds()
    if empty:
        _remove_register()


def _read(file: Path) -> Layout | None:
    """The cloud; None when it was released just now."""
    try:
        content = json.loads(file.read_text())
        place = {"region": content.get("region", REGION), "beside": content.get("beside", "")}
        return Layout(content["name"], int(file.name), Path(content["base"]), **place)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise HostError(f"{file} cannot be read", hint="sudo agglo dev list") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = f"rm {file}, then agglo dev reset --name NAME for the cloud that it was of"
        raise HostError(f"{file} is damaged: {error}", hint=hint) from error


def _write(layout: Layout) -> Layout:
    known = {"name": layout.name, "base": str(layout.base), "region": layout.region, "beside": layout.beside}
    text = json.dumps(known) + "\n"
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
