"""Requests: a commune's ask for a service, as it stands in a file, and what it makes: an instance or a membership."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue, StrictBool, StrictStr

from agglo.errors import Problem
from agglo.layers import Key
from agglo.manifest import Tenancy
from agglo.metro import Tenant
from agglo.reasons import Why
from agglo.versions import Semver
from agglo.words import NOTHING, Strict, Words


class Refusal(Strict):
    """The metropolis's answer when it does not grant a request."""

    why: str = Field(min_length=3)
    date: datetime.date


class RequestFile(Strict):
    """A tenant's ask for a service: ``stacks/communes/<insee>-<slug>/<service>.yaml``, ``stacks/metro/<service>.yaml``.

    ``version`` pins a release; a membership has none, since it follows the shared instance. ``why`` gives the reason
    for each value that differs from the shared ones. ``domains`` are host names of the commune's own that lead to the
    service too. In ``maintenance`` (true, or a sentence in French for citizens) the edges answer in its place.
    """

    service: str
    version: Semver | None = None
    tenancy: Tenancy | None = None
    values: dict[str, JsonValue] = Field(default_factory=dict)
    why: Why = Field(default_factory=dict)
    domains: tuple[str, ...] = Field(default=(), max_length=50)
    maintenance: StrictBool | Annotated[StrictStr, Field(min_length=3, max_length=300)] = False
    refused: Refusal | None = None


class Role(StrEnum):
    """What a request makes."""

    DEDICATED = "dedicated"  # an instance for its tenant alone
    SHARED = "shared"  # an instance of the metropolis that serves communes
    MEMBER = "member"  # a place in a shared instance: no server


@dataclass(frozen=True)
class Source:
    """A file as it was read: ``lines`` gives the line (from 1) of each key path."""

    path: Path
    name: str
    lines: Mapping[Key, int]

    def problem(self, key: Key, reason: Words, proposal: Words = NOTHING) -> Problem:
        """A problem at ``key`` of this file, at its line or that of the nearest key above."""
        line = next((self.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.lines), 0)
        return Problem(self.path, reason, line, ".".join(key), proposal)


@dataclass(frozen=True)
class Request:
    """A request with the file it came from; ``version`` is the pinned one, or that of the shared instance."""

    tenant: Tenant
    asked: RequestFile
    source: Source
    role: Role = Role.DEDICATED
    version: str = ""

    @property
    def service(self) -> str:
        """Name of the service."""
        return self.asked.service

    @property
    def instance(self) -> str:
        """Name of the instance: ``67447-schiltigheim/portal``."""
        return f"{self.tenant.key}/{self.service}"

    @property
    def secrets_path(self) -> str:
        """Where the Vault keeps the instance's secrets, below the KV mount."""
        return f"communes/{self.tenant.code}/{self.service}"

    def secret_path(self, name: str) -> str:
        """Where the Vault keeps one secret."""
        return f"{self.secrets_path}/{name}"
