"""Start, stop and remove one embedded cloud. ``up`` restarts exactly what is dead; every function may be repeated."""

from __future__ import annotations

import errno
import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from agglo_devcloud import (
    bootstrap,
    cgroups,
    config,
    connection,
    database,
    disks,
    dns,
    faults,
    guests,
    mariadb,
    network,
    ovn,
    processes,
    relay,
    services,
    settings,
    vault,
)
from agglo_devcloud.errors import DevCloudError, StartError
from agglo_devcloud.faults import Fault
from agglo_devcloud.guests import Guest
from agglo_devcloud.install import Installed
from agglo_devcloud.layout import Layout
from agglo_devcloud.progress import Progress, step
from agglo_devcloud.status import Status, is_up, status

_SOCKET_NAME = 107  # octets, a limit of the kernel
_DISK_FULL = 64 * 1024 * 1024  # octets: with less left, a failure is the disk's

__all__ = ["Status", "down", "heal", "reset", "status", "traces", "up"]


def up(layout: Layout, installed: Installed, progress: Progress) -> bool:
    """Start what does not run; False when all of it did.

    Faults made on demand are healed. Raises StartError, naming the log, or the disk when it is full; what this call
    had started is stopped again.
    """
    _check_length(layout)
    with _explained(layout), _alone(layout, progress):
        return False if is_up(layout) else _bring_up(layout, installed, progress)


def heal(layout: Layout, installed: Installed, healed: Sequence[Fault], progress: Progress) -> None:
    """Undo faults, and start again what they had ended. Raises StartError."""
    with _explained(layout), _alone(layout, progress):
        for fault in healed:
            with step(progress, fault.name, "healing"):
                faults.heal(layout, fault)
        if any(fault.kind in (faults.KILL, faults.SEAL) for fault in healed):
            _start(layout, installed, progress)


@contextmanager
def _explained(layout: Layout) -> Iterator[None]:
    """Say that the disk is full where that is the reason of a failure, whatever failed by it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _full(layout, f"the cloud '{layout.name}' could not be started") from error
    except StartError as error:
        if not layout.run.exists() or shutil.disk_usage(layout.run).free >= _DISK_FULL:
            raise
        raise _full(layout, error.message) from error


def _full(layout: Layout, message: str) -> StartError:
    free = shutil.disk_usage(layout.base).free // 2**20
    return StartError(
        f"{message}: the disk of {layout.base} is full ({free} MiB left)",
        hint=f"free some, then agglo dev up --name {layout.name}; or agglo dev reset --name {layout.name}",
    )


def _bring_up(layout: Layout, installed: Installed, progress: Progress) -> bool:
    _mend(layout, progress)
    before = set(_alive(layout))
    if not before:
        _clear(layout)
    try:
        _start(layout, installed, progress)
    except BaseException:
        progress.update("cloud", "stopping what was started")
        _stop_newer(layout, before, progress)
        raise
    return True


def _mend(layout: Layout, progress: Progress) -> None:
    """Heal faults, and let go on what something else holds still."""
    for fault in faults.heal_all(layout):
        progress.finish(fault.name, "healed")
    processes.resume(layout)


def _clear(layout: Layout) -> None:
    """Remove what a run that crashed left where nothing recorded runs: processes, mounts, groups, namespaces.

    Its processes would hold the cloud's ports, and its guests' namespaces would stay for ever.
    """
    processes.stop_strays(layout)
    guests.stop_all(layout)
    network.down(layout)


@contextmanager
def _alone(layout: Layout, progress: Progress) -> Iterator[None]:
    """Hold the cloud's lock: two commands on one cloud wait for each other."""
    layout.base.mkdir(parents=True, exist_ok=True)
    with _lock_file(layout).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.update("cloud", "waiting for another command on this cloud")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock_file(layout: Layout) -> Path:
    return layout.base / f".{layout.name}.lock"


def _check_length(layout: Layout) -> None:
    """Unix sockets have short names: better one clear error now than a strange one of Open vSwitch later."""
    longest = layout.ovs / "c1" / "ovn-controller.4194304.ctl"
    if len(str(longest)) > _SOCKET_NAME:
        raise StartError(f"{layout.run} is too long a path for sockets", hint="choose a shorter AGGLO_DEV_HOME")


def _start(layout: Layout, installed: Installed, progress: Progress) -> None:
    venv = installed.python.parent.parent
    config.write(layout, settings.load_or_make(layout), venv)
    processes.stop(layout, [name for name in services.PROCESSES if services.hung(layout, name)], timeout=2)
    with step(progress, "network", "making namespaces"):
        network.up(layout)
    with _Jobs(layout) as jobs:
        jobs.add(_start_base, layout, installed, progress)
        jobs.add(_start_vault, layout, installed, progress)
        jobs.add(bootstrap.prepare, layout)
        jobs.wait()
    _start_services(layout, progress)
    connection.write(layout, installed)


def _start_base(layout: Layout, installed: Installed, progress: Progress) -> None:
    """What the services stand on, side by side; then keystone, which all others ask."""
    services.start_swift(layout, installed.python)
    with _Jobs(layout) as jobs:
        jobs.add(_start_databases, layout, installed, progress)
        jobs.add(_start_ovn, layout, progress)
        jobs.add(_timed, progress, "dns", "waiting for BIND", partial(dns.start, layout))
        jobs.add(
            _timed, progress, "zygote", "loading libraries", partial(services.start_zygote, layout, installed.python)
        )
        jobs.wait()
    for name in services.FIRST:
        services.fork(layout, name)
    with step(progress, "keystone", "loading"):
        services.wait_ready(layout, "keystone")


def _start_databases(layout: Layout, installed: Installed, progress: Progress) -> None:
    with step(progress, "database", "copying the template"):
        database.unpack(layout, installed.database)
        progress.update("database", "waiting for MariaDB")
        mariadb.start(layout)


def _start_ovn(layout: Layout, progress: Progress) -> None:
    with step(progress, "ovn", "waiting for OVN and the compute hosts' switches"):
        if ovn.start(layout):
            processes.stop(layout, ["nova"])  # it plugs its guests into the new switch as it starts


def _start_vault(layout: Layout, installed: Installed, progress: Progress) -> None:
    relay.start(layout)
    vault.start(layout, installed.bao, progress)


def _start_services(layout: Layout, progress: Progress) -> None:
    """Fork every service, then wait for all, doing the first start's work as soon as each is there."""
    others = [name for name in services.FORKED if name != "keystone"]
    for name in others:
        services.fork(layout, name)
    after = {"neutron": partial(bootstrap.network, layout), "cinder": partial(bootstrap.volume_type, layout)}
    with _Jobs(layout) as jobs:
        for name in (*others, services.SWIFT):
            jobs.add(_finish_service, layout, name, after.get(name), progress)
        jobs.wait()


def _finish_service(layout: Layout, name: str, after: Callable[[], None] | None, progress: Progress) -> None:
    with step(progress, name, "loading"):
        services.wait_ready(layout, name)
        if after:
            progress.update(name, "first start")
            after()


def _timed(progress: Progress, task: str, state: str, work: Callable[[], object]) -> None:
    with step(progress, task, state):
        work()


class _Jobs:
    """Work side by side; the first failure ends the wait, and leaving the block waits for the rest to end."""

    def __init__(self, layout: Layout) -> None:
        self._pool = ThreadPoolExecutor(12)
        self._before = set(_alive(layout))
        self._layout = layout
        self._futures: list[Future[None]] = []

    def __enter__(self) -> _Jobs:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:  # end what the others wait for: each wait ends when its process does
            self._pool.shutdown(wait=False, cancel_futures=True)
            _stop_in_order(self._layout, [name for name in _alive(self._layout) if name not in self._before])
        self._pool.shutdown()

    def add(self, work: Callable[..., None], *arguments: object) -> None:
        self._futures.append(self._pool.submit(work, *arguments))

    def wait(self) -> None:
        """Raises the first failure."""
        for future in as_completed(self._futures):
            future.result()


def _alive(layout: Layout) -> list[str]:
    return [name for name in processes.names(layout) if processes.find(layout, name)]


def _stop_newer(layout: Layout, before: set[str], progress: Progress) -> None:
    """Stop what was not running ``before``; with nothing before, that is everything."""
    if not before:
        _bring_down(layout, progress)
        return
    _stop_in_order(layout, [name for name in _alive(layout) if name not in before])


def _stop_in_order(layout: Layout, names: list[str]) -> None:
    """Services first: a running Nova would start the switches again."""
    processes.stop(layout, [name for name in names if name in services.PROCESSES], timeout=2)
    stopped = [Guest(layout, name.removeprefix("guest-")) for name in names if name.startswith("guest-")]
    guests.stop(layout, stopped)
    for guest in stopped:
        disks.release(guest)
    processes.stop(layout, names)


def down(layout: Layout, progress: Progress) -> bool:
    """Stop everything and keep the data; False when nothing was running or left.

    Guests that run now run again after ``up``. Goes through all steps, then raises the first failure.
    """
    with _alone(layout, progress):
        return _bring_down(layout, progress)


def _bring_down(layout: Layout, progress: Progress) -> bool:
    running = bool(_alive(layout) or network.namespaces(layout) or cgroups.groups(layout))
    failures = [failure for work in _stopping(layout, progress) if (failure := _attempt(work))]
    shutil.rmtree(layout.run / "ready", ignore_errors=True)
    if failures:
        raise failures[0]
    return running


def _stopping(layout: Layout, progress: Progress) -> Iterator[Callable[[], None]]:
    """The steps down, in order: Nova must be gone before guests stop, or it would record that they did."""

    def heal_faults() -> None:
        faults.heal_all(layout)  # what is held still would not end by itself, data on a disk of their own be lost
        processes.resume(layout)

    def stop_services() -> None:
        with step(progress, "services", "stopping"):
            processes.stop(layout, [*services.FORKED, services.SWIFT], timeout=4)
            processes.stop(layout, [services.ZYGOTE], timeout=4)  # last: it collects the others

    def stop_guests() -> None:
        with step(progress, "guests", "shutting down"):
            guests.stop_all(layout)
            disks.release_all(layout)

    def stop_rest() -> None:
        with step(progress, "cloud", "stopping databases and networks"):
            with ThreadPoolExecutor(5) as pool:
                list(pool.map(lambda work: work(layout), (vault.stop, relay.stop, dns.stop, ovn.stop, mariadb.stop)))
            processes.stop(layout, processes.names(layout))

    yield heal_faults
    yield stop_services
    yield stop_guests
    yield stop_rest
    yield partial(network.down, layout)


def _attempt(work: Callable[[], None]) -> DevCloudError | None:
    """Do it; the failure, for the end."""
    try:
        work()
    except DevCloudError as failure:
        return failure
    except OSError as error:
        return StartError(f"stopping failed: {error}", hint="agglo dev reset")
    return None


def traces(layout: Layout) -> bool:
    """True when there is anything of the cloud: files, processes, namespaces, control groups."""
    left = network.namespaces(layout) or cgroups.groups(layout) or processes.strays(layout)
    return layout.run.exists() or bool(left)


def reset(layout: Layout, progress: Progress) -> None:
    """Stop everything and delete the run directory, whatever state it is in. Raises StartError if files remain."""
    with _alone(layout, progress):
        with suppress(DevCloudError):
            _bring_down(layout, progress)
        with step(progress, "reset", "removing what is left"):
            processes.stop_strays(layout)
            for work in (
                partial(guests.stop_all, layout),
                partial(disks.release_all, layout),
                partial(network.down, layout),
            ):
                _attempt(work)
            _remove(layout)
        _lock_file(layout).unlink(missing_ok=True)


def _remove(layout: Layout) -> None:
    for _ in range(3):  # a dying process may still write
        shutil.rmtree(layout.run, ignore_errors=True)
        if not layout.run.exists():
            return
        time.sleep(0.2)
    raise StartError(f"{layout.run} could not be deleted", hint="see what is mounted or open below it: findmnt, lsof")
