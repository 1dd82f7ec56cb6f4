"""Faults on demand, for tests of what stands on the cloud: each is made, listed and healed by name.

A fault is a file below ``faults`` that says what was done, written first, so that a crashed test leaves nothing that
``heal`` (or ``up``, ``down`` and ``reset``, which heal first) does not find. This machine's own disk is never filled.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from agglo_devcloud import network, processes, vault
from agglo_devcloud.commands import run, succeeds
from agglo_devcloud.errors import DevCloudError
from agglo_devcloud.layout import Layout
from agglo_devcloud.settings import write_private

STOP, SLOW, KILL, CUT, FILL, SEAL = "stop", "slow", "kill", "cut", "fill", "seal"
MIB = 1024 * 1024
_LARGEST = 4096 * MIB  # octets that are copied at most to fill what holds them
_SPARE = 1024 * MIB  # octets of this machine's disk that stay free
_HEALERS = (FILL, CUT, SLOW, STOP, KILL, SEAL)  # in this order: what starts again needs its disk and networks

_BALLAST = ".ballast"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Disk:
    """Data that can be put on a disk of their own: ``service`` writes them below ``path`` of the run directory."""

    service: str
    path: str


DISKS = {
    "images": Disk("glance", "glance/images"),
    "objects": Disk("swift", "swift/dev/d1"),
    "volumes": Disk("cinder", "cinder/volumes"),
}


@dataclass(frozen=True)
class Fault:
    """What was broken: a kind above, and its target. ``note`` says how much; ``pid`` and ``start`` are of a process."""

    kind: str
    target: str
    note: str = ""
    pid: int = 0
    start: int = 0

    @property
    def name(self) -> str:
        """By which it is healed."""
        return f"{self.kind}-{self.target}"

    @property
    def process(self) -> processes.Process:
        """The process that was stopped."""
        return processes.Process(self.target, self.pid, self.start)


def stop(layout: Layout, service: str) -> Fault:
    """Freeze a service: it accepts connections and answers nothing. Raises DevCloudError when it does not run."""
    found = _running(layout, service)
    fault = _record(layout, Fault(STOP, service, "frozen", found.pid, found.start))
    os.kill(found.pid, signal.SIGSTOP)
    processes.wait_for(lambda: processes.stopped(found.pid), f"{service} to hold still", timeout=10, process=found)
    return fault


def kill(layout: Layout, service: str) -> Fault:
    """End a service at once, as a crash does."""
    found = _running(layout, service)
    fault = _record(layout, Fault(KILL, service, "killed", found.pid, found.start))
    os.kill(found.pid, signal.SIGKILL)
    processes.wait_for(lambda: not found.alive(), f"the end of {service}", timeout=10)
    return fault


def slow(layout: Layout, service: str, seconds: float) -> Fault:
    """Let a service work a tenth of a second in every ``seconds``: each answer takes about that long, or a multiple."""
    found = _running(layout, service)
    processes.stop(layout, [_helper(service)])
    fault = _record(layout, Fault(SLOW, service, f"{seconds:g} s", found.pid, found.start))
    module = [sys.executable, "-m", "agglo_devcloud.slowness", str(found.pid), str(found.start), str(seconds)]
    processes.spawn(layout, _helper(service), module)
    return fault


def cables(layout: Layout) -> dict[str, tuple[str, ...]]:
    """What can be cut: name to ports in the namespace of bridges.

    ``public`` is the outside's cable, so floating IPs, the Vault and DNS are out of each other's reach; a compute host
    has one to the underlay (geneve) and one to the provider network.
    """
    plan = network.plan(layout)
    found = {"public": tuple(veth.port for veth in plan.veths if veth.netns == plan.outside)}
    for number, host in enumerate((name for name in plan.namespaces if name not in (plan.switch, plan.outside)), 1):
        ports = {veth.bridge: veth.port for veth in plan.veths if veth.netns == host}
        found[f"compute-{number}"] = tuple(ports.values())
        found |= {f"compute-{number}-{bridge}": (port,) for bridge, port in ports.items()}
    return found


def cut(layout: Layout, cable: str) -> Fault:
    """Unplug a cable of ``cables``."""
    ports = _known(cables(layout), cable, "network")
    fault = _record(layout, Fault(CUT, cable, "no carrier"))
    _set_links(layout, ports, "down")
    return fault


def seal(layout: Layout, bao: Path) -> Fault:
    """Seal the Vault: it runs and answers 503."""
    fault = _record(layout, Fault(SEAL, vault.NAME, "sealed"))
    vault.seal(layout, bao)
    return fault


def fill(layout: Layout, data: str, left: int) -> Fault:
    """Move data of ``DISKS`` to a disk of their own with ``left`` octets free: a sparse file, mounted over them.

    Raises DevCloudError when the data are too large for this, or in use by a guest.
    """
    disk = _known(DISKS, data, "data")
    fault = Fault(FILL, data, f"{left / MIB:g} MiB left")
    if _image(layout, data).exists():
        raise DevCloudError(f"the disk of {data} is full already", hint=f"agglo dev fault heal {fault.name}")
    directory = layout.run / disk.path
    used = _used(directory)
    _check_room(layout, data, used)
    _record(layout, fault)
    with _frozen(layout, disk.service):
        _make_disk(_image(layout, data), directory, used, left)
        run(["mount", "-o", "loop", _image(layout, data), directory])
    return fault


def current(layout: Layout) -> list[Fault]:
    """Faults that are there now; one that ended by itself, or was mended another way, is not."""
    return [fault for fault in _records(layout) if _lasts(layout, fault)]


def heal(layout: Layout, fault: Fault) -> None:
    """Undo the fault; what was killed or sealed is started again by ``lifecycle``. Nothing when it is over."""
    if fault.kind == SLOW:
        processes.stop(layout, [_helper(fault.target)])
    if fault.kind in (STOP, SLOW) and fault.process.alive():
        os.kill(fault.pid, signal.SIGCONT)
    if fault.kind == CUT and network.exists(network.plan(layout).switch):
        _set_links(layout, cables(layout).get(fault.target, ()), "up")
    if fault.kind == FILL:
        _empty(layout, fault.target)
    _file(layout, fault).unlink(missing_ok=True)


def heal_all(layout: Layout) -> list[Fault]:
    """Heal all of them; those that were there. Raises the first DevCloudError after all were tried."""
    healed, failures = [], []
    for fault in sorted(_records(layout), key=lambda known: _HEALERS.index(known.kind)):
        try:
            heal(layout, fault)
            healed.append(fault)
        except DevCloudError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
    return healed


def find(layout: Layout, name: str) -> Fault:
    """The fault ``name``. Raises DevCloudError when there is none."""
    known = {fault.name: fault for fault in _records(layout)}
    if name not in known:
        there = f"; there is {', '.join(known)}" if known else ""
        raise DevCloudError(f"there is no fault '{name}'{there}", hint="agglo dev fault list")
    return known[name]


def _running(layout: Layout, service: str) -> processes.Process:
    found = processes.find(layout, service)
    if found is None or service.startswith(("guest-", "fault-")):
        running = [name for name in processes.names(layout) if not name.startswith(("guest-", "fault-"))]
        there = ", ".join(name for name in running if processes.find(layout, name)) or "none: the cloud is down"
        raise DevCloudError(f"no service '{service}' runs", hint=f"one of: {there}")
    return found


def _known(known: Mapping[str, _T], name: str, what: str) -> _T:
    if name not in known:
        raise DevCloudError(f"there is no {what} '{name}'", hint=f"one of: {', '.join(known)}")
    return known[name]


def _record(layout: Layout, fault: Fault) -> Fault:
    """Written before anything is broken, so that nothing is broken that nobody can heal."""
    write_private(_file(layout, fault), json.dumps(asdict(fault)))
    return fault


def _file(layout: Layout, fault: Fault) -> Path:
    return layout.run / "faults" / f"{fault.name}.json"


def _records(layout: Layout) -> list[Fault]:
    found = []
    for path in sorted((layout.run / "faults").glob("*.json")):
        with contextlib.suppress(ValueError, TypeError, OSError):  # half written, when the machine went down
            found.append(Fault(**json.loads(path.read_text())))
    return [fault for fault in found if fault.kind in _HEALERS]


def _lasts(layout: Layout, fault: Fault) -> bool:
    if fault.kind in (STOP, SLOW):
        helper = processes.find(layout, _helper(fault.target))
        return fault.process.alive() and (processes.stopped(fault.pid) or helper is not None)
    if fault.kind == KILL:
        return processes.find(layout, fault.target) is None
    if fault.kind == SEAL:
        return processes.find(layout, vault.NAME) is not None and not vault.healthy(layout)
    if fault.kind == FILL:
        return _image(layout, fault.target).exists()
    down = network.down_links(network.plan(layout).switch)
    return bool(down & set(cables(layout).get(fault.target, ())))


def _helper(service: str) -> str:
    return f"fault-slow-{service}"


def _set_links(layout: Layout, ports: Sequence[str], state: str) -> None:
    for port in ports:
        run(["ip", "-n", network.plan(layout).switch, "link", "set", port, state])


def _image(layout: Layout, data: str) -> Path:
    return layout.run / "faults" / f"{data}.disk"


def _used(directory: Path) -> int:
    """Octets of the data as they would lie on another disk."""
    return int(run(["du", "-s", "--block-size=1", directory]).split()[0])


def _check_room(layout: Layout, data: str, used: int) -> None:
    if used > _LARGEST:
        raise DevCloudError(f"the {data} take {used // MIB} MiB, more than can be moved ({_LARGEST // MIB} MiB)")
    if shutil.disk_usage(layout.run).free < used + _SPARE:
        raise DevCloudError(
            f"to fill the disk of {data}, {(used + _SPARE) // MIB} MiB must be free for {layout.run}",
            hint="free some, or use another cloud",
        )
    directory = str(layout.run / DISKS[data].path)
    backing = Path("/sys/block").glob("loop*/loop/backing_file")
    if any(path.read_text().startswith(f"{directory}/") for path in backing):
        raise DevCloudError(f"some of the {data} are in use by guests", hint="detach them first")


def _make_disk(image: Path, directory: Path, used: int, left: int) -> None:
    """A disk with what is in ``directory`` and ``left`` octets free; it gets its name only when all of it is there."""
    scratch = image.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    size = used + left + 32 * MIB
    with scratch.open("wb") as file:
        file.truncate(size + size // 16)  # what the file system takes for itself
    run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", scratch])
    with _mounted(scratch) as mounted:
        run(["cp", "-a", f"{directory}/.", mounted], timeout=300)
        _leave(mounted, left)
    scratch.replace(image)


@contextmanager
def _mounted(image: Path) -> Iterator[Path]:
    """The disk on a directory of its own."""
    scratch = image.with_suffix(".mnt")
    scratch.mkdir(exist_ok=True)
    run(["mount", "-o", "loop", image, scratch])
    try:
        yield scratch
    finally:
        run(["umount", scratch])
        scratch.rmdir()


def _leave(directory: Path, left: int) -> None:
    """Reserve all but ``left`` octets; a reservation takes no room on the machine's own disk."""
    shutil.rmtree(directory / "lost+found", ignore_errors=True)
    free = shutil.disk_usage(directory).free - left
    if free > 0:
        run(["fallocate", "-l", str(free), directory / _BALLAST])


def _empty(layout: Layout, data: str) -> None:
    """Move the data back, all or nothing; also when the machine was restarted meanwhile and nothing is mounted."""
    image, disk = _image(layout, data), DISKS[data]
    directory = layout.run / disk.path
    with _frozen(layout, disk.service):
        if directory.is_mount() and not succeeds(["umount", directory]):
            run(["umount", "--lazy", directory])
        if image.exists():
            _replace(image, directory)
            image.unlink()


def _replace(image: Path, directory: Path) -> None:
    new, old = (directory.with_name(f".{directory.name}.{word}") for word in ("new", "old"))
    for path in (new, old):
        shutil.rmtree(path, ignore_errors=True)
    with _mounted(image) as scratch:
        (scratch / _BALLAST).unlink(missing_ok=True)
        run(["cp", "-a", scratch, new], timeout=300)
    directory.rename(old)
    new.rename(directory)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _frozen(layout: Layout, service: str) -> Iterator[None]:
    """Keep a service from writing while its data move."""
    found = processes.find(layout, service)
    if found is None or processes.stopped(found.pid):
        yield
        return
    os.kill(found.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(found.pid, signal.SIGCONT)
