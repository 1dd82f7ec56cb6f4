"""What every command needs: the project's root, the connection, the world."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from agglo.adapters.connection import Connection, connect, process_environment
from agglo.adapters.files import find_root, load_project
from agglo.adapters.records import FileRecords
from agglo.project import Project
from agglo.world import World
from agglo_cli.console import Voice, new_voice
from agglo_devcloud import slots
from agglo_devcloud.layout import DEFAULT_NAME


@dataclass
class Session:
    """Made once per process by the main group; loads only what a command asks for."""

    given_root: str | None

    @cached_property
    def root(self) -> Path:
        """The project's folder."""
        return find_root(Path.cwd(), self.given_root or os.environ.get("AGGLO_ROOT"))

    @cached_property
    def project(self) -> Project:
        """Everything that people wrote, checked."""
        return load_project(self.root)

    @cached_property
    def connection(self) -> Connection:
        """Which cloud and Vault."""
        state = self.root / ".agglo" / self.project.metro.region
        return connect(process_environment(connection_file()), state)

    @cached_property
    def records(self) -> FileRecords:
        """What was applied."""
        return FileRecords(self.connection.state)

    @cached_property
    def voice(self) -> Voice:
        """Progress on stderr."""
        return new_voice()

    def world(self) -> World:
        """All adapters."""
        from agglo.adapters.assemble import open_world  # noqa: PLC0415  commands that only read need none of them

        return open_world(self.project, self.connection, self.voice)


pass_session = click.make_pass_decorator(Session)


def connection_file() -> Path | None:
    """``AGGLO_ENV``; else none if the environment names a cloud; else the embedded cloud's."""
    if os.environ.get("AGGLO_ENV"):
        return Path(os.environ["AGGLO_ENV"])
    if os.environ.get("OS_CLOUD"):
        return None
    layout = slots.find(os.environ.get("AGGLO_DEV_CLOUD", DEFAULT_NAME))
    return layout.connection_env if layout else None
