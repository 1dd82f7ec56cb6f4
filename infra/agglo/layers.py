"""Values in layers: later layers win, and every value knows which file and line it came from.

Maps merge by key; scalars and lists replace. Where a key is a map in every layer or in none, as a schema demands,
merging is associative: layers may be combined in any grouping.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

Key = tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Where a value was set: ``file`` as a person would open it, ``line`` from 1 (0: not from a line of a file)."""

    layer: str
    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Setting:
    """One value that one layer sets; ``value`` is a scalar, a list or an empty map."""

    value: JsonValue
    origin: Origin


@dataclass(frozen=True)
class Value:
    """The value that won, with those it overrode, the most recent first."""

    value: JsonValue
    origin: Origin
    overrode: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class Layer:
    """The settings of one file (or of a schema's defaults) by key path."""

    name: str
    settings: Mapping[Key, Setting]


def make_layer(name: str, file: str, values: Mapping[str, JsonValue], lines: Mapping[Key, int]) -> Layer:
    """The layer of a map of values; ``lines`` gives the line of each key path, where there is one."""
    settings = {key: Setting(value, Origin(name, file, _line(lines, key))) for key, value in _leaves(values)}
    return Layer(name, settings)


def resolve(layers: Iterable[Layer]) -> dict[Key, Value]:
    """All values, later layers over earlier ones.

    A scalar or list replaces a whole map below its key, and a map replaces a scalar: what is replaced is remembered as
    overridden by the (first) value that replaced it.
    """
    resolved: dict[Key, Value] = {}
    for layer in layers:
        for key, setting in layer.settings.items():
            history = _take_out(resolved, key)
            resolved[key] = Value(setting.value, setting.origin, history)
    return resolved


def nest(resolved: Mapping[Key, Value]) -> dict[str, JsonValue]:
    """The plain nested map of resolved values."""
    tree: dict[str, JsonValue] = {}
    for key, value in resolved.items():
        branch = tree
        for part in key[:-1]:
            below = branch.setdefault(part, {})
            if not isinstance(below, dict):  # resolve() never leaves a scalar above a key
                raise TypeError(f"{'.'.join(key)} lies below a scalar")
            branch = below
        branch[key[-1]] = value.value
    return tree


def _take_out(resolved: dict[Key, Value], key: Key) -> tuple[Setting, ...]:
    """Remove what ``key`` replaces (itself, what lies below, scalars above); return it as history, recent first."""
    replaced = [k for k in resolved if k[: len(key)] == key or key[: len(k)] == k]
    taken = [resolved.pop(k) for k in replaced]
    return tuple(s for v in taken for s in (Setting(v.value, v.origin), *v.overrode))


def _leaves(values: Mapping[str, JsonValue], prefix: Key = ()) -> Iterator[tuple[Key, JsonValue]]:
    for name, value in values.items():
        key = (*prefix, name)
        if isinstance(value, dict) and value:
            yield from _leaves(value, key)
        else:
            yield key, value


def _line(lines: Mapping[Key, int], key: Key) -> int:
    """Line of ``key``, or of the nearest key above that has one."""
    return next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), 0)
