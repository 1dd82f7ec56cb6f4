"""Write requests: a new file with only what differs, a version that moves, a refusal; comments stay."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from agglo.adapters.yaml_editor import edit_yaml, write_yaml
from agglo.commune import Commune
from agglo.layers import Key
from agglo.metro import Tenant
from agglo.request import Request, RequestFile

_HEAD = "{name} demande le service « {service} » au catalogue de la métropole. Aide : docs/demander-un-service.md"


def request_path(root: Path, tenant: Tenant, service: str) -> Path:
    """Where a tenant's request for a service is."""
    folder = f"communes/{tenant.key}" if isinstance(tenant, Commune) else "metro"
    return root / "stacks" / folder / f"{service}.yaml"


def write_request(path: Path, tenant: Tenant, asked: RequestFile) -> None:
    """A new request file; reasons are written in their short form where that says all."""
    data: dict[str, JsonValue] = asked.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    data.setdefault("values", {})
    why = data.get("why")
    if isinstance(why, dict):
        data["why"] = {key: _short_reason(reason) for key, reason in why.items()}
    write_yaml(path, data, _HEAD.format(name=tenant.name, service=asked.service))


def _short_reason(reason: JsonValue) -> JsonValue:
    return reason["reason"] if isinstance(reason, dict) and set(reason) == {"reason"} else reason


def move_version(request: Request, version: str) -> None:
    """Pin another version."""

    def move(data: Any) -> None:
        data["version"] = version

    edit_yaml(request.source.path, move)


def refuse(request: Request, why: str, date: datetime.date) -> None:
    """Write the metropolis's refusal into the request."""

    def put(data: Any) -> None:
        data["refused"] = {"why": why, "date": str(date)}

    edit_yaml(request.source.path, put)


def nested(values: Mapping[Key, JsonValue]) -> dict[str, JsonValue]:
    """A map of values from key paths."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        branch = tree
        for part in key[:-1]:
            branch = branch.setdefault(part, {})
        branch[key[-1]] = value
    return tree
