"""What the three programs declare."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agglo.capabilities import CloudFlavor
from agglo.errors import AggloError
from agglo.metro import Metro
from agglo.programs import commune, instance, metro
from agglo.project import Project
from agglo.scs import flavor_problems, image_problems
from agglo.selector import select
from agglo.stack import (
    Kind,
    StackId,
    commune_target,
    instance_target,
    make_spec,
    metro_target,
)
from agglo.testing import WHOLE
from tests.programs.conftest import SITE, Declared

METRO_OUTPUTS = {
    "image": "0" * 64,
    "images": {"0" * 64: {"id": "image-id", "date": "", "adopted": False}},
    "server_images": {},
    "flavors": {"SCS-1L-1-5": "flavor-id"},
    "domain": "id-of-service-users",
    "transit_network": "transit-id",
    "transit_network_name": "transit",
    "bastion_server": "b",
    "edge_servers": {"edge-1": "e", "edge-2": "f"},
    "ops_server": "o",
}
COMMUNE_OUTPUTS = {"network": "n", "subnet": "s", "security_group": "g", "zone": "z", "user": "u", "project": "p"}
GUESTS_REACH = {"198.51.100.1/32", "100.64.0.0/16", "255.255.255.255/32", "169.254.169.254/32"}
INSTANCE = "67447-schiltigheim/portal"


@pytest.fixture
def outputs(project: Project) -> dict[StackId, dict[str, Any]]:
    return {
        metro_target(project).id: METRO_OUTPUTS,
        StackId(Kind.COMMUNE, "67447"): COMMUNE_OUTPUTS,
    }


def test_metro_opens_the_edges_to_the_world_and_the_bastion_to_named_networks(
    project: Project, declared: Declared, run: Callable[..., None]
) -> None:
    run(metro.program, make_spec(project, SITE, metro_target(project), {}).inputs, image=Path(__file__))
    rules = [r for r in declared.of("SecGroupRule").values() if r["direction"] == "ingress"]
    outside = {(r["portRangeMin"], r["remoteIpPrefix"]) for r in rules if not r["remoteIpPrefix"].startswith("100.64.")}
    assert outside == {(80, "0.0.0.0/0"), (443, "0.0.0.0/0"), (22, "198.51.100.1/32")}
    among_edges = {(r["protocol"], r.get("portRangeMin")) for r in rules if r["remoteIpPrefix"] == "100.64.0.22/32"}
    assert among_edges == {("vrrp", None), ("tcp", 8402)}
    assert {r["remoteIpPrefix"] for r in rules if r["protocol"] != "tcp"} == {"100.64.0.21/32", "100.64.0.22/32"}


def test_edges_share_an_address_and_stand_apart(project: Project, declared: Declared, run: Callable[..., None]) -> None:
    run(metro.program, make_spec(project, SITE, metro_target(project), {}).inputs, image=Path(__file__))
    ports, servers = declared.of("Port"), declared.of("Instance")
    for name in ("edge-1", "edge-2"):
        assert [pair["ipAddress"] for pair in ports[name]["allowedAddressPairs"]] == ["100.64.0.20"]
        assert [hint["group"] for hint in servers[name]["schedulerHints"]] == ["id-of-edge"]
    assert "schedulerHints" not in servers["bastion"]
    assert declared.of("ServerGroup")["edge"]["policies"] == "soft-anti-affinity"
    assert declared.of("FloatingIp")["edge"]["portId"] == "id-of-edge"


def test_only_ops_may_go_anywhere_and_by_few_ports(
    project: Project, declared: Declared, run: Callable[..., None]
) -> None:
    run(metro.program, make_spec(project, SITE, metro_target(project), {}).inputs, image=Path(__file__))
    assert all(group["deleteDefaultRules"] for group in declared.of("SecGroup").values())
    out = [r for r in declared.of("SecGroupRule").values() if r["direction"] == "egress"]
    anywhere = {(r["securityGroupId"], r["portRangeMin"]) for r in out if r["remoteIpPrefix"] == "0.0.0.0/0"}
    assert anywhere == {("id-of-ops", port) for port in (25, 80, 443)}
    assert {r["remoteIpPrefix"] for r in out} == {"0.0.0.0/0", *GUESTS_REACH}
    assert all(
        len(port["securityGroupIds"]) == 2 for name, port in declared.of("Port").items() if name != "metro-transit"
    )


def test_who_may_send_mail_of_the_metropolis_is_in_its_zone(
    project: Project, declared: Declared, run: Callable[..., None]
) -> None:
    site = replace(SITE, mail_key="M" * 392)
    run(metro.program, make_spec(project, site, metro_target(project), {}).inputs, image=Path(__file__))
    said = {r["name"]: r["records"][0] for r in declared.of("RecordSet").values()}
    assert said["agglo.localhost."] == '"v=spf1 ip4:198.51.100.77 -all"'
    assert said["_dmarc.agglo.localhost."].startswith('"v=DMARC1; p=quarantine')
    first, second = said["agglo._domainkey.agglo.localhost."].strip('"').split('" "')
    assert len(first) == 253
    assert first + second == "v=DKIM1; k=rsa; p=" + "M" * 392


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
    assert addresses == {
        "metro-transit": "100.64.0.1",
        "bastion": "100.64.0.10",
        "edge": "100.64.0.20",
        "edge-1": "100.64.0.21",
        "edge-2": "100.64.0.22",
        "ops": "100.64.0.30",
    }
    floating = {n: f["address"] for n, f in declared.of("FloatingIp").items()}
    assert floating == {"bastion": "198.51.100.10", "edge": "198.51.100.20"}


def test_metro_image_carries_its_digest(project: Project, declared: Declared, run: Callable[..., None]) -> None:
    run(metro.program, make_spec(project, SITE, metro_target(project), {}).inputs, image=Path(__file__))
    (image,) = declared.of("Image").values()
    assert image["properties"]["agglo_sha256"] == "0" * 64
    assert image["visibility"] == "public"


def test_metro_only_reads_what_it_adopts(project: Project, declared: Declared, run: Callable[..., None]) -> None:
    there = [CloudFlavor(id=f"f-{f.name}", **f.model_dump(exclude={"adopt"})) for f in project.metro.flavors]
    found = WHOLE.model_copy(update={"flavors": tuple(there[:3]), "images": ("i-1",), "zones": ("z-1",)})
    metro_yaml = {**project.metro.model_dump(), "image": {"name": "debian-12", "adopt": "Debian 12"}}
    adopting = replace(project, metro=Metro.model_validate(metro_yaml))
    site = replace(SITE, capabilities=found)
    run(metro.program, make_spec(adopting, site, metro_target(project), {}).inputs)
    assert declared.read == {"f-SCS-1L-1-5", "f-SCS-1V-2-5", "f-SCS-1V-4-10", "i-1", "z-1"}
    assert declared.of("Flavor").keys() == {"SCS-2V-8-20"}
    assert declared.of("Image") == declared.of("Zone") == {}
    assert declared.of("Instance")["edge-1"]["imageId"] == "i-1"
    assert declared.of("Instance")["edge-1"]["flavorId"] == "f-SCS-1L-1-5"


def test_metro_sets_what_scs_asks_for(project: Project, declared: Declared, run: Callable[..., None]) -> None:
    site = replace(SITE, image_date="2026-11-25")
    run(metro.program, make_spec(project, site, metro_target(project), {}).inputs, image=Path(__file__))
    (image,) = declared.of("Image").values()
    said = {**image["properties"], "min_disk": f"{image['minDiskGb']:g}", "min_ram": f"{image['minRamMb']:g}"}
    assert image_problems(said) == []
    for name, flavor in declared.of("Flavor").items():
        sizes = (flavor["vcpus"], flavor["ram"], flavor["disk"])
        assert flavor_problems(name, *map(int, sizes), flavor["extraSpecs"]) == []


def test_a_cloud_without_names_and_optional_services_gets_none_of_them(
    project: Project, declared: Declared, run: Callable[..., None], outputs: dict[StackId, Any]
) -> None:
    site = replace(SITE, capabilities=WHOLE.model_copy(update={"services": {}}))
    outputs[StackId(Kind.COMMUNE, "67447")] = {k: v for k, v in COMMUNE_OUTPUTS.items() if k != "zone"}
    run(metro.program, make_spec(project, site, metro_target(project), {}).inputs, image=Path(__file__))
    run(commune.program, make_spec(project, site, commune_target(project.communes["67447"]), outputs).inputs)
    run(instance.program, make_spec(project, site, instance_target(project.requests[INSTANCE]), outputs).inputs)
    kinds = {kind for kind, _ in declared.resources}
    assert kinds & {"Zone", "ZoneShareV2", "RecordSet", "QuoteSetV3", "Quota", "AccountV1"} == set()
    assert declared.of("QuotaV2").keys() == {"operator", "network"}


def test_quotas_of_load_balancers_and_object_storage(
    project: Project, declared: Declared, run: Callable[..., None], outputs: dict[StackId, Any]
) -> None:
    site = replace(SITE, capabilities=WHOLE)
    run(commune.program, make_spec(project, site, commune_target(project.communes["67447"]), outputs).inputs)
    assert declared.of("Quota")["load-balancer"]["member"] == 80
    assert declared.of("AccountV1")["object-storage"]["metadata"] == {"Quota-Bytes": str(1000 * 2**30)}


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


def test_a_communes_people_read_and_name_readers_and_cannot_reach_its_service_user(
    project: Project, declared: Declared, run: Callable[..., None], outputs: dict[StackId, Any]
) -> None:
    target = commune_target(project.communes["67447"])
    run(commune.program, make_spec(project, SITE, target, outputs).inputs)
    given = {n: (r["roleId"], r.get("domainId") or r["projectId"]) for n, r in declared.of("RoleAssignment").items()}
    assert given == {
        "user-member": ("id-of-member", "id-of-project"),
        "managers": ("id-of-manager", "id-of-domain"),
        "agents": ("id-of-reader", "id-of-project"),
    }
    assert declared.of("User")["user"]["domainId"] == "id-of-service-users"
    assert {g["domainId"] for g in declared.of("GroupV3").values()} == {"id-of-domain"}


def test_a_communes_group_admits_ssh_and_monitoring_and_lets_out_to_the_metropolis(
    project: Project, declared: Declared, run: Callable[..., None], outputs: dict[StackId, Any]
) -> None:
    target = commune_target(project.communes["67447"])
    run(commune.program, make_spec(project, SITE, target, outputs).inputs)
    rules = list(declared.of("SecGroupRule").values())
    admitted = [(r["portRangeMin"], r["remoteIpPrefix"]) for r in rules if r["direction"] == "ingress"]
    assert admitted == [(22, "100.64.0.10/32"), (9100, "100.64.0.30/32")]
    assert {r["remoteIpPrefix"] for r in rules if r["direction"] == "egress"} == GUESTS_REACH
    assert [group["deleteDefaultRules"] for group in declared.of("SecGroup").values()] == [True]


def test_an_instance_is_open_to_the_edges_only(
    project: Project, declared: Declared, run: Callable[..., None], outputs: dict[StackId, Any]
) -> None:
    target = instance_target(project.requests[INSTANCE])
    run(instance.program, make_spec(project, SITE, target, outputs).inputs)
    rules = list(declared.of("SecGroupRule").values())
    assert [(r["portRangeMin"], r["remoteIpPrefix"]) for r in rules] == [(80, "100.64.0.21/32"), (80, "100.64.0.22/32")]
    assert declared.of("RecordSet")["schiltigheim-portal"]["name"] == "portail.schiltigheim.agglo.localhost."
    server = declared.of("Instance")["schiltigheim-portal"]
    assert server["imageId"] == "image-id"
    assert server["configDrive"] is True


@pytest.mark.parametrize("title", ["metro", "67447-schiltigheim", "246700488-eurometropole", INSTANCE])
@pytest.mark.parametrize("opened", [(), ((8080, "203.0.113.0/24"), (25, "0.0.0.0/0"))])
def test_a_program_declares_what_its_inputs_say_and_nothing_else(
    project: Project,
    declared: Declared,
    run: Callable[..., None],
    outputs: dict[StackId, Any],
    title: str,
    opened: tuple[tuple[int, str], ...],
) -> None:
    """Whatever the inputs open, so that a policy that judges these has judged the stack."""
    targets = [metro_target(project), commune_target(project.epci), *select(project, "schiltigheim")]
    target = next(t for t in targets if t.title == title)
    inputs: dict[str, Any] = make_spec(project, SITE, target, outputs).inputs
    for group in inputs["security_groups"].values():
        group["openings"] += [{"port": port, "prefix": prefix, "protocol": "tcp"} for port, prefix in opened]
    zone = inputs["availability_zone"] = "az-1" if opened and inputs["servers"] else None
    programs = {Kind.METRO: metro.program, Kind.COMMUNE: commune.program, Kind.INSTANCE: instance.program}
    run(programs[target.id.kind], inputs, image=Path(__file__))
    assert declared.rules() == {
        (f"id-of-{name}", "ingress", "IPv4", o["protocol"], o["port"], o["port"], o["prefix"])
        for name, group in inputs["security_groups"].items()
        for o in group["openings"]
    } | {
        (f"id-of-{name}", "egress", "IPv4", way.get("protocol"), way.get("port"), way.get("port"), way["prefix"])
        for name, ways in inputs.get("egress", {}).items()
        for way in ways
    }
    assert set(declared.of("SecGroup")) == set(inputs["security_groups"])
    assert declared.servers() == {
        name: (
            _images(inputs)[s["image"]],
            _flavors(inputs)[s["flavor"]],
            sorted(map(_group(inputs), s["security_groups"])),
        )
        for name, s in inputs["servers"].items()
    }
    bare = {name for name, port in declared.of("Port").items() if port.get("noSecurityGroups")}
    assert bare == ({"metro-transit"} if title == "metro" else set()), "a router's leg has none, servers have"
    zones = {key: made["availabilityZone"] for key, made in declared.resources.items() if "availabilityZone" in made}
    assert zones == ({("Instance", name): zone for name in inputs["servers"]} if zone else {})
    assert [key for key, made in declared.resources.items() if "region" in made] == []
    assert inputs["region"] == project.metro.region


def _images(inputs: dict[str, Any]) -> dict[str, str]:
    """Image IDs by name: the metropolis makes its own, others are told."""
    return inputs.get("images") or {inputs["image"]["name"]: f"id-of-image-{'0' * 12}"}


def _flavors(inputs: dict[str, Any]) -> dict[str, str]:
    flavors = inputs.get("flavors", {})
    return flavors if isinstance(flavors, dict) else {f["name"]: f"id-of-{f['name']}" for f in flavors}


def _group(inputs: dict[str, Any]) -> Callable[[str], str]:
    return lambda name: inputs.get("security_group_ids", {}).get(name) or f"id-of-{name}"


def test_an_instance_waits_for_its_landing_zone(project: Project) -> None:
    target = instance_target(project.requests[INSTANCE])
    spec = make_spec(project, SITE, target, {metro_target(project).id: METRO_OUTPUTS})
    assert spec.missing == (StackId(Kind.COMMUNE, "67447"),)


def test_outputs_of_an_older_agglo_are_one_error(project: Project) -> None:
    older = {metro_target(project).id: {k: v for k, v in METRO_OUTPUTS.items() if k != "domain"}}
    with pytest.raises(AggloError, match="metro/RegionOne was applied by an older agglo") as caught:
        make_spec(project, SITE, commune_target(project.communes["67447"]), older)
    assert caught.value.hint == "agglo apply metro --force"


def test_the_provider_s_lazy_modules_are_loaded_before_programs_run() -> None:
    """In a process of its own, since here they are loaded already: two threads that load one at once would fail."""
    code = (
        "import sys; from agglo.adapters import engine; engine._program('commune');"
        "print([n for n in engine._MODULES if 'Lazy' in type(sys.modules[f'pulumi_openstack.{n}']).__name__])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stderr
