"""The catalogue: services, their immutable releases, and the index that says in which state each release is."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pydantic
from pydantic import Field, JsonValue, model_validator

from agglo import digest
from agglo import schema as schemas
from agglo.errors import UsageError
from agglo.layers import Key, Layer, make_layer, nest, resolve
from agglo.manifest import Manifest
from agglo.render import SUFFIX, Templates
from agglo.versions import Semver, matches, version_key
from agglo.words import Lang, Strict, Text, Words
from agglo.wrong import nearest
from agglo.yaml_text import YamlError, parse_yaml

State = Literal["draft", "released", "deprecated", "withdrawn"]


class Entry(Strict):
    """A line of the index. A draft may be asked for by ``communes`` only (slugs); all else never changes any more."""

    state: State
    date: datetime.date | None = None
    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    communes: tuple[str, ...] = ()
    why: Text | None = None
    use: Semver | None = None

    @model_validator(mode="after")
    def _complete(self) -> Entry:
        if self.state == "draft":
            return self
        needed = ("date", "digest") if self.state == "released" else ("date", "digest", "why")
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{self.state} needs {', '.join(missing)}")
        return self


class Index(Strict):
    """``catalog/<service>/releases.yaml``."""

    releases: dict[Semver, Entry] = Field(default_factory=dict)


DRAFT = Entry(state="draft")
CHANGELOGS: Mapping[Lang, str] = {"fr": "CHANGELOG.fr.md", "en": "CHANGELOG.md"}  # beside the versions of a service


class _ExampleFile(Strict):
    summary: Text
    values: dict[str, JsonValue]


@dataclass(frozen=True)
class Example:
    """A named set of values in ``examples/``; ``problems`` says why the file is none."""

    name: str
    file: str
    values: Mapping[str, JsonValue]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Release:
    """One version of a service: its manifest, the schema of its values and every file below its folder."""

    manifest: Manifest
    schema: schemas.Schema
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

    @cached_property
    def templates(self) -> Templates:
        """``templates/**/*.j2`` by name below ``templates/``. UnicodeDecodeError when one is no UTF-8."""
        top = "templates/"
        texts = {n.removeprefix(top): c.decode() for n, c in self.files.items() if n.startswith(top)}
        return Templates({name: text for name, text in texts.items() if name.endswith(SUFFIX)})

    def defaults(self) -> dict[str, JsonValue]:
        """Defaults that the schema gives to its properties, nested objects included."""
        return schemas.defaults(self.schema)

    @cached_property
    def default_layer(self) -> Layer:
        """The lowest layer of values: the schema's defaults."""
        return make_layer("schema", f"{self.folder}/values.schema.json", self.defaults(), {})

    @cached_property
    def examples(self) -> dict[str, Example]:
        """Its examples by name."""
        names = sorted(n for n in self.files if n.startswith("examples/") and n.endswith((".yaml", ".yml")))
        return {e.name: e for e in (_example(name, self.files[name]) for name in names)}

    def values_of(self, example: Example) -> dict[str, JsonValue]:
        """All values of an example: its own over the schema's defaults."""
        return nest(resolve([self.default_layer, make_layer("example", example.file, example.values, {})]))

    @cached_property
    def _validator(self) -> schemas.Validator:
        return schemas.compiled(self.schema)

    def errors(self, values: Mapping[str, JsonValue]) -> list[tuple[Key, Words]]:
        """What is wrong with ``values``: key path and reason, in the order of keys."""
        return schemas.problems(self.schema, dict(values), self._validator)


@dataclass(frozen=True)
class Catalog:
    """All releases by service and version; ``indexes`` by service; ``changelogs`` by service and language."""

    releases: Mapping[str, Mapping[str, Release]]
    indexes: Mapping[str, Index] = field(default_factory=dict)
    changelogs: Mapping[str, Mapping[Lang, str]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Release]:
        return (self.releases[s][v] for s in self.services() for v in self.versions(s))

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

    def entry(self, release: Release) -> Entry:
        """What the index says of a release; what it does not name is a draft that nobody may ask for."""
        index = self.indexes.get(release.service)
        return index.releases.get(release.version, DRAFT) if index else DRAFT

    def offered(self, service: str, slug: str) -> list[str]:
        """The versions that a commune may ask for, oldest first: drafts only where it tries them, none withdrawn."""
        entries = {v: self.entry(self.releases[service][v]) for v in self.versions(service)}
        return [v for v, e in entries.items() if e.state in ("released", "deprecated") or slug in e.communes]

    def newest(self, service: str) -> str:
        """The newest version that is released; where there is none, the newest there is."""
        versions = self.versions(service)
        good = [v for v in versions if self.entry(self.releases[service][v]).state == "released"]
        return (good or versions)[-1]

    def next_good(self, release: Release) -> str | None:
        """What to ask for instead of a deprecated or withdrawn release: what the index says, else the next released."""
        entry, own = self.entry(release), version_key(release.version)
        if entry.use:
            return entry.use
        known = (self.releases[release.service][v] for v in self.versions(release.service))
        good = [r.version for r in known if self.entry(r).state == "released"]
        return next((v for v in good if version_key(v) > own), good[-1] if good else None)

    def told(self, release: Release, lang: Lang) -> str:
        """What the service's changelog says of a release (the format is keepachangelog.com's); empty: nothing."""
        changelog = self.changelogs.get(release.service, {}).get(lang, "")
        heading = rf"^## \[{re.escape(release.version)}\][^\n]*\n"
        found = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
        return found[1].strip() if found else ""

    def before(self, release: Release) -> Release | None:
        """The release that comes right before this one, of those that are no drafts."""
        own = version_key(release.version)
        known = [self.releases[release.service][v] for v in self.versions(release.service)]
        older = [r for r in known if version_key(r.version) < own and self.entry(r).state != "draft"]
        return older[-1] if older else None

    def cycle(self, service: str) -> list[str]:
        """Services that need each other in a circle, beginning and ending with ``service``; empty: there is none."""
        return self._circle(service, [service])

    def _circle(self, goal: str, path: list[str]) -> list[str]:
        for needed in self.needs(path[-1]):
            if needed == goal:
                return [*path, goal]
            if needed in self.releases and needed not in path and (found := self._circle(goal, [*path, needed])):
                return found
        return []

    def needs(self, service: str) -> list[str]:
        """Services that any release of a service needs."""
        return sorted({name for r in self.releases[service].values() for name in r.manifest.requires.services})

    def satisfying(self, service: str, wanted: str) -> list[str]:
        """Released versions of a service within a range, oldest first."""
        versions = self.versions(service) if service in self.releases else []
        return [v for v in versions if matches(v, wanted) and self.entry(self.releases[service][v]).state == "released"]


def _example(file: str, content: bytes) -> Example:
    name = file.removeprefix("examples/").rpartition(".")[0]
    try:
        read = _ExampleFile.model_validate(parse_yaml(content.decode())[0])
    except YamlError as error:
        return Example(name, file, {}, (str(error),))
    except pydantic.ValidationError as error:
        return Example(name, file, {}, tuple(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))
    except UnicodeDecodeError:
        return Example(name, file, {}, ("is not UTF-8 text",))
    return Example(name, file, read.values)
