"""Change the catalogue's folders: begin services and versions, release them, take them back."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agglo.adapters.catalog_files import INDEX
from agglo.adapters.records import write_atomically
from agglo.adapters.yaml_editor import edit_yaml, write_yaml
from agglo.catalog import CHANGELOGS, Entry, Release
from agglo.errors import UsageError
from agglo.words import Lang

_SKELETON = Path(__file__).parents[1] / "skeleton"
_INDEX_HEAD = """\
The releases of this service and their states: draft, released, deprecated, withdrawn. Kept by `agglo catalog
new-version|release|deprecate|withdraw`; `agglo catalog lint` checks that what is released has not changed since."""

_FIRST: Mapping[Lang, str] = {
    "fr": "# Nouveautés de {name}\n\n## [0.1.0] - {today}\n\n### Ajouté\n\n- Le service.\n",
    "en": "# Changelog of {name}\n\n## [0.1.0] - {today}\n\n### Added\n\n- The service.\n",
}


def new_service(root: Path, name: str, communes: tuple[str, ...], today: datetime.date) -> Path:
    """A service that works from the first minute, as draft 0.1.0 for ``communes``; its folder.

    Raises UsageError when there is a service of that name.
    """
    target = root / "catalog" / name
    if target.exists():
        raise UsageError(f"{name} is in the catalogue already", hint=f"agglo catalog new-version {name}")
    for source in sorted(p for p in _SKELETON.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        relative = str(source.relative_to(_SKELETON)).replace("SERVICE", name.replace("-", "_"))
        text = source.read_text("utf-8").replace("%SERVICE%", name).replace("%MODULE%", name.replace("-", "_"))
        write_atomically(target / "0.1.0" / relative, text)
    for lang, told in _FIRST.items():
        text = told.format(name=name, today=today)
        write_atomically(target / CHANGELOGS[lang], text)
    mark(root, name, "0.1.0", Entry(state="draft", communes=communes))
    return target / "0.1.0"


def new_version(
    root: Path,
    source: Release,
    version: str,
    communes: tuple[str, ...],
    today: datetime.date,
    *,
    reached_from: Release | None,
) -> Path:
    """A draft that begins as a copy of ``source``, for instances of ``reached_from`` on; its folder.

    Raises UsageError when that version is there.
    """
    target = root / "catalog" / source.service / version
    if target.exists():
        raise UsageError(f"{source.service} {version} is there already", hint=f"agglo catalog show {source.service}")
    part = target.with_name(f".{version}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(root / source.folder, part, ignore=shutil.ignore_patterns("__pycache__", "migrations"))

    def move(manifest: Any) -> None:
        manifest["version"] = version
        manifest["upgrade"] = {"from": f">={reached_from.version}" if reached_from else "", "migrations": []}

    edit_yaml(part / "service.yaml", move)
    part.rename(target)
    for name in CHANGELOGS.values():
        _begin_entry(root / "catalog" / source.service / name, version, today)
    mark(root, source.service, version, Entry(state="draft", communes=communes))
    return target


def mark(root: Path, service: str, version: str, entry: Entry) -> None:
    """Set a version's line in the index."""
    path = root / "catalog" / service / INDEX
    if not path.is_file():
        write_yaml(path, {"releases": {}}, _INDEX_HEAD)
    line = entry.model_dump(mode="json", exclude_defaults=True, exclude_none=True)

    def put(index: Any) -> None:
        if not index.get("releases"):
            index["releases"] = {}
        index["releases"][version] = line

    edit_yaml(path, put)


def _begin_entry(changelog: Path, version: str, today: datetime.date) -> None:
    """A heading for a version above all others; what changes is for the author to say."""
    text = changelog.read_text("utf-8") if changelog.is_file() else "# Changelog\n\n"
    heading = f"## [{version}] - {today}\n\n"
    at = text.find("## [")
    write_atomically(changelog, text[:at] + heading + text[at:] if at >= 0 else text.rstrip("\n") + "\n\n" + heading)
