"""YAML files as checked models; what is wrong with one is told with its line."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TypeVar

import pydantic
from pydantic import JsonValue

from agglo.errors import Problem
from agglo.layers import Key
from agglo.request import Source
from agglo.words import Words
from agglo.wrong import nearest, nearest_fr
from agglo.yaml_text import YamlError, parse_yaml

MAX_BYTES = 1_000_000
MAX_MESSAGE = 300
_Model = TypeVar("_Model", bound=pydantic.BaseModel)


def read_model(path: Path, root: Path, model: type[_Model], problems: list[Problem]) -> tuple[_Model, Source] | None:
    """The file as ``model``, with its lines; None when something is wrong with it, which is then in ``problems``."""
    read = read_yaml(path, problems)
    if read is None:
        return None
    data, lines = read
    source = Source(path, str(path.relative_to(root)), lines)
    checked = check_model(data, model, source, problems)
    return (checked, source) if checked else None


def check_model(data: JsonValue, model: type[_Model], source: Source, problems: list[Problem]) -> _Model | None:
    """``data`` as ``model``; None when something is wrong with it, which is then in ``problems``."""
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as error:
        known = [field.alias or name for name, field in model.model_fields.items()]
        for found in error.errors(include_url=False, include_context=False):
            key = tuple(str(part) for part in found["loc"])
            problems.append(source.problem(key, _reason(found["type"], found["msg"], key, known)))
        return None


def read_yaml(path: Path, problems: list[Problem]) -> tuple[JsonValue, dict[Key, int]] | None:
    """The file's value and the line (from 1) of each key path; None when something is wrong, then in ``problems``."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a folder, or a link to a device that never ends
            problems.append(Problem(path, Words("is not a file", "n’est pas un fichier")))
            return None
        content = path.read_bytes() if status.st_size <= MAX_BYTES else b""
    except OSError as error:
        said = error.strerror
        problems.append(Problem(path, Words(f"cannot be read: {said}", f"ne peut pas être lu : {said}")))
        return None
    if status.st_size > MAX_BYTES:
        problems.append(Problem(path, Words(f"is larger than {MAX_BYTES} bytes", f"dépasse {MAX_BYTES} octets")))
        return None
    try:
        return parse_yaml(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problems.append(Problem(path, Words("is not UTF-8 text", "n’est pas un texte UTF-8"), line))
    except YamlError as error:
        problems.append(Problem(path, error.words, error.line))
    return None


def _reason(kind: str, message: str, key: tuple[str, ...], known: list[str]) -> Words:
    if kind == "missing":
        return Words("is missing", "manque")
    if kind == "extra_forbidden":
        close = known if len(key) == 1 else []
        return Words(f"unknown key{nearest(key[-1], close)}", f"clé inconnue{nearest_fr(key[-1], close)}")
    if kind == "model_type":
        return Words("is not a map of keys and values", "n’est pas un groupe de clés et de valeurs")
    said = message.removeprefix("Value error, ")
    return Words(said if len(said) <= MAX_MESSAGE else f"{said[: MAX_MESSAGE - 1]}…")  # it may quote what was written
