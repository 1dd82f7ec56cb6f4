"""What the three programs declare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agglo.programs import commune, instance, metro
from agglo.project import Project
from agglo.stack import (
    Kind,
    StackId,
    commune_target,
    instance_target,
    make_spec,
    metro_target,
)
from tests.programs.conftest import SITE, Declared

METRO_OUTPUTS = {
    "image": "image-id",
    "flavors": {"SCS-1L-1-5": "flavor-id"},
    "transit_network": "transit-id",
    "transit_network_name": "transit",
    "bastion_server": "b",
    "edge_server": "e",
}
COMMUNE_OUTPUTS = {"network": "n", "subnet": "s", "security_group": "g", "zone": "z", "user": "u", "project": "p"}
INSTANCE = "67447-schiltigheim/portal"


@pytest.fixture
def outputs(project: Project) -> dict[StackId, dict[str, Any]]:
    return {
        metro_target(project).id: METRO_OUTPUTS,
        StackId(Kind.COMMUNE, "67447"): COMMUNE_OUTPUTS,
    }


def test_metro_opens_only_the_edge_and_the_bastion_to_the_world(
    project: Project, declared: Declared, run: Callable[..., None]
) -> None:
    run(metro.program, make_spec(project, SITE, metro_target(project), {}).inputs, image=Path(__file__))
    rules = declared.of("SecGroupRule").values()
    world = {r["portRangeMin"] for r in rules if r["remoteIpPrefix"] == "0.0.0.0/0"}
    assert world == {22, 80, 443}
    assert all(r["direction"] == "ingress" and r["protocol"] == "tcp" for r in rules)


def test_metro_has_transit_as_a_vlan_with_its_router(
    project: Project, declared: Declared, run: Callable[..., None]
) -> None:
    run(metro.program, make_spec(project, SITE, metro_target(project), {}).inputs, image=Path(__file__))
    network = declared.of("Network")["transit"]
    assert network["segments"][0]["networkType"] == "vlan"
    assert network["external"] is True
    pool = declared.of("Subnet")["transit"]["allocationPools"][0]
    assert pool == {"start": "100.64.1.0", "end": "100.64.255.254"}
    addresses = {n: p["fixedIps"][0]["ipAddress"] for n, p in declared.of("Port").items()}
    assert addresses == {"metro-transit": "100.64.0.1", "bastion": "100.64.0.10", "edge": "100.64.0.20"}
    floating = {n: f["address"] for n, f in declared.of("FloatingIp").items()}
    assert floating == {"bastion": "198.51.100.10", "edge": "198.51.100.20"}


def test_metro_image_carries_its_digest(project: Project, declared: Declared, run: Callable[..., None]) -> None:
    run(metro.program, make_spec(project, SITE, metro_target(project), {}).inputs, image=Path(__file__))
    image = declared.of("Image")["image"]
    assert image["properties"]["agglo_sha256"] == "0" * 64
    assert image["visibility"] == "public"


def test_a_commune_has_a_domain_a_project_and_quotas_of_its_size(
    project: Project, declared: Declared, run: Callable[..., None], outputs: dict[StackId, Any]
) -> None:
    target = commune_target(project.communes["67447"])
    run(commune.program, make_spec(project, SITE, target, outputs).inputs)
    projects = declared.of("Project")
    assert projects["domain"]["isDomain"] is True
    assert projects["project"]["domainId"] == "id-of-domain"
    assert "insee=67447" in projects["project"]["tags"]
    quota = project.metro.quota_classes["L"]
    assert declared.of("QuotaSetV2")["compute"]["instances"] == quota.compute.instances
    assert declared.of("RbacPolicyV2")["transit"]["action"] == "access_as_external"
    assert "password" not in declared.of("User")["user"]


def test_a_communes_group_admits_ssh_from_the_bastion_only(
    project: Project, declared: Declared, run: Callable[..., None], outputs: dict[StackId, Any]
) -> None:
    target = commune_target(project.communes["67447"])
    run(commune.program, make_spec(project, SITE, target, outputs).inputs)
    rules = list(declared.of("SecGroupRule").values())
    assert [(r["portRangeMin"], r["remoteIpPrefix"]) for r in rules] == [(22, "100.64.0.10/32")]


def test_an_instance_is_open_to_the_edge_only(
    project: Project, declared: Declared, run: Callable[..., None], outputs: dict[StackId, Any]
) -> None:
    target = instance_target(project.requests[INSTANCE])
    run(instance.program, make_spec(project, SITE, target, outputs).inputs)
    rules = list(declared.of("SecGroupRule").values())
    assert [(r["portRangeMin"], r["remoteIpPrefix"]) for r in rules] == [(80, "100.64.0.20/32")]
    assert declared.of("RecordSet")["schiltigheim-portal"]["name"] == "portail.schiltigheim.agglo.localhost."
    server = declared.of("Instance")["schiltigheim-portal"]
    assert server["imageId"] == "image-id"
    assert server["configDrive"] is True


def test_an_instance_waits_for_its_landing_zone(project: Project) -> None:
    target = instance_target(project.requests[INSTANCE])
    spec = make_spec(project, SITE, target, {metro_target(project).id: METRO_OUTPUTS})
    assert spec.missing == (StackId(Kind.COMMUNE, "67447"),)
