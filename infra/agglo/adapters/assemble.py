"""The real world: all adapters put together for one project and one connection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from agglo import digest
from agglo.adapters import toolchain
from agglo.adapters.catalog_files import read_tree
from agglo.adapters.checks import TestinfraChecks
from agglo.adapters.cloud import OpenStackCloud
from agglo.adapters.configurator import AnsibleConfigurator
from agglo.adapters.connection import Connection
from agglo.adapters.dns import DnsNames
from agglo.adapters.engine import PulumiEngine
from agglo.adapters.records import FileRecords
from agglo.adapters.vault import HvacVault
from agglo.errors import NotConnected, ToolMissing
from agglo.project import Project
from agglo.stack import Site
from agglo.world import World


def open_world(
    project: Project, connection: Connection, say: Callable[[str], None], workers: int | None = None
) -> World:
    """Nothing is asked of cloud or Vault yet; ``workers`` engines run side by side (None: as the cloud bears it).

    Raises NotConnected without an image to give to guests, unless they get one that the cloud has.
    """
    image = None if project.metro.image.adopt else connection.image
    if image is None and not project.metro.image.adopt:
        raise NotConnected(
            "no guest image is named: AGGLO_IMAGE_FILE is not set",
            hint="agglo dev up, or name an image file, or one that the cloud has (metro.yaml: image.adopt)",
        )
    vault = HvacVault(connection)

    def site() -> Site:
        ca = connection.ca.read_text() if connection.ca else ""
        ca_key, acme, mail_key = vault.ssh_ca(), connection.acme_directory, vault.mail_key()
        if image is None:
            return Site("", ca_key, acme, ca, mail_key)
        return Site(_sha256(image), ca_key, acme, ca, mail_key, image_date=_day(image))

    return World(
        project=project,
        engine=PulumiEngine(connection.state, _tools),
        cloud=OpenStackCloud(connection, project.metro.region),
        vault=vault,
        configurator=AnsibleConfigurator(project.root, connection, vault, project.metro.image.user, _stamp),
        checks=TestinfraChecks(project.root, connection, str(project.metro.public.edge), _now),
        records=FileRecords(connection.state),
        names=DnsNames(connection.dns or str(project.metro.public.dns)),
        site=site,
        assets={"image": image} if image else {},
        playbooks=digest.of_files(read_tree(project.root / "playbooks")),
        now=_now,
        say=say,
        workers=workers,
    )


@cache
def _sha256(path: Path) -> str:
    """Read once: a run asks for its site several times, and the image is large."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _day(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()


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
