"""Change YAML that people wrote: comments, order and quotes stay as they are."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString
from ruamel.yaml.util import load_yaml_guess_indent

from agglo.adapters.records import write_atomically
from agglo.errors import AggloError
from agglo.yaml_text import YamlError, parse_yaml

_WIDTH = 4096  # a long line stays one line


def edit_yaml(path: Path, change: Callable[[Any], None]) -> None:
    """Let ``change`` alter the file's map in place, and write the file in one step.

    What is written says what was there and the change, and nothing else. Raises AggloError, and leaves the file alone,
    when that cannot be had.
    """
    written = path.read_bytes().decode("utf-8")
    text = written.replace("\r\n", "\n")
    wanted, _ = parse_yaml(text)
    change(wanted)
    data = round_trip(text).load(text)
    before = dump(data, text)
    change(data)
    after = dump(data, text)
    for edited in (_keep_lines(text, before, after), after):
        if _says(edited, wanted):
            write_atomically(path, edited if text == written else edited.replace("\n", "\r\n"))
            return
    raise AggloError(f"{path} cannot be changed without altering something else in it", hint="change it in an editor")


def _says(text: str, wanted: JsonValue) -> bool:
    try:
        return parse_yaml(text)[0] == wanted
    except YamlError:
        return False


def dump(data: Any, like: str = "") -> str:
    """``data`` as YAML, indented as ``like`` is."""
    out = io.StringIO()
    round_trip(like).dump(data, out)
    return out.getvalue()


def _keep_lines(text: str, before: str, after: str) -> str:
    """``after`` with the lines of ``text`` wherever it says what ``before`` did: a writer has its own way with spaces,
    line breaks and lines that are too long.
    """
    unended = not text.endswith("\n")  # a writer ends its last line
    old, base, new = (text + "\n" * unended).split("\n"), before.split("\n"), after.split("\n")
    there, here = _places(base, old), _places(base, new)
    lines: list[str] = []
    shared = sorted(there.keys() & here.keys())
    for at, to in zip(shared, [*shared[1:], shared[-1]], strict=True):
        lines += old[there[at][0] : there[at][1]] + new[here[at][0] : here[at][1]]
        written = new[here[at][1] : here[to][0]]
        lines += old[there[at][1] : there[to][0]] if written == base[at:to] else written
    return "\n".join(lines[:-1] if unended and lines[-2:] == old[-2:] else lines)


def _places(base: list[str], other: list[str]) -> dict[int, tuple[int, int]]:
    """Where gaps between lines of ``base`` are in ``other``; what lies between both numbers was put into the gap."""
    a, b = (["".join(line.split()) for line in lines] for lines in (base, other))
    places = {0: (0, 0)}
    for what, start, end, first, last in SequenceMatcher(a=a, b=b, autojunk=False).get_opcodes():
        if what == "insert":
            places[start] = (first, last)
        elif what == "equal":
            places |= {start + n: (first + n, first + n) for n in range(1, end - start + 1)}
        else:
            places[end] = (last, last)
    return places


def write_yaml(path: Path, data: Mapping[str, JsonValue], head: str = "") -> None:
    """A new file, written in one step; ``head`` is a comment above it, without ``#``."""
    comment = "".join(f"# {line}\n" for line in head.splitlines())
    write_atomically(path, comment + dump(_readable(dict(data))))


def round_trip(like: str) -> YAML:
    """A reader and writer that keep what they do not change; indentation is guessed from ``like``."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.representer.ignore_aliases = lambda *_: True  # our own reader refuses them
    yaml.width = _WIDTH
    _, indent, offset = load_yaml_guess_indent(like) if like.strip() else (None, None, None)
    sequence, dash = (indent, offset) if indent and offset is not None else (4, 2)
    yaml.indent(mapping=2, sequence=max(sequence, dash + 2), offset=dash)
    return yaml


def _readable(value: Any) -> Any:
    """Texts of several lines as blocks."""
    if isinstance(value, dict):
        return {key: _readable(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value
