"""A release has examples, and each is a set of values that its schema accepts."""

from __future__ import annotations

from collections.abc import Iterator

from agglo.catalog import Catalog, Release
from agglo.rules.rule import Finding, Rule, there


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """All files in ``examples/``."""
    if not release.examples:
        yield Finding(
            there(release, "examples"),
            "holds no example",
            "examples/minimal.yaml with summary: {fr, en} and values: {}",
        )
    for example in release.examples.values():
        for problem in example.problems:
            yield Finding(there(release, example.file), problem, "an example has summary: {fr, en} and values: {…}")
        for key, words in release.errors(release.values_of(example)) if not example.problems else ():
            yield Finding(there(release, example.file), f"{'.'.join(key)}: {words}", "mend the example, or the schema")


RULE = Rule("examples-are-valid", "each example is a valid set of values", check, local=True)
