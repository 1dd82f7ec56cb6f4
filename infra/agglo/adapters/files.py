"""Read the project's files: YAML with lines, the catalogue's folders. All problems are found before any is reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import jsonschema
import pydantic
from pydantic import Field, JsonValue, TypeAdapter
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from agglo.catalog import Catalog, Manifest, Release, nearest
from agglo.commune import Commune, Strict
from agglo.errors import InvalidInput, Problem, UsageError
from agglo.layers import Key
from agglo.metro import Metro
from agglo.project import Group, Project, Request, RequestFile, SharedValues, Source

_MAX_BYTES = 1_000_000
_Model = TypeVar("_Model", bound=pydantic.BaseModel)
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class _Defaults(Strict):
    """``defaults.yaml``: values by service."""

    values: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)


def find_root(start: Path, given: str | None = None) -> Path:
    """The project's folder: ``given``, else the first folder from ``start`` upwards that holds ``stacks/metro.yaml``.

    Raises UsageError when there is none.
    """
    places = [Path(given).resolve()] if given else [start.resolve(), *start.resolve().parents]
    for place in places:
        if (place / "stacks" / "metro.yaml").is_file():
            return place
    raise UsageError(
        f"no stacks/metro.yaml in {places[0]}" + ("" if given else " or above"), hint="agglo --root FOLDER …"
    )


def load_project(root: Path) -> Project:
    """Read and check everything below ``root``. Raises InvalidInput with all problems of all files."""
    problems: list[Problem] = []
    metro = _model(root / "stacks" / "metro.yaml", root, Metro, problems)
    defaults = _defaults(root, problems)
    catalog = load_catalog(root, problems)
    communes: dict[str, Commune] = {}
    values: dict[str, SharedValues] = {}
    requests: dict[str, Request] = {}
    for folder in _folders(root / "stacks" / "communes"):
        loaded = _commune(folder, root, problems)
        if loaded is None:
            continue
        commune, source = loaded
        if commune.insee in communes:
            problems.append(source.problem(("insee",), f"{commune.insee} is {communes[commune.insee].name}'s already"))
        communes[commune.insee] = commune
        values[commune.insee] = SharedValues("commune", source, commune.values)
        requests.update({r.instance: r for r in _requests(folder, root, commune, problems)})
    groups = _groups(root, {commune.slug for commune in communes.values()}, problems)
    if metro is None or problems:
        raise InvalidInput(problems, hint="mend these lines and run the same command again")
    project = Project(root, metro[0], communes, requests, (*defaults, *groups), values, catalog)
    found = [p for request in requests.values() for p in project.problems(request)]
    if found:
        raise InvalidInput(found, hint="agglo catalog show <service> says which values there are")
    return project


def load_catalog(root: Path, problems: list[Problem]) -> Catalog:
    """All releases below ``catalog/``; what is wrong is added to ``problems``."""
    releases: dict[str, dict[str, Release]] = {}
    for service in _folders(root / "catalog"):
        for folder in _folders(service):
            release = _release(folder, root, problems)
            if release:
                releases.setdefault(release.service, {})[release.version] = release
    return Catalog(releases)


def read_tree(folder: Path) -> dict[str, bytes]:
    """Contents of all files below ``folder`` by relative name; caches of Python and editors are left out."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _folders(top: Path) -> list[Path]:
    return sorted(p for p in top.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))) if top.is_dir() else []


def _defaults(root: Path, problems: list[Problem]) -> tuple[SharedValues, ...]:
    path = root / "stacks" / "defaults.yaml"
    if not path.is_file():
        return ()
    loaded = _model(path, root, _Defaults, problems)
    if loaded is None:
        return ()
    return (SharedValues("defaults", loaded[1], loaded[0].values),)


def _groups(root: Path, slugs: set[str], problems: list[Problem]) -> list[SharedValues]:
    groups = []
    for path in sorted((root / "stacks" / "groups").glob("*.y*ml")):
        loaded = _model(path, root, Group, problems)
        if loaded is None:
            continue
        group, source = loaded
        for slug in sorted(set(group.members) - slugs):
            problems.append(source.problem(("members",), f"there is no commune '{slug}'{nearest(slug, slugs)}"))
        groups.append(SharedValues(f"group {path.stem}", source, group.values, group.members))
    return groups


def _commune(folder: Path, root: Path, problems: list[Problem]) -> tuple[Commune, Source] | None:
    path = folder / "commune.yaml"
    if not path.is_file():
        problems.append(Problem(folder, "there is no commune.yaml in it"))
        return None
    loaded = _model(path, root, Commune, problems)
    if loaded and loaded[0].key != folder.name:
        problems.append(
            loaded[1].problem(("insee",), f"the folder is {folder.name}, but the file says {loaded[0].key}")
        )
        return None
    return loaded


def _requests(folder: Path, root: Path, commune: Commune, problems: list[Problem]) -> Iterator[Request]:
    for path in sorted(folder.glob("*.y*ml")):
        if path.name == "commune.yaml":
            continue
        loaded = _model(path, root, RequestFile, problems)
        if loaded is None:
            continue
        asked, source = loaded
        if asked.service != path.stem:
            problems.append(
                source.problem(("service",), f"the file asks for '{asked.service}' but is named {path.name}")
            )
        yield Request(commune, asked, source)


def _release(folder: Path, root: Path, problems: list[Problem]) -> Release | None:
    loaded = _model(folder / "service.yaml", root, Manifest, problems)
    schema = _schema(folder / "values.schema.json", problems)
    if loaded is None or schema is None:
        return None
    manifest, source = loaded
    if (manifest.name, manifest.version) != (folder.parent.name, folder.name):
        said = f"{manifest.name}/{manifest.version}"
        problems.append(
            source.problem(("version",), f"the folder is {folder.parent.name}/{folder.name}, but the file says {said}")
        )
    return Release(manifest, schema, read_tree(folder), str(folder.relative_to(root)))


def _schema(path: Path, problems: list[Problem]) -> dict[str, JsonValue] | None:
    try:
        schema = json.loads(path.read_text("utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
    except OSError as error:
        problems.append(Problem(path, f"cannot be read: {error.strerror}"))
    except (ValueError, RecursionError) as error:
        problems.append(Problem(path, f"is not JSON: {error}"))
    except jsonschema.SchemaError as error:
        problems.append(Problem(path, error.message, key=".".join(map(str, error.absolute_path))))
    else:
        if isinstance(schema, dict):
            return schema
        problems.append(Problem(path, "is not a JSON object"))
    return None


def _model(path: Path, root: Path, model: type[_Model], problems: list[Problem]) -> tuple[_Model, Source] | None:
    """One YAML file as ``model``; None when something is wrong with it, which is then in ``problems``."""
    read = _read_yaml(path, problems)
    if read is None:
        return None
    data, lines = read
    source = Source(path, str(path.relative_to(root)), lines)
    try:
        return model.model_validate(data), source
    except pydantic.ValidationError as error:
        problems.extend(_problem(source, details["loc"], details["type"], details["msg"]) for details in error.errors())
        return None


def _problem(source: Source, location: tuple[int | str, ...], kind: str, message: str) -> Problem:
    key = tuple(str(part) for part in location)
    reasons = {"extra_forbidden": "unknown key", "missing": "is missing"}
    return source.problem(key, reasons.get(kind, message.removeprefix("Value error, ")))


def _read_yaml(path: Path, problems: list[Problem]) -> tuple[JsonValue, dict[Key, int]] | None:
    try:
        content = path.read_bytes()
        if len(content) > _MAX_BYTES:
            raise ValueError(f"is larger than {_MAX_BYTES} bytes")
        loaded = YAML(typ="rt", pure=True).load(content.decode("utf-8"))
        lines: dict[Key, int] = {}
        return _JSON.validate_python(_plain(loaded, (), lines, set())), lines
    except OSError as error:
        problems.append(Problem(path, f"cannot be read: {error.strerror}"))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        problems.append(Problem(path, f"is not YAML: {error.problem}", line))
    except (YAMLError, UnicodeDecodeError, RecursionError, pydantic.ValidationError, ValueError) as error:
        problems.append(Problem(path, f"is not plain YAML: {str(error).splitlines()[0]}"))
    return None


def _plain(node: object, key: Key, lines: dict[Key, int], seen: set[int]) -> object:
    """Plain maps and lists of a document; fills ``lines``. Aliases are refused: they hide where a value was set."""
    if isinstance(node, CommentedMap | CommentedSeq):
        if id(node) in seen:
            raise ValueError("uses an alias (*name); write the value where it is used")
        seen.add(id(node))
    if isinstance(node, CommentedMap):
        for name, (line, _column, *_rest) in (node.lc.data or {}).items():
            lines[(*key, str(name))] = line + 1
        return {str(name): _plain(value, (*key, str(name)), lines, seen) for name, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value, (*key, str(i)), lines, seen) for i, value in enumerate(node)]
    return str(node) if isinstance(node, str) else node
