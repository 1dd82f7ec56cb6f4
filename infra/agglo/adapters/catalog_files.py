"""The catalogue's folders: every release with all its files, each service's index and changelog."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from pydantic import JsonValue

from agglo.adapters.models import read_model
from agglo.catalog import CHANGELOGS, Catalog, Index, Release
from agglo.errors import Problem
from agglo.manifest import Manifest
from agglo.schema import schema_problems
from agglo.words import Lang, Words

INDEX = "releases.yaml"


def load_catalog(root: Path, problems: list[Problem]) -> Catalog:
    """All releases below ``catalog/``; what is wrong is added to ``problems``."""
    releases: dict[str, dict[str, Release]] = {}
    indexes: dict[str, Index] = {}
    changelogs: dict[str, dict[Lang, str]] = {}
    for service in folders(root / "catalog"):
        for folder in folders(service):
            release = _release(folder, root, problems)
            if release:
                releases.setdefault(release.service, {})[release.version] = release
        if (service / INDEX).is_file():
            loaded = read_model(service / INDEX, root, Index, problems)
            indexes[service.name] = loaded[0] if loaded else Index()
        for lang, name in CHANGELOGS.items():
            if (service / name).is_file():
                text = (service / name).read_text("utf-8", errors="replace")
                changelogs.setdefault(service.name, {})[lang] = text
    catalog = Catalog(releases, indexes, changelogs)
    problems += _cycles(root, catalog)
    return catalog


class Tree(Mapping[str, bytes]):
    """The files below a folder by relative name, read when somebody asks for contents.

    Hidden files, caches of Python and links are left out; ``links`` names the latter.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []
        self.links: list[Path] = []
        self._list(folder, "")

    def _list(self, folder: Path, prefix: str) -> None:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if entry.name.startswith(".") or entry.name == "__pycache__":
                    continue
                if entry.is_symlink():
                    self.links.append(Path(entry.path))
                elif entry.is_dir():
                    self._list(Path(entry.path), f"{prefix}{entry.name}/")
                else:
                    self._names.append(prefix + entry.name)

    @cached_property
    def _contents(self) -> dict[str, bytes]:
        return {name: (self._folder / name).read_bytes() for name in self._names}

    def __getitem__(self, name: str) -> bytes:
        return self._contents[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_tree(folder: Path) -> dict[str, bytes]:
    """Contents of all files below ``folder`` by relative name; hidden files, links, caches of Python are left out."""
    return dict(Tree(folder))


def folders(top: Path) -> list[Path]:
    """Folders in ``top``, sorted; hidden ones and those whose name begins with ``_`` are left out."""
    return sorted(p for p in top.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))) if top.is_dir() else []


def _release(folder: Path, root: Path, problems: list[Problem]) -> Release | None:
    loaded = read_model(folder / "service.yaml", root, Manifest, problems)
    schema = _schema(folder / "values.schema.json", problems)
    if loaded is None or schema is None:
        return None
    manifest, source = loaded
    if (manifest.name, manifest.version) != (folder.parent.name, folder.name):
        said = f"{manifest.name}/{manifest.version}"
        there = f"{folder.parent.name}/{folder.name}"
        problems.append(source.problem(("version",), Words(f"the folder is {there}, but the file says {said}")))
    files = Tree(folder)
    problems += [Problem(link, Words("is a symbolic link; a release holds its files itself")) for link in files.links]
    return Release(manifest, schema, files, str(folder.relative_to(root)))


def _schema(path: Path, problems: list[Problem]) -> dict[str, JsonValue] | None:
    try:
        schema: JsonValue = json.loads(path.read_text("utf-8"))
    except OSError as error:
        problems.append(Problem(path, Words(f"cannot be read: {error.strerror}")))
        return None
    except (ValueError, RecursionError) as error:
        problems.append(Problem(path, Words(f"is not JSON: {error}")))
        return None
    wrong = schema_problems(schema)
    problems += [Problem(path, words, key=".".join(key)) for key, words in wrong]
    return schema if isinstance(schema, dict) and not wrong else None


def _cycles(root: Path, catalog: Catalog) -> list[Problem]:
    """Services that need each other in a circle could never be applied: refused."""
    circles = {service: catalog.cycle(service) for service in catalog.services()}
    return [
        Problem(
            root / "catalog" / service,
            Words(f"needs itself: {' → '.join(circle)}", f"a besoin de lui-même : {' → '.join(circle)}"),
        )
        for service, circle in circles.items()
        if circle
    ]
