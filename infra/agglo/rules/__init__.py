"""The rules of the catalogue, one per module, in the order in which an author meets them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from agglo.catalog import Catalog, Release
from agglo.rules import (
    changelog_has_an_entry,
    checks_can_fail,
    defaults_are_valid,
    examples_are_valid,
    examples_render,
    index_is_complete,
    licence_is_known,
    parts_are_there,
    released_is_immutable,
    requirements_exist,
    schema_is_closed,
    templates_name_values,
    texts_in_two_languages,
    upgrade_path_exists,
    version_is_honest,
)
from agglo.rules.rule import Finding, Rule

__all__ = ["RULES", "Finding", "Memory", "Rule", "lint"]

RULES: tuple[Rule, ...] = (
    released_is_immutable.RULE,
    index_is_complete.RULE,
    parts_are_there.RULE,
    schema_is_closed.RULE,
    texts_in_two_languages.RULE,
    defaults_are_valid.RULE,
    examples_are_valid.RULE,
    templates_name_values.RULE,
    examples_render.RULE,
    checks_can_fail.RULE,
    changelog_has_an_entry.RULE,
    version_is_honest.RULE,
    upgrade_path_exists.RULE,
    requirements_exist.RULE,
    licence_is_known.RULE,
)


class Memory(Protocol):
    """Remembers what ``local`` rules found in releases, by the digest of their files."""

    def recall(self, rule: str, digest: str) -> list[Finding] | None:
        """What a rule found; None when it has not been asked yet."""

    def keep(self, rule: str, digest: str, found: list[Finding]) -> None:
        """Remember it."""


def lint(
    catalog: Catalog,
    releases: Sequence[Release],
    *,
    everything: bool = False,
    rules: Sequence[Rule] = RULES,
    memory: Memory | None = None,
) -> Iterator[tuple[Rule, Finding]]:
    """What breaks a rule: all rules for drafts, for released versions those that hold for ever (or ``everything``)."""
    for release in releases:
        mendable = catalog.entry(release).state == "draft"
        for rule in rules:
            if everything or mendable or rule.always:
                yield from ((rule, finding) for finding in _findings(catalog, release, rule, memory))


def _findings(catalog: Catalog, release: Release, rule: Rule, memory: Memory | None) -> Iterable[Finding]:
    if memory is None or not rule.local:
        return rule.check(catalog, release)
    found = memory.recall(rule.id, release.digest)
    if found is None:
        found = list(rule.check(catalog, release))
        memory.keep(rule.id, release.digest, found)
    return found
