"""A second region beside the cloud, for recovery rehearsals: it works while the first is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import urllib3
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from agglo_devcloud import install, slots
from agglo_devcloud.layout import Layout
from tests.integration.conftest import NAME, Cloud, leftovers, wait_until, way_in

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]
REGION = "r2"
SECOND = NAME + REGION


@pytest.fixture(scope="module")
def second(cloud: Cloud) -> Iterator[Layout]:
    """The region r2; reset at the end, and nothing is left of it."""
    try:
        cloud.done("dev", "up", "--name", NAME, "--region", REGION)
        made = slots.find(SECOND)
        assert made
        yield made
    finally:
        cloud.done("dev", "reset", "--name", SECOND)
    assert leftovers(made) == []
    assert set(entries(cloud.layout)) == {f"agglo-{NAME}", f"agglo-{NAME}-system"}


def entries(layout: Layout) -> dict[str, Any]:
    """What is in a cloud's ``clouds.yaml``."""
    found: dict[str, Any] = json.loads(layout.clouds_yaml.read_text())["clouds"]
    return found


def connected(layout: Layout, entry: str) -> Connection:
    """OpenStack by an entry of ``layout``'s ``clouds.yaml``."""
    clouds = OpenStackConfig(config_files=[str(layout.clouds_yaml)], load_envvars=False)
    return Connection(config=clouds.get_one(cloud=entry))


def bucket(connection: Connection, endpoint: str, region: str) -> Any:
    """A stock S3 client of a region, with credentials made there."""
    path = f"/users/{connection.current_user_id}/credentials/OS-EC2"
    made = connection.identity.post(path, json={"tenant_id": connection.current_project_id}).json()["credential"]
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=made["access"],
        aws_secret_access_key=made["secret"],
    )


def test_both_regions_are_in_both_clouds_yaml(cloud: Cloud, second: Layout) -> None:
    assert entries(cloud.layout) == entries(second)
    assert entries(second)[f"agglo-{NAME}"]["region_name"] == "RegionOne"
    assert entries(second)[f"agglo-{SECOND}"]["region_name"] == REGION
    for layout in (cloud.layout, second):
        for entry in (f"agglo-{NAME}", f"agglo-{SECOND}"):
            assert [network.name for network in connected(layout, entry).network.networks(name="public")] == ["public"]


def test_the_second_makes_servers_and_objects_while_the_first_is_down(cloud: Cloud, second: Layout) -> None:
    """A copy of the first's object is there before; the first then finds its own again."""
    first = bucket(connected(cloud.layout, f"agglo-{NAME}"), cloud.layout.url("swift"), "RegionOne")
    first.create_bucket(Bucket="rehearsal")
    first.put_object(Bucket="rehearsal", Key="acte", Body=b"copie")
    there = connected(second, f"agglo-{SECOND}")
    copies = bucket(there, second.url("swift"), REGION)
    copies.create_bucket(Bucket="rehearsal")
    copies.put_object(
        Bucket="rehearsal", Key="acte", Body=first.get_object(Bucket="rehearsal", Key="acte")["Body"].read()
    )
    cloud.done("dev", "down", "--name", NAME)
    try:
        assert copies.get_object(Bucket="rehearsal", Key="acte")["Body"].read() == b"copie"
        copies.put_object(Bucket="rehearsal", Key="autre", Body=b"pendant")
        server = _server(there)
        assert "Debian" in way_in(second, server.id).run("cat", "/etc/os-release")
    finally:
        cloud.done("dev", "up", "--name", NAME)
    assert first.get_object(Bucket="rehearsal", Key="acte")["Body"].read() == b"copie"
    assert copies.list_objects_v2(Bucket="rehearsal")["KeyCount"] == 2
    wait_until(lambda: _served(cloud), 180)
    first.delete_object(Bucket="rehearsal", Key="acte")
    first.delete_bucket(Bucket="rehearsal")


def _served(cloud: Cloud) -> bool:
    """True when the portal is there again, of which guests come back one after another."""
    try:
        return bool(cloud.page())
    except (AssertionError, urllib3.exceptions.HTTPError):
        return False


def _server(region: Connection) -> Any:
    """A server on a network of its own, ACTIVE."""
    with install.places().image.open("rb") as file:
        image = region.image.create_image(name="debian", container_format="bare", disk_format="raw", data=file)
    flavor = region.compute.create_flavor(name="small", ram=512, vcpus=1, disk=5)
    network = region.network.create_network(name="inner")
    region.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.9.0.0/24")
    server = region.compute.create_server(
        name="recovered", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}]
    )
    return region.compute.wait_for_server(server, wait=180)


def test_a_region_needs_a_name_and_a_first_cloud(cloud: Cloud) -> None:
    wrong = cloud.agglo("dev", "up", "--name", NAME, "--region", "Region 2")
    assert (wrong.returncode, "no name for a region" in wrong.stderr) == (1, True)
    alone = cloud.agglo("dev", "up", "--name", "nobody", "--region", REGION)
    assert (alone.returncode, "no embedded cloud 'nobody'" in alone.stderr) == (1, True)
    assert slots.find("nobody") is None
