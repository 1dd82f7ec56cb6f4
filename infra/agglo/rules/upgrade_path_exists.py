"""Instances of the version before can come to this one, and each migration that is declared is there."""

from __future__ import annotations

from collections.abc import Iterator

from agglo.catalog import Catalog, Release
from agglo.rules.rule import Finding, Rule, there
from agglo.versions import matches


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """The range ``upgrade.from`` and the files in ``migrations/``."""
    manifest, before = there(release, "service.yaml"), catalog.before(release)
    upgrade = release.manifest.upgrade
    if before and not matches(before.version, upgrade.from_):
        yield Finding(manifest, f"cannot be reached from {before.version}", f'upgrade: {{from: ">={before.version}"}}')
    if before is None and upgrade.migrations:
        yield Finding(manifest, "has migrations, but there is no older version", "upgrade: {migrations: []}")
    names = [migration.name for migration in upgrade.migrations]
    if names != sorted(set(names)):
        yield Finding(manifest, "lists migrations out of order, or twice", f"migrations: {sorted(set(names))}")
    declared = {f"migrations/{name}.yml" for name in names}
    present = {name for name in release.files if name.startswith("migrations/") and name.endswith((".yml", ".yaml"))}
    for name in sorted(declared - present):
        yield Finding(manifest, f"names {name}, which does not exist", f"write {name}")
    for name in sorted(present - declared):
        yield Finding(there(release, name), "is not declared in service.yaml, so it never runs", "upgrade.migrations")


RULE = Rule("upgrade-path-exists", "older instances can come to this version", check)
