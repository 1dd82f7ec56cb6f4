"""Typed reading of a program's inputs and of outputs of other stacks (both are JSON)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

Json = Mapping[str, JsonValue]


def text(data: Json, key: str) -> str:
    """A string. TypeError when it is something else."""
    value = data[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is not a string")
    return value


def number(data: Json, key: str) -> int:
    """A whole number."""
    value = data[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{key} is not a whole number")
    return value


def optional(data: Json, key: str) -> int | None:
    """A whole number, or None."""
    return None if data[key] is None else number(data, key)


def optional_text(data: Json, key: str) -> str | None:
    """A string, or None."""
    return None if data[key] is None else text(data, key)


def table(data: Json, key: str) -> Json:
    """A map."""
    value = data[key]
    if not isinstance(value, dict):
        raise TypeError(f"{key} is not a map")
    return value


def tables(data: Json, key: str) -> list[Json]:
    """A list of maps."""
    value = data[key]
    if not isinstance(value, list):
        raise TypeError(f"{key} is not a list")
    return [item for item in value if isinstance(item, dict)]


def named_tables(data: Json, key: str) -> dict[str, Json]:
    """A map of maps."""
    inner = table(data, key)
    return {name: table(inner, name) for name in inner}


def texts(data: Json, key: str) -> list[str]:
    """A list of strings."""
    value = data[key]
    if not isinstance(value, list):
        raise TypeError(f"{key} is not a list")
    return [str(item) for item in value]
