"""Everything that people wrote, loaded and checked: the metropolis, its communes, their requests, the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, JsonValue

from agglo.catalog import Catalog, Release, Semver, nearest
from agglo.commune import Commune, Strict
from agglo.errors import Problem, UsageError
from agglo.layers import Key, Layer, Value, make_layer, nest, resolve
from agglo.metro import Metro


class RequestFile(Strict):
    """A commune's ask for an instance: ``stacks/communes/<insee>-<slug>/<service>.yaml``."""

    service: str
    version: Semver
    values: dict[str, JsonValue] = Field(default_factory=dict)


class Group(Strict):
    """``stacks/groups/<name>.yaml``: communes (by slug) that share values (by service)."""

    summary: str
    members: tuple[str, ...] = Field(min_length=1)
    values: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A file as it was read: ``lines`` gives the line (from 1) of each key path."""

    path: Path
    name: str
    lines: Mapping[Key, int]

    def problem(self, key: Key, reason: str, proposal: str = "") -> Problem:
        """A problem at ``key`` of this file."""
        line = next((self.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.lines), 0)
        return Problem(self.path, reason, line, ".".join(key), proposal)


@dataclass(frozen=True)
class Request:
    """A request with the file it came from."""

    commune: Commune
    asked: RequestFile
    source: Source

    @property
    def instance(self) -> str:
        """Name of the instance: ``67447-schiltigheim/portal``."""
        return f"{self.commune.key}/{self.asked.service}"

    @property
    def secrets_path(self) -> str:
        """Where the Vault keeps the instance's secrets, below the KV mount."""
        return f"communes/{self.commune.insee}/{self.asked.service}"

    def secret_path(self, name: str) -> str:
        """Where the Vault keeps one secret."""
        return f"{self.secrets_path}/{name}"


@dataclass(frozen=True)
class SharedValues:
    """Values that a file gives by service below its key ``values`` (defaults, groups, communes).

    ``members`` are the slugs of the communes that they are for; None: all.
    """

    layer: str
    source: Source
    by_service: Mapping[str, Mapping[str, JsonValue]]
    members: tuple[str, ...] | None = None

    def make_layer(self, service: str) -> Layer:
        """The layer of one service."""
        prefix = ("values", service)
        lines = {k[2:]: n for k, n in self.source.lines.items() if k[:2] == prefix and len(k) > 2}
        return make_layer(self.layer, self.source.name, self.by_service.get(service, {}), lines)


@dataclass(frozen=True)
class Project:
    """The whole tree of one metropolis."""

    root: Path
    metro: Metro
    communes: Mapping[str, Commune]  # by INSEE code
    requests: Mapping[str, Request]  # by instance name
    shared: tuple[SharedValues, ...]  # defaults, then groups: earlier first
    commune_values: Mapping[str, SharedValues]  # by INSEE code
    catalog: Catalog

    def commune(self, word: str) -> Commune:
        """A commune by INSEE code, slug or key. Raises UsageError that proposes the nearest."""
        for commune in self.communes.values():
            if word in (commune.insee, commune.slug, commune.key):
                return commune
        known = [c.slug for c in self.communes.values()] + list(self.communes)
        raise UsageError(f"there is no commune '{word}'{nearest(word, known)}", hint="agglo commune list")

    def release(self, request: Request) -> Release:
        """The release that a request pins."""
        return self.catalog.release(request.asked.service, request.asked.version)

    def values(self, request: Request) -> dict[Key, Value]:
        """Resolved values of an instance with their origins."""
        service, release = request.asked.service, self.release(request)
        schema = make_layer("schema", f"{release.folder}/values.schema.json", release.defaults(), {})
        lines = {k[1:]: n for k, n in request.source.lines.items() if k[:1] == ("values",) and len(k) > 1}
        own = make_layer("instance", request.source.name, request.asked.values, lines)
        commune = self.commune_values[request.commune.insee].make_layer(service)
        mine = [s for s in self.shared if s.members is None or request.commune.slug in s.members]
        return resolve([schema, *(s.make_layer(service) for s in mine), commune, own])

    def problems(self, request: Request) -> list[Problem]:
        """What is wrong with a request: unknown service or version, values that its schema refuses."""
        asked = request.asked
        try:
            release = self.release(request)
        except UsageError as error:
            key = ("version",) if asked.service in self.catalog.releases else ("service",)
            return [request.source.problem(key, error.message)]
        values = self.values(request)
        return [self._located(request, values, key, reason) for key, reason in release.errors(nest(values))]

    def _located(self, request: Request, values: Mapping[Key, Value], key: Key, reason: str) -> Problem:
        value = (
            next((v for k, v in values.items() if k[: len(key)] == key or key[: len(k)] == k), None) if key else None
        )
        dotted = ".".join(key)
        if value and value.origin.line and value.origin.file != request.source.name:
            return Problem(self.root / value.origin.file, reason, value.origin.line, dotted)
        return request.source.problem(("values", *key), reason)
