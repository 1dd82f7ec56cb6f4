"""Maps in a schema refuse unknown keys: a misspelt value must be an error, not a value that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from agglo.catalog import Catalog, Release
from agglo.rules.rule import Finding, Rule, there
from agglo.schema import properties

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """Dialect named; every map with properties closed; every property typed."""
    path = there(release, "values.schema.json")
    if release.schema.get("$schema") != _DIALECT:
        yield Finding(path, "does not say which JSON Schema it is", f'"$schema": "{_DIALECT}"')
    if release.schema.get("additionalProperties") is not False:
        yield Finding(path, "accepts unknown values", '"additionalProperties": false')
    for found in properties(release.schema):
        if _is_open(found.schema) or _is_open(_items(found.schema)):
            yield Finding(path, f"{found.dotted} accepts unknown values", '"additionalProperties": false')
        if hasattr(dict, found.key[-1]):
            yield Finding(path, f"{found.dotted} is the name of a method in templates", "choose another name")
        if not {"type", "enum", "const", "anyOf", "oneOf", "$ref"} & set(found.schema):
            yield Finding(path, f"{found.dotted} accepts values of any type", 'add a "type"')


def _items(schema: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    items = schema.get("items")
    return items if isinstance(items, dict) else {}


def _is_open(schema: Mapping[str, JsonValue]) -> bool:
    return "properties" in schema and schema.get("additionalProperties") is not False


RULE = Rule("schema-is-closed", "the schema refuses what it does not know", check, local=True)
