"""The catalogue: services and their immutable releases."""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal

import jsonschema
from pydantic import AfterValidator, Field, JsonValue

from agglo import digest
from agglo.commune import Strict
from agglo.errors import UsageError
from agglo.layers import Key

_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?")


def _semver(value: str) -> str:
    if not _SEMVER.fullmatch(value):
        raise ValueError(f"'{value}' is not a version: MAJOR.MINOR.PATCH such as 1.2.0")
    return value


Semver = Annotated[str, AfterValidator(_semver)]


class Text(Strict):
    """A text for people, French first."""

    fr: str
    en: str


class Upstream(Strict):
    """The software that a release packages."""

    name: str
    version: str
    licence: str
    url: str


class Requires(Strict):
    """Services that must be there first, and the oldest agglo that can apply this release."""

    services: tuple[str, ...] = ()
    agglo: str = ">=0.1"


class Resources(Strict):
    """What one instance takes: a flavor of the metropolis and the TCP ports it serves to the edge."""

    servers: Literal[1] = 1
    flavor: str
    ports: tuple[int, ...] = Field(min_length=1)
    volumes: tuple[str, ...] = ()


class Generate(Strict):
    """How a secret is made: ``length`` characters of ``charset``."""

    length: int = Field(ge=16, le=256)
    charset: Literal["alphanumeric", "hex"] = "alphanumeric"

    @property
    def alphabet(self) -> str:
        """The characters of the charset."""
        return string.hexdigits[:16] if self.charset == "hex" else string.ascii_letters + string.digits


class Secret(Strict):
    """A secret of an instance; its value lives in the Vault only."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    generate: Generate
    rotation_days: int = Field(ge=1)
    summary: Text


class Upgrade(Strict):
    """Versions that this release can be reached from, and the migrations to run."""

    from_: tuple[Semver, ...] = Field(default=(), alias="from")
    migrations: tuple[str, ...] = ()


class Backup(Strict):
    """How the instance's data are kept; ``none`` needs a reason."""

    kind: Literal["none"]
    why: Text


class Web(Strict):
    """What the edge publishes: host label below the commune's zone, the instance's port, a path that answers 200."""

    host: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    port: int = Field(ge=1, le=65535)
    health: str = Field(default="/", pattern=r"^/")


class PersonalData(Strict):
    """Processing of personal data by the service (GDPR article 30); empty needs a reason."""

    processing: tuple[str, ...] = ()
    why: Text


class Cost(Strict):
    """What an instance weighs in the metropolis's accounts; 1 is one small server."""

    weight: float = Field(default=1, gt=0)


class Manifest(Strict):
    """``service.yaml`` of a release."""

    format: Literal[1]
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    version: Semver
    status: Literal["draft", "released", "deprecated", "withdrawn"] = "released"
    summary: Text
    upstream: Upstream
    requires: Requires = Requires()
    tenancy: Literal["dedicated", "shared"] = "dedicated"
    resources: Resources
    secrets: tuple[Secret, ...] = ()
    upgrade: Upgrade = Upgrade()
    backup: Backup
    checks: tuple[str, ...] = Field(min_length=1)
    personal_data: PersonalData
    web: Web
    cost: Cost = Cost()


@dataclass(frozen=True)
class Release:
    """One immutable version of a service: its manifest, the schema of its values and every file below its folder."""

    manifest: Manifest
    schema: Mapping[str, JsonValue]
    files: Mapping[str, bytes] = field(repr=False)
    folder: str = ""

    @property
    def service(self) -> str:
        """Name of the service."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """Version of the release."""
        return self.manifest.version

    @cached_property
    def digest(self) -> str:
        """sha256 of all its files."""
        return digest.of_files(self.files)

    def templates(self) -> dict[str, str]:
        """Text of ``templates/**/*.j2`` by name below ``templates/``."""
        top = "templates/"
        return {
            n.removeprefix(top): c.decode() for n, c in self.files.items() if n.startswith(top) and n.endswith(".j2")
        }

    def defaults(self) -> dict[str, JsonValue]:
        """Defaults that the schema gives to its properties, nested objects included."""
        return _defaults(self.schema)

    def errors(self, values: Mapping[str, JsonValue]) -> list[tuple[Key, str]]:
        """What is wrong with ``values``: key path and reason, in the order of keys."""
        validator = jsonschema.Draft202012Validator(
            dict(self.schema), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        found = sorted(validator.iter_errors(dict(values)), key=lambda e: [str(p) for p in e.absolute_path])
        return [(tuple(str(part) for part in e.absolute_path), _reason(e)) for e in found]


@dataclass(frozen=True)
class Catalog:
    """All releases by service and version."""

    releases: Mapping[str, Mapping[str, Release]]

    def services(self) -> list[str]:
        """Names of services, sorted."""
        return sorted(self.releases)

    def versions(self, service: str) -> list[str]:
        """Versions of a service, oldest first. Raises UsageError when there is no such service."""
        if service not in self.releases:
            raise UsageError(
                f"there is no service '{service}' in the catalogue{nearest(service, self.services())}",
                hint="agglo catalog list",
            )
        return sorted(self.releases[service], key=version_key)

    def release(self, service: str, version: str) -> Release:
        """One release. Raises UsageError that names the nearest service or the versions there are."""
        versions = self.versions(service)
        if version not in versions:
            raise UsageError(
                f"{service} has no version {version}; there is {', '.join(versions)}",
                hint=f"agglo catalog show {service}",
            )
        return self.releases[service][version]


def version_key(version: str) -> tuple[int, int, int, bool, str]:
    """Order of semantic versions; a pre-release comes before its release."""
    match = _SEMVER.fullmatch(version)
    if not match:
        raise ValueError(version)
    major, minor, patch, pre = match.groups()
    return int(major), int(minor), int(patch), pre is None, pre or ""


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _defaults(schema: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    properties = schema.get("properties")
    found: dict[str, JsonValue] = {}
    for name, sub in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(sub, dict):
            continue
        if "default" in sub:
            found[name] = sub["default"]
        elif below := _defaults(sub):
            found[name] = below
    return found


def _reason(error: jsonschema.ValidationError) -> str:
    if (
        error.validator == "additionalProperties"
        and isinstance(error.schema, dict)
        and isinstance(error.instance, dict)
    ):
        known = list(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))
        return "; ".join(f"unknown value '{name}'{nearest(name, known)}" for name in unknown)
    return str(error.message)
