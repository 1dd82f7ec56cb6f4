"""The real world: all adapters put together for one project and one connection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from agglo import digest
from agglo.adapters import toolchain
from agglo.adapters.checks import TestinfraChecks
from agglo.adapters.cloud import OpenStackCloud
from agglo.adapters.configurator import AnsibleConfigurator
from agglo.adapters.connection import Connection
from agglo.adapters.engine import PulumiEngine
from agglo.adapters.files import read_tree
from agglo.adapters.records import FileRecords
from agglo.adapters.vault import HvacVault
from agglo.errors import NotConnected, ToolMissing
from agglo.project import Project
from agglo.stack import Site
from agglo.world import World


def open_world(project: Project, connection: Connection, say: Callable[[str], None]) -> World:
    """Nothing is asked of cloud or Vault yet. Raises NotConnected without an image to give to guests."""
    image = connection.image
    if image is None:
        raise NotConnected(
            "no guest image is named: AGGLO_IMAGE_FILE is not set", hint="agglo dev up, or name an image file"
        )
    vault = HvacVault(connection)

    def site() -> Site:
        with image.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        ca = connection.ca.read_text() if connection.ca else ""
        return Site(sha256, vault.ssh_ca(), connection.acme_directory, ca)

    return World(
        project=project,
        engine=PulumiEngine(connection.state, _tools),
        cloud=OpenStackCloud(connection),
        vault=vault,
        configurator=AnsibleConfigurator(project.root, connection, vault, project.metro.image.user, _stamp),
        checks=TestinfraChecks(project.root, connection, str(project.metro.public.edge), _now),
        records=FileRecords(connection.state),
        site=site,
        assets={"image": image},
        playbooks=digest.of_files(read_tree(project.root / "playbooks")),
        now=_now,
        say=say,
    )


def _tools() -> toolchain.Toolchain:
    found = toolchain.find()
    if found is None:
        raise ToolMissing(
            "the Pulumi engine or its OpenStack provider is not here in the pinned version",
            hint="agglo dev tools",
        )
    return found


def _now() -> datetime:
    return datetime.now(UTC)


def _stamp() -> str:
    return _now().strftime("%Y%m%dT%H%M%S.%f")
