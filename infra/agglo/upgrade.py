"""Moving one instance to another version: which ways are allowed, and which migrations run, each once and in order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from agglo.catalog import Catalog, Release
from agglo.errors import RefusedByPolicy
from agglo.manifest import Migration
from agglo.versions import matches, version_key


@dataclass(frozen=True)
class Step:
    """One migration; ``name`` is how records remember it: ``1.1.0/0001-sites``."""

    release: Release
    migration: Migration

    @property
    def name(self) -> str:
        """The version that declares it, and its own name."""
        return f"{self.release.version}/{self.migration.name}"

    @property
    def playbook(self) -> str:
        """Its playbook, relative to the project's root."""
        return f"{self.release.folder}/migrations/{self.migration.name}.yml"


def reached(configured: str | None, done: Collection[str]) -> str | None:
    """The version whose data an instance has: the configured one, or that of a migration that has run since."""
    known = [version for version in (configured, *(name.partition("/")[0] for name in done)) if version]
    return max(known, key=version_key, default=None)


def check(catalog: Catalog, instance: str, have: str | None, wanted: Release) -> None:
    """Raises RefusedByPolicy when an instance that has version ``have`` cannot go to ``wanted`` (None: it has none)."""
    if have is None or have == wanted.version:
        return
    if version_key(wanted.version) < version_key(have):
        raise RefusedByPolicy(
            f"{instance} is at {have}; {wanted.version} is older, and its data may not fit the older version",
            hint=f"agglo request upgrade {instance} {have}; or, to lose its data, agglo destroy {instance}",
        )
    if not matches(have, wanted.manifest.upgrade.from_):
        way = path(catalog, wanted.service, have, wanted.version)
        first = f"agglo request upgrade {instance} {way[0]}" if way else f"agglo catalog show {wanted.service}"
        over = f" (go by {' and '.join(way[:-1])})" if way else ""
        raise RefusedByPolicy(
            f"{instance} is at {have}, and {wanted.service} {wanted.version} can be reached from"
            f" {wanted.manifest.upgrade.from_ or 'no version'} only{over}",
            hint=first,
        )


def path(catalog: Catalog, service: str, have: str, wanted: str) -> list[str]:
    """The fewest versions to go through from ``have`` to ``wanted`` (which is the last); empty: there is no way."""
    ways: list[list[str]] = [[]]
    reached = {have}
    while ways:
        way = ways.pop(0)
        here = way[-1] if way else have
        for version in catalog.versions(service):
            release = catalog.releases[service][version]
            if version in reached or not matches(here, release.manifest.upgrade.from_):
                continue
            if version_key(here) >= version_key(version) or catalog.entry(release).state == "withdrawn":
                continue
            reached.add(version)
            if version == wanted:
                return [*way, version]
            ways.append([*way, version])
    return []


def steps(catalog: Catalog, have: str | None, wanted: Release, done: Collection[str]) -> list[Step]:
    """The migrations between ``have`` and ``wanted`` that are not ``done``, in the order of versions.

    A migration runs only when ``have`` is older than the version that declares it, and that one is not newer than
    ``wanted``; a new instance (``have`` is None) needs none.
    """
    if have is None:
        return []
    low, high = version_key(have), version_key(wanted.version)
    known = [catalog.releases[wanted.service][version] for version in catalog.versions(wanted.service)]
    between = [
        r for r in known if low < version_key(r.version) <= high and (r is wanted or catalog.entry(r).state != "draft")
    ]
    every = [Step(release, migration) for release in between for migration in release.manifest.upgrade.migrations]
    return [step for step in every if step.name not in done]
