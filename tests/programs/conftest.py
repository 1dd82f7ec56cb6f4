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
    """Everything a program declared, by type and name; what it only reads, by id."""

    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.resource_id:
            self.read.add(args.resource_id)
            return args.resource_id, dict(args.inputs)
        self.resources[args.typ.rpartition(":")[2], args.name] = dict(args.inputs)
        extra = {
            "allFixedIps": ["10.0.0.7"],
            "address": "100.64.1.7",
            "externalFixedIps": [{"ipAddress": "198.51.100.77"}],
        }
        return f"id-of-{args.name}", {**extra, **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        return {**args.args, "id": f"id-of-{args.args.get('name')}"}

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Inputs of all resources of one type, by name."""
        return {name: inputs for (type_, name), inputs in self.resources.items() if type_ == kind}

    def rules(self) -> set[tuple[Any, ...]]:
        """Security group rules: group, direction, ether type, protocol, ports, prefix."""
        keys = (
            "securityGroupId",
            "direction",
            "ethertype",
            "protocol",
            "portRangeMin",
            "portRangeMax",
            "remoteIpPrefix",
        )
        assert all(set(rule) <= {*keys, "tenantId"} for rule in self.of("SecGroupRule").values())
        return {tuple(rule.get(key) for key in keys) for rule in self.of("SecGroupRule").values()}

    def servers(self) -> dict[str, tuple[str, str, list[str]]]:
        """Servers: image, flavor, and the security groups of their port."""
        ports = {f"id-of-{name}": port for name, port in self.of("Port").items()}
        return {
            name: (
                s["imageId"],
                s["flavorId"],
                sorted(g for n in s["networks"] for g in ports[n["port"]]["securityGroupIds"]),
            )
            for name, s in self.of("Instance").items()
        }


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
