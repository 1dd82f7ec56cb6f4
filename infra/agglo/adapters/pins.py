"""Versions and addresses of the programs that agglo starts: the Pulumi engine and the OpenStack provider."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ENGINE_VERSION = "3.255.0"  # that of the `pulumi` package in requirements/project.txt
PROVIDER_VERSION = "5.5.1"  # that of the `pulumi-openstack` package
MODULES = Path(__file__).parents[2] / "toolchain"
REQUIREMENTS = Path(__file__).parents[3] / "requirements"

Say = Callable[[str], None]


class Run(Protocol):
    """Runs a program to its end, adding ``env`` to the environment; its output goes to the file ``log``.

    Raises ToolMissing, or an error of its own, when the program fails or is stopped.
    """

    def __call__(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Run ``argv``."""


@dataclass(frozen=True)
class Tool:
    """A program that agglo starts: ``name`` on PATH and of its module, ``version`` and how to ask for it."""

    name: str
    version: str
    question: str
    linked: str  # Go variable set when the program is linked, and its value; empty: the source holds the version
    package: str  # Go package to build, seen from the module's directory
    release: str  # address of the official archive
    checksums: str  # address of the sha256 sums that the release publishes


ENGINE = Tool(
    name="pulumi",
    version=ENGINE_VERSION,
    question="version",
    linked="github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}",
    package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    release="https://github.com/pulumi/pulumi/releases/download/v{version}/pulumi-v{version}-linux-{x64}.tar.gz",
    checksums="https://github.com/pulumi/pulumi/releases/download/v{version}/pulumi-{version}-checksums.txt",
)
PROVIDER = Tool(
    name="pulumi-resource-openstack",
    version=PROVIDER_VERSION,
    question="-version",
    linked="",
    package=".",
    release="https://github.com/pulumi/pulumi-openstack/releases/download/v{version}/"
    "pulumi-resource-openstack-v{version}-linux-{amd64}.tar.gz",
    checksums="https://github.com/pulumi/pulumi-openstack/releases/download/v{version}/"
    "pulumi-openstack_{version}_checksums.txt",
)
TOOLS = (ENGINE, PROVIDER)


def cache() -> Path:
    """Directory of downloads and builds: ``AGGLO_CACHE``, else ``~/.cache/agglo``."""
    fallback = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "agglo"
    return Path(os.environ.get("AGGLO_CACHE", str(fallback)))
