"""What people change in the cloud behind agglo's back is seen, told, and brought back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import Cloud
from tests.integration.watching import eventually, on_guest, values

if TYPE_CHECKING:
    from openstack.connection import Connection

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]
INSTANCE = "67447-schiltigheim/portal"
ZONE = "67447-schiltigheim"


def test_a_cloud_as_it_was_applied_has_no_drift(cloud: Cloud) -> None:
    assert cloud.done("drift").endswith("the cloud is as it was applied.\n")


def test_what_was_changed_comes_back_and_what_is_not_ours_is_told(cloud: Cloud, operator: Connection) -> None:
    zone, instance = (cloud.record(f"{kind}")["outputs"] for kind in ("commune/67447", "instance/67447-portal"))
    (port,) = operator.network.ports(network_id=zone["network"], name="schiltigheim-portal")
    operator.network.update_port(port, allowed_address_pairs=[{"ip_address": "10.0.0.0/24"}])
    stray = operator.network.create_security_group_rule(
        security_group_id=zone["security_group"], direction="ingress", ethertype="IPv4", protocol="tcp",
        port_range_min=23, port_range_max=23, remote_ip_prefix="0.0.0.0/0",
    )  # fmt: skip
    operator.compute.stop_server(instance["server"])
    operator.compute.wait_for_server(operator.compute.get_server(instance["server"]), status="SHUTOFF", wait=60)

    seen = cloud.agglo("drift", "schiltigheim", "--json")
    assert seen.returncode == 3, seen.stderr
    assert _told(json.loads(seen.stdout)) == {
        (ZONE, "unmanaged", "", ""),
        (INSTANCE, "changed", "allowed addresses", "10.0.0.0/24"),
        (INSTANCE, "changed", "state", "shutoff"),
    }
    eventually(lambda: values(cloud, "agglo_drifted_resources", "stack") == {ZONE: 1, INSTANCE: 2, "metro": 0})

    cloud.done("apply", "schiltigheim", "--yes")
    assert "Bienvenue à Schiltigheim" in cloud.page()
    assert operator.compute.get_server(instance["server"]).status == "ACTIVE"
    assert operator.network.get_port(port.id).allowed_address_pairs == []
    again = cloud.agglo("drift", "schiltigheim", "--json")
    assert _told(json.loads(again.stdout)) == {(ZONE, "unmanaged", "", "")}
    operator.network.delete_security_group_rule(stray)
    cloud.done("drift", "schiltigheim")


def test_a_volume_without_a_backup_is_seen(cloud: Cloud, operator: Connection, volume: Any) -> None:
    cloud.done("drift", "metro")
    eventually(lambda: "essai" in values(cloud, "time() - agglo_volume_saved_timestamp_seconds", "volume"))
    assert values(cloud, "time() - agglo_volume_saved_timestamp_seconds", "volume")["essai"] < 600


@pytest.fixture
def volume(cloud: Cloud, operator: Connection) -> Iterator[Any]:
    """A volume in the metropolis's own project."""
    transit = operator.network.get_network(cloud.record("metro/RegionOne")["outputs"]["transit_network"])
    there = operator.connect_as(project_id=transit.project_id)
    made = there.block_storage.create_volume(size=1, name="essai")
    there.block_storage.wait_for_status(made, status="available", wait=60)
    yield made
    there.block_storage.delete_volume(made)
    there.block_storage.wait_for_delete(made)


def test_a_person_logs_in_with_a_certificate_and_the_bastion_notes_it(cloud: Cloud) -> None:
    assert cloud.done("ssh", "schiltigheim/portal", "hostname") == "schiltigheim-portal\n"
    failed = cloud.agglo("ssh", "schiltigheim/portal", "exit", "7")
    assert failed.returncode == 7
    target = cloud.record("instance/67447-portal")["outputs"]["address"]
    log = "cat /var/log/agglo/metro/bastion/*.log"
    eventually(lambda: f"target {target} port 22" in on_guest(cloud, "ops", log))
    assert 'Accepted certificate ID "vault-token-operator-' in on_guest(cloud, "ops", log)


def _told(answer: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    return {
        (stack["title"], d["what"], d["field"], d["live"]) for stack in answer["stacks"] for d in stack["differences"]
    }
