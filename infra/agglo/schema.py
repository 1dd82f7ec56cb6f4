"""Schemas of values (JSON Schema 2020-12): defaults, texts for people, and what is wrong with values in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jsonschema_rs
from jsonschema_rs import Draft202012Validator as Validator
from pydantic import JsonValue

from agglo.layers import Key
from agglo.words import Lang, Words
from agglo.wrong import explain

__all__ = [
    "ITEM",
    "Property",
    "Schema",
    "Validator",
    "compiled",
    "defaults",
    "problems",
    "properties",
    "schema_problems",
]

Schema = Mapping[str, JsonValue]
ITEM = "[]"  # in a key path: any item of a list


@dataclass(frozen=True)
class Property:
    """One value that a schema describes; ``key`` has ``[]`` for the items of a list."""

    key: Key
    schema: Schema
    required: bool

    def text(self, what: str, lang: Lang) -> str:
        """``title`` or ``description``, empty when there is none: French in place, English below ``x-i18n``."""
        found: JsonValue = dict(self.schema)
        if lang == "en":
            i18n = self.schema.get("x-i18n")
            found = i18n.get("en") if isinstance(i18n, dict) else None
        return str(found.get(what) or "") if isinstance(found, dict) else ""

    @property
    def dotted(self) -> str:
        """The key as a person writes it: ``services[].url``."""
        return ".".join(self.key).replace(f".{ITEM}", ITEM)

    @property
    def types(self) -> tuple[str, ...]:
        """JSON types that the schema names."""
        named = self.schema.get("type", ())
        return (named,) if isinstance(named, str) else tuple(map(str, cast(list[str], named)))


def properties(schema: Schema, prefix: Key = ()) -> Iterator[Property]:
    """Every property below ``schema``, those of nested maps and of items included, in the order of the file."""
    below, needed = schema.get("properties"), schema.get("required")
    required = needed if isinstance(needed, list) else []
    for name, sub in below.items() if isinstance(below, dict) else ():
        if isinstance(sub, dict):
            yield Property((*prefix, name), sub, name in required)
            yield from properties(sub, (*prefix, name))
    items = schema.get("items")
    if isinstance(items, dict):
        yield from properties(items, (*prefix, ITEM))


def defaults(schema: Schema) -> dict[str, JsonValue]:
    """Defaults that the schema gives to its properties, nested maps included."""
    below = schema.get("properties")
    found: dict[str, JsonValue] = {}
    for name, sub in below.items() if isinstance(below, dict) else ():
        if not isinstance(sub, dict):
            continue
        if "default" in sub:
            found[name] = sub["default"]
        elif inner := defaults(sub):
            found[name] = inner
    return found


def compiled(schema: Schema) -> Validator:
    """The schema made ready to check values, with formats; references to what is outside of it are refused."""
    return Validator(dict(schema), validate_formats=True, retriever=_refuse)


def problems(schema: Schema, value: JsonValue, validator: Validator | None = None) -> list[tuple[Key, Words]]:
    """What is wrong with ``value``: key path and reason, in the order of keys; ``validator`` is the compiled schema."""
    found: list[tuple[Key, Words]] = []
    for error in (validator or compiled(schema)).iter_errors(value):
        key = tuple(map(str, error.instance_path))
        found += [((*key, *below), words) for below, words in explain(error, _at(schema, error.schema_path[:-1]))]
    return sorted(found, key=lambda entry: entry[0])


def schema_problems(schema: JsonValue) -> list[tuple[Key, Words]]:
    """What is wrong with a schema itself: no JSON Schema 2020-12, or one that refers to what is outside of it."""
    try:
        if not isinstance(schema, dict):
            return [((), Words("is not a JSON object"))]
        jsonschema_rs.meta.validate(schema)
        if "$ref" in json.dumps(schema):
            return [((), Words("uses $ref; write each value's schema where the value is, for forms are made from it"))]
        compiled(schema)
    except jsonschema_rs.ValidationError as error:
        return [(tuple(map(str, error.instance_path)), Words(error.message.splitlines()[0]))]
    except ValueError as error:
        return [((), Words(str(error).splitlines()[0]))]
    return []


def _at(schema: Schema, path: Sequence[str | int]) -> Schema:
    """The part of a schema at ``path``; nothing where the path goes through a reference."""
    node: Any = schema
    for part in path:
        inside = (isinstance(node, Mapping) and part in node) or (isinstance(node, list) and isinstance(part, int))
        node = node[part] if inside else {}
    return cast(Schema, node) if isinstance(node, Mapping) else {}


def _refuse(address: str) -> Any:
    raise ValueError(f"a schema refers to nothing outside of itself, but to {address}")
