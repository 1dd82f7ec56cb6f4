"""OpenTofu as the peer of ``fleet.py``: programs built from the modules in ``infra/toolchain``, one root module.

Nothing is downloaded when it runs: the provider is found by a development override, which also makes ``init``
needless.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agglo.adapters import toolchain
from agglo.adapters.pins import Tool
from agglo.stack import Inputs

MODULE = Path(__file__).with_name("opentofu.tf")
TOFU = Tool(
    name="tofu",
    version="1.12.6",
    question="version",
    linked="github.com/opentofu/opentofu/version.dev=no",
    package="github.com/opentofu/opentofu/cmd/tofu",
    release="",
    checksums="",
)
PROVIDER = Tool(
    name="terraform-provider-openstack",
    version="3.4.0",  # that which the pinned pulumi-openstack bridges
    question="",
    linked="",
    package="github.com/terraform-provider-openstack/terraform-provider-openstack/v3",
    release="",
    checksums="",
)


@dataclass(frozen=True)
class Tools:
    """Where the two programs are."""

    tofu: Path
    provider: Path


def tools() -> Tools:
    """The programs, built once. Raises ToolMissing."""
    return Tools(*toolchain.built((TOFU, PROVIDER), print))


@dataclass(frozen=True)
class RootModule:
    """A folder with the root module, its state and its communes; ``operator`` are the variables that name the cloud."""

    folder: Path
    tools: Tools
    operator: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """Environment of its commands."""
        return {
            **self.operator,
            "HOME": str(Path.home()),
            "PATH": os.defpath,
            "TF_CLI_CONFIG_FILE": str(self.folder / "tofu.rc"),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }

    def write(self) -> None:
        """Lay the folder out."""
        self.folder.mkdir()
        shutil.copy(MODULE, self.folder / "main.tf")
        override = f'"terraform-provider-openstack/openstack" = "{self.tools.provider.parent}"'
        (self.folder / "tofu.rc").write_text(f"provider_installation {{\n  dev_overrides {{ {override} }}\n}}\n")

    def ask_for(self, communes: Mapping[str, Inputs]) -> None:
        """Set the communes, by slug: each with the very inputs that agglo gives to its own program."""
        (self.folder / "communes.auto.tfvars.json").write_text(json.dumps({"communes": communes}, indent=1))

    def command(self, *arguments: str) -> list[str]:
        """A command line of OpenTofu on this module."""
        return [str(self.tools.tofu), f"-chdir={self.folder}", *arguments]

    def domains(self) -> list[str]:
        """Ids of the domains that it made."""
        return [str(domain) for domain in self._state()["outputs"]["domains"]["value"]]

    def resources(self) -> int:
        """How many resources it made for each commune."""
        return sum(resource["mode"] == "managed" for resource in self._state()["resources"])

    def _state(self) -> Any:
        return json.loads((self.folder / "terraform.tfstate").read_text())
