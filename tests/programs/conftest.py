"""Pulumi programs against mocks: what they declare, without an engine or a cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest

from agglo.stack import Site

SITE = Site("0" * 64, "ssh-ed25519 AAAA ca", "https://vault.example/directory", "PEM")


@dataclass
class Declared(pulumi.runtime.Mocks):
    """Everything a program declared, by type and name."""

    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources[args.typ.rpartition(":")[2], args.name] = dict(args.inputs)
        extra = {"allFixedIps": ["10.0.0.7"], "address": "100.64.1.7"}
        return f"id-of-{args.name}", {**extra, **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        return {**args.args, "id": f"id-of-{args.args.get('name')}"}

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Inputs of all resources of one type, by name."""
        return {name: inputs for (type_, name), inputs in self.resources.items() if type_ == kind}


@pytest.fixture
def declared() -> Iterator[Declared]:
    mocks = Declared()
    pulumi.runtime.set_mocks(mocks, project="test", stack="test", preview=False)
    yield mocks


@pytest.fixture
def run() -> Callable[..., None]:
    """Run a program to its end."""

    def go(program: Callable[..., None], inputs: dict[str, Any], **assets: Path) -> None:
        pulumi.runtime.test(lambda: program(inputs, assets))()

    return go
