"""Trees of files that a test may spoil: the metropolis of this repository, and releases made for the occasion."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from agglo.adapters.catalog_editor import mark
from agglo.adapters.catalog_files import read_tree
from agglo.adapters.yaml_editor import edit_yaml
from agglo.catalog import Entry
from agglo.digest import of_files

ROOT = Path(__file__).parents[1]
SKELETON = ROOT / "infra" / "agglo" / "skeleton"


def metropolis(place: Path) -> Path:
    """The stacks and the catalogue of this repository, copied to ``place``."""
    for name in ("stacks", "catalog"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def add_release(
    root: Path,
    service: str,
    version: str,
    *,
    state: str = "released",
    migrations: tuple[str, ...] = (),
    **manifest: Any,
) -> Path:
    """A release made from the skeleton, with these keys of its manifest; its folder."""
    folder = root / "catalog" / service / version
    for source in (p for p in SKELETON.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        place = folder / str(source.relative_to(SKELETON)).replace("SERVICE", service)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(source.read_text().replace("%SERVICE%", service).replace("%MODULE%", service))
    for name in migrations:
        (folder / "migrations").mkdir(exist_ok=True)
        (folder / "migrations" / f"{name}.yml").write_text("- name: Move\n  hosts: all\n  tasks: []\n")

    def change(data: Any) -> None:
        data["version"] = version
        if migrations:
            summary = {"fr": "Déplacer", "en": "Move"}
            data["upgrade"]["migrations"] = [{"name": name, "summary": summary} for name in migrations]
        for key, value in manifest.items():
            merged = {**data[key], **value} if isinstance(value, dict) and key in data else value
            data[key] = merged

    edit_yaml(folder / "service.yaml", change)
    enter(root, service, version, state)
    return folder


def enter(root: Path, service: str, version: str, state: str = "released", **more: Any) -> None:
    """Set a release's line in the index, with its digest."""
    known = {
        "state": state,
        "date": date(2026, 1, 1),
        "digest": of_files(read_tree(root / "catalog" / service / version)),
    }
    mark(root, service, version, Entry.model_validate({**known, **more}))


def ask(root: Path, place: str, service: str, **asked: Any) -> Path:
    """A request file; ``place`` is a folder below ``stacks/``: ``communes/67447-schiltigheim`` or ``metro``."""
    path = root / "stacks" / place / f"{service}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        YAML().dump({"service": service, **asked}, file)
    return path


def write(root: Path, files: Mapping[str, str]) -> None:
    """Files by name."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
