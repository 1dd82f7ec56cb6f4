"""What an embedded cloud needs besides Debian packages: made once, side by side, and kept in the cache."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from agglo_devcloud import database, environment, image
from agglo_devcloud.environment import Environment
from agglo_devcloud.jobs import Job, Task, run_jobs
from agglo_devcloud.layout import cache
from agglo_devcloud.progress import Progress

ENVIRONMENT = "cloud environment"
DATABASE = "database template"
IMAGE = "guest image"


@dataclass(frozen=True)
class Installed:
    """Where the parts are; all of them exist."""

    python: Path  # interpreter of the cloud's own environment
    bao: Path  # the Vault-API server
    image: Path  # the guests' golden image, a squashfs
    database: Path  # files of databases after all migrations


def installed() -> Installed | None:
    """The parts, or None when one is missing; nothing is made."""
    found = places()
    present = environment.ready() and image.whole(found.image) and found.database.is_dir()
    return found if present else None


def ensure(progress: Progress, *, beside: Sequence[Job] = (), more: Sequence[Environment] = ()) -> Installed:
    """Make what is missing, ``more`` environments as well; a rerun goes on where an earlier run was ended.

    ``beside`` is the caller's own work, done at the same time; a job may wait for ENVIRONMENT, DATABASE or IMAGE, and
    then uses what ``places`` says. Raises InstallError, or what that work raises; everything that runs is ended then,
    and on KeyboardInterrupt.
    """
    nothing_missing = installed() is not None and all(known.ready for known in more)
    with contextlib.nullcontext() if nothing_missing else _only_one(progress):
        made = _missing()
        present = {ENVIRONMENT, DATABASE, IMAGE} - {job.name for job in made}
        made += [Job(known.name, known.ensure) for known in more]
        run_jobs([*(_without(job, present) for job in beside), *made], progress)
    return places()


def _missing() -> list[Job]:
    """Jobs for what is not there."""
    found = places()
    jobs = []
    if not environment.ready():
        jobs.append(Job(ENVIRONMENT, environment.ensure))
    if not found.database.is_dir():
        jobs.append(Job(DATABASE, _build_database, tuple(job.name for job in jobs)))
    if not image.whole(found.image):
        jobs.append(Job(IMAGE, image.ensure))
    return jobs


def _without(job: Job, present: Set[str]) -> Job:
    """The job, waiting no more for parts that are there."""
    return replace(job, after=tuple(name for name in job.after if name not in present))


def places() -> Installed:
    """Where the parts are or will be."""
    return Installed(
        python=environment.python(),
        bao=environment.bao(),
        image=image.path(),
        database=cache() / database.template_name(environment.directory().name),
    )


def _build_database(task: Task) -> None:
    database.build_template(environment.python(), places().database, task.progress)


@contextlib.contextmanager
def _only_one(progress: Progress) -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "install.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.update("install", "waiting for another run that installs the same parts")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
