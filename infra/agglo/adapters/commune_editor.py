"""Write and delete the files of communes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from agglo.adapters.records import write_atomically
from agglo.commune import Commune
from agglo.yaml_text import YamlError, parse_yaml


def commune_path(root: Path, key: str) -> Path:
    """Where the commune is whose key (``67447-schiltigheim``) is this."""
    return root / "stacks" / "communes" / key / "commune.yaml"


def write_commune(root: Path, commune: Commune) -> Path:
    """A new ``commune.yaml``, in the form that all of them have; what nobody knows is left out."""
    population = {k: v for k, v in commune.population.model_dump().items() if v is not None}
    lines = {
        "insee": json.dumps(commune.insee),
        "slug": _plain(commune.slug),
        "name": _plain(commune.name),
        "siren": json.dumps(commune.siren),
        "postal_codes": json.dumps(commune.postal_codes),
        "population": "{" + ", ".join(f"{key}: {value}" for key, value in population.items()) + "}",
        **({"cog": commune.cog} if commune.cog else {}),
        "values": "{}",
    }
    path = commune_path(root, commune.key)
    write_atomically(path, "".join(f"{key}: {value}\n" for key, value in lines.items()))
    return path


def _plain(text: str) -> str:
    """The text without quotes where it can be read so."""
    try:
        known, _ = parse_yaml(f"key: {text}\n")
    except YamlError:
        known = None
    return text if known == {"key": text} else json.dumps(text, ensure_ascii=False)


def delete_commune(root: Path, commune: Commune) -> None:
    """Delete the folder of a commune with all its files."""
    shutil.rmtree(commune_path(root, commune.key).parent)
