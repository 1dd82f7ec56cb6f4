"""The defaults that a schema gives are values that it accepts, and only what nobody can guess is required."""

from __future__ import annotations

from collections.abc import Iterator

from agglo.catalog import Catalog, Release
from agglo.rules.rule import Finding, Rule, there
from agglo.schema import problems, properties


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """Each default against its own part of the schema."""
    path = there(release, "values.schema.json")
    for found in properties(release.schema):
        if "default" not in found.schema:
            continue
        for key, words in problems(found.schema, found.schema["default"]):
            yield Finding(path, f"the default of {'.'.join((found.dotted, *key))}: {words}", "mend the default")
        if found.required:
            yield Finding(path, f"{found.dotted} is required and has a default", 'leave it out of "required"')


RULE = Rule("defaults-are-valid", "the schema accepts its own defaults", check, local=True)
