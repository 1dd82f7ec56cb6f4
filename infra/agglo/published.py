"""JSON Schemas of the files that people write, for editors: ``docs/schemas/<name>.schema.json``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from agglo.catalog import Index
from agglo.commune import Commune
from agglo.exemptions import Exemptions
from agglo.manifest import Manifest
from agglo.metro import Metro
from agglo.project import Defaults, Group
from agglo.request import RequestFile

MODELS: dict[str, tuple[type[BaseModel], str]] = {
    "service": (Manifest, "catalog/<service>/<version>/service.yaml"),
    "releases": (Index, "catalog/<service>/releases.yaml"),
    "metro": (Metro, "stacks/metro.yaml"),
    "commune": (Commune, "stacks/communes/<insee>-<slug>/commune.yaml"),
    "request": (RequestFile, "stacks/communes/<insee>-<slug>/<service>.yaml"),
    "group": (Group, "stacks/groups/<name>.yaml"),
    "exemptions": (Exemptions, "stacks/exemptions.yaml"),
    "defaults": (Defaults, "stacks/defaults.yaml"),
}


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of file, by name."""
    return {
        name: {"$schema": GenerateJsonSchema.schema_dialect, **model.model_json_schema(by_alias=True), "title": path}
        for name, (model, path) in MODELS.items()
    }
