"""Everything that a workflow works with, handed in: the project, the adapters, the clock, the voice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agglo.adapters.protocols import Checks, Cloud, Configurator, Engine, Records, Vault
from agglo.project import Project
from agglo.stack import Site


@dataclass(frozen=True)
class World:
    """``site`` is asked once the Vault answers; ``playbooks`` digests the metropolis's own playbooks; ``say`` gets one
    short line at a time, of what is being done or waited for."""

    project: Project
    engine: Engine
    cloud: Cloud
    vault: Vault
    configurator: Configurator
    checks: Checks
    records: Records
    site: Callable[[], Site]
    assets: Mapping[str, Path]
    playbooks: str
    now: Callable[[], datetime]
    say: Callable[[str], None]
