"""An instance keeps its data on a volume: its server goes, the data stay; nobody deletes them by accident."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import Cloud, Inside, newer_image
from tests.trees import add_release, ask

if TYPE_CHECKING:
    from openstack.connection import Connection

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]
INSTANCE = "schiltigheim/archives"
DISK = {"name": "fonds", "size_gib": 1, "path": "/srv/fonds"}


@pytest.fixture(scope="module")
def archives(cloud: Cloud) -> Iterator[None]:
    """A service with a volume, asked for and applied."""
    folder = add_release(cloud.root, "archives", "1.0.0", resources={"volumes": [DISK]})
    request = ask(cloud.root, "communes/67447-schiltigheim", "archives", version="1.0.0")
    cloud.done("apply", INSTANCE, "--yes")
    yield
    cloud.done("destroy", INSTANCE, "--with-data", "--yes")
    request.unlink()
    shutil.rmtree(folder.parent)


def _server(cloud: Cloud) -> Inside:
    return cloud.inside(cloud.record("instance/67447-archives")["outputs"]["server"])


@pytest.mark.usefixtures("archives")
def test_a_server_that_is_made_again_has_the_data_of_the_one_before(cloud: Cloud, operator: Connection) -> None:
    assert _server(cloud).run("findmnt", "-no", "FSTYPE", DISK["path"]).strip() == "ext4"
    _server(cloud).run("sh", "-c", f"echo 1871 > {DISK['path']}/année && sync")
    before = cloud.record("instance/67447-archives")["outputs"]["server"]
    operator.compute.delete_server(before)
    operator.compute.wait_for_delete(operator.compute.get_server(before))
    seen = cloud.agglo("drift", INSTANCE)
    assert seen.returncode == 3, seen.stdout + seen.stderr
    assert "missing" in seen.stdout
    cloud.done("apply", INSTANCE, "--yes")
    assert cloud.record("instance/67447-archives")["outputs"]["server"] != before
    assert _server(cloud).run("cat", f"{DISK['path']}/année").strip() == "1871"
    assert cloud.done("drift", INSTANCE).endswith("as it was applied.\n")


@pytest.mark.usefixtures("archives")
def test_playbooks_find_nothing_to_change_on_a_volume_that_is_there(cloud: Cloud) -> None:
    cloud.done("apply", INSTANCE, "--yes", "--force")
    assert cloud.record("instance/67447-archives")["guests"]["schiltigheim-archives"]["changed"] == 0


@pytest.mark.usefixtures("archives")
def test_a_newer_image_keeps_the_data(cloud: Cloud, tmp_path: Path) -> None:
    before = cloud.record("instance/67447-archives")["outputs"]
    moved = cloud.agglo("patch", INSTANCE, "--yes", environment=newer_image(cloud, tmp_path))
    assert moved.returncode == 0, moved.stdout + moved.stderr
    after = cloud.record("instance/67447-archives")["outputs"]
    assert after["server"] != before["server"]
    assert after["volumes"] == before["volumes"]
    assert _server(cloud).run("cat", f"{DISK['path']}/année").strip() == "1871"
    cloud.done("patch", INSTANCE, "--yes")


@pytest.mark.usefixtures("archives")
def test_data_are_not_destroyed_unless_it_is_said(cloud: Cloud) -> None:
    refused = cloud.agglo("destroy", INSTANCE, "--yes")
    assert refused.returncode == 4
    assert "keeps its data in fonds" in refused.stderr
    assert "--with-data" in refused.stderr
    assert _server(cloud).run("cat", f"{DISK['path']}/année").strip() == "1871"
