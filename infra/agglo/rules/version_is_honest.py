"""The number says what a change asks of communes: major when they must act, minor for new values, patch for neither."""

from __future__ import annotations

from collections.abc import Iterator

from semver import Version

from agglo.catalog import Catalog, Release
from agglo.compare import Weight, differences
from agglo.rules.rule import Finding, Rule, there


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """The heaviest difference from the release before against the step between the two numbers."""
    before = catalog.before(release)
    if before is None:
        return
    step = _step(Version.parse(before.version), Version.parse(release.version))
    for difference in differences(before, release):
        if difference.weight > step:
            yield Finding(
                there(release, "service.yaml"),
                f"{difference.words.en}: this is a {difference.weight.name.lower()} change,"
                f" but {before.version} → {release.version} is a {step.name.lower()} step",
                f"call it {_bumped(before.version, difference.weight)}",
            )


def _step(old: Version, new: Version) -> Weight:
    if new.major != old.major:
        return Weight.MAJOR
    return Weight.MINOR if new.minor != old.minor else Weight.PATCH


def _bumped(version: str, weight: Weight) -> Version:
    old = Version.parse(version)
    return {Weight.MAJOR: old.bump_major, Weight.MINOR: old.bump_minor, Weight.PATCH: old.bump_patch}[weight]()


RULE = Rule("version-is-honest", "the number says what the change asks of communes", check)
