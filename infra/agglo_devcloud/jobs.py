"""Run jobs side by side, each after those that it needs; end all when one fails or a person stops them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from agglo_devcloud.errors import InstallError
from agglo_devcloud.progress import Progress

_GRACE = 10.0  # seconds between SIGTERM and SIGKILL: mmdebstrap removes its mounts
_POLL = 0.05


class StoppedError(InstallError):
    """The job was ended because another one failed or a person asked for it."""


@dataclass
class Commands:
    """The commands that jobs run, so that all can be ended together."""

    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: bool = False

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Run ``argv`` with ``env`` added to the environment, output to the end of ``log``.

        Raises InstallError when it fails, StoppedError when it was ended.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            child = self._start(argv, out.fileno(), {**os.environ, **(env or {})}, cwd)
            try:
                child.wait()
            finally:
                self._running.discard(child)
        if self.stopped:
            raise StoppedError("stopped", hint="run the same command again: it resumes")
        if child.returncode:
            raise InstallError(
                f"'{Path(argv[0]).name}' failed: {_last_line(log)}",
                hint=f"see {log}; then run the same command again, it resumes",
            )

    def _start(
        self, argv: Sequence[str | Path], out: int, env: Mapping[str, str], cwd: Path | None
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self.stopped:
                raise StoppedError("stopped", hint="run the same command again: it resumes")
            try:
                child = subprocess.Popen(
                    [str(word) for word in argv],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=env,
                    cwd=cwd,
                    start_new_session=True,  # one signal reaches its own children too
                )
            except FileNotFoundError as error:
                raise InstallError(f"{argv[0]} is not installed", hint="make setup") from error
            self._running.add(child)
            return child

    def stop(self) -> None:
        """End every running command and refuse new ones."""
        with self._lock:
            self.stopped = True
            children = list(self._running)
        for child in children:
            _signal(child, signal.SIGTERM)
        end = time.monotonic() + _GRACE
        while any(child.poll() is None for child in children) and time.monotonic() < end:
            time.sleep(_POLL)
        for child in children:
            if child.poll() is None:
                _signal(child, signal.SIGKILL)


@dataclass(frozen=True)
class Task:
    """What a job's work receives: how to say what it does, and how to run commands that can be ended."""

    name: str
    progress: Progress
    commands: Commands

    def say(self, text: str) -> None:
        """Tell what is being done."""
        self.progress.update(self.name, text)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """See ``Commands.run``."""
        self.commands.run(argv, log=log, env=env, cwd=cwd)


@dataclass(frozen=True)
class Job:
    """A piece of work, done after the jobs named in ``after``."""

    name: str
    work: Callable[[Task], None]
    after: tuple[str, ...] = ()


def run_jobs(jobs: Sequence[Job], progress: Progress) -> None:
    """Do all jobs. When one fails or on KeyboardInterrupt, the others' commands are ended and none is begun.

    Raises the first failure. ValueError when a job waits for itself or for one that does not exist.
    """
    _check_order(jobs)
    commands = Commands()
    with ThreadPoolExecutor(max_workers=max(len(jobs), 1)) as pool:
        try:
            _run_in_order(list(jobs), progress, commands, pool)
        except BaseException:
            commands.stop()
            raise


def _run_in_order(waiting: list[Job], progress: Progress, commands: Commands, pool: ThreadPoolExecutor) -> None:
    done: set[str] = set()
    running: dict[Future[None], Job] = {}
    while waiting or running:
        for job in [job for job in waiting if set(job.after) <= done]:
            waiting.remove(job)
            running[pool.submit(_do, job, Task(job.name, progress, commands))] = job
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            future.result()
            done.add(running.pop(future).name)


def _do(job: Job, task: Task) -> None:
    start = time.monotonic()
    job.work(task)
    task.progress.finish(job.name, f"{time.monotonic() - start:.0f} s")


def _check_order(jobs: Sequence[Job]) -> None:
    placed: set[str] = set()
    left = list(jobs)
    while left:
        ready = [job for job in left if set(job.after) <= placed]
        if not ready:
            raise ValueError(f"jobs wait for each other or for nothing: {', '.join(job.name for job in left)}")
        placed.update(job.name for job in ready)
        left = [job for job in left if job not in ready]


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it wrote nothing"
