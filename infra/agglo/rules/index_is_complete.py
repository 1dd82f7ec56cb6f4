"""The index names exactly the versions that there are, and what it proposes exists."""

from __future__ import annotations

from collections.abc import Iterator

from agglo.catalog import Catalog, Index, Release
from agglo.rules.rule import Finding, Rule


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """The release's own line; lines without a folder are told once, at the oldest release."""
    path = f"catalog/{release.service}/releases.yaml"
    index = catalog.indexes.get(release.service, Index())
    versions = catalog.versions(release.service)
    if release.version not in index.releases:
        yield Finding(path, f"does not name {release.version}", f"add: {release.version}: {{state: draft}}")
    use = catalog.entry(release).use
    if use and use not in versions:
        yield Finding(path, f"{release.version} proposes {use}, which does not exist", f"one of {', '.join(versions)}")
    if release.version == versions[0]:
        for version in sorted(set(index.releases) - set(versions)):
            yield Finding(path, f"names {version}, but there is no such folder", "git checkout the folder")


RULE = Rule("index-is-complete", "releases.yaml names the versions that there are", check, always=True)
