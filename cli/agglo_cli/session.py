"""What every command needs: the project's root, the connection, the world."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import click

from agglo.adapters.catalog_files import load_catalog
from agglo.adapters.connection import Connection, connect, process_environment, state_folder
from agglo.adapters.files import Reading, find_root, read_project, sound
from agglo.adapters.history import History, read_history
from agglo.adapters.records import FileRecords
from agglo.catalog import Catalog
from agglo.errors import InvalidInput, Problem
from agglo.project import Project
from agglo.request import Request
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
        """What people wrote, without the requests that something is wrong with. Raises InvalidInput."""
        return sound(self.reading)

    def request(self, word: str) -> Request:
        """A request by ``<commune>/<service>``. Raises UsageError, or InvalidInput when something is wrong with it."""
        sound(self.reading, word)
        return self.project.request(word)

    @cached_property
    def reading(self) -> Reading:
        """The same with everything that is wrong with it, for commands that tell of it."""
        return read_project(self.root)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalogue alone. Raises InvalidInput."""
        problems: list[Problem] = []
        known = load_catalog(self.root, problems)
        if problems:
            raise InvalidInput(problems, hint="mend these lines and run the same command again")
        return known

    @cached_property
    def history(self) -> History:
        """When lines of the files came to be."""
        return read_history(self.root)

    @cached_property
    def connection(self) -> Connection:
        """Which cloud and Vault."""
        return connect(process_environment(connection_file()), self._default_state)

    @cached_property
    def records(self) -> FileRecords:
        """What was applied; needs no cloud."""
        return FileRecords(state_folder(process_environment(connection_file()), self._default_state))

    @property
    def _default_state(self) -> Path:
        region = self.reading.project.metro.region if self.reading.project else "none"
        return self.root / ".agglo" / region

    @cached_property
    def voice(self) -> Voice:
        """Progress on stderr."""
        return new_voice()

    def world(self, selector: str | None = None, workers: int | None = None) -> World:
        """All adapters; what ``selector`` means has to be right. Raises InvalidInput."""
        sound(self.reading, selector)
        from agglo.adapters.assemble import open_world  # noqa: PLC0415  commands that only read need none of them

        return replace(open_world(self.project, self.connection, self.voice, workers), watch=self.voice.watch)


pass_session = click.make_pass_decorator(Session)


def connection_file() -> Path | None:
    """``AGGLO_ENV``; else none if the environment names a cloud; else the embedded cloud's."""
    if os.environ.get("AGGLO_ENV"):
        return Path(os.environ["AGGLO_ENV"])
    if os.environ.get("OS_CLOUD"):
        return None
    layout = slots.find(os.environ.get("AGGLO_DEV_CLOUD", DEFAULT_NAME))
    return layout.connection_env if layout else None
