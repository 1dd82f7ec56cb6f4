"""YAML that people wrote: plain values with the line of each key, in bounded time, whatever the file holds.

libyaml parses; what its events mean is decided here: the core schema of YAML 1.2 (``no`` is a word, not false), no
aliases, no tags, no key twice. ``docs/decisions/0007-yaml-and-schemas.md`` says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml
from pydantic import JsonValue

from agglo.layers import Key
from agglo.words import Words

MAX_DEPTH = 40
MAX_VALUES = 5_000  # keys and items: people write a hundred; what is more costs time and explains nothing
MAX_KEY = 200
_INT = re.compile(r"[-+]?[0-9]+")
_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None,
          "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_OTHER_BREAK = re.compile(r"[\u2028\u2029]")  # a line break to libyaml, as in YAML 1.1, but not to YAML 1.2 or editors
_LOADER = getattr(yaml, "CLoader", yaml.Loader)  # only its parser is used: no value is ever constructed by it


class YamlError(Exception):
    """The text is no YAML, or holds what ours may not; ``line`` from 1 (0: unknown)."""

    def __init__(self, reason: str, line: int, fr: str = "") -> None:
        super().__init__(reason)
        self.words, self.line = Words(reason, fr), line


@dataclass
class _Level:
    """A map or list that is being read: ``key`` is the one whose value comes next."""

    path: Key
    content: dict[str, JsonValue] | list[JsonValue]
    key: str | None = None

    def next_path(self) -> Key:
        if isinstance(self.content, list):
            return (*self.path, str(len(self.content)))
        return (*self.path, str(self.key))

    def add(self, value: JsonValue) -> None:
        if isinstance(self.content, list):
            self.content.append(value)
        else:
            self.content[str(self.key)] = value
            self.key = None


@dataclass
class _Document:
    """What has been read so far."""

    lines: dict[Key, int] = field(default_factory=dict)
    open: list[_Level] = field(default_factory=list)
    root: JsonValue = None
    documents: int = 0


def parse_yaml(text: str) -> tuple[JsonValue, dict[Key, int]]:
    """The value of one YAML document and the line (from 1) of each key path. Raises YamlError."""
    if found := _CONTROL.search(text) or _OTHER_BREAK.search(text):
        raise _no_character(found[0], text.count("\n", 0, found.start()) + 1)
    document = _Document()
    try:
        for event in yaml.parse(text.removeprefix("\ufeff"), Loader=_LOADER):
            _take(document, event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context
        last = text.count("\n") + (not text.endswith("\n"))  # what ends too early is found below it
        line = min(mark.line + 1, last) if mark else 0
        raise YamlError(f"is not YAML: {said}", line, f"n’est pas du YAML : {said}") from error
    except yaml.YAMLError as error:
        said = str(error).splitlines()[0]
        raise YamlError(f"is not YAML: {said}", 0, f"n’est pas du YAML : {said}") from error
    return document.root, document.lines


def _take(document: _Document, event: yaml.Event) -> None:
    line = event.start_mark.line + 1 if event.start_mark else 0
    if isinstance(event, yaml.DocumentStartEvent):
        document.documents += 1
        if document.documents > 1:
            raise YamlError("holds more than one document (---)", line, "contient plusieurs documents (---)")
    elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise YamlError(
            "uses an alias (&name, *name); write the value where it is used",
            line,
            "utilise un alias (&nom, *nom) ; écrivez la valeur là où elle sert",
        )
    elif getattr(event, "tag", None):
        raise YamlError(
            "uses a tag (!name); write a plain value", line, "utilise une étiquette (!nom) ; écrivez une valeur simple"
        )
    elif isinstance(event, yaml.ScalarEvent):
        _scalar(document, event, line)
    elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
        _open(document, {} if isinstance(event, yaml.MappingStartEvent) else [], line)
    elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
        level = document.open.pop()
        _add(document, level.content)


def _open(document: _Document, content: dict[str, JsonValue] | list[JsonValue], line: int) -> None:
    above = document.open[-1] if document.open else None
    if above and isinstance(above.content, dict) and above.key is None:
        raise YamlError("has a map or list as a key", line, "a un groupe ou une liste comme clé")
    if len(document.open) >= MAX_DEPTH:
        raise YamlError(f"is nested deeper than {MAX_DEPTH} levels", line, f"imbrique plus de {MAX_DEPTH} niveaux")
    path = above.next_path() if above else ()
    if path:
        _keep_line(document, path, line)
    document.open.append(_Level(path, content))


def _scalar(document: _Document, event: yaml.ScalarEvent, line: int) -> None:
    if found := _CONTROL.search(event.value):
        raise _no_character(found[0], line)
    above = document.open[-1] if document.open else None
    if above and isinstance(above.content, dict) and above.key is None:
        if len(event.value) > MAX_KEY:
            raise YamlError(
                f"has a key longer than {MAX_KEY} characters", line, f"a une clé de plus de {MAX_KEY} caractères"
            )
        if event.value in above.content:
            raise YamlError(f"has the key '{event.value}' twice", line, f"a deux fois la clé « {event.value} »")
        above.key = event.value
        _keep_line(document, above.next_path(), line)
        return
    if above:
        _keep_line(document, above.next_path(), line)
    _add(document, _value(event.value, line) if event.implicit[0] else event.value)


def _keep_line(document: _Document, path: Key, line: int) -> None:
    document.lines.setdefault(path, line)
    if len(document.lines) > MAX_VALUES:
        raise YamlError(f"holds more than {MAX_VALUES} values", line, f"contient plus de {MAX_VALUES} valeurs")


def _no_character(found: str, line: int) -> YamlError:
    code = f"U+{ord(found):04X}"
    return YamlError(f"holds the control character {code}", line, f"contient le caractère de contrôle {code}")


def _add(document: _Document, value: JsonValue) -> None:
    if document.open:
        document.open[-1].add(value)
    else:
        document.root = value


def _value(text: str, line: int) -> JsonValue:
    """A plain scalar by YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) or _BASE.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        number = int(text, base) if len(text) <= 40 else 2**64
        if abs(number) >= 2**63:
            raise YamlError(
                "holds a number that is too large; quote it",
                line,
                "contient un nombre trop grand ; mettez-le entre guillemets",
            )
        return number
    if _NO_NUMBER.fullmatch(text) or (_FLOAT.fullmatch(text) and abs(float(text)) == float("inf")):
        raise YamlError(
            "holds a number that is not finite; quote it",
            line,
            "contient un nombre infini ; mettez-le entre guillemets",
        )
    return float(text) if _FLOAT.fullmatch(text) else text
