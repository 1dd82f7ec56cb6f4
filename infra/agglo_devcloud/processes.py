"""Start, find again and end the processes of one embedded cloud.

Each process has a file ``pids/<name>`` with its PID and start time, so that a PID that the kernel gave to somebody else
after a crash or a reboot is never taken for ours, let alone ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import Layout

_POLL = 0.02  # seconds between two looks
_DEATH = 5.0  # seconds that the kernel may take to end a killed process
MARK = "AGGLO_DEV_RUN"  # in the environment of every process: the run directory of the cloud that it belongs to


@dataclass(frozen=True)
class Process:
    """A process that a cloud started: ``start`` is its start time in clock ticks since boot (``/proc/PID/stat``)."""

    name: str
    pid: int
    start: int

    def alive(self) -> bool:
        """True while this very process runs (not a zombie, not another one with its PID)."""
        return start_time(self.pid) == self.start


def start_time(pid: int) -> int | None:
    """Start time of ``pid`` in clock ticks since boot; None when it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    fields = text.rpartition(")")[2].split()  # the command may hold spaces and parentheses
    return None if fields[0] in "ZX" else int(fields[19])


def stopped(pid: int) -> bool:
    """True while ``pid`` is held still (SIGSTOP)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (OSError, UnicodeDecodeError):
        return False


def record(layout: Layout, name: str, pid: int) -> Process:
    """Remember ``pid`` as the cloud's process ``name``."""
    start = start_time(pid)
    if start is None:
        raise StartError(f"{name} ended at once", hint=f"see {layout.log / name}.out")
    layout.pids.mkdir(parents=True, exist_ok=True)
    (layout.pids / name).write_text(f"{pid} {start}\n")
    return Process(name, pid, start)


def find(layout: Layout, name: str) -> Process | None:
    """The running process ``name``, or None when it never started or has ended."""
    try:
        pid, start = map(int, (layout.pids / name).read_text().split())
    except (OSError, ValueError):
        return None
    process = Process(name, pid, start)
    return process if process.alive() else None


def names(layout: Layout) -> list[str]:
    """Names of all processes that were started and not yet forgotten."""
    return sorted(p.name for p in layout.pids.iterdir()) if layout.pids.is_dir() else []


def spawn(
    layout: Layout,
    name: str,
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    netns: str | None = None,
) -> Process:
    """Start ``argv`` as ``name`` in a session of its own, output to ``log/<name>.out``; in ``netns`` if given.

    The namespace is entered by ``nsenter`` (``ip netns exec`` would hide ``/sys/fs/cgroup``).
    """
    layout.log.mkdir(parents=True, exist_ok=True)
    command = [str(word) for word in argv]
    if netns:
        command = ["nsenter", f"--net=/run/netns/{netns}", "--", *command]
    with (layout.log / f"{name}.out").open("ab") as out:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**(os.environ if env is None else env), MARK: str(layout.run)},
        )
    child.returncode = 0  # it is meant to outlive this object, which would complain
    return record(layout, name, child.pid)


def wait_for(
    check: Callable[[], bool],
    what: str,
    *,
    timeout: float,
    process: Process | None = None,
    log: Path | None = None,
) -> None:
    """Poll until ``check`` is true; an OSError counts as "not yet".

    Raises StartError when ``process`` dies first or after ``timeout`` seconds; the message names ``log``.
    """
    see = f"see {log}" if log else "agglo dev status"
    end = time.monotonic() + timeout
    while True:
        try:
            if check():
                return
        except OSError:
            pass
        if process and not process.alive():
            raise StartError(f"{process.name} ended while waiting for {what}", hint=see)
        if time.monotonic() > end:
            raise StartError(f"{what} did not come up in {timeout:.0f} s", hint=see)
        time.sleep(_POLL)


def stop(layout: Layout, stopped: Iterable[str], *, timeout: float = 8) -> None:
    """End the named processes together: SIGTERM, after ``timeout`` seconds SIGKILL; forget them."""
    wanted = list(stopped)
    running = [process for name in wanted if (process := find(layout, name))]
    for number, seconds in ((signal.SIGTERM, timeout), (signal.SIGKILL, _DEATH)):
        for process in running:
            _signal(process, number)
        _wait_dead(running, seconds)
    for name in wanted:
        (layout.pids / name).unlink(missing_ok=True)


def resume(layout: Layout) -> None:
    """Let all of the cloud's processes that are held still go on."""
    for name in names(layout):
        found = find(layout, name)
        if found and stopped(found.pid):
            _signal(found, signal.SIGCONT)


def _wait_dead(waited: Sequence[Process], timeout: float) -> None:
    end = time.monotonic() + timeout
    while any(process.alive() for process in waited) and time.monotonic() < end:
        _reap(waited)
        time.sleep(_POLL)
    _reap(waited)


def strays(layout: Layout) -> list[Process]:
    """Running processes that carry the cloud's mark, recorded or not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            marked = f"{MARK}={layout.run}".encode() in path.read_bytes().split(b"\0")
        except OSError:
            continue
        pid = int(path.parent.name)
        start = start_time(pid) if marked and pid != os.getpid() else None
        if start is not None:
            found.append(Process(f"stray-{pid}", pid, start))
    return found


def stop_strays(layout: Layout, *, timeout: float = 5) -> None:
    """Kill processes of the cloud that no file remembers."""
    end = time.monotonic() + timeout
    while (left := strays(layout)) and time.monotonic() < end:
        for process in left:
            _signal(process, signal.SIGKILL)
        _reap(left)
        time.sleep(_POLL)


def _signal(process: Process, number: int) -> None:
    if process.alive():
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _reap(processes: Iterable[Process]) -> None:
    """Collect our own children, so that they do not stay as zombies of a long-lived caller."""
    for process in processes:
        try:
            os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:
            continue
