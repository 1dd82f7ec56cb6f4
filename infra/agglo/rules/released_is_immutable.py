"""A released version never changes: instances pin it, and two of the same version must be the same."""

from __future__ import annotations

from collections.abc import Iterator

from agglo.catalog import Catalog, Release
from agglo.rules.rule import Finding, Rule


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """The digest of all files against the one in the index."""
    entry = catalog.entry(release)
    if entry.state != "draft" and entry.digest != release.digest:
        yield Finding(
            release.folder,
            f"{release.service} {release.version} was released on {entry.date} and has changed since",
            f"git checkout the folder, and make a new version: agglo catalog new-version {release.service}",
        )


RULE = Rule("released-is-immutable", "a released version has not changed since", check, always=True)
