"""Everything that a workflow works with, handed in: the project, the adapters, the clock, the voice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agglo.adapters.protocols import Checks, Cloud, Configurator, Engine, Names, Records, Vault
from agglo.outcome import Ended
from agglo.project import Project
from agglo.stack import Site


@dataclass(frozen=True)
class Progress:
    """Where a run over many stacks is: of ``total``, those that are ``done`` and ``failed``, titles of those that run.

    ``title`` is the stack that has just ``ended``, if one has.
    """

    total: int
    done: int
    failed: int
    running: tuple[str, ...]
    title: str = ""
    ended: Ended | None = None


@dataclass(frozen=True)
class World:
    """``site`` is asked once the Vault answers; ``playbooks`` digests the metropolis's own playbooks; ``say`` gets one
    short line at a time, of what is being done or waited for (``<stack's title>: …`` where it is one stack's);
    ``watch`` gets word when a stack begins or ends; ``workers`` engines run side by side (None: as ``survey.pace``
    says)."""

    project: Project
    engine: Engine
    cloud: Cloud
    vault: Vault
    configurator: Configurator
    checks: Checks
    records: Records
    names: Names
    site: Callable[[], Site]
    assets: Mapping[str, Path]
    playbooks: str
    now: Callable[[], datetime]
    say: Callable[[str], None]
    watch: Callable[[Progress], None] = lambda _: None
    workers: int | None = 1
